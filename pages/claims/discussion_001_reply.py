"""Discussion 001, the last message: special bits are what counts, and who misses what."""

from __future__ import annotations

from pages.asking import Finds, Shows
from pages.claims.form import Claim, ClaimStatus, Message, Said
from pages.claims.kernels import ALL, DRIVER, Seen
from pages.claims.walked import FOLIOS, HIDDEN, leaf_moved, move_pages, special_bits
from pages.observed import anonymous, entries, flags, result
from pfnlab.checker.check import VIOLATED

_SUBJECT = "[PATCH 06/19] mm/pagewalk: Check pfnmap early for folio_walk_start()"
_LAST = Message("001", f"Re: {_SUBJECT}, second reply", "9 August 2024", "David Hildenbrand", "reviewer")

_COPY = ("a = mmap bar[0:4] wc private rw", "write a[1] 7")
_STATISTICS = "Your process memory stats will likely miss anon folios on COW PFNMAP mappings"

_DEVMEM = "fork/fork-copied-first-devmem"
_MIXED = "driver/driver-mixed"
_NUMA = "walkers/walk-numa-maps"
_SMAPS = "walkers/walk-smaps"

SAID = (
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
                    Seen("walkers/walk-pagemap", ALL, "pagemap a", result, HIDDEN),
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
                "before 6.2; when this was written, with 6.10, smaps counted them",
                asks=[Shows("6.10", _COPY, anonymous, "4 kB", against=True)],
                kernels=[
                    Seen(_SMAPS, ["6.1"], "smaps a", result, "ok a[0:4] Rss=0"),
                    Seen(_SMAPS, FOLIOS, "smaps a", result, "ok a[0:4] Rss=8", against=True),
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
                    Seen(_NUMA, FOLIOS, "numa_maps a", result, "ok a[0] anon=2 dirty=2 N0=2", against=True),
                ],
            ),
            Claim(
                _STATISTICS,
                "will likely",
                "pagemap: copied pages are holes.",
                ClaimStatus.CONFIRMED,
                kernels=[Seen("walkers/walk-pagemap", ALL, "pagemap a", result, HIDDEN)],
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
                    *special_bits("walks_all", "standard"),
                    Finds("7.2", "walks_all", VIOLATED),
                ],
                model_only="on every kernel pagemap and get_user_pages still refuse the VMA",
            ),
            Claim(
                "or rip support for MAP_PRIVATE PFNMAP out completely",
                "",
                "Private PFN mappings could be refused.",
                ClaimStatus.OPEN,
                "nobody did, and every kernel makes and copies them; who maps /dev/mem or a PCI file "
                "privately, if only to read, would be refused",
                asks=[
                    Shows("7.2,tracker=no_cow", [f"a = mmap bar[0:4] {via} private {prot}"], result, refused)
                    for via, prot, refused in (
                        ("wc", "rw", "EINVAL"),
                        ("wc", "r", "EINVAL"),
                        ("devmem", "rw", "EAGAIN"),
                    )
                ],
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
                "A private mapping of a device serves hardly anybody.",
                ClaimStatus.OPEN,
                "use is a judgement; what is written to such a mapping never reaches the device",
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
                kernels=[move_pages(), leaf_moved("pmd"), leaf_moved("pud")],
            ),
            Claim(
                "Maybe s390x could be tricked into it",
                "Maybe",
                "Another caller on s390x comes to a PFN mapping.",
                ClaimStatus.OPEN,
                "models and kernels here are x86-64 (docs/not-modelled.md says what differs elsewhere)",
                model_only="no kernel of that architecture is here",
            ),
            Claim(
                "but likely as you say, most code shouldn't trigger it",
                "likely",
                "Few other callers come to a PFN mapping.",
                ClaimStatus.OPEN,
                "read in the source, not asked: move_pages to a node, KSM, split_huge_pages and uprobes "
                "leave PFN mappings out before they walk (docs/not-modelled.md)",
                model_only="of its callers only move_pages can be asked",
            ),
            Claim(
                "The function itself should be handling it correctly as of today, though.",
                "should be",
                "Copied pages have a node, accessible or not; device frames have none, at each level.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    move_pages(),
                    move_pages(nth=1),
                    leaf_moved("pmd"),
                    leaf_moved("pud"),
                ],
            ),
        ),
    ),
)
