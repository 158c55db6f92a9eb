"""The functions that operations come by, for schedules in which two tasks are held at once.

A function drawn at random is seldom one of its operation: two that are both reached are one pair in hundreds.
"""

from __future__ import annotations

_CLEARS = ("tlb_gather_mmu", "flush_tlb_mm_range", "tlb_finish_mmu")
_FREES = (
    *("unmap_vmas", *_CLEARS, "free_pgtables", "unlink", "rmap_del", "vm_area_free"),
    *("untrack_pfn", "pfnmap_untrack", "memtype_erase"),
)
_MAPS = ("memtype_reserve", "rmap_add", "pfnlab_mmap")
_FAULTS = ("vmf_insert_pfn_prot", "pfnlab_fault")

#: By kind of operation (``call_kinds.KINDS``), functions that it comes by.
PLACES: dict[str, tuple[str, ...]] = {
    "munmap": _FREES,
    "mmap": _MAPS,
    "mmap driver": _MAPS,
    "mmap over": (*_FREES, *_MAPS),
    "remap_file_pages": (*_FREES, *_MAPS),
    "mremap": ("move_page_tables", "untrack_pfn_clear", "rmap_add", "rmap_del", *_CLEARS, "vm_area_free"),
    "mprotect": ("change_protection", "rmap_add", *_CLEARS),
    "madvise": _CLEARS,
    "zap_vma_ptes": _CLEARS,
    "unmap_mapping_range": _CLEARS,
    "read": (*_FAULTS, "flush_tlb_mm_range"),
    "write": (*_FAULTS, "flush_tlb_mm_range"),
    "remap_pfn_range": ("memtype_reserve",),
    "ioremap": ("memtype_reserve",),
    "iounmap": ("memtype_erase",),
}

#: Functions that a munmap comes by in every kernel, as soon as there is something to unmap.
ALWAYS = ("unmap_vmas", "tlb_gather_mmu", "free_pgtables", "tlb_finish_mmu", "vm_area_free")
