"""The requests of a program so far."""

from __future__ import annotations

from for_each import for_each

from pfnlab.checker.judging.history import History, kept_after
from pfnlab.programs.lang.device_ops import (
    D0,
    D3,
    ArchIoFreeMemtypeWc,
    ArchIoReserveMemtypeWc,
    MemoryDisable,
    MemoryEnable,
    VfioReset,
)
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Call
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.model_machine import ModelMachine


@for_each(
    ("calls", "off"),
    [
        ((MemoryDisable("bar"),), True),
        ((MemoryDisable("bar"), MemoryEnable("bar")), False),
        ((D3("bar"),), True),
        ((D3("bar"), D0("bar")), False),
        ((D3("bar"), VfioReset("bar")), False),
        ((MemoryDisable("bar"), VfioReset("bar")), True),
        ((D3("bar"), MemoryDisable("bar"), D0("bar")), True),
    ],
)
def test_whose_memory_is_off(calls: tuple[Call, ...], off: bool) -> None:
    """A device is off while its memory bit is clear, or while it sleeps; a reset wakes it."""
    history = History()

    for call in calls:
        history.done(call)

    assert ({"bar"} if off else set()) == history.off


def kept(*lines: str, series: str = "7.2") -> list[list[str]]:
    """What a driver has reserved for itself after each step of a program of the model."""
    program = load_text("\n".join(("pfnlab program 1", "device bar: pci, 16 pages", *lines, "")))
    return [list(map(str, spans)) for spans in kept_after(program, ModelMachine(series).run_one(program))]


def test_a_driver_keeps_what_it_has_not_undone() -> None:
    """An undo takes the newest of its kind, and one that is refused nothing."""
    lines = ("ioremap bar[0:2] wc", "memremap bar[2:4] wt", "iounmap", "iounmap")

    assert [["bar[0:2]"], ["bar[0:2]", "bar[2:4]"], *[["bar[2:4]"]] * 3] == kept(*lines)


def test_a_refused_call_keeps_nothing() -> None:
    """The range has another mode already."""
    assert [[], [], []] == kept("a = mmap bar[0:2] wc shared rw", "ioremap bar[0:2] wt")


def test_a_call_that_is_held_may_have_reserved() -> None:
    """Until it is released, and then if it succeeded."""
    lines = ("t = thread", "hold memtype_reserve: t: ioremap bar[0:2] wc", "look", "release", "iounmap")

    assert [[], *[["bar[0:2]"]] * 3, [], []] == kept(*lines)


def test_a_call_that_is_still_held_at_a_release_may_have_reserved() -> None:
    """That of the other is over by then."""
    lines = (
        *("t = thread", "hold memtype_reserve: t: ioremap bar[0:2] wc", "hold tlb_finish_mmu: munmap a"),
        *("release main", "release"),
    )

    assert [[], *[["bar[0:2]"]] * 5] == kept("a = mmap bar[8:10] wc shared rw", *lines)[1:]


def test_a_call_that_is_refused_when_released_keeps_nothing() -> None:
    """Another mode was reserved while it was held."""
    lines = (
        "t = thread",
        "hold memtype_reserve: t: ioremap bar[0:2] wt",
        "a = mmap bar[0:2] wc shared rw",
        "release",
    )

    assert [[], ["bar[0:2]"], ["bar[0:2]"], [], []] == kept(*lines)


@for_each(
    ("series", "part", "left"),
    [
        ("6.1", "bar[12:16]", ["bar[8:12]"]),
        ("6.1", "bar[8:12]", ["bar[8:16]"]),
        ("7.2", "bar[12:16]", ["bar[8:16]"]),
    ],
)
def test_a_driver_that_frees_a_part_holds_what_the_book_has(series: str, part: str, left: list[str]) -> None:
    """An old book frees an end of an entry, a new one whole entries alone."""
    lines = ("arch_io_reserve_memtype_wc bar[8:16]", f"arch_io_free_memtype_wc {part}")

    assert left == kept(*lines, series=series)[1]


def test_where_nobody_looked_a_driver_may_hold_all_or_the_rest() -> None:
    """The book of the end is either."""
    history = History()
    history.done(ArchIoReserveMemtypeWc(Span("bar", 8, 16)))

    history.done(ArchIoFreeMemtypeWc(Span("bar", 12, 16)))

    assert ["bar[8:16]", "bar[8:12]"] == list(map(str, history.kept))


def test_vfio_pci_keeps_all_entries_until_the_end() -> None:
    """It maps its whole device while that is open, which no operation says."""
    assert [["bar[0:16]"], ["bar[0:16]"], []] == kept("a = mmap bar[0:4] vfio shared rw", "read a[0]")
