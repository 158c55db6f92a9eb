"""Known violations by kernels and designs, matched by their causes in the run."""

from collections.abc import Callable

from pfnlab.checker.judging.run_causes import Causes

_PIECES = "A06: the pieces of a split VMA free ranges that were never reserved"
_BY_END = "A07: unmapping an end shrinks another mapping's reservation"
_ZAPPED = "A08: zapping part of a mapping frees its whole reservation"
_LOOKED_UP = "A09: once the first page is zapped, `unmap_only` cannot find the reservation"
_TWICE_BOOKED = "A20: a fault that remaps reserves a range again that `unmap_only` kept across a zap"
_HALVED = "A16: a split or a move loses VM_PAT, so the reservation loses its owner"
_COPIED_FIRST = "A01: the reservation cannot be found once the first page is copied"
_CHILD = "A03: when fork fails to copy, the child is untracked with an empty page table"
_FORK = "A04: a failed fork untracks the parent's mapping"
_MOVED = "A12: mremap untracks the old range after its entries are gone"
_FOREIGN = "S4.10: a driver frees another driver's reservation"
_PART = "S2.4: a driver frees part of its reservation, but the book still has the whole range"
_LOCKED_TWICE = "S5.8.9: MREMAP_DONTUNMAP on a locked mapping counts it in locked_vm twice"
_RAM = "S4.10: a driver cannot map RAM this way"
_SECTION = "S4.10: the section already belongs to another range"
_FIRST_PAGE = "S9.2.6: a claim blocks new mappings only if it includes the first page of the BAR"
_ESCAPES = "S9.9.4: an mmap was permitted before the claim but completed after the revocation"
_COPIED = "S9.4.5: a copied vfio-pci mapping loses its reservation"
_FILLED = "S9.4.5: vfio-pci only finds VMAs that it has filled"
_UNMINDED = "E12: vfio-pci keeps its mappings when device memory is disabled"
_KEPT = "D02: unmapped pages stay reserved until the last VMA is gone"
_ASSERTED = "S6.3.8: a leaf is split without mmap_lock, and the kernel asserts that it is held"
_HANDLER = "G08: a fault handler remaps while mmap_lock is held only for reading; the kernel warns"
_UNTRACKED = "A10: an entry is untracked without mmap_lock"
_REVIVED = "A10: an entry is untracked without mmap_lock during a call that then restores the tracked flag"
_LEAVES = "S7.5.3: smaps, smaps_rollup and numa_maps remove 1 GiB leaves"
_ACCESS = "S7.6.3: access_phys maps the entry's frame even if it is ordinary RAM"
_HOLE = "C09: the ISA hole is never reserved, but a range that crosses its edge is reserved whole"
_DIRECT = "S2.10.2: unreserved memory may be mapped in any mode, and the direct map does not follow"
_SET = "S2.9.6: the direct map changes from write-combining to UC, although UC- was reserved"
_LOW = "S9.1.5: below 1 MiB a claim revokes nothing"
_SPANS = "S9.6.5: a range that extends beyond its resource triggers a warning"
_FRAMES = "E03: vfio-pci installs a leaf with unaligned frames, whose low bits are lost"
_BY_OFFSET = "A14: a mapping with an offset counts as tracked, and frees a range it never reserved"
_BARE = "F24: a mapping without vm_ops counts as anonymous, and moving it loses its file offset"
_LIMIT = "C05: a range that ends at physical address 2^52 can be reserved but not freed"
_NO_LAST = "C05: a range's end at physical address 2^52 is taken for 0"
_UNASKED = "C01: the driver maps in its chosen mode without consulting the book"
_UNCOUNTED = "S5.8.4a: a special VMA that fails to grow uncharges memory that was never charged"
_SHRUNK = "S5.8.13: a mapping that shrinks and moves stays charged for the part cut off"
_UNCUT = "S5.8.15: an mremap that fails to split its source leaves the source without VM_ACCOUNT"
_GREW = "S5.8.15: an mremap that fails to grow a mapping for lack of a page table leaves the growth committed"
_REPLACED = "S4.7.5: a failed mmap leaves the memory it would have replaced committed"
_UNACCOUNTED = "S5.8.9: MREMAP_DONTUNMAP clears VM_ACCOUNT on the source"
_REFUSED = "S4.7.6: an mmap refused in the first phase stays committed"
_UNFLUSHED = "S8.2.6: a reservation is freed before the flush, while TLBs still hold entries with its mode"
_REFUSED_FORK = "A02: fork fails if the first page of a private mapping was copied"
_FIRST_FRAME = "C11: a leaf takes the mode of its first frame"
_LEAF_MODE = "C12: a 1 GiB leaf ignores the mode looked up for it"
_TWICE = "A17: a remap that fails halfway is untracked twice"

#: Trackers that keep one book entry for all pieces of a mapping and know only whole VMAs.
_WHOLE_VMAS = ("vm_pat", "unmap_only", "base_pfn", "driver_hook", "vm_pgoff")

#: Trackers that look up the first frame in the page tables and keep the reservation across a zap.
_LOOK_UP = ("unmap_only", "driver_hook")

#: Trackers that keep the reservation across a zap without noticing the next remap.
_OVER_ZAPS = (*_LOOK_UP, "base_pfn", "vm_pgoff")


def _pieces(causes: Causes) -> bool:
    return causes.tracker(*_WHOLE_VMAS) and (causes.cut or causes.left_uncut)


def _looked_up(causes: Causes) -> bool:
    return causes.tracker(*_LOOK_UP) and causes.zapped


def _halved(causes: Causes) -> bool:
    lost = causes.has("failed_fork_untracks") and causes.lacks("only_fork_clears_vm_pat")
    return lost and causes.tracker(*_WHOLE_VMAS) and (causes.cut or causes.moved)


def _copied_first(causes: Causes) -> bool:
    return (
        causes.tracker("vm_pat", "unmap_only") and causes.lacks("cow_knows_its_pfn") and causes.copied_first
    )


def _fork_failed(causes: Causes) -> bool:
    return causes.tracker(*_WHOLE_VMAS) and causes.lacks("failed_fork_untracks") and causes.fork_failed


def _moved_away(causes: Causes) -> bool:
    return causes.tracker(*_WHOLE_VMAS) and causes.lacks("move_clears_vm_pat") and causes.moved


def _refused_fork(causes: Causes) -> bool:
    return causes.tracker("vm_pat", "unmap_only", "driver_hook") and causes.copied_first


def _bare_moved(causes: Causes) -> bool:
    return causes.lacks("dummy_vm_ops") and causes.driver and causes.moved


def _by_offset(causes: Causes) -> bool:
    return causes.tracker(*_WHOLE_VMAS) and causes.lacks("vm_pat_flag")


#: Known violations by property. Each has an explanation, with an id from docs/bugs.md or a step in
#: docs/semantics, and the event in the run that it applies to. The first match is used.
KNOWN: dict[str, tuple[tuple[str, Callable[[Causes], bool]], ...]] = {
    "looks_only": ((_LEAVES, lambda c: c.now in ("smaps", "smaps_rollup", "numa_maps") and c.had_leaf(3)),),
    "entries_inside": (
        (_FRAMES, lambda c: c.vfio and c.has("huge_pfnmap") and c.lacks("vfio_checks_leaf_pfn")),
    ),
    "no_leak": (
        (_HALVED, _halved),
        (_COPIED_FIRST, _copied_first),
        (_FORK, _fork_failed),
        (_MOVED, _moved_away),
        (_PIECES, _pieces),
        (
            _TWICE_BOOKED,
            lambda c: c.tracker(*_OVER_ZAPS) and c.has("vfio_remaps") and c.vfio and c.refilled,
        ),
        (_LOOKED_UP, _looked_up),
        (_FOREIGN, lambda c: c.took_foreign),
        (_UNTRACKED, lambda c: c.tracker("vm_pat") and c.zapped_beside_change),
        (_BARE, _bare_moved),
        (_LIMIT, lambda c: c.device("limit")),
    ),
    "told_free": ((_BARE, _bare_moved),),
    "no_warning": (
        (_NO_LAST, lambda c: c.device("limit") and c.lacks("reserve_keeps_top")),
        (_BY_OFFSET, lambda c: _by_offset(c) and c.fork_failed),
        (_TWICE, lambda c: c.tracker(*_WHOLE_VMAS) and c.has("failed_remap_zaps") and c.remap_failed),
        (
            _CHILD,
            lambda c: c.tracker(*_WHOLE_VMAS) and c.lacks("failed_copy_clears_vm_pat") and c.fork_failed,
        ),
        (_MOVED, _moved_away),
        (_LOOKED_UP, _looked_up),
        (_UNTRACKED, lambda c: c.tracker("vm_pat") and c.now == "release" and c.zapped),
        (_REVIVED, lambda c: c.tracker("vm_pat") and c.zapped_beside_change),
        (_UNTRACKED, lambda c: c.has("lookup_asserts_mmap_lock") and c.zapped),
        (
            _ASSERTED,
            lambda c: (
                c.has("zap_asserts_mmap_lock")
                and c.now in ("unmap_mapping_range", "request_mem_region")
                and c.had_leaf(3)
            ),
        ),
        (_HANDLER, lambda c: c.has("flags_assert_mmap_lock") and c.remaps_at_fault),
        (_COPIED, lambda c: c.has("vfio_remaps") and c.vfio and c.now == "mremap"),
        (_RAM, lambda c: c.now in ("ioremap", "memremap", "io_mapping_create_wc") and c.on_ram),
        (_SECTION, lambda c: c.driver and c.now == "memremap_pages"),
        (_ACCESS, lambda c: c.now in ("mem_read", "mem_write")),
        (_SPANS, lambda c: c.device("isa") and c.now == "arch_io_reserve_memtype_wc"),
    ),
    "freed_once": (
        (_BY_OFFSET, _by_offset),
        (_FOREIGN, lambda c: c.took_foreign or (c.freed_foreign and c.now == "arch_io_free_memtype_wc")),
        (_PART, lambda c: c.now == "arch_io_free_memtype_wc" and c.driver and c.freed_part),
        (_FORK, _fork_failed),
        (_PIECES, _pieces),
        (_UNTRACKED, lambda c: c.tracker("vm_pat") and c.zapped_beside_zap),
        (_REVIVED, lambda c: c.tracker("vm_pat") and c.zapped_beside_change),
    ),
    "no_loss": (
        (_BY_OFFSET, _by_offset),
        (_ZAPPED, lambda c: c.tracker("vm_pat") and (c.zaps or c.refills or c.unmaps_behind_zap)),
        (_FOREIGN, lambda c: c.took_foreign),
        (_FORK, _fork_failed),
        (_BY_END, lambda c: c.has("end_match") and _pieces(c)),
    ),
    "direct_map": (
        (_ZAPPED, lambda c: c.tracker("vm_pat") and c.zapped and c.ram),
        (_DIRECT, lambda c: c.driver and c.device("isa")),
        (_DIRECT, lambda c: c.driver and c.done("remap_file_pages")),
        (_SET, lambda c: c.device("isa")),
    ),
    "fork_whole": ((_FORK, _fork_failed), (_PIECES, _pieces)),
    "fork_works": (
        (_REFUSED_FORK, _refused_fork),
        (_LOOKED_UP, _looked_up),
        # A piece that lies inside the hole is not reserved again, so the copy gets another mode.
        (_HOLE, lambda c: c.tracker(*_WHOLE_VMAS) and c.cut_by_call("isa")),
    ),
    "memory_off": (
        (_UNMINDED, lambda c: c.vfio and c.lacks("vfio_minds_memory")),
        (_FILLED, lambda c: c.has("vfio_remaps") and c.vfio and (c.forked or c.cut or c.moved)),
    ),
    "mm_counts": (
        # A double count persists: even if more memory is locked later, the numbers still differ.
        (_LOCKED_TWICE, lambda c: c.left_mapped and c.within("6.16", "7.2")),
    ),
    "committed_left": (
        (_UNCOUNTED, lambda c: c.has("vain_growth_uncommits") and c.own_pages and c.done("mremap")),
        (_REFUSED, lambda c: c.has("refused_stays_committed") and c.refused_devmem),
        (_REPLACED, lambda c: c.has("replaced_stays_committed") and c.failed_over),
        (_UNACCOUNTED, lambda c: c.has("dontunmap_drops_account") and c.left_mapped),
        (_UNCUT, lambda c: c.left_uncut),
        (_GREW, lambda c: c.has("vain_growth_stays_committed") and c.grew_in_vain),
        (_SHRUNK, lambda c: c.has("shrunk_committed_again") and c.shrank_elsewhere),
    ),
    "direct_map_back": (("S2.8: freeing a reservation does not restore the direct map", lambda c: c.ram),),
    "claimed_free": (
        (_PIECES, _pieces),
        (_LOOKED_UP, lambda c: c.tracker(*_OVER_ZAPS) and c.zapped),
        (_FIRST_PAGE, lambda c: c.claimed.mapped_behind),
        (_FOREIGN, lambda c: c.took_foreign),
        (_KEPT, lambda c: c.counts and (c.zapped or c.cut) and c.claimed.kept),
        (_ESCAPES, lambda c: c.driver and c.now == "release"),
    ),
    "claimed_unmapped": (
        (_FIRST_PAGE, lambda c: c.claimed.maps_behind),
        (_ESCAPES, lambda c: c.driver and c.now == "release"),
        (_LOW, lambda c: c.device("isa")),
    ),
    "removed_unmapped": (
        (
            "S9.3: /proc/bus/pci has no address_space of its own",
            lambda c: c.done("remove", "unplug") and c.maps_device("proc") and not c.maps_device("wc", "uc"),
        ),
    ),
    "booked_mode": (
        (_HOLE, lambda c: c.device("isa")),
        (_NO_LAST, lambda c: c.device("limit") and c.lacks("reserve_keeps_top")),
        (_LEAF_MODE, lambda c: c.has("pud_forgets_mode") and c.had_leaf(3)),
        (_FIRST_FRAME, lambda c: c.had_leaf(2) or c.had_leaf(3)),
        (_UNASKED, lambda c: c.unreserved),
        (_ZAPPED, lambda c: c.tracker("vm_pat") and c.zapped),
        (_BY_END, lambda c: c.has("end_match") and _pieces(c)),
        (_FOREIGN, lambda c: c.took_foreign),
    ),
    "one_mode": (
        (_HOLE, lambda c: c.device("isa")),
        (_UNASKED, lambda c: c.unreserved),
        (_UNFLUSHED, lambda c: c.tracker(*_WHOLE_VMAS) and c.unflushed),
        (_ZAPPED, lambda c: c.tracker("vm_pat") and c.zapped),
        (_BY_END, lambda c: c.has("end_match") and _pieces(c)),
        (_FOREIGN, lambda c: c.took_foreign),
    ),
}

#: The explanation for violations in programs that make the kernel skip a call.
LEFT_OUT = "the program makes the kernel skip a call"


def known(causes: Causes, name: str) -> str:
    """The reason why property *name* is violated; empty if the cause is unknown."""
    if causes.left_out:
        return LEFT_OUT
    return next((why for why, cause in KNOWN.get(name, ()) if cause(causes)), "")
