"""Discussion 003, the two messages of its end: what to do about VM_PAT."""

from __future__ import annotations

from pages.asking import Costs, Finds, HoldsWord, Shows
from pages.claims.form import Claim, ClaimStatus, Message, Said
from pages.claims.kernels import ALL, CTX, DRIVER, VFIO_LATER, VM_PAT, Seen
from pages.observed import book, left, log, result, tracked, vmas
from pfnlab.checker.check import HOLDS, VIOLATED

_MAIL = Message(
    "003",
    "the next mail (the discussion has no subject)",
    "17 July 2024",
    "David Hildenbrand",
    "reviewer",
)
_REPLY = Message(
    "003", "the reply to it", "July 2024 or later", "Peter Xu", "author of the patch of discussion 000"
)

_WC = "a = mmap bar[0:4] wc shared rw"
_REMAP = "a = mmap bar[0:4] driver remap wc shared rw"
_ZAPPED = ("zap_vma_ptes a[0]", "munmap a")
_OFF_AND_ON = (
    *("a = mmap bar[0:8] vfio shared rw", "write a[0] 3", "memory_disable bar", "memory_enable bar"),
    "read a[0]",
)
_TWICE = "bar[0:16] uc-, bar[0:8] uc-, bar[0:8] uc-"
_WARNING = "WARNING at arch/x86/mm/pat/memtype.c"
_NOT_BUILT = "no kernel has this design"

_SWITCHED = "vfio/vfio-memory-disable-enable"
_PART = "driver/driver-unmap-part"

SAID = (
    Said(
        _MAIL,
        (
            Claim(
                "Interesting, I was assuming that VFIO might be relying on that.",
                "might be",
                "vfio-pci needs that taking entries away untracks.",
                ClaimStatus.CONDITION,
                "on 6.1, whose next fault reserves again; from 6.12 on there is nothing to give up",
                kernels=[
                    Seen(_SWITCHED, ["6.1"], "memory_disable bar", tracked, "nothing"),
                    Seen(_SWITCHED, ["6.1"], "read a[0]", tracked, "VM_PAT a[0:8]"),
                    Seen(_SWITCHED, VFIO_LATER, "write a[0] 3", tracked, "nothing", against=True),
                ],
            ),
            Claim(
                'the automatic "entire VMA covered" handling thingy',
                "",
                "Only a remap_pfn_range of the whole mapping is reserved.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(
                        "driver/driver-part",
                        DRIVER,
                        "a = mmap bar[0:8] driver part[2:6] shared rw",
                        book,
                        "empty",
                    ),
                    Seen(
                        "driver/driver-halves",
                        DRIVER,
                        "a = mmap bar[0:8] driver halves wc shared rw",
                        book,
                        "empty",
                    ),
                ],
            ),
            Claim(
                "store that information per VMA to avoid the page table lookup",
                "",
                "With the first frame in each VMA untracking needs no entry.",
                ClaimStatus.CONFIRMED,
                asks=[
                    Finds("7.2,tracker=base_pfn", "no_warning", HOLDS),
                    Shows("6.1,tracker=base_pfn", [_REMAP, *_ZAPPED], left, "nothing"),
                ],
                model_only="a prototype that was not posted; ours follows these words",
            ),
            Claim(
                'VMA splitting was a bit "added complication", but I got it to work.',
                "",
                "The stored frame survives splits.",
                ClaimStatus.CONDITION,
                "each piece knows its frames; but the book still has one entry, so pieces that do not go "
                "from the end are freed in vain, and leak",
                asks=[
                    Shows(
                        "7.2,tracker=base_pfn",
                        [_WC, "mprotect a[2:4] r", "munmap a[2:4]"],
                        book,
                        "bar[0:2] wc",
                    ),
                    Finds("7.2,tracker=base_pfn", "freed_once", VIOLATED, against=True),
                    Finds("7.2,tracker=base_pfn", "no_leak", VIOLATED, against=True),
                ],
                model_only="a prototype that was not posted; ours follows these words",
            ),
            Claim(
                "consume more memory for all VMAs in the system simply (even if only 8 byte)",
                "",
                "It costs eight bytes in every VMA.",
                ClaimStatus.CONFIRMED,
                "on 6.1 a VMA of 152 bytes becomes one of 160, on 6.12 one of 176 one of 184",
                asks=[Costs("base_pfn", (8, 0))],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "I managed to not consume memory in some configurations, but not in all",
                "",
                "In some configurations the eight bytes find room in the structure.",
                ClaimStatus.CONFIRMED,
                "how he did it is not said; a word could stand where PFN mappings have no use for a member",
                asks=[HoldsWord("6.1", (4, 4)), HoldsWord("6.12", (20, 12))],
                model_only="a prototype that was not posted",
            ),
            Claim(
                "I did not explore storing that information in some auxiliary datastructure.",
                "",
                "The range could be kept beside the VMA.",
                ClaimStatus.CONFIRMED,
                "he did in 2025, and so it is from 6.16 on (discussion 002)",
                kernels=[Seen("unmapping/munmap-first", CTX, "munmap a[0:2]", tracked, "bar[0:8] x1 a[2:8]")],
            ),
            Claim(
                "remap_pfn_range(): if it covers the whole VMA apply some magic reservation",
                "",
                "A remap_pfn_range of the whole mapping reserves it.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(
                        "driver/driver-zap-first",
                        VM_PAT,
                        "a = mmap bar[0:8] driver remap wc shared rw",
                        tracked,
                        "VM_PAT a[0:8]",
                    )
                ],
            ),
            Claim(
                "munmap(): we unmap *all* PFNs and, therefore, clean up VM_PAT",
                "",
                "munmap frees the reservation.",
                ClaimStatus.CONDITION,
                "of a mapping that goes in one piece, as the word all says; what goes in parts leaks unless "
                "it goes from the end",
                kernels=[
                    Seen("unmapping/munmap-whole", VM_PAT, "munmap a", book, "empty"),
                    Seen("unmapping/munmap-first", VM_PAT, "end", left, "bar[0:2] wc", against=True),
                ],
            ),
            Claim(
                "because we never merge these VMAs",
                "",
                "Pieces of a split PFN mapping stay apart, also when they are alike again.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(
                        "splitting/split-and-back",
                        (*VM_PAT, "6.17", "6.19", "7.0", "7.1", "7.2"),
                        "mprotect a[4:8] rw",
                        vmas,
                        "a[0:4], a[4:8]",
                    )
                ],
            ),
            Claim(
                "VMA splitting make the whole model weirder, but it works",
                "",
                "A mapping that was split is untracked rightly.",
                ClaimStatus.CONDITION,
                "where its pieces go from the end backwards; from the front, and all at once, it frees in "
                "vain and leaks (in discussion 002 its author calls even a partial munmap problematic)",
                asks=[Finds("6.1", "no_leak", VIOLATED, against=True)],
                kernels=[
                    Seen("splitting/split-backwards", VM_PAT, "end", left, "nothing"),
                    Seen("splitting/split-by-mprotect", VM_PAT, "end", left, "bar[0:4] wc", against=True),
                ],
            ),
            Claim(
                "This model cannot properly work if we get partial page table zapping via "
                "truncation/MADV_DONTNEED",
                "",
                "Behind the zap of a part the rest of the mapping is not reserved any more.",
                ClaimStatus.CONFIRMED,
                asks=[Finds("6.1", "no_loss", VIOLATED)],
                kernels=[
                    Seen(_PART, VM_PAT, "unmap_mapping_range bar[2:4]", book, "empty"),
                    Seen("driver/driver-claim-part", VM_PAT, "read a[0]", result, "ok 0"),
                ],
            ),
            Claim(
                "We should forbid any partial unmappings in that model",
                "should",
                "Were cutting and zapping parts refused, VM_PAT would be right.",
                ClaimStatus.CONDITION,
                "where nothing comes back: a zap of the whole untracks, and what a fault handler fills in "
                "behind it is not reserved",
                asks=[
                    *(Finds("7.2,tracker=no_partial", name, HOLDS) for name in ("no_leak", "freed_once")),
                    Finds("7.2,tracker=no_partial", "no_loss", VIOLATED, against=True),
                ],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "just like we already disallow MADV_DONTNEED as you note",
                "",
                "MADV_DONTNEED of a PFN mapping is refused.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen("selftest/selftest-madvise-disallowed", ALL, "madvise a dontneed", result, "EINVAL")
                ],
            ),
            Claim(
                "maybe relevant/all? caller should just manage the PAT side independently",
                "maybe",
                "Whoever maps can reserve by himself, and free at the end.",
                ClaimStatus.CONDITION,
                "at the price that a range stays reserved while anything else of its file is mapped; "
                "vfio-pci is such a caller: it books the BAR until it is closed",
                asks=[
                    *(
                        Finds("7.2,tracker=caller_managed", name, HOLDS)
                        for name in ("no_leak", "no_loss", "freed_once", "fork_whole")
                    ),
                    Finds("6.1,tracker=caller_managed", "no_leak", HOLDS, scope="vfio"),
                    Finds("7.2,tracker=caller_managed", "exact", VIOLATED, against=True),
                ],
                kernels=[
                    Seen(_SWITCHED, VFIO_LATER, "read a[0]", book, "bar[0:16] uc-"),
                    Seen(_SWITCHED, VFIO_LATER, "end", left, "nothing"),
                ],
            ),
            Claim(
                "So maybe we can move to a different model.",
                "maybe",
                "Tracking can work without VM_PAT.",
                ClaimStatus.CONFIRMED,
                "from 6.16 on it does (discussion 002)",
                asks=[Finds("7.2", name, HOLDS) for name in ("no_leak", "no_loss", "freed_once")],
                kernels=[Seen("splitting/split-by-mprotect", CTX, "end", left, "nothing")],
            ),
        ),
    ),
    Said(
        _REPLY,
        (
            Claim(
                "a hook in vm_operations_struct to fetch base pfn for a vma map",
                "",
                "Untracking asks the driver, and needs no entry.",
                ClaimStatus.CONFIRMED,
                asks=[
                    Shows("6.1,tracker=driver_hook", [_WC, *_ZAPPED], observed, expected)
                    for observed, expected in ((log, "nothing"), (left, "nothing"))
                ],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "But that will involve any driver to provide that information",
                "",
                "A driver without the hook is served from the page tables still, and lost without an entry.",
                ClaimStatus.CONFIRMED,
                asks=[
                    Shows("6.1,tracker=driver_hook", [_REMAP, *_ZAPPED], observed, expected)
                    for observed, expected in ((log, _WARNING), (left, "bar[0:4] wc"))
                ],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "IIUC it's at least an OOT driver, so nothing to fix it from an upstream",
                "IIUC",
                "The driver of the report would not have the hook.",
                ClaimStatus.OPEN,
                "its source is not here; the driver of our guests, which is outside the tree as well, has "
                "none",
                asks=[Shows("6.1,tracker=driver_hook", [_REMAP, *_ZAPPED], left, "bar[0:4] wc")],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "(while it should work for VFIO)",
                "should",
                "With the hook vfio-pci is served rightly.",
                ClaimStatus.CONDITION,
                "its frame is known, but on 6.1 each first fault behind a zap reserves once more, so it "
                "books twice and leaks; from 6.12 on nothing is tracked and nothing wrong",
                asks=[
                    Shows("6.12,tracker=driver_hook", _OFF_AND_ON, left, "nothing"),
                    Shows("6.1,tracker=driver_hook", _OFF_AND_ON, book, _TWICE, against=True),
                    Shows("6.1,tracker=driver_hook", _OFF_AND_ON, left, "bar[0:8] uc-", against=True),
                    Shows("6.1,tracker=base_pfn", _OFF_AND_ON, left, "bar[0:8] uc-", against=True),
                ],
                kernels=[
                    Seen(_SWITCHED, ["6.1"], "read a[0]", book, "bar[0:16] uc-, bar[0:8] uc-"),
                    Seen(_SWITCHED, ["6.1"], "end", left, "nothing"),
                ],
            ),
        ),
    ),
)
