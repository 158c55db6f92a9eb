"""A long log is read in blocks: no line is lost at their edges, and an endless line is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sampling import all_wordings, rendered

from pfnlab.diagnosis.messages import scan
from pfnlab.diagnosis.messages.explaining import explain
from pfnlab.diagnosis.messages.matching import matcher
from pfnlab.diagnosis.messages.paste import MOST_LINE
from pfnlab.diagnosis.messages.scan import LogScan

_LINE = b"x86/PAT: Xorg:1 freeing invalid memtype\n[mem 0xfd000000-0xfd003fff]\n"


@given(st.lists(st.integers(0, 400), min_size=1, max_size=12), st.integers(1, 3000))
def test_the_edge_of_a_block_changes_nothing(gaps: list[int], piece: int) -> None:
    """A wrapped message that lies over it neither."""
    text = b"".join(b"noise\n" * gap + _LINE for gap in gaps)
    before = scan.BLOCK
    scan.BLOCK = 512
    try:
        found = explain(text[at : at + piece] for at in range(0, len(text), piece))
    finally:
        scan.BLOCK = before

    assert [len(gaps)] == [event.count for event in found.events]
    assert text.count(b"\n") == found.lines


def test_an_endless_line_is_one_line() -> None:
    """Its beginning is looked at, and what comes behind it is read."""
    found = explain([b"x" * (1 << 20)] * 5 + [b"\n", _LINE])

    assert (3, [1]) == (found.lines, [event.count for event in found.events])


def test_of_a_long_line_the_beginning_counts() -> None:
    """A message behind it is not looked for."""
    found = explain([b"y" * MOST_LINE + b" x86/PAT: Xorg:1 freeing invalid memtype [mem 0x1000-0x1fff]\n"])

    assert () == found.events


def test_every_wording_has_a_word_that_is_looked_for() -> None:
    """A line that is made from a template is found in a log."""
    known = matcher()
    lost = [
        wording.text
        for family, wording in all_wordings()
        if not wording.seeds and not any(LogScan([rendered(wording.text).encode()], known.seeds).blocks())
    ]

    assert [] == lost
