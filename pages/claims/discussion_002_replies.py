"""Discussion 002, the replies: as good as it was, and what could be done beyond."""

from __future__ import annotations

from pages.asking import Costs, Finds, Shows
from pages.claims.form import Claim, ClaimStatus, Message, Said
from pages.claims.kernels import CTX, DRIVER_CTX, VM_PAT, Seen
from pages.observed import book, left, log, result, tracked
from pfnlab.checker.check import HOLDS, VIOLATED

_SUBJECT = "Re: [PATCH v2 00/11] mm: rewrite pfnmap tracking and remove VM_PAT"
_REVIEW = Message("002", _SUBJECT, "13 May 2025", "Liam R. Howlett", "reviewer")
_ANSWER = Message("002", f"{_SUBJECT}, answer", "May 2025", "David Hildenbrand", "patch author")

_WC = "a = mmap bar[0:4] wc shared rw"
_FREED = "x86/PAT: main freeing invalid memtype"
_NOT_BUILT = "no kernel has this design"
_BETTER = "Duplicating/moving/forking VMAs is now definitely better than before."

_FIRST = "unmapping/munmap-first"
_LAST = "unmapping/munmap-last"
_SHRINK = "selftest/selftest-mremap-shrink"
_SHRUNK = Seen(_SHRINK, VM_PAT, "mremap a 1 page", book, "low[0:1] wb")
_SPLIT = "splitting/split-by-mprotect"
_APERTURE = "driver/driver-aperture-part"

SAID = (
    Said(
        _REVIEW,
        (
            Claim(
                "What you do here seems to be decouple the vma start/end addresses",
                "seems to be",
                "The tracked range has bounds of its own, which stay when those of the VMA change.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(_FIRST, VM_PAT, "munmap a[0:2]", tracked, "VM_PAT a[2:8]"),
                    Seen(_FIRST, CTX, "munmap a[0:2]", tracked, "bar[0:8] x1 a[2:8]"),
                ],
            ),
            Claim(
                "This is close to what we do with the anon vma name..",
                "",
                "Names of anonymous memory are counted structures as well.",
                ClaimStatus.OPEN,
                "a likeness of code is no behaviour; the patch author says it inspired him",
                model_only="no program can show it",
            ),
            Claim(
                "but I think it's as good as it was",
                "I think",
                "The book is served no worse than before.",
                ClaimStatus.CONDITION,
                "except for what was given up at the end of a mapping: VM_PAT freed that at once, a context "
                "keeps it",
                asks=[
                    *(Finds("6.12", name, VIOLATED) for name in ("no_leak", "freed_once", "no_loss")),
                    *(Finds("7.2", name, HOLDS) for name in ("no_leak", "freed_once", "no_loss")),
                ],
                kernels=[
                    Seen(_LAST, VM_PAT, "munmap a[6:8]", book, "bar[0:6] wc"),
                    Seen(_LAST, CTX, "munmap a[6:8]", book, "bar[0:8] wc", against=True),
                ],
            ),
            Claim(
                "IIRC, there was a shrinking and matching to the end address in the interval",
                "IIRC",
                "A free that names the end of an entry shrank it.",
                ClaimStatus.CONFIRMED,
                asks=[
                    Shows("6.1,without=2039e6acaf94", [_WC, "mremap a 2 pages"], book, "bar[0:4] wc"),
                    Shows("6.1,without=2039e6acaf94", [_WC, "mremap a 2 pages"], log, f"{_FREED} bar[2:4]"),
                ],
                kernels=[
                    _SHRUNK,
                    Seen(_APERTURE, VM_PAT, "arch_io_free_memtype_wc bar[8:16]", book, "bar[0:8] wc"),
                ],
            ),
            Claim(
                "maybe it never made it upstream",
                "maybe",
                "No released kernel shrank an entry.",
                ClaimStatus.REFUTED_IN_THREAD,
                "the patch author points to it: it was hidden code, which a patch of the series removes",
                kernels=[_SHRUNK._replace(against=True)],
            ),
            Claim(
                "we could beef up the backend to support actually tracking the correct range",
                "could",
                "With ranges of their own exactly what is mapped can be reserved, splits included.",
                ClaimStatus.CONFIRMED,
                asks=[Finds("7.2,tracker=exact", "exact", HOLDS), Finds("7.2", "exact", VIOLATED)],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "I think that should be a pr_err() at least?",
                "I think",
                "The line about a free in vain is no mere information.",
                ClaimStatus.OPEN,
                "the level of a line is in no golden; the line is, and behind it a reservation is left for "
                "ever",
                kernels=[
                    Seen(_FIRST, VM_PAT, "munmap a[0:2]", log, f"{_FREED} bar[0:2]"),
                    Seen(_FIRST, VM_PAT, "end", left, "bar[0:2] wc"),
                ],
            ),
        ),
    ),
    Said(
        _ANSWER,
        (
            Claim(
                "There was hidden code that kept a memremap() shrinking working",
                "",
                "A shrink by mremap (which is meant: memremap cannot shrink) adjusted the reservation.",
                ClaimStatus.CONFIRMED,
                kernels=[_SHRUNK],
            ),
            Claim(
                "The leftovers are removed in patch #8.",
                "",
                "From 6.16 on nothing shrinks an entry of the book.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(_APERTURE, DRIVER_CTX, "arch_io_free_memtype_wc bar[8:16]", book, "bar[0:16] wc"),
                    Seen(_SHRINK, CTX, "mremap a 1 page", book, "low[0:2] wb"),
                ],
            ),
            Claim(
                "The only thing that kind-of worked before was shrinking such a mapping using mremap()",
                "kind-of",
                "Of all ways to give up a part only a shrink by mremap was right.",
                ClaimStatus.CONDITION,
                "munmap of the last pages, which does the same, was right as well, as the same message says "
                "further down",
                kernels=[
                    _SHRUNK,
                    Seen(_SHRINK, VM_PAT, "end", left, "nothing"),
                    Seen(_LAST, VM_PAT, "munmap a[6:8]", book, "bar[0:6] wc", against=True),
                ],
            ),
            Claim(
                "leave it around until all involved VMAs are gone",
                "",
                "The reservation ends with the last piece of the mapping.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen("mremap/mremap-shrink-split", CTX, "mremap a[4:8] 2 pages", book, "bar[0:8] wc"),
                    Seen("mremap/mremap-shrink-split", CTX, "munmap a[0:4]", book, "bar[0:8] wc"),
                    Seen("mremap/mremap-shrink-split", CTX, "munmap a[4:6]", book, "empty"),
                ],
            ),
            Claim(
                "we could hook into VM splitting code and split the tracking",
                "could",
                "A range that is split with its VMA can be freed piece by piece.",
                ClaimStatus.CONFIRMED,
                asks=[
                    *(
                        Finds("7.2,tracker=split_ctx", name, HOLDS)
                        for name in ("no_leak", "no_loss", "freed_once")
                    ),
                    *(
                        Shows(
                            f"7.2,tracker={tracker}", [_WC, "munmap a[1:3]"], book, "bar[0:1] wc, bar[3:4] wc"
                        )
                        for tracker in ("split_ctx", "exact")
                    ),
                ],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "that adds complexity that might not be required",
                "might not",
                "Splitting costs more than counting, perhaps for nothing.",
                ClaimStatus.OPEN,
                "what is required cannot be asked here; a context that can be split takes 32 bytes instead "
                "of 24, and each split allocates one more",
                asks=[Costs("split_ctx", (8, 32)), Costs("track_ctx", (8, 24))],
                model_only=_NOT_BUILT,
            ),
            Claim(
                _BETTER,
                "",
                "Duplicating: a VMA that is copied, as in a split, no longer shares a reservation it knows "
                "nothing of.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen("splitting/split-by-madvise", VM_PAT, "end", left, "bar[0:4] wc"),
                    Seen("splitting/split-by-madvise", CTX, "end", left, "nothing"),
                ],
            ),
            Claim(
                _BETTER,
                "",
                "Moving: a part that was moved away leaks nothing.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen("mremap/mremap-move-first", VM_PAT, "end", left, "bar[0:8] wc"),
                    Seen("mremap/mremap-move-first", CTX, "end", left, "nothing"),
                ],
            ),
            Claim(
                _BETTER,
                "",
                "Forking: it works behind a write to the first page, and a failed fork takes nothing away.",
                ClaimStatus.CONFIRMED,
                asks=[Finds("7.2", "fork_whole", HOLDS)],
                kernels=[
                    Seen("fork/fork-copied-first", VM_PAT, "c = fork", result, "ENOMEM"),
                    Seen("fork/fork-copied-first", CTX, "c = fork", result, "ok"),
                ],
            ),
            Claim(
                "Splitting is also arguably better than before",
                "arguably",
                "A mapping that mprotect has split is released as a whole.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(_SPLIT, VM_PAT, "munmap a", log, f"{_FREED} bar[0:4]"),
                    Seen(_SPLIT, VM_PAT, "end", left, "bar[0:4] wc"),
                    Seen(_SPLIT, CTX, "munmap a", log, "nothing"),
                    Seen(_SPLIT, CTX, "end", left, "nothing"),
                ],
            ),
            Claim(
                "even a simple partial munmap() [1] is currently problematic",
                "",
                "With VM_PAT the selftest's munmap of the first page is freed in vain, and leaks.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen("selftest/selftest-munmap-split", VM_PAT, "munmap a[0]", log, f"{_FREED} low[0:1]"),
                    Seen("selftest/selftest-munmap-split", VM_PAT, "end", left, "low[0:1] wb"),
                ],
            ),
            Claim(
                "unless we're munmapping the last part of a VMA (-> shrinking)",
                "",
                "munmap of the last pages shrinks the reservation, and nothing is left.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(_LAST, VM_PAT, "munmap a[6:8]", book, "bar[0:6] wc"),
                    Seen(_LAST, VM_PAT, "munmap a[6:8]", log, "nothing"),
                    Seen(_LAST, VM_PAT, "end", left, "nothing"),
                ],
            ),
            Claim(
                "is a bit complicated if the pnfmap ctx has more than one ref",
                "a bit",
                "While a child has the range, the count does not tell which of its frames may go.",
                ClaimStatus.CONFIRMED,
                asks=[
                    Shows("7.2,tracker=split_ctx", [_WC, "c = fork", "munmap a[0]"], book, "bar[0:4] wc"),
                    Finds("7.2,tracker=split_ctx", "exact", VIOLATED),
                    Shows("7.2,tracker=ctx_adjust", [_WC, "c = fork", "munmap a[0]"], book, "bar[0:4] wc"),
                    Shows("7.2,tracker=exact", [_WC, "c = fork", "munmap a[0]"], book, "bar[0:4] wc"),
                    Shows(
                        "7.2,tracker=exact",
                        [_WC, "c = fork", "munmap a[0]", "c: munmap a[0]"],
                        book,
                        "bar[1:4] wc",
                    ),
                ],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "Now, it should be much harder to actually trigger.",
                "should be",
                "The kernel hardly says any more that it frees in vain.",
                ClaimStatus.CONDITION,
                "no mapping brings it to that; a driver that frees a part of what it has booked itself "
                "does, from 6.16 on also the last part, which was right before",
                asks=[Finds("7.2", "freed_once", HOLDS)],
                kernels=[
                    Seen(_APERTURE, VM_PAT, "arch_io_free_memtype_wc bar[8:16]", log, "nothing"),
                    Seen(
                        _APERTURE,
                        DRIVER_CTX,
                        "arch_io_free_memtype_wc bar[8:16]",
                        log,
                        f"{_FREED} bar[8:16]",
                        against=True,
                    ),
                ],
            ),
            Claim(
                "I was wondering if that is actually a WARN_ON_ONCE().",
                "I was wondering",
                "The line could be a warning with a stack.",
                ClaimStatus.OPEN,
                "nobody made it one: it is a line of the log on every kernel; with contexts no mapping "
                "would bring the warning about, with VM_PAT the first munmap of a part would",
                asks=[
                    Finds("7.2,freed_in_vain=warn_on_once", "no_warning", HOLDS),
                    Finds("6.12,freed_in_vain=warn_on_once", "no_warning", VIOLATED),
                ],
                kernels=[
                    Seen(
                        _APERTURE, DRIVER_CTX, "arch_io_free_memtype_wc bar[8:16]", log, f"{_FREED} bar[8:16]"
                    )
                ],
            ),
        ),
    ),
)
