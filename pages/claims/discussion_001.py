"""Discussion 001, to the patch author's answer: may folio_walk_start refuse PFN mappings early?"""

from __future__ import annotations

from pages.asking import Finds, Shows
from pages.claims.form import Claim, ClaimStatus, Message, Said
from pages.claims.kernels import ALL, LEAVES, VFIO, Seen
from pages.claims.walked import (
    FOLIOS,
    HIDDEN,
    NO_FOLIO,
    leaf_moved,
    leaf_walked,
    move_pages,
    special_bits,
)
from pages.observed import anonymous, entries, result
from pfnlab.checker.check import VIOLATED

_SUBJECT = "[PATCH 06/19] mm/pagewalk: Check pfnmap early for folio_walk_start()"
_PATCH = Message("001", _SUBJECT, "9 August 2024", "Peter Xu", "patch author")
_FIRST = Message("001", f"Re: {_SUBJECT}, first reply", "9 August 2024", "David Hildenbrand", "reviewer")
_BACK = Message("001", f"Re: {_SUBJECT}, answer to it", "9 August 2024", "Peter Xu", "patch author")

_COPY = ("a = mmap bar[0:4] wc private rw", "write a[1] 7")
_COPIED = "walkers/walk-copied-page"
_SMAPS = "walkers/walk-smaps"
_WITH_IT = "the hunk did not land"

SAID = (
    Said(
        _PATCH,
        (
            Claim(
                "Pfnmaps can always be identified with special bits in the ptes/pmds/puds.",
                "",
                "Entries of bare frames have the special bit at each level; those of copied pages have not.",
                ClaimStatus.CONFIRMED,
                asks=special_bits("walks_pages", "standard", "leaves"),
                kernels=[
                    Seen(
                        "unmapping/munmap-whole",
                        ALL,
                        "a = mmap bar[0:8] wc shared rw",
                        entries,
                        "a[0:8] WC special",
                    ),
                    Seen(_COPIED, ALL, "write a[0] 7", entries, "a[0:1] WC, a[1:4] WC special"),
                    Seen("leaves/pmd-move-pages", LEAVES, "read a[0]", entries, "a[0:512] UC- 2 MiB special"),
                    Seen(
                        "leaves/pud-move-pages",
                        ["6.12"],
                        "read a[0]",
                        entries,
                        "a[0:262144] WC 1 GiB special",
                    ),
                    Seen(
                        "leaves/pud-move-pages",
                        ["7.2", "7.3"],
                        "read a[0]",
                        entries,
                        "a[0:262144] UC- 1 GiB special",
                    ),
                ],
            ),
            Claim(
                "However that's unnecessary if the vma is stable, and when it's mapped under VM_PFNMAP",
                "",
                "Nobody needs to look at the entries of a VMA with VM_PFNMAP and VM_IO.",
                ClaimStatus.REFUTED_IN_THREAD,
                "a private mapping has copied pages among its entries",
                asks=[Finds("7.2,walker=early_refusal", "walks_all", VIOLATED, against=True)],
                kernels=[move_pages(against=True)],
            ),
            Claim(
                "let folio_walk_start() fail even earlier for these mappings",
                "",
                "It may refuse VM_IO and VM_PFNMAP before the walk.",
                ClaimStatus.REFUTED_IN_THREAD,
                "move_pages would miss the copied page that it finds now",
                asks=[
                    Shows(
                        "7.2,walker=early_refusal", [*_COPY, "move_pages a"], result, NO_FOLIO, against=True
                    )
                ],
                model_only=_WITH_IT,
            ),
            Claim(
                "It's also something gup-slow already does, so make them match.",
                "",
                "get_user_pages refuses the VMA as a whole, copied pages included.",
                ClaimStatus.CONFIRMED,
                kernels=[Seen(_COPIED, ALL, "process_vm_readv a[0]", result, "EFAULT")],
            ),
            Claim(
                "It has no folio backing the mappings at all..",
                "",
                "A mapping with VM_IO or VM_PFNMAP maps no page that the kernel counts.",
                ClaimStatus.REFUTED_IN_THREAD,
                "a write to a private one puts such a page into it",
                kernels=[
                    Seen(
                        "touching/copied-page-counted",
                        FOLIOS,
                        "write a[1] 7",
                        anonymous,
                        "4 kB",
                        against=True,
                    )
                ],
            ),
        ),
    ),
    Said(
        _FIRST,
        (
            Claim(
                "That is in general not what we want",
                "in general",
                "To refuse early misses pages.",
                ClaimStatus.CONFIRMED,
                asks=[Finds("7.2,walker=early_refusal", "walks_all", VIOLATED)],
                model_only=_WITH_IT,
            ),
            Claim(
                "we still have some places that wrongly hard-code that behavior",
                "",
                "Some walkers refuse a VMA for its flags and miss copied pages.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen("walkers/walk-pagemap", ALL, "pagemap a", result, HIDDEN),
                    Seen(_COPIED, ALL, "process_vm_readv a[0]", result, "EFAULT"),
                ],
            ),
            Claim(
                "In a MAP_PRIVATE mapping you might have anon pages that we can happily walk.",
                "might",
                "A copied page can be found through its entry.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    move_pages(),
                    Seen(_SMAPS, FOLIOS, "smaps a", result, "ok a[0:4] Rss=8"),
                ],
            ),
            Claim(
                "should be able to identify PFN maps and reject them, no?",
                "should",
                "vm_normal_page and vm_normal_page_pmd tell device frames from pages, entry by entry.",
                ClaimStatus.CONFIRMED,
                asks=special_bits("walks_pages", "standard", "leaves"),
                kernels=[move_pages(), leaf_moved("pmd"), *leaf_walked()],
            ),
            Claim(
                "[and as commented as a TODO, vm_normal_page_pud()]",
                "",
                "Nobody takes a leaf of 1 GiB for pages, although its function was still to be written.",
                ClaimStatus.CONFIRMED,
                kernels=[leaf_moved("pud")],
            ),
        ),
    ),
    Said(
        _BACK,
        (
            Claim(
                "Yep, I think we can also rely on special bit.",
                "I think",
                "With special bits alone copied pages are found, and nothing else is.",
                ClaimStatus.CONFIRMED,
                asks=[
                    *special_bits("walks_all", "standard"),
                    *special_bits("walks_pages", "standard", "leaves"),
                ],
                kernels=[move_pages()],
            ),
            Claim(
                "we probably don't need either PFNMAP for either mprotect/fork/... at least for our use case",
                "probably",
                "vfio could do without what mprotect and fork do for PFN mappings.",
                ClaimStatus.OPEN,
                "a need is no behaviour; a child of a vfio mapping does get the entries, or finds the "
                "device by a fault",
                kernels=[Seen("vfio/vfio-fork", VFIO, "c: read a[0]", result, "ok 3")],
            ),
            Claim(
                "then VM_PRIVATE is even one step further",
                "",
                "vfio has no use for private mappings.",
                ClaimStatus.CONFIRMED,
                asks=[
                    Shows(machine, ["a = mmap bar[0:8] vfio private rw"], result, "EINVAL")
                    for machine in ("6.1", "6.12", "7.2")
                ],
                model_only="no program of the collection asks for it",
            ),
            Claim(
                "I chose to follow gup-slow, and I suppose you meant that's also wrong?",
                "I suppose",
                "gup-slow misses a page which it could have, for gup-fast, which has only the entry, gets "
                "it.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(_COPIED, ALL, "process_vm_readv a[0]", result, "EFAULT"),
                    Seen(_COPIED, ALL, "vmsplice a[0]", result, "ok 7", nth=0),
                ],
            ),
            Claim(
                "none of folio_walk_start() users so far should even stumble on top of a pfnmap",
                "should",
                "No caller of folio_walk_start comes to a PFN mapping.",
                ClaimStatus.REFUTED_IN_THREAD,
                "move_pages does, shared or private, and reports what it finds (he calls it a quick glimpse)",
                kernels=[
                    move_pages(against=True),
                    Seen(
                        "leaves/pmd-move-pages", LEAVES, "move_pages a[0:4]", result, NO_FOLIO, against=True
                    ),
                ],
            ),
        ),
    ),
)
