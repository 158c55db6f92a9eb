"""Every property is seen to fail: a policy that breaks it, and the shortest program that shows it."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from broken import Broken, answer, checked, lines
from for_each import for_each
from litmus_files import LITMUS

from pfnlab.base.errors import Misuse, ModelledErrno
from pfnlab.base.units import PAGE_SIZE, PfnRange, pfn_to_phys
from pfnlab.checker.check import check
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.review.judged import breaks_at, judged
from pfnlab.checker.scopes.domain import KernelModel
from pfnlab.checker.scopes.properties import QUESTIONS, questions
from pfnlab.checker.scopes.scope import Scope, load_scope, read_scope
from pfnlab.checker.scopes.step_judges import shared
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.entry import pte_wrprotect
from pfnlab.kernel.hw.pgprot import pgprot_set_cachemode
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.pfnmap import pfnmap_untrack
from pfnlab.kernel.mm.tracker import Tracker
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.mm.walk_policy import SpecialBits
from pfnlab.kernel.policies.flushes.free_vmas import FreeVmas
from pfnlab.kernel.policies.trackers.exact import Exact
from pfnlab.kernel.policies.trackers.no_partial import NoPartial
from pfnlab.kernel.policies.trackers.track_ctx import TrackCtx
from pfnlab.kernel.policies.walkers.early_refusal import EarlyRefusal
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.model.model_machine import ModelMachine

MAPPED = "new = mmap bar[0:3] wc shared rw"


class Keeps(TrackCtx):
    """Never lets go of a reservation."""

    def vm_area_free(self, vma: Vma) -> None:
        vma.pfnmap = None


class LetsGo(TrackCtx):
    """Lets go of all when a part is zapped, as before 6.16."""

    def zap_page_range_single(self, vma: Vma, start: int, end: int) -> None:
        self.vm_area_free(vma)


class FreesTwice(TrackCtx):
    """Frees once more what the last VMA freed."""

    def vm_area_free(self, vma: Vma) -> None:
        ctx = vma.pfnmap
        super().vm_area_free(vma)
        if ctx is not None and not ctx.refs:
            pfnmap_untrack(self._kernel, ctx.pfns)


class AsAsked(TrackCtx):
    """Gives every mapping the mode it asks for, and reserves nothing."""

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        return prot


class Uncached(AsAsked):
    """Maps uncached whatever is asked for, and tells the direct map nothing."""

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        return pgprot_set_cachemode(prot, CacheMode.UC_MINUS, self._kernel.platform.pat)


class Forgets(FreeVmas):
    """Forgets what was cleared, so that nothing is flushed."""

    def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        tlb._start, tlb._end = None, 0


class Hides(TrackCtx):
    """Takes a VMA from where revocations look once it shows a page."""

    def vmf_insert_pfn(self, vma: Vma, vpn: int, pfns: PfnRange, prot: int) -> int:
        if vma in self._kernel.i_mmap:
            self._kernel.i_mmap.remove(vma)
        return super().vmf_insert_pfn(vma, vpn, pfns, prot)


class ReservesForNobody(TrackCtx):
    """A fork that fails half-way has reserved something."""

    def copy_page_range(self, dst: Vma, src: Vma) -> None:
        kernel = self._kernel
        start = pfn_to_phys(src.pgoff)
        kernel.book.reserve(start, start + 4096, CacheMode.WC, who=kernel.who)
        raise ModelledErrno(errno.ENOMEM)


class Warns(TrackCtx):
    """Warns when a VMA is freed."""

    def vm_area_free(self, vma: Vma) -> None:
        self._kernel.pr_warn_once("WARNING at mm/memory.c")
        super().vm_area_free(vma)


class Miscounts(TrackCtx):
    """Shares a context with a copy and does not count it."""

    def vm_area_dup(self, orig: Vma, new: Vma) -> None:
        new.pfnmap = orig.pfnmap


class OtherMode(TrackCtx):
    """Reserves the mode that is asked for, and maps uncached."""

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        prot = super().remap_pfn_range(vma, start, pfns, prot)
        return pgprot_set_cachemode(prot, CacheMode.UC_MINUS, self._kernel.platform.pat)


class RefusesCopies(TrackCtx):
    """Lets nobody fork who maps a device."""

    def copy_page_range(self, dst: Vma, src: Vma) -> None:
        raise ModelledErrno(errno.ENOMEM)


class Protects(TrackCtx):
    """A fork takes the right to write from shared entries of the parent too (E09)."""

    def copy_page_range(self, dst: Vma, src: Vma) -> None:
        src.mm.tables.change(src.start, src.end, lambda run: pte_wrprotect(run.bits, True))


TRACKERS: list[tuple[str, Callable[[Kernel], Tracker], list[str], list[str]]] = [
    ("no_leak", Keeps, [MAPPED, "munmap <whole>"], ["a = mmap bar[0:3] wc shared rw", "munmap a"]),
    (
        "no_loss",
        LetsGo,
        [MAPPED, "zap_vma_ptes <first>"],
        ["a = mmap bar[0:3] wc shared rw", "zap_vma_ptes a[0]"],
    ),
    ("freed_once", FreesTwice, [MAPPED, "munmap <whole>"], ["a = mmap bar[0:3] wc shared rw", "munmap a"]),
    ("exact", TrackCtx, [MAPPED, "munmap <first>"], ["a = mmap bar[0:3] wc shared rw", "munmap a[0]"]),
    (
        "one_mode",
        AsAsked,
        [MAPPED, "new = mmap bar[0:3] uc shared rw"],
        ["a = mmap bar[0:3] wc shared rw", "b = mmap bar[0:3] uc shared rw"],
    ),
    ("booked_mode", OtherMode, [MAPPED], ["a = mmap bar[0:3] wc shared rw"]),
    ("fork_works", RefusesCopies, [MAPPED, "child = fork"], ["a = mmap bar[0:3] wc shared rw", "p = fork"]),
    (
        "fork_keeps_parent",
        Protects,
        [MAPPED, "child = fork"],
        ["a = mmap bar[0:3] wc shared rw", "p = fork"],
    ),
    (
        "claimed_free",
        TrackCtx,
        [MAPPED, "request_mem_region bar"],
        ["a = mmap bar[0:3] wc shared rw", "request_mem_region bar[0:3]"],
    ),
    (
        "fork_whole",
        ReservesForNobody,
        [MAPPED, "child = fork"],
        ["a = mmap bar[0:3] wc shared rw", "p = fork"],
    ),
    ("no_warning", Warns, [MAPPED, "munmap <whole>"], ["a = mmap bar[0:3] wc shared rw", "munmap a"]),
    ("counters", Miscounts, [MAPPED, "munmap <first>"], ["a = mmap bar[0:3] wc shared rw", "munmap a[0]"]),
]


@for_each(("name", "tracker", "operations", "program"), TRACKERS, ids=[row[0] for row in TRACKERS])
def test_a_broken_tracker_is_found(
    name: str, tracker: Callable[[Kernel], Tracker], operations: list[str], program: list[str]
) -> None:
    """The shortest program that breaks the property is found."""
    found = answer(Broken(tracker), name, *operations)

    assert ("violated", program) == (found.verdict, lines(found))


@for_each(
    ("name", "tracker"),
    [("booked_mode", OtherMode), ("fork_works", RefusesCopies), ("fork_keeps_parent", Protects)],
)
def test_a_broken_tracker_breaks_nothing_else(name: str, tracker: Callable[[Kernel], Tracker]) -> None:
    """No other property would have found it."""
    scope = read_scope(
        'devices = ["bar: pci, 3 pages"]\ntasks = 2\nareas = 1\ndepth = 2\n'
        f'operations = ["{MAPPED}", "child = fork"]',
        "tiny",
    )

    found = check(Broken(tracker), scope, questions([], scope))

    assert [name] == [one.name for one in found.answers if one.verdict != "holds" and one.kind == "always"]


def test_a_leaf_over_frames_in_another_mode_is_found() -> None:
    """It has the mode of its first frame, whatever the others are reserved with (C11)."""
    found = answer(
        ModelMachine("7.3"),
        "booked_mode",
        "new = mmap bar[0:512] driver fault_pmd wc shared rw",
        "new = mmap bar[256:258] wc shared rw",
        "read <first>",
        device="bar: pci, 512 pages",
        thp="always",
    )

    assert "violated" == found.verdict
    assert 3 == len(lines(found))


@for_each(("spec", "verdict"), [("7.3,vfio_checks_leaf_pfn=off", "violated"), ("7.3", "holds")])
def test_a_leaf_over_frames_that_are_not_aligned_is_found(spec: str, verdict: str) -> None:
    """The low bits of the first frame are cut (E03)."""
    found = answer(
        ModelMachine(spec),
        "right_frames",
        "new = mmap bar[1:513] vfio shared rw",
        "read <first>",
        device="bar: pci, 1024 pages",
        thp="always",
    )

    assert (verdict, False) == (found.verdict, found.vacuous)


@for_each(("spec", "verdict"), [("6.12", "violated"), ("7.3", "holds")])
def test_a_fork_of_copies_works(spec: str, verdict: str) -> None:
    """The trackers that look into the first entry refuse it (A02)."""
    found = answer(
        ModelMachine(spec),
        "fork_works",
        "new = mmap bar[0:3] wc private rw",
        "write <whole> 1",
        "child = fork",
    )

    assert verdict == found.verdict


def test_a_fork_that_is_made_to_fail_is_not_blamed() -> None:
    """No process may be made, whatever it maps."""
    found = answer(ModelMachine("7.3"), "fork_works", MAPPED, "child = fork pids_max")

    assert "holds" == found.verdict


_BUFFER = "pfnlab program 1\ndevice bar: pci, 4 pages\narea a: 1024 pages\n"


@for_each(
    ("spec", "line", "expected"),
    [
        ("7.3,failed_remap_zaps=off", "fail __pte_alloc 2 in remap_pfn_range: ", False),
        # The first page table: there is no entry yet.
        ("7.3,failed_remap_zaps=off", "fail __pte_alloc 1 in remap_pfn_range: ", True),
        ("7.3,failed_remap_zaps=off", "", True),
        ("7.3", "fail __pte_alloc 2 in remap_pfn_range: ", True),
    ],
)
def test_a_buffer_that_is_freed_while_entries_show_it_is_found(spec: str, line: str, expected: bool) -> None:
    """A remap fails at the second page table, and the driver frees its buffer (A18)."""
    program = load_text(f"{_BUFFER}{line}mmap bar[0:4] driver buffer shared rw over a[510:514]\n")

    steps = judged(ModelMachine(spec), program)

    assert expected == (breaks_at(steps, "freed_unmapped") is None)


@for_each(
    ("spec", "how", "expected"),
    [
        ("7.3,error_puts_vm_file=off", "stack", False),
        # One file alone, and a kernel that gives the right one up.
        ("7.3,error_puts_vm_file=off", "remap", True),
        ("7.3", "stack", True),
        ("5.10", "stack", False),
        ("6.1", "stack", True),
    ],
)
def test_a_file_that_is_given_up_for_another_is_found(spec: str, how: str, expected: bool) -> None:
    """The inner mmap of two fails at its second page table (S9.12.4)."""
    line = f"fail __pte_alloc 2 in remap_pfn_range: mmap bar[0:4] driver {how} shared rw over a[510:514]\n"

    steps = judged(ModelMachine(spec), load_text(_BUFFER + line))

    assert expected == (breaks_at(steps, "right_file") is None)


def test_frames_that_move_are_not_blamed() -> None:
    """Where faults give other frames than mmap did, the offset names none of them."""
    program = load_text(
        "pfnlab program 1\ndevice bar: pci, 8 pages\na = mmap bar[0:4] driver fault_moved wc shared rw\n"
        "zap_vma_ptes a\nread a[1]\n"
    )

    assert None is breaks_at(judged(ModelMachine("7.3"), program), "right_frames")


def test_a_direct_map_that_disagrees_is_found() -> None:
    """RAM mapped in another mode than the kernel has it with is found."""
    found = answer(
        Broken(Uncached), "direct_map", "new = mmap low[0:1] devmem shared rw", device="low: lowmem, 1 page"
    )

    assert ("violated", ["a = mmap low[0] devmem shared rw"]) == (found.verdict, lines(found))


def test_a_mode_that_stays_in_the_direct_map_is_found() -> None:
    """No kernel turns the mode of RAM back when nothing maps it any more."""
    operations = "new = mmap low[0:1] devmem-sync shared rw", "munmap <whole>"

    for spec in ("6.1", "7.3"):
        found = answer(ModelMachine(spec), "direct_map_back", *operations, device="low: lowmem, 1 page")
        assert ["a = mmap low[0] devmem-sync shared rw", "munmap a"] == lines(found)


class TurnsBack(TrackCtx):
    """Turns the mode of what is unmapped back, as no kernel does."""

    def vm_area_free(self, vma: Vma) -> None:
        super().vm_area_free(vma)
        self._kernel.book.kernel_map_sync(pfn_to_phys(vma.pgoff), vma.nr * PAGE_SIZE, CacheMode.WB)


def test_a_mode_that_is_turned_back_is_not() -> None:
    """While it is mapped it has the mapping's mode, and then write-back again."""
    operations = "new = mmap low[0:1] devmem-sync shared rw", "munmap <whole>"

    found = answer(Broken(TurnsBack), "direct_map_back", *operations, device="low: lowmem, 1 page")

    assert ("holds", False) == (found.verdict, found.vacuous)


def test_vfio_pci_claims_what_it_opens() -> None:
    """Reservations that earlier users of the PCI file left decide its mode too."""
    operations = "new = mmap bar[0:2] wc shared rw", "memory_disable bar"

    found = answer(ModelMachine("7.3"), "claimed_free", *operations, device="bar: pci, 2 pages")

    assert ["a = mmap bar[0:2] wc shared rw", "memory_disable bar"] == lines(found)


def test_files_that_vfio_pci_does_not_revoke_are_found() -> None:
    """As with any other claim."""
    operations = "new = mmap bar[0:2] wc shared rw", "memory_disable bar"
    machine = Broken(spec="7.2,pci_files_revoked=off")

    found = answer(machine, "claimed_unmapped", *operations, device="bar: pci, 2 pages")

    assert "violated" == found.verdict


def test_a_forgotten_flush_is_found() -> None:
    """A translation that stays behind is found."""
    found = answer(
        Broken(flushes=Forgets),
        "no_stale",
        "new = mmap bar[0:3] driver remap wc shared rw",
        "write <whole> 1",
        "zap_vma_ptes <whole>",
    )

    assert ["a = mmap bar[0:3] driver remap wc shared rw", "write a[0] 1", "zap_vma_ptes a"] == lines(found)


_OVER = "fail __pte_alloc 1 in remap_pfn_range: mmap bar[0:4] wc private rw over a[0:4]"
_UNCUT = "fail vm_area_dup 2: b = mremap a[2:4] 2 pages maymove fixed"
_ANON, _SHARED = "a = mmap anon[0:8] private rw", "a = mmap bar[0:8] wc shared rw"


def uncommitted(spec: str, *operations: str) -> bool:
    """True where other pages are committed than VMAs account for, after some step of a program."""
    text = "\n".join(("pfnlab program 1", "title t", "device bar: pci, 8 pages", *operations, ""))
    return breaks_at(judged(ModelMachine(spec), load_text(text)), "committed_left") is not None


@for_each(
    ("switch", "kept", "operations"),
    [
        ("replaced_stays_committed=on", "", (_ANON, _OVER)),
        ("shrunk_committed_again=on", "", (_ANON, "b = mremap a 3 pages maymove fixed")),
        (
            "vain_growth_stays_committed=on",
            "",
            (_ANON, "write a[0] 1", "fail __pte_alloc 1: b = mremap a 9 pages maymove fixed"),
        ),
        (
            "vain_growth_uncommits=on",
            "",
            ("a = mmap bar[0:4] driver insert_page shared rw", "mremap a 6 pages maymove"),
        ),
        ("uncut_commits_any=on", ",uncut_commits_any=off", (_SHARED, _UNCUT)),
        ("dontunmap_drops_account=on", "", (_ANON, "b = mremap a 8 pages maymove fixed dontunmap")),
    ],
)
def test_memory_that_stays_committed_is_found(switch: str, kept: str, operations: tuple[str, ...]) -> None:
    """By each rule of a kernel that gets the count wrong, and not without it."""
    assert uncommitted(f"7.3,{switch}", *operations)
    assert not uncommitted(f"7.3{kept}", *operations)


def test_a_mapping_that_the_first_phase_refuses_stays_committed() -> None:
    """As from 6.19 to 7.1; those without private memory that may be written commit nothing."""
    program = load_program(LITMUS / "physical" / "refused-committed.pfn")

    found = [judged(ModelMachine(spec), program) for spec in ("6.19", "7.2", "7.3")]

    assert [False, True, True] == [breaks_at(steps, "committed_left") is None for steps in found]


@for_each("spec", ["6.1", "6.12", "7.3"])
@for_each(
    "operations",
    [
        (_ANON, "munmap a[2:4]", "mremap a[4:8] 6 pages maymove", "c = fork", "c: exit"),
        (_ANON, "fail vm_area_dup 1: c = fork", "fail vm_area_dup 1: munmap a[2:4]"),
        ("a = mmap anon[0:8] private r", "mprotect a[2:4] rw", "mprotect a[2:4] r", "write a[0] 1"),
        ("a = mmap anon[0:8] private r", "fail vm_area_dup 1: mprotect a[2:4] rw"),
        (_ANON, "mmap bar[0:4] wc private rw over a[2:6]", "b = mremap a[2:4] 2 pages maymove fixed"),
        (_ANON, "fail vm_area_dup 1: b = mremap a 8 pages maymove fixed"),
        (_ANON, "b = mremap a 12 pages maymove fixed", "mmap anon[0:4] shared rw over b[0:4]"),
    ],
)
def test_as_many_pages_are_committed_as_vmas_account_for(spec: str, operations: tuple[str, ...]) -> None:
    """Also after errors, and after the end."""
    assert not uncommitted(spec, *operations)


PRIVATE = "new = mmap bar[0:3] devmem private rw"


def test_a_copy_that_is_not_flushed_is_found() -> None:
    """The processor remembers the device's page, and then goes to the copy."""
    found = answer(
        Broken(spec="7.2,copy_flushes_first=off"),
        "copied_flushed",
        PRIVATE,
        "read <whole>",
        "write <whole> 1",
    )

    assert ["a = mmap bar[0:3] devmem private rw", "read a[0]", "write a[0] 1"] == lines(found)


@for_each("spec", ["6.1", "6.12", "7.3"])
def test_a_copy_is_flushed(spec: str) -> None:
    """Also of pages that a child shares."""
    ops = (PRIVATE, "read <whole>", "write <whole> 1", "child = fork")

    assert "holds" == answer(Broken(spec=spec), "copied_flushed", *ops, depth=4).verdict


def test_a_mapping_revocations_miss_is_found() -> None:
    """A page that is mapped while the device's memory is off is found."""
    found = answer(
        Broken(Hides),
        "memory_off",
        *("new = mmap bar[0:2] vfio shared rw", "read <first>", "memory_disable bar"),
        device="bar: pci, 2 pages",
    )

    assert ["a = mmap bar[0:2] vfio shared rw", "read a[0]", "memory_disable bar"] == lines(found)


class TakesFrames(SpecialBits):
    """Takes whatever an entry maps for a page."""

    def vm_normal_page(self, vma: Vma, entry: EntryRun) -> bool:
        return True


def test_a_walker_that_takes_frames_is_found() -> None:
    """A walker that does not look at special bits is found."""
    found = answer(Broken(walker=TakesFrames), "walks_pages", MAPPED)

    assert ["a = mmap bar[0:3] wc shared rw"] == lines(found)


class LooksAtPtes(SpecialBits):
    """Knows the special bit of the lowest level only, as before there was pmd_special."""

    def vm_normal_page(self, vma: Vma, entry: EntryRun) -> bool:
        return entry.level > 1 or super().vm_normal_page(vma, entry)


def test_a_walker_that_takes_leaves_is_found() -> None:
    """A walker that does not look at the special bits of leaves is found where there are leaves."""
    found = answer(
        Broken(walker=LooksAtPtes),
        "walks_pages",
        *("new = mmap bar[0:512] driver fault_pmd wc shared rw", "read <first>"),
        device="bar: pci, 512 pages",
        thp="always",
    )

    assert ["a = mmap bar[0:512] driver fault_pmd wc shared rw", "read a[0]"] == lines(found)


def test_a_walker_that_misses_copies_is_found() -> None:
    """A walker that leaves at the VMA misses what was copied there (discussion 001)."""
    mapped = "new = mmap bar[0:3] devmem private rw"
    found = answer(Broken(walker=EarlyRefusal), "walks_all", mapped, "write <whole> 1")

    assert ["a = mmap bar[0:3] devmem private rw", "write a[0] 1"] == lines(found)
    assert "holds" == answer(Broken(), "walks_all", mapped, "write <whole> 1").verdict


def test_files_that_are_not_revoked_are_found() -> None:
    """A kernel that revokes /dev/mem only leaves PCI files mapped."""
    found = answer(
        Broken(spec="7.2,pci_files_revoked=off"), "claimed_unmapped", MAPPED, "request_mem_region bar"
    )

    assert ["a = mmap bar[0:3] wc shared rw", "request_mem_region bar[0:3]"] == lines(found)


def test_files_that_a_driver_does_not_revoke_when_it_is_bound_are_found() -> None:
    """Its claim of the BAR is one as any other."""
    found = answer(Broken(spec="7.2,pci_files_revoked=off"), "claimed_unmapped", MAPPED, "bind bar")

    assert ["a = mmap bar[0:3] wc shared rw", "bind bar"] == lines(found)


@for_each(
    ("name", "tracker", "operations"),
    [
        ("split", NoPartial, [MAPPED, "munmap <first>", "mprotect <first> r"]),
        ("shared", TrackCtx, [MAPPED, "child = fork pids_max"]),
        ("copied", TrackCtx, [MAPPED, "write <whole> 1"]),
    ],
)
def test_what_should_happen_sometimes_and_never_does_is_found(
    name: str, tracker: Callable[[Kernel], Tracker], operations: list[str]
) -> None:
    """A search that never reaches what it is there for says so."""
    assert "violated" == answer(Broken(tracker), name, *operations).verdict


def test_the_questions_of_a_seam() -> None:
    """Its name stands for what its policies answer for, and for what says that anything was looked at."""
    names = [question.name for question in questions(["walker"], load_scope("standard"))]

    assert ["walks_pages", "walks_all", "split", "shared", "copied"] == names


def test_a_question_beside_those_of_a_seam() -> None:
    """Each is asked once."""
    names = [question.name for question in questions(["walks_all", "no_stale", "walker"])]

    assert ["walks_all", "no_stale", "walks_pages", "split", "shared", "copied"] == names


@for_each(
    ("name", "scope", "said"),
    [
        ("told_free", "small", "scope `small` does not ask `told_free`: --scope race or race_gathers does"),
        ("fork_whole", "race", "scope `race` does not ask `fork_whole`: --scope ends_forks or "),
        ("told_fre", "small", "there is no property `told_fre`: did you mean `told_free`"),
    ],
)
def test_a_property_of_other_scopes_is_said_to_be_theirs(name: str, scope: str, said: str) -> None:
    """One that exists is not said to be missing."""
    with pytest.raises(Misuse, match=said):
        questions([name], load_scope(scope))


def test_a_scope_without_the_seam() -> None:
    """Where nothing reads or writes, nothing is said of flushes: no search that finds nothing wrong."""
    with pytest.raises(Misuse) as refused:
        questions(["flush"], load_scope("neighbours"))

    assert "the scope can say nothing of a flush" == str(refused.value)


def test_races_are_asked_what_a_state_is_asked() -> None:
    """Where their operations can answer it; not what one operation did, nor what a search has reached."""
    names = {question.name for question in questions(scope=load_scope("race"))}

    assert {"no_leak", "exact", "freed_once", "walks_pages", "no_warning", "counters", "no_stale"} <= names
    assert not {"fork_whole", "split", "copied", "memory_off", "claimed_free"} & names


def test_inserted_pages_may_be_reserved() -> None:
    """A tracker that reserves what a fault handler inserts, as no kernel does, is exact as well."""
    ops = ("new = mmap bar[0:3] vfio shared rw", "read <first>", "munmap <first>")

    for tracker in (Exact, TrackCtx):
        assert "holds" == answer(Broken(tracker), "exact", *ops).verdict


def test_exact_keeps_what_trackers_promise() -> None:
    """On every sequence of three operations: no question of a tracker is violated, and each arose."""
    scope = load_scope("standard")
    found = check(
        ModelMachine("7.2,tracker=exact"), scope, questions(["tracker"], scope), Exhaustive(depth=3)
    )

    assert [] == [one.name for one in found.answers if one.verdict != "holds" or one.vacuous]


def test_every_property_is_seen_to_fail() -> None:
    """No property is without a policy that breaks it here, or a scope in tests/evidence/test_findings.py."""
    elsewhere = {
        "removed_unmapped",
        "walks_pages",
        "walks_all",
        "direct_map",
        "direct_map_back",
        "no_stale",
        "copied_flushed",
        "committed_left",
        "memory_off",
        "claimed_unmapped",
        "right_frames",
        "freed_unmapped",
        "right_file",
        "split",
        "shared",
        "copied",
    }

    assert {question.name for question in QUESTIONS} == {row[0] for row in TRACKERS} | elsewhere


def test_a_question_that_never_arose_is_no_proof() -> None:
    """A property that holds because nothing was ever asked of it is told apart."""
    found = answer(Broken(), "claimed_free", MAPPED)

    assert ("holds", True) == (found.verdict, found.vacuous)


@for_each(
    ("name", "ops", "vacuous"),
    [
        ("copied_flushed", ["new = mmap bar[0:3] wc private rw", "write <first> 1"], False),
        ("copied_flushed", [MAPPED, "write <first> 1"], True),
        ("fork_works", ["child = fork pids_max"], True),
        ("fork_works", ["child = fork"], False),
        ("fork_keeps_parent", ["child = fork pids_max"], True),
        ("freed_unmapped", ["new = mmap bar[0:3] driver buffer shared rw"], True),
    ],
)
def test_what_the_operations_never_brought_about_was_never_asked(
    name: str, ops: list[str], vacuous: bool
) -> None:
    """A property of an event that no operation of the scope causes is never asked."""
    found = answer(Broken(), name, *ops)

    assert ("holds", vacuous) == (found.verdict, found.vacuous)


def test_operations_and_their_results_are_counted() -> None:
    """A report can say what was tried and how it ended."""
    found = checked(Broken(NoPartial), "split", MAPPED, "munmap <first>", depth=2)

    assert {"mmap wc": {"ok": 2}, "munmap": {"EINVAL": 1}} == found.fired


@for_each(("line", "expected"), [("p: munmap a[0]", True), ("p: munmap a", False), ("munmap a[0:3]", True)])
def test_a_frame_is_shared_wherever_the_entries_begin(line: str, expected: bool) -> None:
    """Two tasks map it where their mappings overlap, not only where both begin with it."""
    small = load_scope("small")
    assert isinstance(small, Scope)
    program = load_text(
        "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\n\n"
        f"a = mmap bar[0:4] wc shared rw\np = fork\n{line}\n"
    )

    is_shared = not KernelModel(ModelMachine("7.2"), small).breaks(program.ops, shared.judge)

    assert expected == is_shared
