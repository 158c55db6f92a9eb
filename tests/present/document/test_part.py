"""A part in a terminal: what is to be read at a glance."""

from __future__ import annotations

import subprocess
import sys

from pfnlab.base.result import Outcome
from pfnlab.present.document.blocks import (
    Block,
    Bullets,
    Chapter,
    Code,
    DrawnFigures,
    Facts,
    Paragraph,
    Table,
    cell,
)
from pfnlab.present.document.part import Part
from pfnlab.present.document.terminal import terminal


def shown(*blocks: Block, facts: tuple[tuple[str, tuple[str, ...]], ...] = ()) -> list[str]:
    """The lines of a part with these blocks."""
    return terminal(Part("title", "says", Outcome.AS_EXPECTED, blocks, facts)).split("\n")


def rows(*, glance: tuple[int, ...] = (1, 0), below: Chapter | None = None, under: int = 4) -> Table:
    """A table of two rows, with a chapter below the first."""
    cells = ((cell("no_leak"), cell("holds")), (cell("exact"), cell("VIOLATED")))
    return Table("Properties", ("property", "verdict"), cells, glance, (below,), under)


def test_a_table_has_its_columns_in_the_order_of_a_glance() -> None:
    """Side by side, without a head."""
    assert ["holds     no_leak", "VIOLATED  exact"] == shown(rows())


def test_a_table_without_a_glance_is_for_a_report() -> None:
    """It has no line."""
    assert ["one"] == shown(Paragraph("one"), rows(glance=()))


def test_a_table_stands_apart() -> None:
    """With an empty line before and after it, but none at the end."""
    assert ["one", "two", "", "holds     no_leak", "VIOLATED  exact", "", "three"] == shown(
        Paragraph("one"), Paragraph("two"), rows(), Bullets(("three",))
    )


def test_a_list_that_begins_stands_with_its_count() -> None:
    """No line is empty."""
    assert ["holds     no_leak", "VIOLATED  exact", "2 results"] == shown(rows(), Paragraph("2 results"))


def test_a_cell_is_one_line() -> None:
    """So rows stand below each other whatever their texts hold."""
    table = Table("x", ("a", "b"), ((cell("one\ntwo"), cell("x")),), (0, 1))

    assert ["one two  x"] == shown(table)


def test_an_item_of_several_lines_is_indented() -> None:
    """What belongs to its first."""
    assert ["small: over", "  7 programs", "end"] == shown(Bullets((("small: over", "7 programs"), "end")))


def test_what_is_below_a_row_is_indented() -> None:
    """As far as the second column, which begins no earlier."""
    chapter = Chapter("exact is violated", (Code("The program", "a\nb"), Bullets(("qemu:7.2: the same",))))

    lines = shown(rows(below=chapter, under=14))

    assert [
        "holds         no_leak",
        "              a",
        "              b",
        "              qemu:7.2: the same",
        "VIOLATED      exact",
    ] == lines


def test_a_command_is_a_line_of_its_own() -> None:
    """From the first column on, also below a row."""
    chapter = Chapter("exact is violated", (Facts((("again", ("pfnlab replay x",)),)),))

    assert ["  again:", "pfnlab replay x"] == shown(rows(below=chapter))[1:3]


def test_code_may_be_shorter_at_a_glance() -> None:
    """Or not be there at all."""
    assert ["munmap a"] == shown(Code("The program", "title x\nmunmap a", "munmap a"), Code("Runs", "x", ""))


def test_what_is_folded_or_drawn_is_for_a_report() -> None:
    """Nothing is drawn for a terminal."""
    folded = Chapter("More", (Paragraph("two"),), folded=True)

    assert ["one"] == shown(Paragraph("one"), folded, DrawnFigures(lambda: [][0]))


def test_facts_come_last_without_what_made_it() -> None:
    """A line each."""
    facts = (("cut", ("depth", "time")), ("pfnlab", ("0.1.0",)), ("again", ("pfnlab check",)))

    assert ["one", "cut: depth", "cut: time"] == shown(Paragraph("one"), facts=facts)


def test_no_text_acts_in_a_terminal() -> None:
    """Whatever the block."""
    chapter = Chapter("x", (Code("The program", "\x1b[2J"),))

    assert not [line for line in shown(Paragraph("\x1b[2J"), rows(below=chapter)) if "\x1b" in line]


def test_a_check_needs_nothing_of_a_report() -> None:
    """Neither elements of HTML nor drawings are imported to print it."""
    verb = ["check", "--on", "model:6.1", "--scope", "small", "--property", "no_leak"]

    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pfnlab", *verb],
        capture_output=True,
        text=True,
        check=False,
    )

    imported = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "VIOLATED      no_leak" in ran.stdout
    assert set() == {"pfnlab.present.document.html", "pfnlab.present.picture"} & imported
    assert "pfnlab.present.document.part" in imported
