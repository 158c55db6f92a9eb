"""Discussion 002, the cover letter: contexts that count what shares a tracked range."""

from __future__ import annotations

from pages.asking import Costs, Finds, Shows
from pages.claims.form import Claim, ClaimStatus, Message, Said
from pages.claims.kernels import ALL, CTX, DRIVER, DRIVER_CTX, LEAVES, VM_PAT, Seen, Sized
from pages.observed import book, left, log, modes, order, reserves, result, tracked, vm_pat
from pfnlab.checker.check import HOLDS, VIOLATED

_COVER = Message(
    "002",
    "[PATCH v2 00/11] mm: rewrite pfnmap tracking and remove VM_PAT",
    "12 May 2025",
    "David Hildenbrand",
    "patch author",
)

_WC = "a = mmap bar[0:4] wc shared rw"
_FREED = "x86/PAT: main freeing invalid memtype"
_NOT_BUILT = "no kernel has this design"

_FIRST = "unmapping/munmap-first"
_I915 = "driver/driver-i915"
_SHRINK = "selftest/selftest-mremap-shrink"
_APERTURE = "driver/driver-aperture-part"
_MAPPED = "a = mmap bar[0:8] wc shared rw"

SAID = (
    Said(
        _COVER,
        (
            Claim(
                "This should sort out various issues with VM_PAT we discovered recently",
                "should",
                "What failed or leaked with VM_PAT does not any more, as a fork behind a write to the first "
                "page.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen("fork/fork-copied-first", VM_PAT, "c = fork", result, "ENOMEM"),
                    Seen("fork/fork-copied-first", CTX, "c = fork", result, "ok"),
                    Seen(_FIRST, VM_PAT, "end", left, "bar[0:2] wc"),
                    Seen(_FIRST, CTX, "end", left, "nothing"),
                ],
            ),
            Claim(
                "will hopefully make the whole code more stable and easier to maintain",
                "hopefully",
                "Nothing is freed in vain, leaked or warned about any more.",
                ClaimStatus.CONFIRMED,
                "how easy the code is to maintain is not asked here",
                asks=[
                    *(Finds("7.2", name, HOLDS) for name in ("no_leak", "freed_once", "no_warning")),
                    *(Finds("6.12", name, VIOLATED) for name in ("no_leak", "freed_once")),
                ],
                kernels=[
                    Seen("unmapping/munmap-middle", CTX, "munmap a", log, "nothing"),
                    Seen("unmapping/munmap-middle", CTX, "end", left, "nothing"),
                ],
            ),
            Claim(
                "we stop letting PAT mode mess with VMAs",
                "",
                "No flag of the VMA says that it is tracked.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(_FIRST, VM_PAT, _MAPPED, vm_pat, "set"),
                    Seen(_FIRST, CTX, _MAPPED, vm_pat, "clear"),
                ],
            ),
            Claim(
                "instead lift what to track/untrack to the MM core",
                "",
                "A reservation ends when the VMA is freed, no longer while its entries are cleared.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(
                        "unmapping/munmap-whole",
                        VM_PAT,
                        "munmap a",
                        order,
                        "untrack, clear, flush, free_pgtables, unlink, finish, flush",
                    ),
                    Seen(
                        "unmapping/munmap-whole",
                        CTX,
                        "munmap a",
                        order,
                        "clear, free_pgtables, flush, unlink, finish, flush, untrack",
                    ),
                ],
            ),
            Claim(
                "We remember per VMA which pfn range we tracked in a new struct",
                "",
                "The range is kept beside the VMA, and is not read back from the page tables.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(_FIRST, VM_PAT, _MAPPED, tracked, "VM_PAT a[0:8]"),
                    Seen(_FIRST, CTX, _MAPPED, tracked, "bar[0:8] x1 a[0:8]"),
                    Seen("driver/driver-zap-fork", DRIVER_CTX, "c = fork", book, "bar[0:8] wc"),
                ],
            ),
            Claim(
                "(we have space without exceeding 192 bytes)",
                "",
                "The pointer fits into a VMA of 192 bytes.",
                ClaimStatus.CONFIRMED,
                "where VMAs have locks; it takes 8 of the 16 bytes of padding, and in no configuration a "
                "VMA is larger",
                asks=[Costs("track_ctx", (8, 24))],
                kernels=[Sized("vm_area_struct", CTX, 192), Sized("pfnmap_track_ctx", CTX, 24)],
            ),
            Claim(
                "use a kref to share it among VMAs during split/mremap/fork",
                "",
                "Pieces, moved parts and children share one range, which counts them.",
                ClaimStatus.CONFIRMED,
                asks=[Finds("7.2", "counters", HOLDS)],
                kernels=[
                    Seen(
                        "splitting/split-by-mprotect",
                        CTX,
                        "mprotect a[4:8] r",
                        tracked,
                        "bar[0:8] x2 a[0:4] a[4:8]",
                    ),
                    Seen(
                        "mremap/mremap-move-first",
                        CTX,
                        "b = mremap a[0:3] 3 pages maymove fixed",
                        tracked,
                        "bar[0:8] x2 a[3:8] b[0:3]",
                    ),
                    Seen("fork/fork-child-first", CTX, "c = fork", tracked, "bar[0:8] x2 a[0:8] c:a[0:8]"),
                ],
            ),
            Claim(
                "and automatically untrack once the kref drops to 0",
                "",
                "The range is freed exactly when the last VMA goes, whatever was split, moved or forked.",
                ClaimStatus.CONFIRMED,
                asks=[Finds("7.2", name, HOLDS) for name in ("no_leak", "no_loss", "freed_once")],
                kernels=[
                    Seen("fork/fork-nested-kill", CTX, "munmap a", tracked, "bar[0:8] x1 d:a[0:8]"),
                    Seen("fork/fork-nested-kill", CTX, "munmap a", book, "bar[0:8] wc"),
                    Seen("fork/fork-nested-kill", CTX, "d: kill", book, "empty"),
                ],
            ),
            Claim(
                "we'll keep tracking a full pfn range even after partially unmapping it",
                "",
                "The whole range stays reserved when a part of it is unmapped.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(_FIRST, CTX, "munmap a[0:2]", book, "bar[0:8] wc"),
                    Seen("unmapping/munmap-last", CTX, "munmap a[6:8]", book, "bar[0:8] wc"),
                ],
            ),
            Claim(
                "until fully unmapping it",
                "",
                "It goes with the last part.",
                ClaimStatus.CONFIRMED,
                kernels=[Seen(_FIRST, CTX, "munmap a[2:8]", book, "empty")],
            ),
            Claim(
                "as that case was mostly broken before",
                "mostly",
                "To unmap a part freed in vain and leaked, unless it was the last.",
                ClaimStatus.CONFIRMED,
                asks=[Finds("6.12", "no_leak", VIOLATED)],
                kernels=[
                    Seen(_FIRST, VM_PAT, "munmap a[0:2]", log, f"{_FREED} bar[0:2]"),
                    Seen(_FIRST, VM_PAT, "end", left, "bar[0:2] wc"),
                    Seen("unmapping/munmap-last", VM_PAT, "end", left, "nothing"),
                ],
            ),
            Claim(
                "this at least makes it work",
                "at least",
                "Whatever part goes first, nothing is left in the end.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(f"unmapping/{name}", CTX, "end", left, "nothing")
                    for name in ("munmap-first", "munmap-middle", "munmap-last", "munmap-middle-last")
                ],
            ),
            Claim(
                "Shrinking with mremap() used to work in a hacky way",
                "in a hacky way",
                "A shrink took the end off the reservation.",
                ClaimStatus.CONDITION,
                "of a mapping in one piece; of one that was split it took the end off, and the first piece "
                "leaked",
                kernels=[
                    Seen(_SHRINK, VM_PAT, "mremap a 1 page", book, "low[0:1] wb"),
                    Seen("mremap/mremap-shrink-split", VM_PAT, "mremap a[4:8] 2 pages", book, "bar[0:6] wc"),
                    Seen("mremap/mremap-shrink-split", VM_PAT, "end", left, "bar[0:4] wc", against=True),
                ],
            ),
            Claim(
                "we'll similarly keep the original pfn range tacked even after this form of partial unmap",
                "",
                "A shrink leaves the reservation as it was.",
                ClaimStatus.CONFIRMED,
                kernels=[Seen(_SHRINK, CTX, "mremap a 1 page", book, "low[0:2] wb")],
            ),
            Claim(
                "Does anybody care about that? Unlikely.",
                "Unlikely",
                "Nobody notices what stays reserved.",
                ClaimStatus.OPEN,
                "who cares cannot be asked here; it can be noticed, by the mode that an uncached mapping of "
                "the given-up pages gets",
                kernels=[
                    Seen(
                        "modes/hole-keeps-mode",
                        VM_PAT,
                        "b = mmap bar[4:8] uc shared rw",
                        book,
                        "bar[0:4] wc, bar[4:8] uc-",
                    ),
                    Seen(
                        "modes/hole-keeps-mode",
                        CTX,
                        "b = mmap bar[4:8] uc shared rw",
                        book,
                        "bar[0:8] wc, bar[4:8] wc",
                    ),
                ],
            ),
            Claim(
                "we could likely handled that (adjust the tracking) when our kref drops to 1",
                "could likely",
                "With one VMA left the range can be cut to what that one maps.",
                ClaimStatus.CONDITION,
                "for shrinks, heads and tails; two pieces around a hole, or a child, keep all of it",
                asks=[
                    Shows("7.2,tracker=ctx_adjust", [_WC, "mremap a 2 pages"], book, "bar[0:2] wc"),
                    Shows("7.2,tracker=ctx_adjust", [_WC, "munmap a[0]"], book, "bar[1:4] wc"),
                    Shows("7.2,tracker=ctx_adjust", [_WC, "munmap a[1]"], book, "bar[0:4] wc", against=True),
                    Finds("7.2,tracker=ctx_adjust", "exact", VIOLATED, against=True),
                    Finds("7.2,tracker=ctx_adjust", "no_loss", HOLDS),
                ],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "But it adds more complexity, so avoid that for now.",
                "",
                "To adjust, a context has to find its last VMA; ours keeps two list pointers in every VMA "
                "for that.",
                ClaimStatus.CONFIRMED,
                "and with three words a VMA of 192 bytes becomes one of 256",
                asks=[Costs("ctx_adjust", (24, 48)), Costs("track_ctx", (8, 24))],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "Briefly tested with the new pfnmap selftests",
                "Briefly",
                "The selftests pass with the series.",
                ClaimStatus.CONFIRMED,
                "they pass without it, too: 6.1 and 6.12 log and leak meanwhile, which no selftest looks at",
                kernels=[
                    Seen(
                        "selftest/selftest-munmap-split", ALL, "b = mmap low[0] devmem shared r", result, "ok"
                    ),
                    Seen(_SHRINK, ALL, "mremap a 1 page", result, "ok same"),
                    Seen("selftest/selftest-munmap-split", VM_PAT, "munmap a[0]", log, f"{_FREED} low[0:1]"),
                ],
            ),
            Claim(
                "Keep checking a single PFN for PMD/PUD case and document why it's ok",
                "",
                "One frame is looked up for a whole leaf, and gives all of it its mode.",
                ClaimStatus.CONDITION,
                "where the book has one mode for all frames of the leaf; with page 0 alone booked WC, all "
                "512 are WC, and with page 513 alone booked WC, the leaf over it is UC-: a frame in two "
                "modes",
                kernels=[
                    Seen(
                        "driver/driver-leaves",
                        LEAVES,
                        "write c[5] 3",
                        modes,
                        "a[0:1] WC, b[0:1] WC, c[0:512] WC 2 MiB",
                    ),
                    Seen(
                        "driver/driver-leaves",
                        LEAVES,
                        "read c[600]",
                        modes,
                        "a[0:1] WC, b[0:1] WC, c[0:512] WC 2 MiB, c[512:1024] UC- 2 MiB",
                        against=True,
                    ),
                ],
            ),
            Claim(
                "mm: introduce pfnmap_track() and pfnmap_untrack() and use them for memremap",
                "",
                "Struct pages for a device book its range, and give it back, without a VMA.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(
                        "driver/driver-struct-pages",
                        DRIVER,
                        "memremap_pages bar[0:512]",
                        book,
                        "bar[0:512] uc-",
                        nth=0,
                    ),
                    Seen("driver/driver-struct-pages", DRIVER, "end", left, "nothing"),
                ],
            ),
            Claim(
                "x86/mm/pat: remove strict_prot parameter from reserve_pfn_range()",
                "",
                "Only fork insisted on a mode, and fork no longer reserves.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen("fork/fork-child-first", VM_PAT, "c = fork", reserves, "1"),
                    Seen("fork/fork-child-first", CTX, "c = fork", reserves, "0"),
                ],
            ),
            Claim(
                "x86/mm/pat: remove MEMTYPE_*_MATCH",
                "",
                "To free the end of an entry no longer shrinks it: only whole entries are found.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(_APERTURE, VM_PAT, "arch_io_free_memtype_wc bar[8:16]", book, "bar[0:8] wc"),
                    Seen(_APERTURE, DRIVER_CTX, "arch_io_free_memtype_wc bar[8:16]", book, "bar[0:16] wc"),
                ],
            ),
            Claim(
                'drm/i915: track_pfn() -> "pfnmap tracking"',
                "",
                "Words change only: what a driver fills by itself, as i915 does, is tracked neither before "
                "nor after.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(_I915, DRIVER, "a = mmap bar[0:8] driver apply wc shared rw", tracked, "nothing"),
                    Seen(_I915, DRIVER, "a = mmap bar[0:8] driver apply wc shared rw", book, "bar[0:16] wc"),
                    Seen(_I915, DRIVER, "io_mapping_free", book, "empty"),
                ],
            ),
        ),
    ),
)
