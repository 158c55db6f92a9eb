"""The parts of a kernel: what is touched is noted, what has changed has another value."""

from __future__ import annotations

import pytest

from pfnlab.checker.races import noting
from pfnlab.checker.races.footprint import Parts
from pfnlab.checker.races.turns import Ground, Live, SetUpKernels
from pfnlab.checker.scopes.declared_fields import DECLARED
from pfnlab.checker.scopes.scope import RaceScope, load_scope
from pfnlab.kernel.hw.pgtable import Page, PageTables
from pfnlab.kernel.hw.tlb import Tlb
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.locks import RwLock
from pfnlab.kernel.mm.memtype import MemtypeBook
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.table_locks import TableLocks
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.mm.vma_locks import VmaLocks
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.execution import SequentialExecution
from pfnlab.programs.model.model_machine import ModelMachine, place
from pfnlab.programs.runs.places import Places

PROGRAM = load_text(
    "pfnlab program 1\ndevice bar: pci, 4 pages\n\n"
    "a = mmap bar[0:2] driver remap wc shared rw\nb = mmap bar[2:4] driver fault wc shared rw\n"
    "t = thread\nread a[0]\nread a[0]\nt: read b[1]\nmunmap a[0]\nmunmap b\n"
)


class Driven:
    """The program, operation by operation."""

    def __init__(self, done: int) -> None:
        machine = ModelMachine("7.2")
        platform, devices, _ = place(PROGRAM)
        self.kernel: Kernel = machine.boot(platform, devices)
        self.kernel.start_task("main")
        self.running = SequentialExecution(self.kernel, Places.of(PROGRAM, devices))
        self.ops = list(PROGRAM.ops)
        for op in self.ops[:done]:
            self.running.step(op)
        self.at = done
        self.parts = Parts(self.kernel)

    def next(self) -> tuple[set[str], set[str]]:
        """The parts the next operation touches, and those that are otherwise behind it."""
        before = [self.parts.value(number) for number in range(len(self.parts.names))]
        with self.parts.watched() as touched:
            self.running.step(self.ops[self.at])
        self.at += 1
        touched |= self.parts.notice("main")
        changed = [number for number, value in enumerate(before) if value != self.parts.value(number)]
        return {self.parts.names[one] for one in touched}, {self.parts.names[one] for one in changed}


def test_an_answer_of_the_tlb_changes_nothing() -> None:
    """A second read of a page neither walks the tables nor changes anything."""
    touched, changed = Driven(4).next()

    assert "TLB main" in touched
    assert not touched & {"tables 0", "tree 0", "book", "mmap_lock 0"}
    assert not changed


def test_a_fault_fills_table_and_tlb() -> None:
    """Of the task's own processor; under the lock, which is free again."""
    touched, changed = Driven(5).next()

    assert {"tables 0", "TLB t"} <= changed
    assert {"mmap_lock 0", "tree 0", "VMAs 0", "book"} <= touched - changed
    assert "TLB main" not in touched


@pytest.mark.parametrize("done", range(3, 8))
def test_what_changes_was_touched(done: int) -> None:
    """Of every operation."""
    touched, changed = Driven(done).next()

    assert changed <= touched


@pytest.mark.parametrize("name", ["forking", "guests", *DECLARED[MmStruct].plain])
def test_a_space_shows_what_changes_in_it(name: str) -> None:
    """Within an operation, too."""
    driven = Driven(3)
    tree = driven.parts.names.index("tree 0")
    before = driven.parts.value(tree)
    setattr(driven.kernel.tasks["main"].mm, name, 7)

    assert before != driven.parts.value(tree)


def test_what_a_split_leaves_has_a_name() -> None:
    """By the task that made it; the VMA that is gone keeps its own."""
    driven = Driven(6)
    driven.next()

    names = [driven.parts.name(vma) for vma in driven.kernel.tasks["main"].mm]

    assert [("main", 0), ("", 1)] == names
    assert ("", 0) in [name for name, _ in driven.parts.value(driven.parts.names.index("VMAs 0"))]


def test_nothing_is_noted_any_more_behind_it() -> None:
    """Classes are as they were, also where something was raised."""
    driven = Driven(3)

    with pytest.raises(ZeroDivisionError), driven.parts.watched():
        raise ZeroDivisionError

    for kind in (Vma, Tlb, Kernel):
        assert object.__getattribute__ is kind.__getattribute__
        assert object.__setattr__ is kind.__setattr__


#: The attributes that the values of parts follow from, by class. One that is missing could change without a
#: footprint saying so: add it to the value of its part (``footprint.py``) and here, or to ``noting.QUIET``.
STATE: dict[type, set[str]] = {
    Kernel: {
        "failures",
        "_later",
        "doomed",
        "driver",
        "flushes",
        "i_mmap",
        "memory",
        "pci",
        "platform",
        "tasks",
        "tracker",
    }
    | {"undecoded", "vfio", "walkers"},
    Task: {"mm"},
    MmStruct: {
        *(
            "_vmas",
            "_starts",
            "def_flags",
            "forking",
            "gathers",
            "guests",
            "limit_as",
            "limit_data",
            "locked_leak",
            "stacks_shared",
        )
    }
    | {"tlb_flush_pending", "visible", "lookups"},
    PageTables: {"_runs", "_starts", "_tables"},
    Tlb: {"_entries"},
    RwLock: {"_readers", "_queue", "written"},
    TableLocks: {"_held", "_queue"},
    VmaLocks: {"_written", "_readers", "_awaited"},
    MemtypeBook: {"_entries", "_overhang", "_ram_types", "_direct_map"}
    # Given with the platform and the profile.
    | {"_reserve_keeps_top", "end_match", "entry_fails", "mtrr_merged_map"},
    Vma: {"anon_vma", "end", "file", "flags", "freed", "mempolicy", "page_prot", "pfnmap", "pgoff", "start"},
    Page: {"anonymous", "batched", "dirty", "exclusive", "maker", "mapcount", "value"},
}


def attributes(one: object) -> set[str]:
    """The attributes and slots of an object."""
    return set(getattr(one, "__dict__", ())) | {
        slot for kind in type(one).__mro__ for slot in getattr(kind, "__slots__", ())
    }


def objects() -> dict[type, object]:
    """One of each class that is watched, of a kernel in the middle of a race."""
    scope = load_scope("race")
    assert isinstance(scope, RaceScope)
    race = scope.races[0]
    kernel = Live(SetUpKernels(ModelMachine("7.2")), race, Ground(race)).kernel
    task = next(iter(kernel.tasks.values()))
    mm = task.mm
    found = (kernel, task, mm, mm.tables, task.tlb, mm.mmap_lock, kernel.book, next(iter(mm)))
    found += (mm.vma_locks, mm.table_locks)
    return {**{type(one): one for one in found}, Page: Page.__new__(Page)}


@pytest.mark.parametrize("kind", STATE, ids=lambda kind: kind.__name__)
def test_every_attribute_is_state_or_quiet(kind: type) -> None:
    """A new one is noticed here."""
    quiet = set(noting.QUIET.get(kind, ()))

    assert STATE[kind] | quiet == attributes(objects()[kind])
    assert set() == STATE[kind] & quiet


def test_every_watched_class_has_its_state() -> None:
    """What is noted with reasons of its own is among them."""
    assert set(noting.QUIET) <= set(STATE)
