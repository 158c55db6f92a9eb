"""Reports as HTML: well formed, self-contained, readable as text, and inert whatever their texts say."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import html5lib
import pytest
from for_each import for_each
from hostile_results import HOSTILE, differing
from hypothesis import given
from hypothesis import strategies as st
from sample_reports import content_of, hostile_document, sample_documents

from pfnlab.base.inert import one_line, visible
from pfnlab.present.document.blocks import Code, Document, Paragraph, Table, cell
from pfnlab.present.document.compose import document_of
from pfnlab.present.document.html import Markup, element, html, lines
from pfnlab.present.document.part import part_of
from pfnlab.present.document.read import result_of

#: Bytes that a report of fifty programs may have.
MOST = 2_000_000


@cache
def pages() -> dict[str, str]:
    """Every sample as HTML."""
    return {name: html(document) for name, document in sample_documents()}


def parsed(text: str) -> ElementTree.Element:
    """The page as a browser reads it.

    :raises html5lib.html5parser.ParseError: it is not well formed
    """
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    root = parser.parse(text)
    assert isinstance(root, ElementTree.Element)
    return root


def foreign(text: str) -> list[str]:
    """What in a page runs something or refers to something outside of it."""
    found = []
    for node in parsed(text).iter():
        name = str(node.tag).rpartition("}")[2]
        if name in ("script", "link", "iframe", "img", "object", "embed", "form", "base"):
            found.append(name)
        for key, value in node.attrib.items():
            key = key.rpartition("}")[2] if isinstance(key, str) else key[1]
            refers = key in ("href", "src", "action", "background") and not value.startswith("#")
            if refers or key.startswith("on") or "url(" in value.replace("url(#", ""):
                found.append(f"{name} {key}={value}")
        if name == "style" and re.search(r"url\(|@import", node.text or ""):
            found.append("style")
    return found


def levels(text: str) -> list[int]:
    """The levels of the headings of a page, in order."""
    return [int(level) for level in re.findall(r"<h([1-6])[ >]", text)]


def text_of(element: ElementTree.Element) -> Iterator[str]:
    """What is left where tags are taken away."""
    return (piece for piece in map(str.strip, element.itertext()) if piece)


@for_each("name", pages)
def test_a_report_is_well_formed_and_alone(name: str) -> None:
    """No error of the strict parser, and nothing that is loaded or run."""
    assert [] == foreign(pages()[name])


@for_each(
    ("page", "found"),
    [
        ("<a href='http://evil'>x</a>", ["a href=http://evil"]),
        ("<img src=x>", ["img", "img src=x"]),
        ("<p onclick='x'>x</p>", ["p onclick=x"]),
        ("<style>p { background: url(x) }</style>", ["style"]),
    ],
)
def test_what_is_loaded_would_be_noticed(page: str, found: list[str]) -> None:
    """So the check above says something."""
    assert found == foreign(f"<!DOCTYPE html><title>t</title>{page}")


def test_what_is_not_well_formed_would_be_noticed() -> None:
    """So the check above says something."""
    with pytest.raises(html5lib.html5parser.ParseError):
        parsed("<!DOCTYPE html><title>t</title><p><table><p>x</table>")


def test_nothing_may_be_loaded() -> None:
    """A browser is told so too."""
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"" in pages()["run"]


@for_each("name", pages)
def test_headings_are_in_order(name: str) -> None:
    """One of the first level, and none leaves a level out on the way down."""
    found = levels(pages()[name])

    assert [1] == [level for level in found if level == 1]
    assert all(after <= before + 1 for before, after in pairwise(found))


def test_a_hostile_text_stays_text() -> None:
    """It is there, letter by letter, and makes no element."""
    page = pages()["hostile"]
    shown = " ".join(" ".join(text_of(parsed(page))).split())

    assert one_line(HOSTILE) in shown
    assert "<script" not in page and "\x1b" not in page and "\ud800" not in page


@for_each(
    "text", ["</style><script>x()</script>", "]]>", "</pre></main>", "--><b>", "{{ 7 * 7 }}", "{% raw %}"]
)
@for_each("block", [Paragraph, lambda text: Code("c", text)])
def test_a_text_that_closes_what_it_stands_in(text: str, block: type[Paragraph]) -> None:
    """It closes nothing, and no template reads it."""
    root = parsed(html(Document(text, text, (block(text), Table(text, (text,), ((cell(text),),))))))

    assert 7 == list(text_of(root)).count(text)
    assert [] == [element for element in root.iter() if element.tag in ("script", "b")]


def test_the_direction_of_writing_is_not_turned() -> None:
    """Marks that turn it are written out; letters that are written from the right stay among their own."""
    page = html(Document("a\u202eb\u2066c", "שלום", ()))

    assert "a\\u202eb\\u2066c" in page and "\u202e" not in page
    assert "unicode-bidi: isolate" in page


def test_a_report_reads_as_text() -> None:
    """Without its tags: title, sentence, what was done, difference, program, steps, in this order."""
    text = "\n".join(text_of(parsed(pages()["run"])))
    places = [
        text.index(words)
        for words in ("middle: differs", "again", "Where the machines differ", "The program", "Step by step")
    ]

    assert places == sorted(places)


def test_what_differs_has_a_sign_beside_its_colour() -> None:
    """A cell that is lit ends in the mark that the page explains."""
    lit = [element for element in parsed(pages()["run"]).iter("td") if element.get("class") == "lit"]

    assert lit and all("".join(element.itertext()).strip().endswith("<") for element in lit)


def test_fifty_programs_make_a_small_file() -> None:
    """Each of them differs."""
    parts = [part_of(result_of(content_of(differing(f"program-{number}")))) for number in range(50)]

    assert len(html(document_of(parts)).encode()) < MOST


def test_a_hostile_report_has_no_control_character() -> None:
    """But ends of lines."""
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", html(hostile_document()))


#: Texts in which much is a letter of HTML.
TEXTS = st.text(st.one_of(st.sampled_from("<>&\"'/= "), st.characters(exclude_characters="\r")), min_size=1)


@given(TEXTS)
def test_a_text_stays_a_text(text: str) -> None:
    """Between tags, and as an attribute on one line, for a browser."""
    (shown,) = html5lib.parseFragment(element("p", text, title=text), namespaceHTMLElements=False)

    assert (0, visible(text), one_line(text)) == (len(shown), shown.text, shown.attrib["title"])


def test_markup_stays_markup() -> None:
    """So elements stand in elements."""
    assert '<p class="a"><b>&lt;</b></p>' == element("p", element("b", "<"), class_="a")


def test_an_empty_attribute_is_left_out() -> None:
    """Its name is written as HTML has it."""
    assert '<td aria-label="x"></td>' == element("td", class_="", aria_label="x")


def test_lines_keep_what_is_markup() -> None:
    """A text among them is escaped."""
    assert "<br>\n&lt;br&gt;" == lines(Markup("<br>"), "<br>")
