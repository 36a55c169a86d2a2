"""How sources are shown."""

from __future__ import annotations

from twin.cli.ask import group_by_document


def test_passages_of_one_document_stand_together() -> None:
    sources = [{"document_id": name, "index": index} for index, name in enumerate("abab", start=1)]
    numbers = [[source["index"] for source in document] for document in group_by_document(sources)]
    assert numbers == [[1, 3], [2, 4]]
