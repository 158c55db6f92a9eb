"""Discussion 003, what is quoted in it: truncation, owners of a range, where the frame could come from."""

from __future__ import annotations

from pages.asking import Shows
from pages.claims.form import Claim, ClaimStatus, Message, Said
from pages.claims.kernels import ALL, CTX, DRIVER_CTX, VFIO, VFIO_LATER, VM_PAT, Seen
from pages.observed import book, entries, left, log, map_syncs, result, tracked, vm_pat

_SUBJECT = (
    "a mail on VM_PAT and truncation, quoted (the discussion has no subject; the author is told by the depth)"
)
_BEFORE = Message("003", _SUBJECT, "July 2024", "David Hildenbrand", "reviewer")
_ANSWER = Message(
    "003", "the answer to it, quoted", "July 2024", "Peter Xu", "author of the patch of discussion 000"
)

_REMAP = "a = mmap bar[0:4] driver remap wc shared rw"
_WARNING = "WARNING at arch/x86/mm/pat/memtype.c"
_NOT_BUILT = "no kernel has this design"
_ADOPTED = (
    *("b = mmap bar[0:4] wc shared rw", "a = mmap bar[0:4] uc shared rw"),
    *("zap_vma_ptes a", "c = fork"),
)
_OFF = ("a = mmap bar[0:8] vfio shared rw", "write a[0] 3", "memory_disable bar")
_ON_AGAIN = (*_OFF, "memory_enable bar", "read a[0]", "munmap a")

_SWITCHED = "vfio/vfio-memory-disable-enable"
_PART = "driver/driver-unmap-part"
_TRUNCATED = "driver/driver-truncate"
_KEPT = "bar[0:8] wc, bar[2:6] wc, next[0:4] wc"
_COPIED = "fork/fork-copied-first"

SAID = (
    Said(
        _BEFORE,
        (
            Claim(
                "file truncation seems to end up messing with a PFNMAP mapping that has PAT set",
                "seems",
                "unmap_mapping_range, which a truncation calls, gives up the reservation of a mapping that "
                "stays.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(_TRUNCATED, VM_PAT, "unmap_mapping_range bar[4:]", book, "empty"),
                    Seen(_TRUNCATED, DRIVER_CTX, "unmap_mapping_range bar[4:]", book, _KEPT),
                    Seen(_PART, VM_PAT, "unmap_mapping_range bar[2:4]", book, "empty"),
                    Seen(_PART, DRIVER_CTX, "unmap_mapping_range bar[2:4]", book, "bar[0:8] wc"),
                ],
            ),
            Claim(
                "I would have thought that PFNMAP would never really happen with file truncation.",
                "I would have thought",
                "Nobody calls unmap_mapping_range for a file that has PFN mappings.",
                ClaimStatus.CONDITION,
                "not by truncating, as far as we know; but the kernel calls it for sysfs and /dev/mem when "
                "a driver claims pages that are mapped through them",
                kernels=[
                    Seen(
                        "driver/driver-claim-part",
                        VM_PAT,
                        "request_mem_region bar[2:4]",
                        book,
                        "empty",
                        against=True,
                    )
                ],
            ),
            Claim(
                "Does this only happen with an OOT driver, that seems to do weird truncate",
                "seems",
                "A question: does it take a driver outside the tree?",
                ClaimStatus.CONDITION,
                "for truncation perhaps; a reservation is lost in the same way where a driver is bound to a "
                "device that is mapped through sysfs",
                kernels=[
                    Seen("driver/driver-bind", VM_PAT, "bind bar", book, "empty", against=True),
                    Seen("driver/driver-bind", DRIVER_CTX, "bind bar", book, "bar[0:8] wc"),
                ],
            ),
        ),
    ),
    Said(
        _ANSWER,
        (
            Claim(
                "I guess this will also stop working in VFIO",
                "I guess",
                "Where only munmap untracks, vfio's reservation is not given up with its entries any more.",
                ClaimStatus.CONFIRMED,
                "and on 6.1 that leaks, for the next fault books once more",
                asks=[
                    Shows("6.1,tracker=unmap_only", _OFF, book, "bar[0:16] uc-, bar[0:8] uc-"),
                    Shows("6.1,tracker=unmap_only", _ON_AGAIN, left, "bar[0:8] uc-"),
                ],
                kernels=[
                    Seen(_SWITCHED, ["6.1"], "memory_disable bar", book, "bar[0:16] uc-"),
                    Seen(_SWITCHED, ["6.1"], "end", left, "nothing"),
                ],
            ),
            Claim(
                "VFIO PCI doesn't register those regions now so VM_PAT is not yet set",
                "",
                "A mapping of vfio-pci reserves nothing of its own.",
                ClaimStatus.CONDITION,
                "from 6.10 on, which had just come out; up to 6.9 the first fault reserves the mapping and "
                "sets VM_PAT",
                asks=[
                    Shows(series, _OFF[:2], vm_pat, shown, against=shown == "set")
                    for series, shown in (("6.9", "set"), ("6.10", "clear"))
                ],
                kernels=[
                    Seen(_SWITCHED, ["6.12"], "write a[0] 3", vm_pat, "clear"),
                    Seen(_SWITCHED, VFIO_LATER, "write a[0] 3", book, "bar[0:16] uc-"),
                    Seen(_SWITCHED, ["6.1"], "write a[0] 3", vm_pat, "set", against=True),
                ],
            ),
            Claim(
                "memtype_check_insert() can work with >1 owners",
                "",
                "A range can be reserved several times, and each owner frees its own.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(
                        "modes/overlap",
                        ("6.1", "6.12", "6.17", "6.18", "7.1", "7.2", "7.3"),
                        "b = mmap bar[4:12] wc shared rw",
                        book,
                        "bar[0:8] wc, bar[4:12] wc",
                    ),
                ],
            ),
            Claim(
                "as long as the memtype matches",
                "",
                "Another mode is refused.",
                ClaimStatus.CONDITION,
                "where the range has two modes already; a mapping of frames in one mode gets that, whatever "
                "it asks for",
                kernels=[
                    Seen("modes/adopt-straddle", ALL, "c = mmap bar[2:6] wc shared rw", result, "EINVAL"),
                    Seen(
                        "modes/adopt-wc",
                        ALL,
                        "b = mmap bar[0:8] uc shared rw",
                        book,
                        "bar[0:8] wc, bar[0:8] wc",
                        against=True,
                    ),
                ],
            ),
            Claim(
                "that's how fork() works where VM_PAT needs to be duplicated",
                "",
                "A child has a reservation of its own for the same range.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen("fork/fork-child-first", VM_PAT, "c = fork", book, "bar[0:8] wc, bar[0:8] wc"),
                    Seen(
                        "fork/fork-child-first", VM_PAT, "c = fork", tracked, "VM_PAT a[0:8], VM_PAT c:a[0:8]"
                    ),
                ],
            ),
            Claim(
                "As I think it also means when fork the track_pfn_copy() will call memtype_kernel_map_sync",
                "I think",
                "Each fork brings the direct map in line once more, for nothing.",
                ClaimStatus.CONFIRMED,
                "from 6.16 on a fork reserves nothing, and so does not",
                kernels=[
                    Seen("lowmem/lowmem-fork", VM_PAT, "c = fork", map_syncs, "2"),
                    Seen("lowmem/lowmem-fork", CTX, "c = fork", map_syncs, "0"),
                ],
            ),
            Claim(
                "I wonder whether there's some way that untrack pfn framework doesn't need to rely",
                "I wonder",
                "Untracking can do without the page tables.",
                ClaimStatus.CONFIRMED,
                "so it is from 6.16 on",
                kernels=[
                    Seen("driver/driver-zap-first", DRIVER_CTX, "munmap a", book, "empty"),
                    Seen("driver/driver-zap-first", DRIVER_CTX, "munmap a", log, "nothing"),
                ],
            ),
            Claim(
                "VFIO MMIO region protection will also do that in the near future, AFAICT.",
                "AFAICT",
                "vfio-pci takes away entries of mappings that stay.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(_SWITCHED, VFIO, "memory_disable bar", entries, "none"),
                    Seen("vfio/vfio-fork", VFIO_LATER, "memory_disable bar", entries, "none"),
                ],
            ),
            Claim(
                "get_pat_info() should fallback to vma's pgprot if no mapping found",
                "should",
                "The protection of the VMA will do where there is no entry to read it from.",
                ClaimStatus.CONDITION,
                "where the mapping got the mode it asked for; where it adopted another the VMA does not "
                "know that, and fork is refused",
                asks=[
                    Shows("7.2,tracker=base_pfn", [_REMAP, "zap_vma_ptes a", "c = fork"], result, "ok"),
                    Shows("7.2,tracker=base_pfn", _ADOPTED, result, "ENOMEM", against=True),
                ],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "the only outlier should be CoW pages in reality",
                "should be",
                "Only a copied first page hides the protection.",
                ClaimStatus.CONDITION,
                "an adopted mode is another one, behind a zap",
                asks=[Shows("7.2,tracker=base_pfn", _ADOPTED, result, "ENOMEM", against=True)],
                kernels=[
                    Seen(_COPIED, VM_PAT, "c = fork", result, "ENOMEM"),
                    Seen("fork/fork-copied-second", VM_PAT, "c = fork", result, "ok"),
                ],
            ),
            Claim(
                "either track_pfn_copy() or untrack_pfn() may need to know the pfn to untrack",
                "may",
                "Both are lost when the entry with the frame is gone and the reservation is not.",
                ClaimStatus.CONFIRMED,
                asks=[
                    Shows("6.1,tracker=unmap_only", [_REMAP, "zap_vma_ptes a[0]", "munmap a"], log, _WARNING),
                    Shows("6.1,tracker=unmap_only", [_REMAP, "zap_vma_ptes a[0]", "c = fork"], log, _WARNING),
                ],
                model_only="on kernels with this code a zap has untracked before",
            ),
        ),
    ),
)
