"""HTML, turned into Markdown so that its headings, lists and code are seen."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from bs4 import BeautifulSoup
from bs4.element import NavigableString, PageElement, PreformattedString, Tag

from ingestion.documents import Attributes, Document
from ingestion.parse.plain import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

IGNORED = [
    "script",
    "style",
    "template",
    "noscript",
    "nav",
    "header",
    "footer",
    "aside",
    "form",
    "svg",
    "iframe",
]
HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
BLOCKS = frozenset(
    {*HEADINGS, "address", "article", "blockquote", "body", "caption", "dd", "details", "div", "dl", "dt"}
    | {"fieldset", "figcaption", "figure", "hr", "li", "main", "ol", "p", "pre", "section", "summary"}
    | {"table", "tbody", "thead", "tfoot", "tr", "ul"}
)
CELLS = frozenset({"td", "th"})


def parse_html(key: str, body: bytes) -> tuple[Document, Attributes]:
    """Read a page's main part; scripts, navigation, headers and footers of the page are left out."""
    soup = BeautifulSoup(decode(body), "html.parser")
    stated = Attributes(
        title=_text(soup.title),
        url=_attribute(soup.find("link", rel="canonical"), "href"),
        author=_attribute(soup.find("meta", attrs={"name": "author"}), "content"),
        language=_attribute(soup.find("html"), "lang"),
    )
    root = soup.find("main") or _only_article(soup) or soup.body or soup
    derived = Attributes(title=_text(root.find("h1")) or _text(soup.find("h1")))
    for ignored in root.find_all(IGNORED):
        ignored.decompose()
    return Document(key, "\n\n".join(_paragraphs(root)), "markdown", stated), derived


def _only_article(soup: BeautifulSoup) -> Tag | None:
    """Return the page's article with those inside it, such as comments; None for a page of several."""
    outermost = [each for each in soup.find_all("article") if each.find_parent("article") is None]
    return outermost[0] if len(outermost) == 1 else None


def _paragraphs(root: Tag) -> Iterator[str]:
    """Yield each run of text that has the same block around it."""
    strings = (each for each in root.descendants if _is_text(each) or _is_break(each))
    for block, run in groupby(strings, key=_block):
        content = list(run)
        if block is not None and block.name == "pre":
            code = "".join(map(str, content)).strip("\n")
            if code.strip():
                yield f"```\n{code}\n```"
            continue
        words = " ".join("".join(_inline(each) for each in content).split())
        if words:
            yield f"{_prefix(block)}{words}"


def _is_text(element: PageElement) -> bool:
    return isinstance(element, NavigableString) and not isinstance(element, PreformattedString)


def _is_break(element: PageElement) -> bool:
    return isinstance(element, Tag) and (element.name == "br" or element.name in CELLS)


def _inline(element: PageElement) -> str:
    return str(element) if isinstance(element, NavigableString) else " "


def _block(element: PageElement) -> Tag | None:
    return next((parent for parent in element.parents if parent.name in BLOCKS), None)


def _prefix(block: Tag | None) -> str:
    if block is None:
        return ""
    if block.name in HEADINGS:
        return f"{HEADINGS[block.name]} "
    return "- " if block.name == "li" else ""


def _text(element: Tag | None) -> str | None:
    return (" ".join(element.get_text(" ").split()) or None) if element is not None else None


def _attribute(element: object, name: str) -> str | None:
    value = element.get(name) if isinstance(element, Tag) else None
    return value.strip() or None if isinstance(value, str) else None
