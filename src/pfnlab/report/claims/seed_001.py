"""Seed 001: may folio_walk_start refuse PFN mappings early, or are special bits what counts?"""

from __future__ import annotations

from pfnlab.checker.check import HOLDS, VIOLATED
from pfnlab.report.asking import Finds, Shows
from pfnlab.report.claims.form import Claim, ClaimStatus, Message, Said
from pfnlab.report.claims.kernels import ALL, CTX, DRIVER, LEAVES, VFIO, Seen
from pfnlab.report.observed import anonymous, entries, flags, result

_SUBJECT = "[PATCH 06/19] mm/pagewalk: Check pfnmap early for folio_walk_start()"
_PATCH = Message("001", _SUBJECT, "9 August 2024", "Peter Xu", "patch author")
_FIRST = Message("001", f"Re: {_SUBJECT}, first reply", "9 August 2024", "David Hildenbrand", "reviewer")
_BACK = Message("001", f"Re: {_SUBJECT}, answer to it", "9 August 2024", "Peter Xu", "patch author")
_LAST = Message("001", f"Re: {_SUBJECT}, second reply", "9 August 2024", "David Hildenbrand", "reviewer")

_FOLIOS = ("6.12", *CTX)
_COPY = ("a = mmap bar[0:4] wc private rw", "write a[1] 7")

_MOVE_PAGES = "walkers/walk-move-pages"
_COPIED = "walkers/walk-copied-page"
_DEVMEM = "fork/fork-copied-first-devmem"
_MIXED = "driver/driver-mixed"
_NUMA = "walkers/walk-numa-maps"
_SMAPS = "walkers/walk-smaps"
_FOUND = "ok ENOENT node0 ENOENT ENOENT"
_NO_FOLIO = "ok ENOENT ENOENT ENOENT ENOENT"
_HIDDEN = "ok soft-dirty soft-dirty soft-dirty soft-dirty"
_STATISTICS = "Your process memory stats will likely miss anon folios on COW PFNMAP mappings"
_WITH_IT = "the hunk did not land"


def _move_pages(against: bool = False) -> Seen:
    """move_pages finds the copied page, and no device page, on each kernel with folio_walk_start."""
    return Seen(_MOVE_PAGES, _FOLIOS, "move_pages a", result, _FOUND, against=against, nth=0)


def _special(name: str, *scopes: str) -> list[Finds]:
    """A property with special bits everywhere."""
    return [Finds("7.2,walker=special_bits", name, HOLDS, scope=scope) for scope in scopes]


def _leaf(level: str, expected: str) -> Seen:
    """No page of a leaf has a folio."""
    return Seen(f"leaves/{level}-move-pages", LEAVES, "move_pages a[0:4]", result, expected)


SEED = (
    Said(
        _PATCH,
        (
            Claim(
                "Pfnmaps can always be identified with special bits in the ptes/pmds/puds.",
                "",
                "Every entry of a bare frame has the special bit, and no other entry has it, at each level.",
                ClaimStatus.CONFIRMED,
                asks=_special("walks_pages", "standard", "leaves"),
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
                kernels=[_move_pages(against=True)],
            ),
            Claim(
                "let folio_walk_start() fail even earlier for these mappings",
                "",
                "It may refuse VM_IO and VM_PFNMAP before the walk.",
                ClaimStatus.REFUTED_IN_THREAD,
                "move_pages would miss the copied page that it finds now",
                asks=[
                    Shows(
                        "7.2,walker=early_refusal", [*_COPY, "move_pages a"], result, _NO_FOLIO, against=True
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
                        _FOLIOS,
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
                    Seen("walkers/walk-pagemap", ALL, "pagemap a", result, _HIDDEN),
                    Seen(_COPIED, ALL, "process_vm_readv a[0]", result, "EFAULT"),
                ],
            ),
            Claim(
                "In a MAP_PRIVATE mapping you might have anon pages that we can happily walk.",
                "might",
                "A copied page can be found through its entry.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    _move_pages(),
                    Seen(_SMAPS, _FOLIOS, "smaps a", result, "ok a[0:4] Rss=8"),
                ],
            ),
            Claim(
                "should be able to identify PFN maps and reject them, no?",
                "should",
                "vm_normal_page and vm_normal_page_pmd tell device frames from pages, entry by entry.",
                ClaimStatus.CONFIRMED,
                asks=_special("walks_pages", "standard", "leaves"),
                kernels=[_move_pages(), _leaf("pmd", _NO_FOLIO)],
            ),
            Claim(
                "[and as commented as a TODO, vm_normal_page_pud()]",
                "",
                "Nobody takes a leaf of 1 GiB for pages, although its function was still to be written.",
                ClaimStatus.CONFIRMED,
                kernels=[_leaf("pud", _NO_FOLIO)],
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
                asks=[*_special("walks_all", "standard"), *_special("walks_pages", "standard", "leaves")],
                kernels=[_move_pages()],
            ),
            Claim(
                "we probably don't need either PFNMAP for either mprotect/fork/... at least for our use case",
                "probably",
                "vfio could do without what mprotect and fork do for PFN mappings.",
                ClaimStatus.OPEN,
                "a need is no behaviour; a child of a vfio mapping does get the entries, or finds the device "
                "by a fault",
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
                    _move_pages(against=True),
                    Seen(
                        "leaves/pmd-move-pages", LEAVES, "move_pages a[0:4]", result, _NO_FOLIO, against=True
                    ),
                ],
            ),
        ),
    ),
    Said(
        _LAST,
        (
            Claim(
                "walk_page_test() skips VM_PFNMAP",
                "",
                "The generic walk does not enter a VMA with VM_PFNMAP, so it misses the copied pages.",
                ClaimStatus.CONFIRMED,
                asks=[Finds("7.2,walker=page_test_skip", "walks_all", VIOLATED)],
                kernels=[
                    Seen("walkers/walk-pagemap", ALL, "pagemap a", result, _HIDDEN),
                    Seen(_SMAPS, ["6.1"], "smaps a", result, "ok a[0:4] Rss=0"),
                ],
            ),
            Claim(
                "(but not VM_IO :) )",
                "",
                "A VMA with VM_IO and without VM_PFNMAP, as a driver's mixed map, is entered.",
                ClaimStatus.CONFIRMED,
                asks=[
                    Shows(
                        machine,
                        ["a = mmap bar[0:4] driver mixed shared rw", "read a[0]", "pagemap a[0]"],
                        result,
                        "ok present+soft-dirty",
                    )
                    for machine in ("6.1", "7.2")
                ],
                kernels=[
                    Seen(
                        _MIXED, DRIVER, "a = mmap bar[0:8] driver mixed shared rw", flags, "VM_MIXEDMAP VM_IO"
                    ),
                    Seen(_MIXED, DRIVER, "mincore a[0:4]", result, "ok 1000", nth=0),
                ],
            ),
            Claim(
                _STATISTICS,
                "will likely",
                "smaps: copied pages do not count.",
                ClaimStatus.CONDITION,
                "before 6.2; when this was written (6.10) smaps had counted them for two years",
                asks=[Shows("6.10", _COPY, anonymous, "4 kB", against=True)],
                kernels=[
                    Seen(_SMAPS, ["6.1"], "smaps a", result, "ok a[0:4] Rss=0"),
                    Seen(_SMAPS, _FOLIOS, "smaps a", result, "ok a[0:4] Rss=8", against=True),
                ],
            ),
            Claim(
                _STATISTICS,
                "will likely",
                "numa_maps: copied pages do not count.",
                ClaimStatus.CONDITION,
                "before 6.2, as for smaps",
                kernels=[
                    Seen(_NUMA, ["6.1"], "numa_maps a", result, "ok"),
                    Seen(_NUMA, _FOLIOS, "numa_maps a", result, "ok a[0] anon=2 dirty=2 N0=2", against=True),
                ],
            ),
            Claim(
                _STATISTICS,
                "will likely",
                "pagemap: copied pages are holes.",
                ClaimStatus.CONFIRMED,
                kernels=[Seen("walkers/walk-pagemap", ALL, "pagemap a", result, _HIDDEN)],
            ),
            Claim(
                "in the rare cases where they exist (e.g., mmap() of /dev/mem)",
                "",
                "A write to a private mapping of /dev/mem copies a page.",
                ClaimStatus.CONFIRMED,
                kernels=[Seen(_DEVMEM, ALL, "write a[0] 5", entries, "a[0:1] WB, a[1:8] UC- special")],
            ),
            Claim(
                "GUP already refuses to work on a lot of other stuff",
                "",
                "Whoever wants a page itself gets none from a PFN mapping.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen("walkers/walk-device-page", ALL, op, result, "EFAULT")
                    for op in ("process_vm_readv a[0]", "vmsplice a[0]", "futex_wake a[0]")
                ],
            ),
            Claim(
                "long-term we should make all code either respect that it could happen",
                "should",
                "Where every walker goes by special bits, none misses a copied page.",
                ClaimStatus.CONFIRMED,
                asks=[
                    *_special("walks_all", "standard"),
                    Finds("7.2", "walks_all", VIOLATED),
                ],
                model_only="on every kernel pagemap and get_user_pages still refuse the VMA",
            ),
            Claim(
                "or rip support for MAP_PRIVATE PFNMAP out completely",
                "",
                "Private PFN mappings could be refused.",
                ClaimStatus.OPEN,
                "nobody did; every kernel makes and copies them",
                kernels=[
                    Seen("touching/copy-on-write", ALL, "a = mmap bar[0:4] wc private rw", result, "ok"),
                    Seen(
                        "touching/copy-on-write",
                        ALL,
                        "write a[1] 7",
                        entries,
                        "a[0:1] WC special, a[1:2] WC, a[2:4] WC special, b[0:4] WC special",
                    ),
                ],
            ),
            Claim(
                "In general MAP_PRIVATE pfnmaps is not really useful on things like MMIO.",
                "In general",
                "What is written to a private mapping never reaches the device.",
                ClaimStatus.CONFIRMED,
                kernels=[Seen("touching/copy-on-write", ALL, "read b[1]", result, "ok 0")],
            ),
            Claim(
                "At least some users still use COW mappings on /dev/mem, although not many",
                "",
                "Somebody has private mappings of /dev/mem.",
                ClaimStatus.OPEN,
                "who uses them cannot be asked here; every kernel allows them",
                kernels=[Seen(_DEVMEM, ALL, "a = mmap bar[0:8] devmem private rw", result, "ok")],
            ),
            Claim(
                'should be able to trigger it, if you pass "nodes=NULL" to move_pages().',
                "should be able",
                "move_pages without nodes brings folio_walk_start to a PFN mapping.",
                ClaimStatus.CONFIRMED,
                kernels=[_move_pages(), _leaf("pmd", _NO_FOLIO), _leaf("pud", _NO_FOLIO)],
            ),
            Claim(
                "Maybe s390x could be tricked into it",
                "Maybe",
                "Another caller on s390x comes to a PFN mapping.",
                ClaimStatus.OPEN,
                "models and kernels here are x86-64",
                model_only="no kernel of that architecture is here",
            ),
            Claim(
                "but likely as you say, most code shouldn't trigger it",
                "likely",
                "Few other callers come to a PFN mapping.",
                ClaimStatus.OPEN,
                "the others (KSM, splitting of huge pages, moving to a node) are no operations of a program",
                model_only="of its callers only move_pages can be asked",
            ),
            Claim(
                "The function itself should be handling it correctly as of today, though.",
                "should be",
                "Copied pages have a node, accessible or not; device frames have none, at each level.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    _move_pages(),
                    Seen(_MOVE_PAGES, _FOLIOS, "move_pages a", result, _FOUND, nth=1),
                    _leaf("pmd", _NO_FOLIO),
                    _leaf("pud", _NO_FOLIO),
                ],
            ),
        ),
    ),
)
