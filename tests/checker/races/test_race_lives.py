"""Races about lifetimes: entries behind a revocation, leaves that are read, page tables, VMAs, locks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import pytest
from broken import Broken
from for_each import for_each

from pfnlab.checker.races.race import RaceModel, race_properties
from pfnlab.checker.races.schedules import search
from pfnlab.checker.scopes.properties import ALL_OF_RACES
from pfnlab.checker.scopes.scope import Race, RaceScope
from pfnlab.kernel.hw.pgtable import PageTables
from pfnlab.kernel.mm import mmap, unmap
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.mm.locks import RwLock
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.users.driver import DriverFile
from pfnlab.kernel.mm.users.second_file import StackFile
from pfnlab.kernel.mm.users.vfio import VfioDevice
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.flushes.free_vmas import FreeVmas
from pfnlab.kernel.policies.trackers.track_ctx import TrackCtx
from pfnlab.programs.lang.text import parse
from pfnlab.programs.model.model_machine import ModelMachine

SMALL = "device bar: pci, 8 pages\narea a: 16 pages\narea b: 16 pages\n"
LEAF = "device bar: pci, 512 pages\nthp always\n"
GIGABYTE = "device bar: pci, 1 GiB\nthp always\n"

READ_LEAF = ("a = mmap bar[0:512] driver fault_pmd wc shared rw", "read a[0]", "t = thread")
SPLIT_LEAF = ("a = mmap bar[0:262144] driver fault_pud wc shared rw", "read a[0]", "t = thread")
REMAPPED = ("mmap bar[0:4] driver remap wc shared rw over a[0:4]", "t = thread")
VFIO = ("mmap bar[0:4] vfio shared rw over a[0:4]", "read a[0]", "t = thread")


def violated(machine: ModelMachine, header: str, setup: tuple[str, ...], *beside: str) -> set[str]:
    """What some order of *beside* violates."""
    program = parse("pfnlab program 1\n" + header + "\n".join([*setup, *beside]) + "\n", "test")
    race = Race(program, program.ops[: len(setup)], program.ops[len(setup) :])
    model = RaceModel(machine, RaceScope("test", "", (race,)))
    found = search(model, race_properties([one for one in ALL_OF_RACES if one.kind == "always"]))
    assert not model.unmodelled
    return set(found.discoveries)


@for_each(("spec", "expected"), [("6.16", {"told_free"}), ("6.12.80", {"told_free"}), ("7.3", set())])
def test_a_leaf_that_was_read_before_the_lock_is_used_after_a_revocation(
    spec: str, expected: set[str]
) -> None:
    """mem_read looks twice, and each time reads the leaf first."""
    found = violated(
        ModelMachine(spec), LEAF, READ_LEAF, "mem_read a[0]", "t: unmap_mapping_range bar[0:512]"
    )

    assert expected == found & {"told_free"}


def test_an_entry_of_a_page_is_read_with_its_lock() -> None:
    """The counter-example: no leaf, so there is no window on the kernel that has the defect."""
    found = violated(
        ModelMachine("6.16"), SMALL, REMAPPED, "mem_read a[0]", "t: unmap_mapping_range bar[0:4]"
    )

    assert set() == found


@for_each("walker", ["numa_maps", "smaps"])
@for_each(("spec", "expected"), [("6.16", {"walks_tables"}), ("7.3", set())])
def test_a_leaf_that_is_faulted_in_behind_its_split_is_no_table(
    walker: str, spec: str, expected: set[str]
) -> None:
    """The walk of kernels since 7.0 splits it again."""
    found = violated(ModelMachine(spec), GIGABYTE, SPLIT_LEAF, f"{walker} a[0]", "t: read a[600]")

    assert expected == found


def test_a_walk_that_does_not_enter_splits_nothing() -> None:
    """The counter-example on the kernel with the defect."""
    assert set() == violated(ModelMachine("6.16"), GIGABYTE, SPLIT_LEAF, "pagemap a[0]", "t: read a[600]")


_NEW = "mmap bar[4:8] driver remap wc shared rw over a[8:12]"


def test_a_mapping_that_is_filled_before_it_is_linked_stays_behind_a_revocation() -> None:
    """S8.3.10, on every kernel: nobody finds it yet."""
    found = violated(ModelMachine("7.3"), SMALL, REMAPPED, _NEW, "t: unmap_mapping_range bar[0:8]")

    assert {"revoked_whole"} == found


@for_each(("locks", "expected"), [(False, {"revoked_whole"}), (True, set())])
def test_a_mapping_that_is_linked_first_is_filled_under_the_lock_of_its_reverse_map(
    monkeypatch: pytest.MonkeyPatch, locks: bool, expected: set[str]
) -> None:
    """The other order of filling and linking: a driver with a two-phase mmap.

    Without the lock a revocation has passed the VMA, and not returned, when it is filled.
    """
    made, filled = DriverFile.__init__, DriverFile.mmap

    def made_in_two_phases(self: DriverFile, *fields: str) -> None:
        made(self, *fields)
        object.__setattr__(self, "mmap_prepare", True)

    def filled_under_the_lock(self: DriverFile, vma: Vma) -> None:
        with vma.mm.kernel.i_mmap_rwsem("driver").write() if locks else nullcontext():
            filled(self, vma)

    monkeypatch.setattr(DriverFile, "__init__", made_in_two_phases)
    monkeypatch.setattr(DriverFile, "mmap", filled_under_the_lock)

    found = violated(ModelMachine("7.3"), SMALL, REMAPPED, _NEW, "t: unmap_mapping_range bar[0:8]")

    assert expected == found


@for_each("how", ["export", "stack"])
def test_a_revocation_is_whole_without_another_file(how: str) -> None:
    """A second file's mappings keep their entries; one that was handed over is revoked (S9.12.1)."""
    mapped = [f"mmap bar[0:4] driver {how} wc shared rw over a[0:4]", "t = thread"]

    found = violated(
        ModelMachine("7.3"), SMALL, mapped, "mprotect a[0:2] r", "t: unmap_mapping_range bar[0:8]"
    )

    assert set() == found


def test_a_stacked_mmap_that_keeps_the_opened_file_is_missed_by_a_revocation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A driver that calls the other file's mmap and forgets vma_set_file."""
    monkeypatch.setattr(StackFile, "mmap", DriverFile.mmap)
    mapped = ["mmap bar[0:4] driver stack wc shared rw over a[0:4]", "t = thread"]

    found = violated(
        ModelMachine("7.3"), SMALL, mapped, "mprotect a[0:2] r", "t: unmap_mapping_range bar[0:8]"
    )

    assert {"revoked_whole"} == found


@for_each(
    "operation",
    ["munmap a[0:4]", "c = fork", "mremap a[0:4] 4 pages maymove fixed over b[0:4]", "mprotect a[0:2] r"],
)
def test_what_moves_or_copies_entries_leaves_none_behind_a_revocation(operation: str) -> None:
    """The locks of the reverse map and of page tables see to that."""
    found = violated(ModelMachine("7.3"), SMALL, REMAPPED, operation, "t: unmap_mapping_range bar[0:8]")

    assert set() == found


@for_each("spec", ["6.12", "7.3"])
@for_each("operation", ["read a[0]", "read a[1]", "munmap a[0:2]", "munmap a[0:4]"])
def test_no_fault_puts_an_entry_behind_memory_that_is_off(spec: str, operation: str) -> None:
    """Test and insertion are under one lock; nor does one wait for it for ever."""
    assert set() == violated(ModelMachine(spec), SMALL, VFIO, "memory_disable bar", f"t: {operation}")


def _test_and_insert_apart(vfio: VfioDevice, vma: Vma, vpn: int, write: bool) -> None:
    with vfio.memory_lock.read():
        vfio._check_memory()
    vfio._fill(vma, vpn)


def test_a_fault_that_inserts_without_the_lock_of_its_test_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory is switched off between the two."""
    monkeypatch.setattr(VfioDevice, "fault", _test_and_insert_apart)

    found = violated(ModelMachine("7.3"), SMALL, VFIO, "memory_disable bar", "t: read a[1]")

    assert {"memory_off", "revoked_whole"} == found


def _freed_then_unlinked(tlb: MmuGather, vmas: list[Vma]) -> None:
    unmap.free_vmas(tlb.mm, vmas)
    unmap._leave_files(vmas)


def test_a_vma_that_is_freed_before_it_is_unlinked_is_used_by_a_zap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A zap through the reverse map has no mmap_lock, and its lock keeps VMAs from being unlinked alone."""
    monkeypatch.setattr(unmap, "_unlink", _freed_then_unlinked)

    found = violated(ModelMachine("7.3"), SMALL, REMAPPED, "munmap a[0:4]", "t: unmap_mapping_range bar[0:4]")

    assert "vmas_alive" in found


class _Keeps(TrackCtx):
    """A tracker that looks at the last VMA that was freed."""

    last: Vma | None = None

    def vm_area_free(self, vma: Vma) -> None:
        if self.last is not None:
            assert self.last.start >= 0
        self.last = vma
        super().vm_area_free(vma)


def test_a_tracker_that_keeps_what_was_freed_is_found() -> None:
    """It looks at it when the next one goes."""
    found = violated(Broken(tracker=_Keeps, spec="7.3"), SMALL, REMAPPED, "munmap a[0:1]", "t: munmap a[2:3]")

    assert "vmas_alive" in found


@for_each("spec", ["6.1", "7.3"])
def test_the_lock_of_the_reverse_map_keeps_a_vma_alive(spec: str) -> None:
    """What a reviewer asked of a zap without mmap_lock, and what was refuted."""
    found = violated(ModelMachine(spec), SMALL, REMAPPED, "munmap a[0:4]", "t: unmap_mapping_range bar[0:4]")

    assert set() == found & {"vmas_alive", "tables_alive", "told_free"}


def test_a_page_table_that_nobody_frees_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays where nothing is mapped."""
    monkeypatch.setattr(PageTables, "free_tables", lambda *_: [])

    found = violated(ModelMachine("7.3"), SMALL, REMAPPED, "munmap a[0:4]", "t: read b[0]")

    assert {"tables_alive"} == found


class _Forgets(FreeVmas):
    """A placement that forgets what is pending."""

    def tlb_free_vmas(self, tlb: MmuGather, first: Vma) -> None:
        tlb._start, tlb._end = None, 0


def test_a_page_table_that_goes_before_its_flush_is_found() -> None:
    """A processor remembers what it has walked there."""
    setup = (*REMAPPED, "s = thread", "s: read a[2]")
    found = violated(Broken(flushes=_Forgets, spec="7.3"), SMALL, setup, "munmap a[0:4]", "t: read b[0]")

    assert "tables_alive" in found


def test_a_page_table_goes_behind_its_flush() -> None:
    """The counter-example, with the same reader."""
    setup = (*REMAPPED, "s = thread", "s: read a[2]")

    assert set() == violated(ModelMachine("7.3"), SMALL, setup, "munmap a[0:4]", "t: read b[0]")


@contextmanager
def _enters_and_keeps(mm: MmStruct, vma: Vma) -> Iterator[None]:
    yield
    mm.kernel.i_mmap_rwsem(vma.i_mapping or "driver").take(write=True)
    mm.kernel.insert_file(vma)


def test_a_call_that_returns_with_a_lock_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nobody needs it any more: the last call of a schedule."""
    monkeypatch.setattr(MmStruct, "entering", _enters_and_keeps)
    setup = ("t = thread",)

    found = violated(
        ModelMachine("7.3"), SMALL, setup, "mmap bar[0:4] wc shared rw over a[0:4]", "t: read b[0]"
    )

    assert {"no_deadlock"} == found


def test_an_error_path_that_keeps_a_lock_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """mmap that the driver refuses, and that forgets the lock of its reverse map."""

    def torn_down(vma: Vma, *, linked: bool, teardown: Callable[..., None] = mmap._teardown) -> None:
        teardown(vma, linked=linked)
        lock: RwLock = vma.mm.kernel.i_mmap_rwsem("driver")
        lock.take(write=True)

    monkeypatch.setattr(mmap, "_teardown", torn_down)
    refused = "mmap bar[0:4] driver refuse wc shared rw over a[8:12]"

    found = violated(ModelMachine("7.3"), SMALL, REMAPPED, refused, "t: unmap_mapping_range bar[0:4]")

    assert {"no_deadlock"} == found
