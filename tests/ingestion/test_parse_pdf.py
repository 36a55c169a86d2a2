"""PDF, with small files made here."""

from __future__ import annotations

import io

import pytest
from ingestion.documents import Attributes, Document, Problem
from ingestion.parse import parse
from ingestion.parse.pdf import unwrap
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject


def pdf(*pages: list[str], title: str | None = None, password: str | None = None) -> bytes:
    """A PDF whose pages have the given lines of ASCII text."""
    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    for lines in pages:
        page = writer.add_blank_page(612, 792)
        shown = " T* ".join(f"({line}) Tj" for line in lines)
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 14 TL 72 720 Td {shown} ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
        fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    if title:
        writer.add_metadata({"/Title": title, "/Author": "Ada"})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    output = io.BytesIO()
    writer.write(output)
    return output.getvalue()


def parse_one(body: bytes) -> Document | Problem:
    (item,) = parse("papers/a.pdf", body, Attributes())
    return item


def test_the_text_of_all_pages_is_read() -> None:
    body = pdf(["Copies are released", "when they are idle."], ["The second page."], title="Scaling")
    assert parse_one(body) == Document(
        "papers/a.pdf",
        "Copies are released when they are idle.\n\nThe second page.",
        "plain",
        Attributes(title="Scaling", author="Ada"),
    )


def test_without_a_title_the_file_gives_one() -> None:
    found = parse_one(pdf(["Words."]))
    assert isinstance(found, Document)
    assert found.attributes == Attributes(title="a")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (pdf([""]), "the PDF has no text layer; it may be a scan"),
        (pdf(["secret"], password="x"), "the PDF is encrypted"),
        (b"not a pdf at all", "not a PDF that can be read: "),
        (b"", "not a PDF that can be read: "),
        (pdf(["Words."])[:300], "not a PDF that can be read: "),
    ],
)
def test_a_pdf_without_text_is_refused(body: bytes, expected: str) -> None:
    found = parse_one(body)
    assert isinstance(found, Problem)
    assert found.reason.startswith(expected)


@pytest.mark.parametrize("position", range(0, 700, 23))
def test_damage_anywhere_is_a_problem_or_harmless(position: int) -> None:
    body = bytearray(pdf(["Words that are long enough."] * 3))
    body[position : position + 20] = b"\xff" * 20
    assert isinstance(parse_one(bytes(body)), Document | Problem)


def test_lines_of_a_paragraph_are_joined() -> None:
    text = "Autoscal-\ning adds\ncopies.\nThe next sentence\n\nA paragraph:\n• first\n- second"
    assert unwrap(text) == ("Autoscaling adds copies.\nThe next sentence\n\nA paragraph:\n• first\n- second")
