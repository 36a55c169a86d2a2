"""Plain text, Markdown and what is common to the formats that hold one document."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingestion.documents import Attributes, Document, Problem
from ingestion.parse import EXTENSIONS, parse
from ingestion.parse.markdown import split_front_matter

NOTHING = Attributes()


def parse_one(key: str, body: str | bytes, metadata: Attributes = NOTHING) -> Document | Problem:
    (item,) = parse(key, body.encode() if isinstance(body, str) else body, metadata)
    return item


def document(key: str, body: str | bytes, metadata: Attributes = NOTHING) -> Document:
    item = parse_one(key, body, metadata)
    assert isinstance(item, Document)
    return item


def reason(key: str, body: str | bytes) -> str:
    item = parse_one(key, body)
    assert isinstance(item, Problem)
    assert item.document == key
    return item.reason


def test_plain_text_is_taken_as_it_is() -> None:
    found = document("notes/today.txt", "\ufeffOne line.\r\nAnother.\r")
    assert found == Document("notes/today.txt", "One line.\nAnother.\n", "plain", Attributes(title="today"))


def test_the_extension_may_be_in_capitals() -> None:
    assert document("NOTES.TXT", "words").markup == "plain"


def test_text_that_is_not_utf_8_is_refused() -> None:
    assert reason("a.txt", b"caf\xe9") == "not UTF-8: byte 3 is 0xe9"


@pytest.mark.parametrize("key", ["a.txt", "a.md", "a.html"])
def test_an_empty_document_is_refused(key: str) -> None:
    assert reason(key, " \n ") == "the document has no text"


def test_an_unknown_format_is_refused_with_those_that_are_known() -> None:
    known = ".htm, .html, .jsonl, .markdown, .md, .pdf, .txt"
    assert reason("a.docx", "words") == f"the format '.docx' is not one of {known}"
    assert reason("README", "words") == f"the format 'without extension' is not one of {known}"
    assert sorted(EXTENSIONS) == known.split(", ")


def test_front_matter_gives_the_attributes() -> None:
    text = (
        "---\ntitle: 'Scaling: to zero'\nurl: https://example.org/a\nauthor: Ada\nkind: article\n"
        "language: en\ntags: [a, b]\n---\n# Heading\n\nWords.\n"
    )
    found = document("a.md", text)
    assert found.text == "# Heading\n\nWords.\n"
    assert found.attributes == Attributes("Scaling: to zero", "https://example.org/a", "Ada", "article", "en")


def test_values_in_front_matter_stay_text() -> None:
    attributes, _ = split_front_matter("---\ntitle: 2024\nauthor: yes\nkind: 2024-01-01\n---\n")
    assert attributes == Attributes(title="2024", author="yes", kind="2024-01-01")


@pytest.mark.parametrize(
    "text", ["---\n---\nWords.", "---\n# comment\n---\nWords.", "---\ntitle:\n---\nWords."]
)
def test_empty_front_matter_states_nothing(text: str) -> None:
    assert split_front_matter(text) == (Attributes(), "Words.")


@pytest.mark.parametrize("text", ["Words.\n\n---\ntitle: A\n---\n", "---\n\nA rule that is never closed.\n"])
def test_a_rule_in_the_text_is_no_front_matter(text: str) -> None:
    assert split_front_matter(text) == (Attributes(), text)


@pytest.mark.parametrize(
    ("front_matter", "expected"),
    [
        ("title: [a", "front matter, line 3: expected ',' or ']', but got '<stream end>'"),
        ("title: a: b", "front matter, line 2: mapping values are not allowed here"),
        ("title: [a, b]", "front matter: title must be a single value, not a list"),
        ("author:\n  name: Ada", "front matter: author must be a single value, not a mapping"),
        ("- a\n- b", "front matter: expected lines like `title: …`"),
        ("a: " + "[" * 5000, "front matter: RecursionError"),
    ],
)
def test_wrong_front_matter_is_refused(front_matter: str, expected: str) -> None:
    assert reason("a.md", f"---\n{front_matter}\n---\nWords.") == expected


def test_the_first_heading_is_the_title() -> None:
    assert document("a.md", "Intro.\n\nThe *big* `title`\n===\n\nWords.").attributes.title == "The big title"
    assert document("b/the-file.md", "## Minor\n\nWords.").attributes.title == "the-file"


def test_the_document_goes_before_the_object_and_that_before_what_is_derived() -> None:
    metadata = Attributes(title="Of the object", author="Grace")
    found = document("a.md", "---\nauthor: Ada\n---\n# Heading\n", metadata)
    assert found.attributes == Attributes(title="Of the object", author="Ada")


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from(sorted(EXTENSIONS)))
def test_any_content_is_a_document_or_a_problem(body: bytes, extension: str) -> None:
    for item in parse(f"a{extension}", body, NOTHING):
        assert isinstance(item, Document | Problem)


@settings(deadline=None)
@given(st.text(max_size=300), st.sampled_from([".md", ".html", ".jsonl"]))
def test_any_text_is_a_document_or_a_problem(text: str, extension: str) -> None:
    body = f"---\n{text}\n---\n{text}".encode("utf-8", "surrogatepass")
    for item in parse(f"a{extension}", body, NOTHING):
        assert isinstance(item, Document | Problem)


def test_halves_of_surrogate_pairs_are_joined_or_replaced() -> None:
    found = document("a.md", '---\ntitle: "\\ud83d\\ude00 \\ud800"\n---\nWords.')
    assert found.attributes.title == "\N{GRINNING FACE} \N{REPLACEMENT CHARACTER}"
