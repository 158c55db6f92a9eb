"""The obstacle that a task is waiting for, inferred from the kernel functions it is in."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import takewhile


class Obstacle(Enum):
    """The lock or CPU that a task is waiting for."""

    CPU = "another CPU takes an interrupt"
    MMAP_LOCK = "mmap_lock"
    VMA_LOCK = "the own lock of a VMA"
    I_MMAP = "the file's i_mmap lock"
    PAGE_TABLE = "a page-table lock"
    BOOK = "the lock of the memtype list"
    MEMORY = "the memory_lock of a vfio-pci device"
    VFIO_VMAS = "the vma_lock of a vfio-pci device"
    DEVICE = "the lock of a device that a driver is bound to"
    EXEC_UPDATE = "the lock under which an exec replaces an address space"
    OTHER_LOCK = "another lock"
    #: It is running, or waiting for something unrelated to memory management: repeat the schedule.
    NOTHING = "nothing that is known"


@dataclass(frozen=True)
class Wait:
    """A task's wait in these kernel functions, innermost first, perhaps with some that it has left."""

    need: Obstacle
    functions: tuple[str, ...]


#: Semaphore functions.
SEMAPHORE = ("rwsem_", "down_read", "down_write", "__down_read", "__down_write")
_SPINLOCK = ("native_queued_spin_lock_slowpath", "_raw_spin_lock", "queued_spin_lock_slowpath")

_MUTEX = ("mutex_", "__mutex_lock")

# The innermost of these callers identifies a lock; the names are prefixes.
_MUTEXES: dict[Obstacle, tuple[str, ...]] = {
    Obstacle.VFIO_VMAS: ("vfio_pci_mmap_fault", "vfio_pci_mmap_close", "vfio_pci_zap_and_vma"),
    Obstacle.DEVICE: ("__device_driver_lock", "device_driver_", "device_release_driver"),
}
_SEMAPHORES: dict[Obstacle, tuple[str, ...]] = {
    Obstacle.I_MMAP: (
        *("unmap_mapping_", "unlink_", "vma_link", "mmap_region", "__mmap_region", "__mmap_new_vma"),
        *("vma_prepare", "__split_vma", "vma_complete", "__vma_link_file", "copy_vma"),
    ),
    Obstacle.MMAP_LOCK: (
        *("__vm_munmap", "vm_munmap", "dup_mm", "copy_process", "do_user_addr_fault", "lock_mm_and_find_vma"),
        *("vm_mmap_pgoff", "do_mprotect", "do_madvise", "madvise_", "vector_madvise", "__do_sys_"),
        *("__se_sys_", "do_mlock", "do_mbind"),
        # System calls, which take the lock themselves if the compiler has inlined everything
        # into their entry point.
        *("__x64_sys_munlock", "__x64_sys_mlockall", "__x64_sys_msync", "__x64_sys_mincore"),
        *("__x64_sys_remap_file_pages", "__x64_sys_process_mrelease", "__x64_sys_process_madvise"),
        *("do_mremap", "mmap_write_lock", "mmap_read_lock", "__mm_populate", "m_start", "lock_next_vma"),
        *("show_smaps_rollup", "do_pagemap_scan", "clear_refs_write", "exit_mm", "do_mseal", "mseal_range"),
        # Functions that read or copy another address space's memory, or take its pages.
        *("process_vm_rw", "__access_remote_vm", "access_remote_vm", "mem_rw", "do_pages_stat"),
        *("get_user_pages", "__get_user_pages", "gup_", "__gup_", "internal_get_user_pages"),
        *("pagemap_", "userfaultfd_"),
        # The two guest driver requests that take the lock themselves.
        *("pfnlab_zap", "pfnlab_remap_live"),
        # Up to 6.9, vfio-pci takes it for each address space that it removes entries from.
        "vfio_pci_zap_and_vma",
    ),
    Obstacle.EXEC_UPDATE: ("mm_access",),
    # A fault waits for it while holding mmap_lock; the vfio-pci functions that take
    # mmap_lock are listed above.
    Obstacle.MEMORY: ("vfio_pci_", "vfio_basic_config_"),
}
#: Functions that take a vfio-pci lock.
_VFIO = {Obstacle.MEMORY: _SEMAPHORES[Obstacle.MEMORY]}
#: Writers of a VMA's own lock, which counts its readers from 6.15 on.
_VMA_LOCK = ("__vma_start_write", "__vma_start_exclude_readers", "__vma_enter_locked")
#: These take mmap_lock killably, but a file's lock by plain down_write.
_FILES: dict[Obstacle, tuple[str, ...]] = {Obstacle.I_MMAP: ("dup_mm", "copy_process")}
_SPINLOCKS = {
    Obstacle.BOOK: (
        *("memtype_", "pat_", "reserve_pfn_range", "lookup_memtype", "track_pfn", "pfnmap_", "untrack_"),
    ),
    Obstacle.PAGE_TABLE: (
        *("follow_p", "zap_", "__zap_", "unmap_page_range", "insert_pfn", "copy_p", "move_", "remap_p"),
        *("change_p", "handle_", "__pte_offset", "pte_offset", "__handle_mm_fault", "do_", "unmap_"),
        # Walks over a table's entries, which take the lock themselves up to 6.4.
        *("mincore_", "swapin_", "mlock_p", "pagemap_", "smaps_", "clear_refs_", "madvise_", "gather_"),
        *("queue_", "wp_page", "finish_", "filemap_map", "folio_walk"),
    ),
}

# Maximum number of functions between a spin lock's slow path and the function that takes the lock.
_SPINLOCK_DEPTH = 4


def judge(functions: Sequence[str]) -> Wait:
    """The wait of a task that is in *functions*, innermost first.

    The functions of an interrupt on top of these are skipped, because a CPU can also be held in an interrupt.
    """
    names = tuple(functions)
    for at, name in enumerate(names):
        if name.startswith(_VMA_LOCK):
            return Wait(Obstacle.VMA_LOCK, names)
        if name.startswith("smp_call_function"):
            return Wait(Obstacle.CPU, names)
        if name.startswith(SEMAPHORE):
            taken = list(takewhile(lambda inner: inner.startswith(SEMAPHORE), names[at:]))
            return Wait(_semaphore_named(names[at:], taken[-1]) or Obstacle.OTHER_LOCK, names)
        if name.startswith(_MUTEX) and (need := _lock_named(names[at:], _MUTEXES)):
            return Wait(need, names)
        if name.startswith(_SPINLOCK):
            need = _lock_named(names[at : at + _SPINLOCK_DEPTH], _SPINLOCKS)
            if need:
                return Wait(need, names)
    return Wait(Obstacle.NOTHING, names)


def judge_sleeping(
    functions: Sequence[str], called: str | None = None, calls_next: str | None = None
) -> Wait:
    """The wait of a task that is sleeping uninterruptibly in *functions*, innermost first.

    They are in the form of ``/proc/PID/stack``, which leaves out the lock's own functions.

    :param called: the lock function that the innermost function calls; None if unknown. If the caller takes
        several locks, as a vfio-pci fault does up to 6.9, the task is waiting for the lock of this kind
    :param calls_next: the function that the innermost function calls next
    """
    names = tuple(functions)
    # Up to 6.14, a VMA's own lock is a semaphore, which its writer releases at once (vma_start_write).
    # vfio-pci does the same with its lock.
    at_once = called is not None and called.endswith("down_write") and calls_next == "up_write"
    if (at_once and _lock_named(names[:1], _VFIO) is None) or (names and names[0].startswith(_VMA_LOCK)):
        return Wait(Obstacle.VMA_LOCK, names)
    if "lru_cache_disable" in names:
        # It waits for a grace period, and then for work on every processor.
        return Wait(Obstacle.CPU, names)
    if any(name.startswith("synchronize_rcu") for name in names):
        # A held processor keeps the grace period from ending.
        return Wait(Obstacle.NOTHING, names)
    if called is not None and called.startswith(SEMAPHORE + _MUTEX):
        need = judge((called, *names)).need
        return Wait(Obstacle.OTHER_LOCK if need is Obstacle.NOTHING else need, names)
    return Wait(_lock_named(names, _MUTEXES | _SEMAPHORES) or Obstacle.OTHER_LOCK, names)


def _semaphore_named(names: Sequence[str], taken: str) -> Obstacle | None:
    """The semaphore that *names* wait for in the semaphore function *taken*."""
    innermost = next((name for name in names if not name.startswith(SEMAPHORE)), "")
    of_file = _lock_named([innermost], _FILES) if taken == "down_write" else None
    return of_file or _lock_named(names, _SEMAPHORES)


def _lock_named(names: Sequence[str], locks: dict[Obstacle, tuple[str, ...]]) -> Obstacle | None:
    for name in names:
        for need, prefixes in locks.items():
            if name.startswith(prefixes):
                return need
    return None
