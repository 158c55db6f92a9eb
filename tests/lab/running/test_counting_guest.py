"""A guest that counts the instructions and the interrupts of an operation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from having import NEW, OLD, bootable

from pfnlab.base.errors import Undecided
from pfnlab.lab.running.counting_guest import CountingGuest
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program

HEADER = "pfnlab program 1\ndevice bar: pci, 512 pages\narea a: 16 pages\n"


def chain(*last: str) -> Program:
    """Sixteen mappings side by side, and then this operation."""
    mapped = (f"mmap bar[{2 * at}] wc shared rw over a[{at}]\n" for at in range(16))
    return load_text("\n".join([HEADER + "".join(mapped), *last, ""]))


@pytest.fixture(scope="module")
def alone() -> Iterator[CountingGuest]:
    """A guest with one processor."""
    with CountingGuest(bootable(NEW)) as guest:
        yield guest


def least(guest: CountingGuest, program: Program) -> dict[str, int]:
    """The smallest number of instructions of three runs, by function."""
    runs = [guest.instructions(program) for _ in range(3)]
    return {name: min(run.get(name, 0) for run in runs) for name in runs[0]}


def test_two_measurements_are_equal(alone: CountingGuest) -> None:
    """To the instruction, in what the operation does by itself, and in another guest too."""
    program = chain("munmap a[3]")
    names = ("unmap_vmas", "unmap_region", "flush_tlb_mm_range", "tlb_finish_mmu", "memtype_free")

    first, second = least(alone, program), least(alone, program)
    with CountingGuest(bootable(NEW)) as other:
        third = least(other, program)

    found = [[one.get(name, 0) for name in names] for one in (first, second, third)]
    assert all(found[0]) and found[0] == found[1] == found[2]


def test_only_the_last_operation_counts(alone: CountingGuest) -> None:
    """What maps the pages is not part of their munmap."""
    mapping, unmapping = alone.instructions(chain()), alone.instructions(chain("munmap a[0:16]"))

    assert [True, False] == ["remap_pfn_range" in found for found in (mapping, unmapping)]


def test_an_operation_on_more_pages_costs_more(alone: CountingGuest) -> None:
    """A count that did not depend on the work would compare nothing."""
    one, many = (sum(least(alone, chain(f"munmap a[0:{pages}]")).values()) for pages in (1, 16))

    assert many > 4 * one


def test_a_refused_operation_is_not_measured(alone: CountingGuest) -> None:
    """An early error is no cheap success; the guest stays usable."""
    with pytest.raises(Undecided, match="the kernel refuses it"):
        alone.instructions(chain("mremap a[0] 2 pages"))

    assert alone.instructions(chain())


@pytest.mark.parametrize(("series", "flushes"), [(OLD, 17), (NEW, 2)])
def test_a_flush_for_every_mapping_shows_in_the_interrupts_of_others(series: str, flushes: int) -> None:
    """The old kernel flushes for each of sixteen mappings, and for the page tables; the new one once."""
    with CountingGuest(bootable(series), 4) as guest:
        found = [
            min(guest.interrupts(chain("munmap a[0:16]"), processors) for _ in range(3))
            for processors in (2, 4)
        ]

    assert [flushes, 3 * flushes] == found
