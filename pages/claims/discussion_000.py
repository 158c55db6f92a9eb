"""Discussion 000: a patch that untracks only where a region is unmapped, made for vfio-pci."""

from __future__ import annotations

from pages.asking import Finds, Shows
from pages.claims.form import Claim, ClaimStatus, Message, Said
from pages.claims.kernels import ALL, DRIVER, DRIVER_CTX, VFIO, VFIO_LATER, VM_PAT, Seen
from pages.observed import book, entries, flushes, left, log, modes, order, result, tracked
from pfnlab.checker.check import HOLDS, VIOLATED

_PATCH = Message(
    "000",
    "[PATCH RFC 1/2] mm/x86/pat: Only untrack the pfn range if unmap region",
    "23 May 2024",
    "Peter Xu",
    "patch author",
)

_REMAP = "a = mmap bar[0:4] driver remap wc shared rw"
_OFF_AND_ON = (
    *("a = mmap bar[0:8] vfio shared rw", "write a[0] 3", "memory_disable bar", "memory_enable bar"),
    "read a[0]",
)
_WARNING = "WARNING at arch/x86/mm/pat/memtype.c"
_NOT_BUILT = "no kernel has this design"

_ZAP = "driver/driver-zap-first"
_REFAULT = "driver/driver-zap-refault"
_SWITCHED = "vfio/vfio-memory-disable-enable"
_TWICE = "bar[0:16] uc-, bar[0:8] uc-, bar[0:8] uc-"

SAID = (
    Said(
        _PATCH,
        (
            Claim(
                "X86 uses pfn tracking to do pfnmaps.",
                "",
                "A mapping of bare frames is reserved in the memtype book.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen("unmapping/munmap-whole", ALL, "a = mmap bar[0:8] wc shared rw", book, "bar[0:8] wc")
                ],
            ),
            Claim(
                "It looks like the tracking is normally started at mmap() of device drivers",
                "It looks like",
                "A mapping is reserved when it is made.",
                ClaimStatus.CONDITION,
                "where the driver fills the mapping in its mmap; vfio-pci on 6.1 fills it, and reserves, in "
                "the first fault",
                kernels=[
                    Seen(_ZAP, DRIVER, "a = mmap bar[0:8] driver remap wc shared rw", book, "bar[0:8] wc"),
                    Seen(
                        _SWITCHED,
                        ["6.1"],
                        "a = mmap bar[0:8] vfio shared rw",
                        tracked,
                        "nothing",
                        against=True,
                    ),
                    Seen(_SWITCHED, ["6.1"], "write a[0] 3", tracked, "VM_PAT a[0:8]", against=True),
                ],
            ),
            Claim(
                "then untracked when munmap()",
                "",
                "munmap gives the reservation back.",
                ClaimStatus.CONFIRMED,
                kernels=[Seen("unmapping/munmap-whole", ALL, "munmap a", book, "empty")],
            ),
            Claim(
                "in the current code the untrack is done in unmap_single_vma()",
                "",
                "Untracking comes with the clearing of one VMA, in a zap as in munmap, before the first "
                "entry goes.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(_ZAP, VM_PAT, "zap_vma_ptes a[0]", order, "untrack, clear, flush, finish"),
                    Seen(_ZAP, DRIVER_CTX, "zap_vma_ptes a[0]", order, "clear, finish, flush"),
                ],
            ),
            Claim(
                "unmap_single_vma() can be used nowadays even for zapping a single page",
                "",
                "To zap one page is enough to untrack all of the mapping.",
                ClaimStatus.CONFIRMED,
                kernels=[Seen(_ZAP, VM_PAT, "zap_vma_ptes a[0]", book, "empty")],
            ),
            Claim(
                "It's very confusing to do whole vma untracking in this function",
                "",
                "After the zap of a part the other pages are still mapped, and nothing reserves them.",
                ClaimStatus.CONFIRMED,
                asks=[Finds("6.1", "no_loss", VIOLATED), Finds("7.2", "no_loss", HOLDS)],
                kernels=[
                    Seen("driver/driver-claim-part", VM_PAT, "read a[0]", result, "ok 0"),
                    Seen("driver/driver-claim-part", VM_PAT, "read a[0]", book, "empty"),
                ],
            ),
            Claim(
                "Things like MADV_DONTNEED won't ever work for pfnmaps",
                "",
                "Advice that discards pages is refused for a mapping of bare frames.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen("selftest/selftest-madvise-disallowed", ALL, f"madvise a {advice}", result, "EINVAL")
                    for advice in ("dontneed", "free")
                ],
            ),
            Claim(
                "and it'll fail already before reaching here",
                "",
                "It is refused before anything is untracked, copied pages or not.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(
                        "madvise/madvise-discard-copied", VM_PAT, "madvise a dontneed", order, "nothing of it"
                    ),
                    Seen("madvise/madvise-discard-copied", ALL, "madvise a dontneed", flushes, "0"),
                    Seen("madvise/madvise-discard-copied", ALL, "madvise a dontneed", book, "bar[0:8] wc"),
                ],
            ),
            Claim(
                "If some pfn tracking is lost by accident, the default fallback is to use UC-",
                "",
                "A page that a fault handler fills in behind the loss is UC-.",
                ClaimStatus.CONFIRMED,
                kernels=[Seen(_REFAULT, VM_PAT, "read a[0]", modes, "a[0:1] UC-, a[1:8] WC")],
            ),
            Claim(
                "which might be safe enough even if it may not be wanted",
                "might be",
                "The wrong mode of such a page does no harm.",
                ClaimStatus.CONDITION,
                "while nobody else maps the frames: the pages that were not zapped are WC still, nothing "
                "reserves them, and another mapping of them gets UC-",
                asks=[
                    Shows(
                        "6.1",
                        [_REMAP, "zap_vma_ptes a[0]", "b = mmap bar[0:4] uc shared rw"],
                        modes,
                        "a[1:4] WC, b[0:4] UC-",
                        against=True,
                    ),
                    Finds("6.1", "one_mode", VIOLATED, against=True),
                ],
                kernels=[Seen(_REFAULT, VM_PAT, "read a[0]", book, "empty")],
            ),
            Claim(
                "can fall back to the default _PAGE_CACHE_MODE_UC_MINUS for a MMIO range",
                "",
                "UC- is what device memory falls back to, whatever the driver asks; RAM above 1 MiB and the "
                "ISA hole are WB.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen("driver/driver-fault-prot", DRIVER, "write a[0] 3", modes, "a[0:1] UC-"),
                    Seen(
                        "physical/isa-driver-fault",
                        DRIVER,
                        "read a[104]",
                        modes,
                        "a[7:8] UC-, a[8:9] WB, a[103:105] WB",
                    ),
                ],
            ),
            Claim(
                "there's ongoing work [1] on VFIO driver to allow tearing down MMIO pgtables",
                "",
                "vfio-pci takes the entries of a device whose memory is off, and the mappings stay.",
                ClaimStatus.CONDITION,
                "on 6.1 not those of a forked child, which reads through them while the memory is off; on "
                "6.12 and later those of everybody",
                kernels=[
                    Seen(_SWITCHED, VFIO, "memory_disable bar", entries, "none"),
                    Seen("vfio/vfio-fork", VFIO_LATER, "c: read a[0]", result, "EFAULT SIGBUS code=2", nth=0),
                    Seen("vfio/vfio-fork", ["6.1"], "c: read a[0]", result, "ok 0", against=True, nth=0),
                ],
            ),
            Claim(
                "we may not want to untrack the pfns if we're only tearing down",
                "may not want",
                "A reservation should outlive entries that are taken away for a while.",
                ClaimStatus.CONDITION,
                "where the fault handler does not reserve again: vfio-pci on 6.1 does, so with this patch "
                "it books twice, and one of the two stays for ever; 6.1 as it is gives up and books anew",
                asks=[
                    Shows("6.1,tracker=unmap_only", _OFF_AND_ON, book, _TWICE, against=True),
                    Shows("6.1,tracker=unmap_only", _OFF_AND_ON, left, "bar[0:8] uc-", against=True),
                    Shows("6.12,tracker=unmap_only", _OFF_AND_ON, left, "nothing"),
                ],
                kernels=[
                    Seen(_SWITCHED, ["6.1"], "read a[0]", book, "bar[0:16] uc-, bar[0:8] uc-"),
                    Seen(_SWITCHED, VFIO, "end", left, "nothing"),
                ],
            ),
            Claim(
                "those pfn mappings can be restored later with the same vma object",
                "",
                "The next access fills the zapped entries of the same VMA again.",
                ClaimStatus.CONDITION,
                "where the file has a fault handler that does it, as drivers and vfio-pci have; PCI files "
                "and /dev/mem have none",
                kernels=[
                    Seen(_REFAULT, DRIVER, "read a[0]", result, "ok 0"),
                    Seen(
                        "driver/driver-claim-part",
                        DRIVER,
                        "read a[2]",
                        result,
                        "EFAULT SIGBUS code=2",
                        against=True,
                    ),
                ],
            ),
            Claim(
                "it can be remapped later if the VFIO mapped MMIO region got re-enabled",
                "",
                "While the memory is off an access is SIGBUS; behind it the page is there again, with its "
                "content.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(_SWITCHED, VFIO, "read a[0]", result, "EFAULT SIGBUS code=2", nth=0),
                    Seen(_SWITCHED, VFIO, "read a[0]", result, "ok 3"),
                ],
            ),
            Claim(
                "In this case we should do pfn track for the whole lifecycle of the vma.",
                "should",
                "What a mapping reserves stays reserved until the mapping goes.",
                ClaimStatus.CONDITION,
                "so it is from 6.16 on, for mappings filled in mmap; a handler that calls remap_pfn_range "
                "in each fault, as vfio-pci on 6.1, would be refused the second time",
                asks=[
                    Shows("6.1,tracker=track_ctx", _OFF_AND_ON, result, "EFAULT SIGBUS code=2", against=True)
                ],
                kernels=[
                    Seen(_ZAP, DRIVER_CTX, "zap_vma_ptes a[0]", book, "bar[0:8] wc"),
                    Seen(_REFAULT, DRIVER_CTX, "read a[0]", modes, "a[0:8] WC"),
                ],
            ),
            Claim(
                "IIUC, this was overlooked when zap_page_range_single() was introduced",
                "IIUC",
                "That a zap untracks was nobody's intention.",
                ClaimStatus.OPEN,
                "an intention is no behaviour; the model without that commit keeps the reservation",
                asks=[Shows("6.1,without=f5cc4eef9987", [_REMAP, "zap_vma_ptes a[0]"], book, "bar[0:4] wc")],
                model_only="the archive has no kernel without the commit",
            ),
            Claim(
                "in the past it was only used in the munmap() path",
                "",
                "Before that commit (3.4) only munmap untracked, as a whole.",
                ClaimStatus.CONFIRMED,
                asks=[
                    Shows(
                        "6.1,without=f5cc4eef9987", [_REMAP, "zap_vma_ptes a"], order, "clear, flush, finish"
                    ),
                    Shows("6.1,without=f5cc4eef9987", [_REMAP, "munmap a"], book, "empty"),
                ],
                model_only="the archive has no kernel without the commit",
            ),
            Claim(
                "the initial commit that introduced unmap_single_vma(), in which the chunk of untrack_pfn() "
                "was moved over",
                "",
                "f5cc4eef9987 is the commit that makes a zap untrack.",
                ClaimStatus.CONFIRMED,
                asks=[
                    Shows("6.1", [_REMAP, "zap_vma_ptes a[0]"], book, "empty"),
                    Shows("6.1,without=f5cc4eef9987", [_REMAP, "zap_vma_ptes a[0]"], book, "bar[0:4] wc"),
                ],
                kernels=[Seen(_ZAP, VM_PAT, "zap_vma_ptes a[0]", book, "empty")],
            ),
            Claim(
                "Recover that behavior to untrack pfnmap only when unmap regions.",
                "",
                "With the patch a zap keeps the reservation, and munmap gives it back.",
                ClaimStatus.CONDITION,
                "while the first entry is there: its frame is read from the page tables still, so behind a "
                "zap of the first page munmap warns and the reservation stays for ever",
                asks=[
                    Shows("6.1,tracker=unmap_only", [_REMAP, "zap_vma_ptes a[0]"], book, "bar[0:4] wc"),
                    Shows("6.1,tracker=unmap_only", [_REMAP, "zap_vma_ptes a[1]", "munmap a"], book, "empty"),
                    *(
                        Shows(
                            "6.1,tracker=unmap_only",
                            [_REMAP, "zap_vma_ptes a[0]", "munmap a"],
                            observed,
                            expected,
                            against=True,
                        )
                        for observed, expected in ((log, _WARNING), (left, "bar[0:4] wc"))
                    ),
                ],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "untrack_pfn(vma, 0, 0, mm_wr_locked);",
                "",
                "The moved call still comes before the entries of its VMA are cleared, so munmap does what "
                "it did.",
                ClaimStatus.CONFIRMED,
                asks=[
                    Shows(
                        f"6.1{tracker}",
                        [_REMAP, "munmap a"],
                        order,
                        "untrack, clear, flush, free_pgtables, unlink, finish, flush",
                    )
                    for tracker in ("", ",tracker=unmap_only")
                ],
                model_only=_NOT_BUILT,
            ),
        ),
    ),
)
