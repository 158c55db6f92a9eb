"""Every attribute of the kernel's own objects, declared once: what a state between two operations has of it.

A state must not lose an attribute unnoticed: two states that differ only there would count as one. So an
attribute that is missing here fails a test. Policies, drivers and files need no declaration: all of their
attributes are in a state.
"""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, NamedTuple

from pfnlab.kernel.hw.pgtable import Page, PageTables
from pfnlab.kernel.hw.tlb import Tlb
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.memtype import MemtypeBook
from pfnlab.kernel.mm.mlock_batch import MlockBatch
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.vma import AnonVma, Vma


class DeclaredFields(NamedTuple):
    """The attributes of one class.

    :param plain: plain values, frozen and restored unchanged
    :param formed: attributes that a state has in another form
    :param derived: follow from other attributes, or from the machine and the program
    :param passing: have one value whenever no operation is in progress
    """

    plain: tuple[str, ...] = ()
    formed: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    passing: tuple[str, ...] = ()

    @property
    def all(self) -> set[str]:
        """Their names."""
        return {*self.plain, *self.formed, *self.derived, *self.passing}


DECLARED = {
    Kernel: DeclaredFields(
        formed=(
            *("tasks", "i_mmap", "book", "undecoded", "tracker", "flushes", "driver", "vfio", "pci"),
            *("platform", "mlock_batch", "memory", "next_pid", "warned"),
        ),
        derived=("profile", "walkers", "additional_pages", "committed", "current"),
        passing=(
            *("trace", "failures", "processors", "_later", "i_mmap_rwsems", "device_lock", "exiting"),
            "doomed",
        ),
    ),
    Task: DeclaredFields(formed=("comm", "pid", "mm", "tlb"), passing=("exec_update_lock",)),
    MmStruct: DeclaredFields(
        plain=("limit_as", "limit_data", "def_flags", "locked_leak", "stacks_shared", "visible"),
        formed=("tables", "_vmas", "tlb_gen"),
        derived=("kernel", "_starts"),
        passing=(
            *("tlb_flush_pending", "gathers", "lookups", "vma_locks", "mmap_lock", "table_locks"),
            *("forking", "guests"),
        ),
    ),
    Vma: DeclaredFields(
        plain=("pgoff", "flags", "page_prot", "mempolicy"),
        formed=("start", "end", "file", "anon_vma", "pfnmap"),
        derived=("mm",),
        passing=("freed",),
    ),
    AnonVma: DeclaredFields(formed=("inherited",)),
    Page: DeclaredFields(
        plain=("mapcount", "exclusive", "anonymous", "dirty"), formed=("value", "batched"), passing=("maker",)
    ),
    PageTables: DeclaredFields(formed=("_runs", "_tables"), derived=("_starts",)),
    Tlb: DeclaredFields(formed=("_entries", "_aged"), passing=("_spared", "flushed")),
    MemtypeBook: DeclaredFields(
        formed=("_entries", "_ram_types", "_direct_map", "warned"),
        derived=(
            *("platform", "trace", "end_match", "mtrr_merged_map", "_reserve_keeps_top", "_overhang"),
            *("report", "entry_fails", "_processors"),
        ),
        passing=("lock",),
    ),
    MlockBatch: DeclaredFields(derived=("_drained_by_unmap", "_pages")),
}

#: For some of these classes, a function that returns the plain values of an object.
PLAIN = {cls: attrgetter(*fields.plain) for cls, fields in DECLARED.items() if fields.plain}


def restore(instance: Any, values: Iterable[Any]) -> None:
    """Give *instance* the plain *values* that :data:`PLAIN` returned."""
    for name, value in zip(DECLARED[type(instance)].plain, values, strict=True):
        setattr(instance, name, value)
