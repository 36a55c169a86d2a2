"""The file of one question, and the sample file."""

from __future__ import annotations

import json
from pathlib import Path

from prompting.parsing import parse_request

from twin.cli.batch import question_file

SAMPLE = Path(__file__).parents[2] / "samples" / "requests" / "batch.jsonl"


def test_a_question_becomes_a_request_that_the_api_takes(tmp_path: Path) -> None:
    line = json.loads(question_file(tmp_path, "llm-twin-8b", "Wie groß?").read_text())
    assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
    assert parse_request(json.dumps(line["body"]).encode()).question == "Wie groß?"


def test_the_sample_has_requests_and_one_id_twice() -> None:
    lines = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        parse_request(json.dumps(line["body"]).encode())
    assert len(lines) == len({line["custom_id"] for line in lines}) + 1
