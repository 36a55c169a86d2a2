"""What is kept of policies between two requests."""

from __future__ import annotations

import json
from typing import Any

from twin.local.permissions.policy import parsed_once

DOCUMENT = json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]})


class Parser:
    """Counts what it is asked to read."""

    def __init__(self) -> None:
        self.read: list[Any] = []

    def __call__(self, document: Any) -> list[Any]:
        self.read.append(document)
        return [document]


def test_a_text_is_read_once() -> None:
    parser = Parser()
    parse = parsed_once(parser)
    assert [parse(DOCUMENT) for _ in range(3)] == [[DOCUMENT]] * 3
    assert parser.read == [DOCUMENT]


def test_another_text_is_another_policy() -> None:
    """A policy that was changed counts from the next request on."""
    parser = Parser()
    parse = parsed_once(parser)
    changed = DOCUMENT.replace("Allow", "Deny")
    assert parse(DOCUMENT) != parse(changed)
    assert parser.read == [DOCUMENT, changed]


def test_a_list_that_is_changed_changes_no_other() -> None:
    parse = parsed_once(Parser())
    parse(DOCUMENT).clear()
    assert parse(DOCUMENT) == [DOCUMENT]


def test_a_document_that_may_change_in_place_is_read_each_time() -> None:
    parser = Parser()
    parse = parsed_once(parser)
    document: dict[str, Any] = {"Statement": []}
    parse(document)
    parse(document)
    assert len(parser.read) == 2
