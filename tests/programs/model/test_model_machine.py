"""The model machine: how it is named, and what holds for every program on every profile.

The random programs live on a device of 8 pages, two areas and two tasks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import get_args

import msgspec
import pytest
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse, Undecided, Why
from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.flags import VM_PAT
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.more.lives import exit_group
from pfnlab.kernel.mm.tracker import Tracker
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.mm.walk_policy import Walkers
from pfnlab.kernel.policies.profiles import PROFILES, SERIES
from pfnlab.kernel.policies.seams import policy_of
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.kernel.policies.trackers.track_ctx import TrackCtx
from pfnlab.kernel.policies.trackers.vm_pat import VmPat
from pfnlab.programs.lang.device_ops import VfioCall
from pfnlab.programs.lang.library import find_program
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.lang.ops import (
    PCI_VIAS,
    Area,
    Call,
    Device,
    Exec,
    Exit,
    Fork,
    Kill,
    Look,
    Madvise,
    Mbind,
    Mlock,
    Mlockall,
    Mmap,
    Mprotect,
    Mremap,
    Mseal,
    Msync,
    Munlock,
    Munlockall,
    Munmap,
    Op,
    PkeyMprotect,
    Program,
    Read,
    Write,
)
from pfnlab.programs.lang.process_ops import ADVICE, LIMITS, POLICIES, Setrlimit
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.validity import check_program
from pfnlab.programs.lang.walk_ops import CLEARED_REFS, ClearRefs
from pfnlab.programs.lang.words import PROTS
from pfnlab.programs.model.dispatch import CallResult, perform
from pfnlab.programs.model.model_machine import ModelMachine, exit_all
from pfnlab.programs.runs.observation import Step
from pfnlab.programs.runs.places import Places

PAGES = 8
MAP = "a = mmap bar[0:4] wc shared rw"
HEADER = "pfnlab program 1\ndevice bar: pci, 8 pages\n"

TRACK_CTX = [series for series in SERIES if PROFILES[series].tracker == "track_ctx"]
LEGACY = [series for series in SERIES if PROFILES[series].tracker == "vm_pat"]
VFIO_OPENED_FIRST = [series for series in SERIES if PROFILES[series].vfio_claims_when_opened]

PROTECTIONS = st.sampled_from(("none", "r", "rw", "rw", "rx", "rwx"))
BOOLEANS = st.booleans()


@st.composite
def spans(draw: st.DrawFn, name: str | None = None) -> Span:
    """Some pages of an area or of the device."""
    start = draw(st.integers(0, PAGES - 1))
    end = draw(st.integers(start + 1, PAGES))
    return Span(name or draw(st.sampled_from(("a", "a", "b"))), start, end)


@st.composite
def mmaps(draw: st.DrawFn) -> Mmap:
    """A mapping of the device, seldom of anonymous memory, at an area or over some of its pages."""
    target = draw(spans())
    anonymous = draw(st.integers(0, 4)) == 0
    start = draw(st.integers(0, PAGES - target.pages))
    source = Span("anon", 0, target.pages) if anonymous else Span("bar", start, start + target.pages)
    named = draw(BOOLEANS)
    return Mmap(
        target.name if named else None,
        source,
        "anon" if anonymous else draw(st.sampled_from([via for via in PCI_VIAS if via != "driver"])),
        shared=not anonymous and draw(BOOLEANS),
        prot=draw(PROTECTIONS),
        populate=draw(BOOLEANS),
        locked=draw(BOOLEANS),
        over=None if named else target,
    )


@st.composite
def mremaps(draw: st.DrawFn) -> Mremap:
    """A shrink, a growth or a move, in place, to an area or over some of its pages."""
    span = draw(spans())
    if draw(st.integers(0, 7)) == 0:
        span = Span(span.name, span.start, span.start)
    kind = draw(st.sampled_from(("stay", "name", "over", "over")))
    maymove = draw(st.sampled_from((True, True, False)))
    if kind == "stay":
        return Mremap(span, draw(st.integers(0, PAGES)), maymove)
    same = draw(BOOLEANS)
    if kind == "name":
        pages = max(span.pages, 1) if same else draw(st.integers(1, PAGES))
        return Mremap(span, pages, maymove, fixed=True, name=draw(st.sampled_from(("a", "b"))))
    over = draw(spans())
    return Mremap(span, over.pages, maymove, fixed=True, over=over)


@st.composite
def touches(draw: st.DrawFn) -> Read | Write:
    """A load or a store."""
    span = draw(spans())
    page = Span(span.name, span.start, span.start + 1)
    return Write(page, draw(st.integers(0, 9))) if draw(BOOLEANS) else Read(page)


RANGES: st.SearchStrategy[Call] = st.one_of(
    st.builds(Munmap, spans()),
    st.builds(Munmap, spans()),
    mremaps(),
    mremaps(),
    st.builds(Mprotect, spans(), PROTECTIONS),
    st.builds(Madvise, spans(), st.sampled_from(sorted(ADVICE))),
    st.builds(Mlock, spans()),
    st.builds(Munlock, spans()),
    st.builds(Msync, spans()),
    st.builds(Mseal, spans()),
    st.builds(Mbind, spans(), st.sampled_from(list(POLICIES))),
    st.builds(PkeyMprotect, spans(), st.sampled_from(sorted(PROTS)), st.booleans()),
    st.builds(ClearRefs, st.sampled_from(list(CLEARED_REFS))),
    st.builds(Setrlimit, st.sampled_from(list(LIMITS)), st.none() | st.integers(0, 8)),
    st.sampled_from((Mlockall(), Munlockall(), Exec(), Look())),
    st.sampled_from([kind("bar") for kind in get_args(VfioCall)]),
)


@st.composite
def small_programs(draw: st.DrawFn, touching: bool = True) -> Program:
    """A correct program of up to twelve operations that begins with a mapping."""
    calls = mmaps() | RANGES | touches() if touching else mmaps() | RANGES
    tasks = ["main"]
    born = False
    ops = [Op(draw(mmaps()))]
    for _ in range(draw(st.integers(0, 11))):
        if not tasks:
            break
        task = draw(st.sampled_from(tasks))
        what = draw(st.integers(0, 15))
        if what == 0 and not born:
            born = True
            ops.append(Op(Fork("c"), task))
            tasks.append("c")
        elif what == 1 and len(ops) > 3:
            ops.append(Op(draw(st.sampled_from((Exit(), Kill()))), task))
            tasks.remove(task)
        else:
            ops.append(Op(draw(calls), task))
    return Program("", "", (Device("bar", "pci", PAGES),), tuple(ops), (Area("a", PAGES), Area("b", PAGES)))


@st.composite
def whole_programs(draw: st.DrawFn) -> Program:
    """A program that maps and unmaps mappings only as they are, whoever has them."""
    ops = [
        Op(Mmap("a", Span("bar", 0, 4), "wc", True, "rw")),
        Op(Mmap("b", Span("bar", 2, 6), "wc", True, "rw")),
    ]
    tasks = ["main"]
    if draw(BOOLEANS):
        ops.append(Op(Fork("c")))
        tasks.append("c")
    for task in tasks:
        ops += [Op(Munmap(Span(name, 0, 4)), task) for name in draw(st.permutations(("a", "b")))]
    return Program("", "", (Device("bar", "pci", PAGES),), tuple(ops))


def walk(series: str, program: Program, tracker: Callable[[Kernel], Tracker] | None = None) -> Kernel:
    """Run every operation and the end of every task, with every invariant checked after each."""
    profile = PROFILES[series]
    kernel = Kernel(profile, qemu_q35(), tracker or TRACKERS[profile.tracker])
    kernel.start_task("main")
    places = Places.of(program, {"bar": PfnRange(0xF8000, 0xF8000 + PAGES)})
    for op in program.ops:
        task = kernel.tasks.get(op.task)
        if task is None:
            continue  # its fork failed
        with suppress(Undecided):
            assert isinstance(perform(kernel, task, op.call, places), CallResult)
        kernel._check()
    for task in list(kernel.tasks.values()):
        exit_group(kernel, task)
        kernel._check()
    exit_all(kernel)
    return kernel


def assert_nothing_is_left(kernel: Kernel) -> None:
    """The book is empty, and nobody ever freed what was not reserved."""
    assert [] == kernel.book.entries()
    assert [] == [line for line in kernel.trace.log if "freeing invalid" in line]


@given(small_programs())
def test_the_programs_are_correct(program: Program) -> None:
    """The random programs are ones the parser would take."""
    check_program(program)


@pytest.mark.parametrize("series", LEGACY)
@settings(max_examples=120)
@given(program=small_programs())
def test_invariants_hold_with_vm_pat(series: str, program: Program) -> None:
    """Whatever a program does, every operation has an outcome and leaves all invariants intact."""
    walk(series, program)


@pytest.mark.parametrize("series", TRACK_CTX)
@settings(max_examples=60)
@given(program=small_programs())
def test_nothing_is_left_with_track_ctx(series: str, program: Program) -> None:
    """Whatever a program does, at its end the book is empty and nothing was freed twice."""
    assert_nothing_is_left(walk(series, program))


@pytest.mark.parametrize("series", SERIES)
@settings(max_examples=10)
@given(program=whole_programs())
def test_whole_mappings_leave_nothing(series: str, program: Program) -> None:
    """Both trackers get it right while mappings stay as they were made."""
    assert_nothing_is_left(walk(series, program))


@for_each("series", LEGACY)
def test_vm_pat_leaks(series: str) -> None:
    """The emptiness of the book is not a matter of course: unmapping from below leaks."""
    program = load_text(f"{HEADER}{MAP}\nmunmap a[0]\nmunmap a[1:4]\n")

    assert 1 == len(walk(series, program).book.entries())


FACTOR = 64


def scaled(program: Program) -> Program:
    """The same program with every page number 64 times as large."""

    def grow(span: Span | None) -> Span | None:
        return span and Span(span.name, span.start * FACTOR, span.end * FACTOR)

    ops = []
    for op in program.ops:
        call = op.call
        if isinstance(call, Mmap):
            call = msgspec.structs.replace(call, source=grow(call.source), over=grow(call.over))
        elif isinstance(call, Mremap):
            call = msgspec.structs.replace(
                call, span=grow(call.span), pages=call.pages * FACTOR, over=grow(call.over)
            )
        elif hasattr(call, "span"):
            call = msgspec.structs.replace(call, span=grow(call.span))
        ops.append(Op(call, op.task))
    devices = tuple(Device(device.name, device.kind, device.pages * FACTOR) for device in program.devices)
    areas = tuple(Area(area.name, area.pages * FACTOR) for area in program.areas)
    return Program(program.title, program.asks, devices, tuple(ops), areas)


def said(step: Step, factor: int) -> object:
    """A step with every page number and size *factor* times as large, tables left out."""

    def grow(text: object) -> str:
        return re.sub(
            r"\[(\d+):(\d+)\]", lambda at: f"[{int(at[1]) * factor}:{int(at[2]) * factor}]", str(text)
        )

    vmas = [
        (vma.task, grow(vma.span), vma.perms, vma.file, grow(vma.offset), vma.flags, vma.rss * factor)
        for vma in step.vmas or ()
    ]
    ptes = [
        (seen.task, grow(seen.span), grow(seen.target), seen.entry) for seen in step.ptes or () if seen.target
    ]
    log = [grow(line) for line in step.log]
    return (step.result, step.value, [grow(entry) for entry in step.book], log, vmas, ptes)


@pytest.mark.parametrize("series", ["6.1", "6.12", "6.18", "7.2"])
@settings(max_examples=30)
@given(program=small_programs(touching=False))
def test_size_never_matters(series: str, program: Program) -> None:
    """With every page number multiplied by 64 a program has the same results, step by step."""
    machine = ModelMachine(series)
    try:
        small = machine.run_one(program, check=True)
    except Undecided:
        return
    large = machine.run_one(scaled(program), check=True)

    assert [said(step, FACTOR) for step in small.steps] == [said(step, 1) for step in large.steps]


class ForgetsToShare(TrackCtx):
    """A tracker whose copies of a VMA point to the range without being counted."""

    def vm_area_dup(self, orig: Vma, new: Vma) -> None:
        """The count stays."""
        new.pfnmap = orig.pfnmap


class ForgetsCopyPageRange(VmPat):
    """A tracker that copies the flag to a child, but reserves nothing for it."""

    def copy_page_range(self, dst: Vma, src: Vma) -> None:
        """The flag comes along unasked."""
        dst.flags |= src.flags & VM_PAT


class FreesTwice(TrackCtx):
    """A tracker that frees a range, and frees it again."""

    def vm_area_free(self, vma: Vma) -> None:
        """Once for the count, and once more."""
        ctx = vma.pfnmap
        super().vm_area_free(vma)
        if ctx is not None:
            book = self._kernel.book
            book.free_pfn_range(ctx.pfns.start << 12, ctx.pfns.nr << 12, who="demo:1")


class NeverFrees(TrackCtx):
    """A tracker that only forgets."""

    def vm_area_free(self, vma: Vma) -> None:
        """The pointer goes, the reservation stays."""
        if vma.pfnmap is not None:
            vma.pfnmap.refs -= 1
            vma.pfnmap = None


def test_an_uncounted_copy_is_caught() -> None:
    """The tracker's own check sees a count that is not the number of sharers."""
    program = load_text(f"{HEADER}{MAP}\nc = fork\n")

    with pytest.raises(AssertionError):
        walk("7.2", program, ForgetsToShare)


@for_each(("series", "broken"), [("6.1", ForgetsCopyPageRange), ("7.2", FreesTwice), ("7.2", NeverFrees)])
def test_a_broken_tracker_is_caught(series: str, broken: Callable[[Kernel], Tracker]) -> None:
    """The property of whole mappings does not hold for a tracker that forgets, or frees too much."""

    @settings(max_examples=20, database=None)
    @given(whole_programs())
    def leaves_nothing(program: Program) -> None:
        assert_nothing_is_left(walk(series, program, broken))

    with pytest.raises(AssertionError):
        leaves_nothing()


@for_each("series", SERIES)
def test_one_step_an_operation_and_the_end(series: str) -> None:
    """A run has a step for each operation, said as program lines, and one for the end."""
    run = ModelMachine(series).run_one(load_text(f"{HEADER}{MAP}\nlook\nmunmap a[0]\n"), check=True)

    assert [MAP, "look", "munmap a[0]", "end"] == [step.op for step in run.steps]
    assert (f"model:{series}", None) == (run.machine, run.unfinished)


@for_each("series", SERIES)
def test_the_process_of_the_newest_thread_ends_first(series: str) -> None:
    """S12.3.1: the last created task is killed first, although another process is newer than the thread's."""
    program = load_text(f"{HEADER}{MAP}\nc = fork\nc: b = mmap bar[4:8] wc shared rw\nt = thread\n")

    end = ModelMachine(series).run_one(program, check=True).steps[-1]

    assert end.events is not None
    assert ["free a[0]", "free a[0]", "free b[0]"] == [event for event in end.events if event[:5] == "free "]


@for_each("series", VFIO_OPENED_FIRST)
def test_the_agent_opens_a_vfio_device_for_the_first_mmap(series: str) -> None:
    """S9.4.6: so lines about a claim refused then name init, as the agent is called, and not main."""
    program = load_text(
        f"{HEADER}area a: 8 pages\nmmap bar[0:2] wc shared rw over a[0:2]\n"
        "mmap bar[2] uc shared rw over a[4]\nb = mmap bar[0] vfio shared rw\n"
    )

    step = ModelMachine(series).run([program])[0].steps[2]

    assert "x86/PAT: init:PID conflicting memory types" in step.log[0]


def test_programs_run_on_kernels_of_their_own() -> None:
    """What one program leaks, the next does not see."""
    program = load_text(f"{HEADER}{MAP}\nmunmap a[0]\n")

    first, second = ModelMachine("6.1").run([program, program])

    assert first == second


def test_the_policy_can_be_replaced() -> None:
    """With the old tracker 7.2 forgets like 6.1, and says so."""
    program = load_text(f"{HEADER}{MAP}\nmunmap a[0]\n")

    run = ModelMachine("7.2,tracker=vm_pat").run_one(program, check=True)

    assert ("x86/PAT: main freeing invalid memtype bar[0:1]",) == run.steps[1].log


def test_a_switch_can_be_turned() -> None:
    """A switch by its name gives an old kernel a newer behaviour."""
    program = load_text(f"{HEADER}{MAP}\nmseal a\n")

    run = ModelMachine("6.1,mseal=on").run_one(program, check=True)

    assert "ok" == run.steps[1].result


@for_each(
    ("spec", "says"),
    [
        ("7.4", "there is no kernel profile"),
        ("7.2,tracker=none", "there are base_pfn, caller_managed, "),
        ("7.2,mseal=maybe", "write mseal=on or mseal=off"),
        ("7.2,mseal", "write mseal=on or mseal=off"),
        ("7.2,colour=blue", "there is no seam or switch 'colour': write config=FILE"),
        ("7.2,colour.front=blue", "there is no seam or switch"),
        ("7.2,fulsh=end_vma", "there is no seam or switch 'fulsh': did you mean flush=?"),
        ("7.2,flush=end_vmas", "did you mean end_vma?"),
        ("7.2,flush.munmp=none", "did you mean munmap?"),
        (
            "7.2,walker.smaps=early_refusal",
            "walker has no place 'smaps': there are folio_walk_start, walk_page_vma, walk_page_range, "
            "get_user_pages, e.g. walker.folio_walk_start=POLICY",
        ),
        ("7.2,flush.=none", "flush has no place '': there are munmap, exit, zap, "),
        ("7.2,tracker.munmap=exact", "a tracker is one for all places: write tracker=POLICY"),
        ("7.2,flush.munmap=never", "there is no flush placement 'never': there are any_vma, "),
        ("6.1,without=", "is not a commit: write 7 to 40 digits"),
        ("6.1,with=0123456789ab", "is not known here: write one that `pfnlab policies show 6.1` lists"),
        ("7.2,without=04c35ab3bdae", "so write tracker=vm_pat as well"),
    ],
)
def test_a_wrong_name_says_what_there_is(spec: str, says: str) -> None:
    """A machine that cannot be says what to write instead."""
    with pytest.raises(Misuse, match=re.escape(says)):
        ModelMachine(spec)


@for_each(
    ("changes", "says"),
    [
        ("tracker=vm_pat,tracker=exact", "tracker is named twice, by tracker=vm_pat and tracker=exact"),
        ("flush=none,mseal=off,flush=none", "flush is named twice, by flush=none and flush=none"),
        ("mseal=on,mseal=off", "mseal is named twice, by mseal=on and mseal=off"),
        ("flush.zap=none,flush.zap=fullmm", "flush.zap is named twice, by flush.zap=none and "),
        ("without=04c35ab3bdae,without=04c35ab", "a commit is named twice, by without=04c35ab3bdae and "),
        ("without=04c35ab3bdae,with=04c35ab3bdae", "a commit is named twice, by without=04c35ab3bdae and "),
    ],
)
def test_nothing_is_changed_twice(changes: str, says: str) -> None:
    """The last one would hold and the other go unheard."""
    with pytest.raises(Misuse, match=re.escape(says)):
        ModelMachine(f"6.1,{changes}")


@for_each(
    "changes",
    [
        "walker=special_bits,walker.walk_page_vma=early_refusal",
        "walker.walk_page_vma=early_refusal,walker=special_bits",
    ],
)
def test_a_place_is_an_exception_of_its_seam(changes: str) -> None:
    """Wherever it stands in the name: the policy of the seam is for all the others."""
    profile = ModelMachine(f"7.2,{changes}").profile

    assert Walkers.all("special_bits")._replace(walk_page_vma="early_refusal") == profile.walkers


def test_two_commits_may_be_taken_out() -> None:
    """Only the same one not twice."""
    machine = ModelMachine("7.2,without=f8e97613fed2,without=bfe125f1b187")

    assert ("vm_pat", "end_vma") == (machine.profile.tracker, policy_of(machine.profile, "flush"))


@for_each("series", SERIES)
def test_a_terabyte_costs_what_a_page_costs(series: str) -> None:
    """A device of 1 TiB is mapped, split and unmapped as a few runs."""
    text = "pfnlab program 1\ndevice bar: pci, 1 TiB\na = mmap bar wc shared rw\nmunmap a[1:2]\nexit\n"

    run = ModelMachine(series).run_one(load_text(text), check=True)

    assert 2 == len([seen for seen in run.steps[1].ptes or () if seen.target])
    assert ["ok"] * 4 == [step.result for step in run.steps]


@for_each("series", SERIES)
def test_the_driver_asks_for_the_mode_it_was_told_alone(series: str) -> None:
    """The cache bits of the mapping go first, so UC- and WC do not add up to UC (seen on 6.1, 7.2)."""
    text = f"{HEADER}a = mmap bar[0:4] driver fault uc- shared rw\nremap_pfn_range a wc\n"

    run = ModelMachine(series).run_one(load_text(text), check=True)

    assert ["bar[0:4] wc"] == [str(entry) for entry in run.steps[1].book]


def test_frames_past_the_end_of_physical_addresses_are_undecided() -> None:
    """A driver may map them, and the kernel cuts their upper bits off; the last frame of all is one."""
    end = (1 << 40) - 1
    frames = f"bar[{end - 1}:{end}]"
    line = "a = mmap {} driver remap wc shared rw\n"

    refused, run = ModelMachine("7.2").run(
        [load_text(HEADER + line.format(frames)), load_text(HEADER + line.format("bar[1099000000000]"))]
    )

    assert (True, None) == ("past the end of physical addresses" in str(refused.undecided), run.unfinished)


def test_a_run_has_the_steps_before_the_end_of_its_kernel() -> None:
    """Where the model has no rule it has none."""
    program = load_program(find_program("vfio-regions"))
    (run,) = ModelMachine("6.1,without=909290786ea3").run([program])

    assert ["ok", "EINVAL", "EINVAL"] == [step.result for step in run.steps]
    assert run.undecided is not None
    assert Why.NO_END is run.why
