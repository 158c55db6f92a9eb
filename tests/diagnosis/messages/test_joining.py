"""Lines that go on in the next one, and rows of a table that stand together."""

from __future__ import annotations

import pytest
from for_each import for_each
from sampling import all_wordings, rendered

from pfnlab.diagnosis.messages.explaining import explain_line
from pfnlab.diagnosis.messages.family_files import FamilyKind
from pfnlab.diagnosis.messages.matching import matcher

SLOTS = "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT"
BAD_PAGE = "BUG: Bad page map in process acmed  pte:8000000d2000f227 pmd:7200000a1c0003"


def texts(paste: str) -> list[str]:
    """The lines of the events of a paste, as they were before it."""
    return [" ".join(event.text.split()) for event in explain_line(paste).events]


@pytest.mark.parametrize("slot", range(3, 8))
def test_slots_of_pat_that_wrap_are_all_read(slot: int) -> None:
    """The first line matches alone, and says less."""
    words = SLOTS.split(" ")
    at = len(" ".join(words[: -(8 - slot)]))

    assert [" ".join(SLOTS.split())] == texts(f"{SLOTS[:at]}\n{SLOTS[at:].lstrip()}\n")


@for_each("after", ["x86/mm: Memory block size: 128MB", "", "Console: colour dummy device 80x25"])
def test_a_line_that_is_whole_takes_nothing_of_the_next(after: str) -> None:
    """Whatever stands there."""
    assert [" ".join(SLOTS.split())] == texts(f"{SLOTS}\n{after}\n")


@for_each("at", [44, 50, 54, 58])
def test_a_number_broken_by_a_mailers_sign_is_whole_again(at: int) -> None:
    """A cut entry would be another number."""
    assert [" ".join(BAD_PAGE.split())] == texts(f"{BAD_PAGE[:at]}=\n{BAD_PAGE[at:]}\n")


def test_a_version_behind_a_broken_line_is_not_lost() -> None:
    """The sign stands between two blanks there."""
    paste = (
        "WARNING: CPU: 3 PID: 812 at arch/x86/mm/pat/memtype.c:1001 untrack_pfn+0x51/0x60\n"
        "CPU: 3 PID: 812 Comm: acmed Tainted: G        W =\n"
        "       5.19.7-acme #4\n"
    )

    assert ["5.19.7-acme"] == [boot.kernel.version for boot in explain_line(paste).boots]


def test_rows_of_any_name_belong_to_the_table_beside_them() -> None:
    """One row with a known name is enough."""
    paste = (
        "fc000000-fc0fffff : acme thing\n"
        "fd000000-fd0fffff : PCI Bus 0000:40\n"
        "  fd000000-fd00ffff : 0000:41:00.0\n"
        "    fd000000-fd000fff : acme-dma\n"
    )

    assert [4] == [event.count for event in explain_line(paste).events]


@for_each("line", ["fc000000-fc0fffff : acme thing", "10:30-11:00 : lunch", "2020-2021 : two years"])
def test_a_row_without_a_table_is_nothing(line: str) -> None:
    """Numbers and a name are not of this subject by themselves."""
    assert [] == texts(line)


CLAIM = "nd_pmem namespace3.0: could not reserve region [mem 0x880000000-0x8ffffffff flags 0x200]"


@for_each("margin", ["", "> ", ">> ", "    "])
@for_each("at", [at for at, letter in enumerate(CLAIM) if letter == " "])
def test_a_mailer_may_break_a_line_at_any_blank(at: int, margin: str) -> None:
    """Within the text that the log is searched for, too."""
    assert [CLAIM] == texts(f"Hello,\n\n{margin}{CLAIM[:at]}\n{margin}{CLAIM[at + 1 :]}\n\nWhat is it?\n")


def test_every_search_text_may_be_broken_at_its_blanks() -> None:
    """The line is of the same family as when it is whole."""
    seeds = [seed for seed in matcher().seeds if " " in seed]
    broken, lost = 0, []
    for family, wording in all_wordings():
        line = rendered(wording.text)
        whole = [event.family.name for event in explain_line(line).events]
        if family.kind is not FamilyKind.LOG or not wording.wraps or not family.alone or not whole:
            continue
        starts = [(seed, line.find(seed)) for seed in seeds if seed in line]
        places = {start + at for seed, start in starts for at, letter in enumerate(seed) if letter == " "}
        for at in places & {*range(1, len(line) - 1)}:
            found = [event.family.name for event in explain_line(f"{line[:at]}\n{line[at + 1 :]}").events]
            broken += 1
            lost += [line] if found != whole else []

    assert (True, []) == (broken > 90, lost)


@for_each(
    "paste",
    [
        "We could not\nreserve a region for the tests on that machine.",
        "nd_pmem namespace3.0: could not\nbe found: reserve region [mem 0x880000000-0x8ffffffff]",
        "nd_pmem namespace3.0: could not\n\nreserve region [mem 0x880000000-0x8ffffffff]",
        "nd_pmem namespace3.0: could not\n[    3.120000] reserve region [mem 0x880000000-0x8ffffffff]",
    ],
)
def test_lines_that_only_share_the_words_are_nothing(paste: str) -> None:
    """Prose, other words between, a line between, or a line with its own time."""
    assert [] == texts(paste)
