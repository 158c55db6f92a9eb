"""Things in use before and after a program: each difference is said, by the property that it breaks."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

import toy_kernel as toy
from toy_kernel import BOOK, MM, PAGE, SYMBOLS, ToyKernel

from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.memory import GuestRam
from pfnlab.lab.lens.plain import Fault
from pfnlab.lab.lens.program import open_program
from pfnlab.lab.lens.resource_use import ResourceUse, Thing, counts_vmas, leftovers
from pfnlab.lab.lens.snapshot import Lens

TYPES = toy.types()
BEFORE = ResourceUse(
    {"committed_left": 7, "vmas_left": 2}, {"book_left": frozenset({Thing("1-2 in mode 1", (1, 2))})}
)


def in_use(kernel: ToyKernel, folder: Path) -> ResourceUse:
    """What is in use in the toy kernel."""
    with GuestRam(kernel.save(folder / "ram")) as ram:
        return Lens(open_program(ram, TYPES, SYMBOLS), ram, SYMBOLS).in_use()


def test_what_is_as_it_was_is_nothing() -> None:
    """Equal counts and lists."""
    assert list(leftovers(BEFORE, BEFORE)) == []


@pytest.mark.parametrize(("number", "says"), [(9, "2 committed pages more"), (4, "3 committed pages less")])
def test_a_count_that_differs_is_said(number: int, says: str) -> None:
    """More of something than before, or less."""
    after = ResourceUse({**BEFORE.counts, "committed_left": number}, BEFORE.lists)

    assert list(leftovers(BEFORE, after)) == [Fault("committed_left", f"{says} than before")]


def test_tables_are_compared_where_there_are_as_many_address_spaces() -> None:
    """Each has tables that its process does not count."""
    before, after = ResourceUse({"tables_left": 1}, spaces=2), ResourceUse({"tables_left": 2}, spaces=1)

    assert list(leftovers(before, after)) == []
    assert list(leftovers(before, msgspec.structs.replace(after, spaces=2)))


def test_fewer_of_others_are_nothing() -> None:
    """Somebody else's go meanwhile."""
    after = ResourceUse({**BEFORE.counts, "vmas_left": 1}, BEFORE.lists)

    assert list(leftovers(BEFORE, after)) == []


def test_a_thing_that_comes_is_said() -> None:
    """One list has another thing than before; that one has gone meanwhile."""
    after = ResourceUse(BEFORE.counts, {"book_left": frozenset({Thing("3-4 in mode 1", (3, 4))})})

    assert list(leftovers(BEFORE, after)) == [
        Fault("book_left", "the book has 3-4 in mode 1, and had not before"),
    ]


def test_what_is_the_programs_own_is_left_to_others() -> None:
    """Reservations of the program's devices have properties of their own."""
    before = ResourceUse(BEFORE.counts, {"book_left": frozenset()})

    assert list(leftovers(before, BEFORE, lambda first, behind: first == 1)) == []


def test_what_one_look_lacks_is_not_compared() -> None:
    """A kernel without a structure."""
    assert list(leftovers(BEFORE, ResourceUse())) == []


def test_the_book_is_listed(tmp_path: Path) -> None:
    """Every reservation with its mode, wherever it lies."""
    listed = in_use(ToyKernel(), tmp_path).lists["book_left"]

    assert sorted(thing.pfns for thing in listed) == [
        (0x70000, 0x70001),
        (0x80000, 0x80010),
        (0x80002, 0x80004),
    ]


def test_a_reservation_that_stays_is_said(tmp_path: Path) -> None:
    """The end of an entry moves by a page."""
    kernel = ToyKernel()
    before = in_use(kernel, tmp_path)
    kernel.put(BOOK + 8, 0x70002 * PAGE)

    assert {fault.name for fault in leftovers(before, in_use(kernel, tmp_path))} == {"book_left"}


def test_damage_ends_in_an_error(tmp_path: Path) -> None:
    """The tree of an address space leads nowhere."""
    kernel = ToyKernel()
    kernel.put(MM, 0x1000 | 3)

    with pytest.raises(LensError):
        in_use(kernel, tmp_path)


@pytest.mark.parametrize(
    ("more", "counted"), [((), True), (("kasan_quarantine_put",), False)], ids=["freed at once", "KASAN"]
)
def test_vmas_are_counted_where_freed_ones_are_not_kept(more: tuple[str, ...], counted: bool) -> None:
    """KASAN keeps freed objects for a while, and they look like used ones."""
    symbols = {"vm_area_cachep", "__per_cpu_offset", "nr_cpu_ids", *more}

    assert counted is counts_vmas(symbols.__contains__)
