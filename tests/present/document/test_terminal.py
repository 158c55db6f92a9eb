"""Blocks as lines of a terminal: nothing is lost, whatever the width."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.present.document.blocks import Brief, Bullets, Cell, Paragraph, Table, cell, cells, named_rows
from pfnlab.present.document.terminal import text_of

WORDS = st.text("abcdefghij.,-", min_size=1, max_size=14)
TEXTS = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)
TABLES = st.integers(1, 6).flatmap(
    lambda columns: st.lists(st.lists(TEXTS, min_size=columns, max_size=columns), min_size=1, max_size=5)
)


def table(rows: list[list[str]]) -> Table:
    """A table with a head."""
    columns = len(rows[0])
    head = tuple(f"column{number}" for number in range(columns))
    return Table("Caption", head, tuple(cells(*row) for row in rows), tuple(range(columns)), headed=True)


@given(TABLES, st.integers(40, 130))
def test_a_table_fits(rows: list[list[str]], width: int) -> None:
    """Of words that fit into a third of it."""
    lines = text_of([table(rows)], width).splitlines()

    assert [] == [line for line in lines if len(line) > width]


@given(TABLES, st.integers(40, 130))
def test_a_table_loses_no_word(rows: list[list[str]], width: int) -> None:
    """A group of columns repeats the first column alone."""
    words = text_of([table(rows)], width).split()

    assert not {word for row in rows for text in row for word in text.split()} - {*words}


@given(TEXTS, st.integers(20, 130))
def test_a_sentence_is_wrapped_behind_its_beginning(text: str, width: int) -> None:
    """By two columns, in a paragraph and in a list."""
    for block in (Paragraph(text), Bullets((text,))):
        lines = text_of([block], width).splitlines()

        assert text.split() == " ".join(lines).split()
        assert all(line.startswith("  ") and len(line) <= width for line in lines[1:])


def test_without_a_terminal_nothing_is_wrapped() -> None:
    """A row and a sentence are a line each."""
    rows = named_rows("Bugs", [("A06", "word " * 60), ("A07", "x")])

    assert 5 == len(text_of([Paragraph("word " * 60), *rows]).splitlines())


def test_a_long_word_stays_whole() -> None:
    """Its line alone is too long."""
    address = "https://" + "x" * 70
    lines = text_of(named_rows("Mails", [("v1", f"see {address} for more words of it all")]), 60).splitlines()

    assert ["Mails", "  v1  see", f"      {address}", "      for more words of it all"] == lines


def test_columns_without_room_are_shown_in_groups() -> None:
    """Each with the first column."""
    lines = text_of([table([["a06", "x" * 14, "y" * 14, "z" * 14]])], 40).splitlines()

    assert [
        "column0  column1         column2",
        "a06      xxxxxxxxxxxxxx  yyyyyyyyyyyyyy",
        "",
        "column0  column3",
        "a06      zzzzzzzzzzzzzz",
    ] == lines[1:]


def test_a_text_of_few_rows_is_cut() -> None:
    """Its tail is not."""
    block = Paragraph("word " * 30, rows=1, tail="  (3 times)")

    (line,) = text_of([block], 40).splitlines()

    assert len(line) <= 40
    assert line.endswith(" ...  (3 times)")


def test_sentences_take_the_room_that_is_left() -> None:
    """The first stands there in any case."""
    around = (Paragraph("above"),), (Paragraph("below"),)

    for most, left in ((2, ["One."]), (3, ["One. Two."]), (4, ["One. Two."])):
        block = Brief(around, ("One.", "Two.", "word " * 20), most)
        assert ["above", *left, "below"] == text_of([block], 40).splitlines()


def test_a_differing_row_is_marked_and_coloured() -> None:
    """By its cell's tone; the mark stands without colours too."""
    leaked = Cell(("x LEAKED",), loud="LEAKED")
    rows = ((cell("log"), cell("a"), cell("b", "lit")), (cell("book"), leaked, cell("-")))
    block = Table("", ("", "one", "two"), rows, (0, 1, 2), marked=True)

    assert "log    a          b <\nbook   x LEAKED   -\n" == text_of([block], 80)
    coloured = text_of([block], 80, coloured=True)
    assert "\x1b[1;33mb\x1b[0m" in coloured
    assert "\x1b[1;31mx LEAKED\x1b[0m" in coloured
