"""HTML."""

from __future__ import annotations

import pytest
from ingestion.documents import Attributes, Document
from ingestion.parse import parse

PAGE = """<!doctype html>
<html lang="en-GB">
<head>
  <title> Scaling
     to zero </title>
  <meta name="author" content="Ada">
  <link rel="canonical" href="https://example.org/scaling">
  <style>body { color: red }</style>
</head>
<body>
<header>Site name</header>
<nav><a href="/">Home</a></nav>
<main>
  <h1>To zero</h1>
  <p>Copies are <b>released</b> when<br>idle &amp; unused.</p>
  <ul><li>one</li><li>two <ul><li>nested</li></ul> more</li></ul>
  <pre><code class="python">def scale(n):
    return 0
</code></pre>
  <table><tr><th>metric</th><th>target</th></tr><tr><td>requests</td><td>4</td></tr></table>
  Bare text. <span>And a span.</span>
  <h2>Why</h2>
  <script>alert("no")</script>
  <!-- a comment -->
</main>
<footer>© nobody</footer>
</body></html>"""


def page(body: str) -> Document:
    (found,) = parse("a.html", body.encode(), Attributes())
    assert isinstance(found, Document)
    return found


def test_a_page_becomes_markdown() -> None:
    assert page(PAGE).text.split("\n\n") == [
        "# To zero",
        "Copies are released when idle & unused.",
        "- one",
        "- two",
        "- nested",
        "- more",
        "```\ndef scale(n):\n    return 0\n```",
        "metric target",
        "requests 4",
        "Bare text. And a span.",
        "## Why",
    ]


def test_a_page_states_its_attributes() -> None:
    assert page(PAGE).attributes == Attributes(
        title="Scaling to zero", url="https://example.org/scaling", author="Ada", language="en-GB"
    )


def test_without_a_title_the_heading_is_one() -> None:
    assert page("<h1>To <i>zero</i></h1><p>Words.").attributes == Attributes(title="To zero")


def test_a_fragment_without_blocks_is_text() -> None:
    assert page("just <b>some</b> words").text == "just some words"


def test_the_article_is_taken_where_there_is_no_main() -> None:
    assert page("<body><p>menu</p><article><header>a</header><p>words</p></article></body>").text == "words"


def test_deep_nesting_is_read() -> None:
    assert page("<div>" * 2_000 + "words").text == "words"


def test_a_page_of_several_articles_is_read_whole() -> None:
    found = page(
        "<header>Site</header><article><h2>One</h2><p>First.</p><article>Reply.</article></article>"
        "<article><h2>Two</h2><p>Second.</p></article>"
    )
    assert found.text == "## One\n\nFirst.\n\nReply.\n\n## Two\n\nSecond."


def test_a_single_article_is_read_without_the_page_around_it() -> None:
    found = page("<p>Around.</p><article><p>First.</p><article>Reply.</article></article>")
    assert found.text == "First.\n\nReply."


@pytest.mark.parametrize(
    "element",
    "script style template noscript nav header footer aside form svg iframe".split(),  # noqa: SIM905 - shorter
)
def test_what_is_not_the_page_s_text_is_left_out(element: str) -> None:
    found = page(f"<main><p>Words.</p><{element}><b>Not this</b></{element}><p>More.</p></main>")
    assert found.text == "Words.\n\nMore."
