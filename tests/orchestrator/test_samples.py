"""The sample requests are ones that the local environment takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from prompting.parsing import parse_request

from twin.settings import load

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "samples" / "requests").glob("*.json"))


def test_there_are_samples() -> None:
    assert SAMPLES


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_a_valid_request_for_the_served_model(sample: Path) -> None:
    request = parse_request(sample.read_bytes())
    environment = load(ROOT / "environments" / "local.yaml")
    assert request.model == environment.model.id
    assert request.question
    assert (request.max_tokens or 1) <= environment.api.max_output_tokens
