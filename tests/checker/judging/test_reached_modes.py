"""Cache modes at holds: what a model remembers, and what a load of a kernel shows."""

from __future__ import annotations

import msgspec
from for_each import for_each

from pfnlab.checker.judging.judge import violations
from pfnlab.programs.lang.library import find_program
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.model.model_machine import ModelMachine

HEAD = "pfnlab program 1\ndevice bar: pci, 16 pages\nt = thread\nc = fork\n"
HELD = (
    "a = mmap bar[0:4] wc shared rw",
    "t: read a[0]",
    "hold flush_tlb_mm_range: munmap a",
    "c: b = mmap bar[0:4] uc shared rw",
)


def broken(machine: str, *lines: str, alone: bool = False) -> list[tuple[str, str, str]]:
    """What breaks, in which step, for which reason.

    :param alone: as of a kernel, of which nobody knows what processors remember
    """
    program = load_text(HEAD + "".join(f"{line}\n" for line in lines))
    run = ModelMachine(machine).run_one(program)
    if alone:
        run = msgspec.structs.replace(run, tlbs=(), machine=f"qemu:{machine}")
    return [(one.name, one.op, one.known.partition(":")[0]) for one in violations(program, run)]


@for_each(("machine", "is_broken"), [("6.1", True), ("6.12", True), ("6.16", False), ("7.3", False)])
def test_a_model_knows_it_as_soon_as_the_pages_are_mapped_again(machine: str, is_broken: bool) -> None:
    """Up to 6.12 the reservation is gone before the flush."""
    expected = [("one_mode", HELD[-1], "S8.2.6")] * is_broken

    assert expected == broken(machine, *HELD, "t: read a[0]", "release")


@for_each("access", ["t: read a[0]", "t: write a[0] 7"])
def test_an_access_shows_it_on_a_kernel(access: str) -> None:
    """It answers, and no entry can be the reason."""
    touched = (HELD[0], access, *HELD[2:])

    assert [("one_mode", access, "S8.2.6")] == broken("6.1", *touched, access, "release", alone=True)


@for_each("access", ["c: look", "c: read b[0]", "t: read a[1]"])
def test_nothing_is_known_of_a_kernel_without_such_an_access(access: str) -> None:
    """One through an entry says nothing, nor one that is a fault: the page was not touched before."""
    assert [] == broken("6.1", *HELD, access, "release", alone=True)


@for_each("second", ["c: b = mmap bar[0:4] wc shared rw", "c: b = mmap bar[8:12] uc shared rw"])
def test_the_same_mode_and_other_pages_break_nothing(second: str) -> None:
    """Two ways to a frame, or two frames."""
    assert [] == broken("6.1", *HELD[:-1], second, "t: read a[0]", "release")


@for_each(("machine", "found"), [("6.1", ["one_mode"]), ("6.12", ["one_mode"]), ("7.3", [])])
def test_the_program_of_litmus_answers_its_question(machine: str, found: list[str]) -> None:
    """Its question: can the same pages be write-combining in one process and uncached in another?

    Its own processor remembers them.
    """
    program = load_program(find_program("race-mapped-before-clearing"))

    run = ModelMachine(machine).run_one(program)

    assert found == [one.name for one in violations(program, run)]


_REVOKED = """pfnlab program 1
device bar: pci, 16 pages

a = mmap bar[0:4] driver remap wc shared rw
t = thread
s = thread
s: read a[0]
hold flush_tlb_mm_range: munmap a
t: unmap_mapping_range {revoked}
s: read a[0]
release
"""


@for_each(
    ("machine", "revoked", "is_broken"),
    [("7.2,flush=none", "bar[0:4]", True), ("7.2,flush=none", "bar[2:4]", False), ("7.2", "bar[0:4]", False)],
)
def test_a_page_reached_after_its_revocation_was_told_free(
    machine: str, revoked: str, is_broken: bool
) -> None:
    """While a processor is held; not if other pages were revoked, nor if the revocation waits."""
    program = load_text(_REVOKED.format(revoked=revoked))
    run = ModelMachine(machine).run([program])[0]

    assert ["told_free"] * is_broken == [one.name for one in violations(program, run, "7.2")]
