"""Reports as Markdown: no HTML, no link, short lines, and inert whatever their texts say."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser

from for_each import for_each
from hostile_results import HOSTILE
from markdown_it import MarkdownIt
from sample_reports import hostile_document, sample_documents

from pfnlab.base.inert import one_line
from pfnlab.present.document.blocks import Bullets, Chapter, Code, Document, Facts, Paragraph, Table, cell
from pfnlab.present.document.mail import WIDTH, mail

#: The elements that a report becomes; emphasis, links, quotes and HTML are none of them.
EXPECTED = {"h1", "h2", "h3", "h4", "h5", "p", "ul", "li", "pre", "code"}


class Rendered(HTMLParser):
    """What a Markdown reader makes of a text: its elements and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.words: list[str] = []
        reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
        self.feed(reader.render(text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data.split()


@cache
def documents() -> dict[str, Document]:
    """Every sample."""
    return dict(sample_documents())


@for_each("name", documents)
def test_a_reader_finds_no_other_element(name: str) -> None:
    """Headings, paragraphs, lists and code, whatever the texts say."""
    assert set() == set(Rendered(mail(documents()[name])).elements) - EXPECTED


@for_each("text", ["<b>x</b>", "*x*", "[a](http://b)", "~~x~~", "> x", "| a |\n| --- |"])
def test_other_elements_would_be_noticed(text: str) -> None:
    """So the check above says something."""
    assert set(Rendered(text).elements) - EXPECTED


@for_each(
    "text",
    [
        HOSTILE,
        "*a* _b_ **c** `d` ``e`` ~~f~~",
        "[a](b) [a][b] [a]: http://b <http://b> ![a](b) &lt; &#60;",
        "# a",
        "- a",
        "+ a",
        "1. a",
        "2) a",
        "> a",
        "---",
        "===",
        "***",
        "```",
        "~~~",
        "| a | b |",
        "--- | ---",
        "\\",
        "a_b __c__",
    ],
)
def test_a_text_is_what_it_was(text: str) -> None:
    """Escaped by the one who writes, read by the other, it has the same words."""
    rendered = Rendered(mail(Document("t", "s", (Paragraph(text), Bullets((text,)), Code("c", text)))))

    assert 3 == " ".join(rendered.words).count(" ".join(one_line(text).split()))
    assert {"h1", "p", "ul", "li", "pre", "code"} == set(rendered.elements)


def test_a_text_cannot_leave_its_block_of_code() -> None:
    """A fence, an empty line or a tag in it ends nothing."""
    text = mail(Document("t", "s", (Code("c", "a\n```\n\n# b\n</pre>\n"), Paragraph("after"))))

    assert ["h1", "p", "p", "pre", "code", "p"] == Rendered(text).elements


@for_each("name", lambda: [name for name in documents() if name != "hostile"])
def test_lines_of_prose_are_short(name: str) -> None:
    """Longer ones are headings, and what is shown as it is: programs, logs, commands, wide cells."""
    text = mail(documents()[name])

    long = [line for line in text.splitlines() if len(line) > WIDTH]
    assert [] == [line for line in long if not line.startswith(("    ", "#"))]


def test_a_table_that_is_too_wide_is_wrapped() -> None:
    """Within its columns, or in groups of columns where words are too long."""
    words, word = " ".join("y" * 9 for _ in range(9)), "x" * 30
    wrapped = Table("c", ("", "first", "second"), ((cell("row"), cell(words), cell(words, "lit")),))
    grouped = Table("c", ("", *"abc"), ((cell("row"), cell(word), cell(word), cell(word)),))

    lines, groups = (mail(Document("t", "s", (table,))).splitlines() for table in (wrapped, grouped))

    assert 72 >= max(map(len, (*lines, *groups)))
    assert "          first                          second" in lines
    assert 3 == sum(line.startswith("    row   x") for line in groups)


def test_a_line_break_in_a_cell_leaves_no_table() -> None:
    """The rest of the text stays in its preformatted line."""
    table = Table("c", ("a",), ((cell("one\n# two"),),))

    assert "    one # two\n" in mail(Document("t", "s", (table,)))


def test_columns_of_a_table_stand() -> None:
    """Filled with spaces, as mail is read in typewriter face."""
    table = Table("c", ("a", "bb"), ((cell("1"), cell("2")), (cell("333"), cell("4", "lit"))))

    assert "    a     bb\n    1     2\n    333   4 <\n" in mail(Document("t", "s", (table,)))


def test_a_command_stands_alone_on_its_line() -> None:
    """Who copies the line has the command."""
    command = "pfnlab run munmap-middle --on model:6.1 --on model:7.2 --on model:6.12 --on model:6.16 --json"

    assert command in mail(Document("t", "s", (Facts((("again", (command,)),)),))).split("\n      ")[1]


def test_what_is_folded_is_left_out() -> None:
    """A mail has what a reader sees at once."""
    assert "secret" not in mail(Document("t", "s", (Chapter("c", (Paragraph("secret"),), folded=True),)))


def test_no_control_character_is_left() -> None:
    """Nor what turns the direction of writing."""
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", mail(hostile_document()))
