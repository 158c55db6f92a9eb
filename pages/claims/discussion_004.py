"""Discussion 004: where a munmap has to flush before it unlinks PFN mappings."""

from __future__ import annotations

from pages.asking import Finds, Shows
from pages.claims.form import Claim, ClaimStatus, Message, Said
from pages.claims.kernels import ALL, CTX, DRIVER, DRIVER_CTX, VM_PAT, Seen
from pages.observed import flushes, order, result
from pfnlab.checker.check import HOLDS, VIOLATED

_SUBJECT = "[PATCH v2] mmu_gather: move tlb flush for VM_PFNMAP/VM_MIXEDMAP vmas into free_pgtables()"
_PATCH = Message("004", _SUBJECT, "January 2025", "Roman Gushchin", "patch author")
_CODE = Message(
    "004",
    "a version of tlb_free_vma(), quoted (the author is told by the depth)",
    "January 2025",
    "Peter Zijlstra",
    "mmu_gather maintainer",
)
_DOUBT = Message("004", f"Re: {_SUBJECT}", "23 January 2025", "Roman Gushchin", "patch author")
_ANSWER = Message("004", f"Re: {_SUBJECT}", "24 January 2025", "Peter Zijlstra", "mmu_gather maintainer")
_QUESTION = Message("004", f"Re: {_SUBJECT}", "25 January 2025", "Roman Gushchin", "patch author")
_LAST = Message("004", f"Re: {_SUBJECT}", "27 January 2025", "Peter Zijlstra", "mmu_gather maintainer")

_NOT_BUILT = "no kernel has this design"
_NEIGHBOURS = "unmapping/munmap-neighbours"
_LEFT_OUT = "races/race-flush-left-out"
_UNLINKED = "races/race-revoked-after-unlink"
_AREA = ("device bar: pci, 16 pages", "area a: 8192 pages")

_MIXED = ("a = mmap bar[0:4] driver mixed wc shared rw", "read a[0]", "munmap a")

#: One munmap over ordinary memory and a PFN mapping behind it.
_ORDINARY_FIRST = (
    "a = mmap anon[0:4] private rw",
    "mmap bar[0:4] driver remap wc shared rw over a[4:8]",
    *("write a[0] 7", "read a[4]", "munmap a[0:8]"),
)


def _four(flush: str, apart: int, expected: int, *, against: bool = False) -> Shows:
    """The flushes of one munmap over four mappings of four pages each, so many pages apart."""
    places = [
        f"bar[{4 * at}:{4 * at + 4}] wc shared rw over a[{apart * at}:{apart * at + 4}]" for at in range(4)
    ]
    maps = ["a = mmap bar[0:4] wc shared rw", *(f"mmap {place}" for place in places[1:])]
    lines = [*maps, f"munmap a[0:{3 * apart + 4}]"]
    return Shows(f"7.2,flush={flush}", lines, flushes, str(expected), against, _AREA)


def _advice(machine: str, expected: str) -> Shows:
    """The flushes of one advice for three mixed maps, which drops no page table."""
    maps = ["a = mmap bar[0:4] driver mixed wc shared rw"]
    maps += [f"mmap bar[{at}:{at + 4}] driver mixed wc shared rw over a[{at}:{at + 4}]" for at in (4, 8)]
    lines = [*maps, *(f"read a[{at}]" for at in (0, 4, 8)), "madvise a[0:12] dontneed"]
    return Shows(machine, lines, flushes, expected, head=_AREA)


def _race(flush: str, expected: str) -> Finds:
    """Whether a processor reaches a frame whose owner was told that it is free."""
    return Finds(f"7.2,flush={flush}", "told_free", expected, scope="race")


_THREE_BEFORE = ", ".join(
    ["untrack, clear, flush"] * 3 + ["free_pgtables", "unlink, unlink, unlink", "finish, flush"]
)
_THREE_NOW = ", ".join(
    ["clear, clear, clear", "free_pgtables, flush", "unlink, unlink, unlink", "finish, flush"]
    + ["untrack"] * 3
)
_ADVISED = [
    Seen("madvise/flushes-madvise-mixed", series, "madvise a[0:3] dontneed", flushes, count)
    for series, count in ((VM_PAT, "3"), (DRIVER_CTX, "1"))
]
_LOOP = (
    Seen(_NEIGHBOURS, VM_PAT, "munmap a[0:6]", order, _THREE_BEFORE),
    Seen(_NEIGHBOURS, CTX, "munmap a[0:6]", order, _THREE_NOW),
)

SAID = (
    Said(
        _PATCH,
        (
            Claim(
                "move tlb flush for VM_PFNMAP/VM_MIXEDMAP vmas into free_pgtables()",
                "",
                "One flush first thing in free_pgtables does for all PFN mappings what one at the end of "
                "each did.",
                ClaimStatus.CONFIRMED,
                "so it landed in 6.16",
                asks=[Finds("7.2", "told_free", HOLDS, scope="race"), _race("end_vma", HOLDS)],
                kernels=[
                    *_LOOP,
                    Seen(_NEIGHBOURS, VM_PAT, "munmap a[0:6]", flushes, "4"),
                    Seen(_NEIGHBOURS, CTX, "munmap a[0:6]", flushes, "2"),
                ],
            ),
        ),
    ),
    Said(
        _CODE,
        (
            Claim(
                "the core mm will not track the page mapcount",
                "",
                "Nobody counts the frames of a PFN mapping.",
                ClaimStatus.CONFIRMED,
                kernels=[Seen("walkers/walk-smaps", ALL, "smaps b", result, "ok b[0:4] Rss=0")],
            ),
            Claim(
                "there might not be page-frames for these PFNs",
                "might",
                "Behind an entry of a device there is no page to take hold of.",
                ClaimStatus.CONFIRMED,
                kernels=[Seen("walkers/walk-device-page", ALL, "process_vm_readv a[0]", result, "EFAULT")],
            ),
            Claim(
                "there is a race between munmap() and unmap_mapping_range()",
                "",
                "Where nothing is flushed early, a frame is reached that its owner was told is free.",
                ClaimStatus.CONFIRMED,
                "kernels show it with their flush left out by force",
                asks=[_race("none", VIOLATED)],
                kernels=[Seen(_LEFT_OUT, DRIVER, "s: read a[0]", result, "ok 7")],
            ),
            Claim(
                "munmap() will unlink the VMA, such that unmap_mapping_range() will no longer observe the "
                "VMA",
                "",
                "From the unlinking on unmap_mapping_range finds nothing to do.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(_UNLINKED, DRIVER, "t: unmap_mapping_range bar[0:4]", result, "ok"),
                    Seen(_UNLINKED, DRIVER, "t: unmap_mapping_range bar[0:4]", flushes, "0"),
                ],
            ),
            Claim(
                "no-op, without observing the TLBI, returning prematurely",
                "",
                "It returns while another processor still reaches the frames.",
                ClaimStatus.CONFIRMED,
                "kernels show it with their flush left out by force",
                kernels=[
                    Seen(_LEFT_OUT, DRIVER, "t: unmap_mapping_range bar[0:4]", result, "ok"),
                    Seen(_LEFT_OUT, DRIVER, "s: read a[0]", result, "ok 7", nth=1),
                ],
            ),
            Claim(
                "if we're about to unlink such a VMA, and we have pending TLBI",
                "",
                "To flush at that moment is enough.",
                ClaimStatus.CONFIRMED,
                asks=[_race("in_loop", HOLDS), _race("free_vmas", HOLDS)],
                kernels=[
                    Seen(_UNLINKED, DRIVER, "hold unlink return: munmap a", flushes, "1"),
                    Seen(_UNLINKED, DRIVER, "s: read a[0]", result, "EFAULT SIGSEGV code=1"),
                ],
            ),
            Claim(
                "if (tlb->fullmm)",
                "",
                "An address space that dies need not flush before it unlinks.",
                ClaimStatus.CONFIRMED,
                asks=[
                    Shows(
                        f"7.2,flush={flush}",
                        ["c = fork", "c: a = mmap bar[0:4] wc shared rw", "c: exit"],
                        flushes,
                        count,
                    )
                    for flush, count in (("free_vmas", "1"), ("fullmm", "2"))
                ],
                kernels=[Seen("fork/fork-child-first", ALL, "c: exit", flushes, "1")],
            ),
            Claim(
                "((vma->vm_flags & (VM_PFNMAP|VM_MIXEDMAP)) && tlb->vma_pfn)",
                "",
                "Mixed maps are flushed early like those of bare frames, ordinary memory is not.",
                ClaimStatus.CONFIRMED,
                asks=[
                    *(
                        Shows(machine, _MIXED, flushes, "2")
                        for machine in ("6.1", "7.2", "7.2,flush=in_loop")
                    ),
                    Shows("7.2", ["a = mmap anon[0:4] private rw", "write a[0] 1", "munmap a"], flushes, "1"),
                ],
                kernels=[
                    Seen("unmapping/flushes-adjacent-mixed", VM_PAT, "munmap a[0:4]", flushes, "5"),
                    Seen("unmapping/flushes-adjacent-mixed", DRIVER_CTX, "munmap a[0:4]", flushes, "2"),
                ],
            ),
        ),
    ),
    Said(
        _DOUBT,
        (
            Claim(
                "Why do we need to re-check vma->vm_flags & (VM_PFNMAP|VM_MIXEDMAP) here?",
                "Why",
                "What the gather remembers is enough, without another look at a VMA.",
                ClaimStatus.CONFIRMED,
                asks=[Finds("7.2", "told_free", HOLDS, scope="race")],
                kernels=[Seen(_NEIGHBOURS, CTX, "munmap a[0:6]", flushes, "2")],
            ),
            Claim(
                "In free_pgtables() we're iterating over multiple vma's.",
                "",
                "One munmap unlinks several VMAs in one call of it.",
                ClaimStatus.CONFIRMED,
                kernels=_LOOP,
            ),
            Claim(
                "What if the first has no VM_PFNMAP set, but some other do?",
                "What if",
                "A test of the first VMA alone leaves those behind it unflushed.",
                ClaimStatus.CONFIRMED,
                asks=[
                    _race("outside_loop", VIOLATED),
                    Shows("7.2,flush=outside_loop", _ORDINARY_FIRST, flushes, "1", head=_AREA),
                    Shows("7.2", _ORDINARY_FIRST, flushes, "2", head=_AREA),
                ],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "Idk if it's even possible, but it's not obvious that it's not possible either.",
                "Idk",
                "One munmap can take ordinary memory and a PFN mapping behind it.",
                ClaimStatus.CONFIRMED,
                asks=[
                    Shows(machine, _ORDINARY_FIRST, result, "ok", head=_AREA)
                    for machine in ("6.1", "6.12", "7.2")
                ],
                kernels=[
                    Seen("mremap/mremap-many-tables", VM_PAT, "munmap a[0:524288]", flushes, "3"),
                    Seen("mremap/mremap-many-tables", VM_PAT, "munmap a[0:524288]", result, "ok"),
                ],
            ),
        ),
    ),
    Said(
        _ANSWER,
        (
            Claim(
                "No need, but an opportunity.",
                "",
                "The second look is not needed, and can save a flush.",
                ClaimStatus.CONDITION,
                "not needed, indeed; but what a munmap clears it also frees, so a look at the first VMA "
                "saves a flush only where it is wrong to",
                asks=[
                    Shows(
                        "7.2,flush=outside_loop", ["a = mmap bar[0:4] wc shared rw", "munmap a"], flushes, "2"
                    ),
                    Shows("7.2", ["a = mmap bar[0:4] wc shared rw", "munmap a"], flushes, "2"),
                    Shows("7.2,flush=outside_loop", _ORDINARY_FIRST, flushes, "1", against=True, head=_AREA),
                    _race("outside_loop", VIOLATED)._replace(against=True),
                ],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "if there are no PFNs pending (vma_pfn), we don't need to flush;",
                "",
                "Ordinary memory waits for the end of the gather.",
                ClaimStatus.CONFIRMED,
                kernels=[
                    Seen(
                        "walkers/walk-smaps", ALL, "munmap c[1]", order, "clear, free_pgtables, finish, flush"
                    ),
                    Seen("walkers/walk-smaps", ALL, "munmap c[1]", flushes, "1"),
                ],
            ),
            Claim(
                "if no PFN vma is being freed (vm_flags), we don't need to flush.",
                "",
                "A zap of a mapping that stays may flush at its end.",
                ClaimStatus.CONFIRMED,
                asks=[Finds("7.2", "told_free", HOLDS, scope="race")],
                kernels=[
                    Seen(
                        "driver/driver-zap-first",
                        DRIVER_CTX,
                        "zap_vma_ptes a[0]",
                        order,
                        "clear, finish, flush",
                    )
                ],
            ),
        ),
    ),
    Said(
        _QUESTION,
        (
            Claim(
                "if I understand the code correctly, more than one vma can be freed by a",
                "if I understand the code correctly",
                "One call of free_pgtables frees several VMAs.",
                ClaimStatus.CONFIRMED,
                kernels=_LOOP,
            ),
            Claim(
                "Should we then check each vma's flags in the while loop in free_pgtables()?",
                "Should",
                "In the loop the test is right, whatever stands in front.",
                ClaimStatus.CONFIRMED,
                asks=[
                    _race("in_loop", HOLDS),
                    Shows("7.2,flush=in_loop", _ORDINARY_FIRST, flushes, "2", head=_AREA),
                ],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "But then we're back to where we're now with multiple flushes.",
                "",
                "A test in the loop flushes once for every PFN mapping, as before.",
                ClaimStatus.CONDITION,
                "for mappings more than a page table (2 MiB) apart, whose tables the loop frees group by "
                "group; of those that are nearer the first flush is the only one. The call before the loop, "
                "which landed, has one always",
                asks=[
                    _four("in_loop", 2048, 5),
                    _four("end_vma", 2048, 5),
                    _four("in_loop", 4, 2, against=True),
                    _four("in_loop", 512, 2, against=True),
                    _four("free_vmas", 2048, 2),
                ],
                kernels=[
                    Seen("unmapping/flushes-far-pfn", VM_PAT, "munmap a[0:6145]", flushes, "5"),
                    Seen("unmapping/flushes-far-pfn", CTX, "munmap a[0:6145]", flushes, "2"),
                ],
            ),
        ),
    ),
    Said(
        _LAST,
        (
            Claim(
                "Right, I misplaced it",
                "",
                "In front of the loop the test of a VMA's flags is wrong.",
                ClaimStatus.CONFIRMED,
                asks=[_race("outside_loop", VIOLATED)],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "it should be in the vma loop",
                "should",
                "There no processor reaches a frame that was told free.",
                ClaimStatus.CONFIRMED,
                asks=[_race("in_loop", HOLDS)],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "I'm not sure how this would cause more flushes",
                "I'm not sure",
                "In the loop one flush does for all PFN mappings.",
                ClaimStatus.CONDITION,
                "for mappings at most a page table (2 MiB) apart; of those farther apart each costs one, "
                "for the tables of the one before are pending",
                asks=[
                    _four("in_loop", 4, 2),
                    _four("end_vma", 4, 5),
                    _four("in_loop", 512, 2),
                    _four("in_loop", 2048, 5, against=True),
                ],
                model_only=_NOT_BUILT,
            ),
            Claim(
                "it will not cause flushes where no page-tables are dropped, eg. MADV",
                "",
                "Advice for three mixed maps flushes once, not once for each.",
                ClaimStatus.CONFIRMED,
                "6.1 and 6.12 flush three times wherever the call stands, for they gather each VMA by itself",
                asks=[
                    _advice("7.2,flush=in_loop", "1"),
                    _advice("7.2,flush=end_vma", "3"),
                    _advice("7.2", "1"),
                    _advice("6.1,flush=in_loop", "3"),
                    _advice("6.12,flush=in_loop", "3"),
                ],
                kernels=_ADVISED,
            ),
            Claim(
                "which was why you started all this IIUC",
                "IIUC",
                "The patch was made for calls that free no VMA.",
                ClaimStatus.OPEN,
                "why somebody started is no behaviour; one advice for several VMAs flushes less only where "
                "one gather takes them all, which 6.12 does not do yet",
                asks=[
                    *(_advice(f"6.12,flush={flush}", "3") for flush in ("end_vma", "free_vmas")),
                    *(
                        _advice(f"7.2,flush={flush}", count)
                        for flush, count in (("end_vma", "3"), ("free_vmas", "1"))
                    ),
                ],
                kernels=_ADVISED,
            ),
        ),
    ),
)
