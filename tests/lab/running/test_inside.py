"""The parts of a step that only memory shows, and operations in which a kernel function fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest
from fake_guests import BareGuest
from having import NEW, OLD, bootable, lacking
from litmus_files import litmus_file

from pfnlab.base.errors import LostGuest, MissingTool
from pfnlab.base.units import PfnRange
from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.plain import RawState
from pfnlab.lab.running import inside
from pfnlab.lab.running.inside import TRIES, can_look_inside, disagreements, has_types, look, with_inside
from pfnlab.lab.running.inside_state import LensState, Words
from pfnlab.lab.running.placement import Placement
from pfnlab.lab.running.preparations import FramingLines
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.running.stepper import SteppedRun, Stepper
from pfnlab.lab.running.stepwise import Stage, ask_stepwise
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import FIELDS
from pfnlab.programs.runs.observation import BookEntry, DeviceSpan, Run, Step, VmaSeen
from pfnlab.programs.runs.places import Places

HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\na = mmap bar[0:16] wc shared rw\n"
REQUEST = "program 1\nobserve\nname 0 main\nop 0 mmap wc\nop 0 fork 1\nend\n"
WHOLE = (
    "program 1\nbefore\nk old\nstep 0\nr 0 0\npid 0 100\nstep 1\nk late\nr 0 0\npid 1 101\n"
    "step end\nr 0 0\ndone 1\n"
)


class Agent:
    """Answers small requests as the guest agent does; what it was asked is kept."""

    def __init__(self, replies: Sequence[str]) -> None:
        self.replies = list(replies)
        self.asked: list[tuple[str, int, dict[int, int]]] = []

    def __call__(self, text: str, stage: Stage) -> str:
        self.asked.append((text, stage.done, dict(stage.pids)))
        return self.replies[len(self.asked) - 1]


REPLIES = (
    "program 1\nbefore\nk old\nstep 0\nr 0 0\npid 0 100\ndone 1\n",
    "program 1\nbefore\nm 0 1000 uncached\nk late\nstep 0\nr 0 0\npid 1 101\ndone 1\n",
    "program 1\nbefore\nstep end\nr 0 0\ndone 1\n",
)


class TestStepwise:
    """Programs handed over one operation at a time."""

    def test_the_reply_is_that_to_the_whole(self) -> None:
        """
        The parts read as one; what the kernel said between two operations is told with the later one.
        """
        agent, looked = Agent(REPLIES), list[int]()

        reply = ask_stepwise(REQUEST, agent, lambda stage: looked.append(stage.done))

        assert reply == WHOLE
        assert looked == [1, 2, 2]
        assert [done for _, done, _ in agent.asked] == [0, 1, 2]
        assert [text.splitlines()[3:] for text, _, _ in agent.asked] == [
            ["op 0 mmap wc", "more"],
            ["op 0 fork 1", "more"],
            ["end"],
        ]

    def test_pids_are_known_from_their_first_operation_on(self) -> None:
        """
        A task that exists can be told from all others when its next operation comes.
        """
        agent = Agent(REPLIES)

        ask_stepwise(REQUEST, agent, lambda stage: None)

        assert [pids for _, _, pids in agent.asked] == [{}, {0: 100}, {0: 100, 1: 101}]

    def test_an_operation_before_the_first(self) -> None:
        """
        Where the first pid is needed at once, a step that does nothing comes first and is not told.
        """
        nop = "program 1\nbefore\nk old\nstep 0\nr 0 0\npid 0 100\ndone 1\n"
        agent = Agent((nop, REPLIES[0].replace("k old\n", "").replace("pid 0 100\n", ""), *REPLIES[1:]))

        reply = ask_stepwise(REQUEST, agent, lambda stage: None, nop_first=True)

        assert sorted(reply.splitlines()) == sorted(WHOLE.splitlines())
        assert [pids for _, _, pids in agent.asked][:2] == [{}, {0: 100}]

    def test_what_prepares_an_operation_goes_with_it(self) -> None:
        """
        A driver's mmap takes two operations of the agent and is one step, looked at when all is over.
        """
        agent, looked = (
            Agent(
                (
                    "program 1\nbefore\nstep 0\nr 0 0\npid 0 100\ndone 1\n",
                    "program 1\nbefore\nstep 0\nr 0 0\ndone 1\n",
                    "program 1\nbefore\nstep end\nr 0 0\ndone 1\n",
                )
            ),
            list[int](),
        )

        reply = ask_stepwise(
            "program 1\nop 0 driver map 0\nop 0 mmap driver\nend\n",
            agent,
            lambda stage: looked.append(len(agent.asked)),
            [FramingLines(before=["op 0 driver map 0"])],
        )

        assert [2, 3] == looked
        assert [line for line in reply.splitlines() if line.startswith("step")] == [
            "step 0",
            "step 1",
            "step end",
        ]

    def test_what_belongs_to_an_operation_can_be_one_request_with_it(self) -> None:
        """
        The reply is the same as to one request for each.
        """
        reply = "program 1\nbefore\n{}done 1\n".format
        end = reply("step end\nr 0 0\n")
        one_by_one = Agent([reply("step 0\nr 0 0\n"), reply("step 0\nr -1 12\n"), end])
        at_once = Agent([reply("step 0\nr 0 0\nstep 1\nr -1 12\n"), end])

        replies = [
            ask_stepwise(
                *("program 1\nop 0 driver map 0\nop 0 mmap driver\nend\n", agent, lambda stage: None),
                [FramingLines(before=["op 0 driver map 0"])],
                together=lambda index, agent=agent: agent is at_once,
            )
            for agent in (one_by_one, at_once)
        ]

        assert replies[0] == replies[1]
        assert (3, 2) == (len(one_by_one.asked), len(at_once.asked))

    def test_a_guest_that_is_lost_has_answered_what_was_before(self) -> None:
        """
        The error has the reply to the operations before, though the guest gave it in parts.
        """
        agent = Agent(REPLIES[:1])

        def ask(text: str, stage: Stage) -> str:
            if stage.done:
                raise LostGuest("it hung", answered="program 1\nbefore\n")
            return agent(text, stage)

        with pytest.raises(LostGuest) as lost:
            ask_stepwise(REQUEST, ask, lambda stage: None)

        assert WHOLE.partition("step 1\n")[0] == lost.value.answered

    @pytest.mark.parametrize("broken", ["error what\ndone 1\n", "program 1\nbefore\n", ""])
    def test_a_broken_part_ends_it(self, broken: str) -> None:
        """
        Nothing more is asked, and the reply breaks off there.
        """
        agent = Agent((REPLIES[0], broken))

        reply = ask_stepwise(REQUEST, agent, lambda stage: None)

        assert len(agent.asked) == 2
        assert "step 1" not in reply
        assert "done 1" not in reply.splitlines()[:-1]


A, BAR = Span("a", 0, 16), DeviceSpan("bar", 0, 16)
ENTRY = BookEntry("bar", 0, 16, "wc")
SEEN = VmaSeen("main", *A.parts, "rw-s", "wc", BAR, "rd wr sh", rss=4)
STATE = LensState((ENTRY,), (SEEN,), tracked=("VM_PAT a[0:16]",), prots=("a[0:16] WC",))
STEP = Step(
    "look",
    "main",
    "ok",
    None,
    book=(ENTRY,),
    log=(),
    vmas=(SEEN,),
    ptes=(),
)


class TestBothChannels:
    """What is seen from outside against what is seen inside."""

    def test_the_lens_adds_what_only_it_sees(self) -> None:
        """
        Tracker and protections come from inside, all else stays as it was.
        """
        (step,) = with_inside([STEP], [STATE])

        assert step == msgspec.structs.replace(
            STEP, tracked=("VM_PAT a[0:16]",), prots=("a[0:16] WC",), direct_map=()
        )

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"book": ()}, ("book", "nothing", "bar[0:16] wc")),
            ({"vmas": ()}, ("VMAs", "nothing", "rd wr sh")),
            ({"vmas": (msgspec.structs.replace(SEEN, flags="rd"),)}, ("VMAs", "'rd'")),
            ({"vmas": (msgspec.structs.replace(SEEN, offset=None),)}, ("VMAs", "offset=None")),
            ({"vmas": (msgspec.structs.replace(SEEN, rss=8),)}, ("VMAs", "rss=8")),
        ],
    )
    def test_a_lens_that_sees_something_else_is_noticed(
        self, change: dict[str, object], words: tuple[str, ...]
    ) -> None:
        """
        The fault names the operation and what each of the two saw.
        """
        other = msgspec.structs.replace(STEP, **change)

        ((number, fault),) = disagreements([STEP, other], [STATE, STATE])

        assert (1, "looks_agree") == (number, fault.name)
        assert all(word in fault.says for word in ("after look", *words))

    @pytest.mark.parametrize(
        ("flags", "counts", "agree"),
        [
            ("rd wr sh pf", (4, 4, 2), True),
            ("rd wr sh pf", (0, 0, 0), True),
            ("rd wr sh pf", (8, 4, 2), False),
            ("rd wr sh pf", (4, 0, 2), False),
            ("rd wr sh pf", (4, 4, 0), False),
            ("rd wr sh", (0, 0, 0), False),
        ],
    )
    def test_counters_are_those_in_memory(
        self, flags: str, counts: tuple[int, int, int], agree: bool
    ) -> None:
        """
        Or smaps passed a whole PFN mapping by, as kernels up to 6.1 do; nothing else it leaves out.
        """
        seen = VmaSeen("main", *A.parts, "rw-s", "wc", BAR, flags, *counts)
        vma = VmaSeen("main", *A.parts, "rw-s", "wc", BAR, flags, rss=4, anonymous=4, locked=2)
        state = LensState(STATE.book, (vma,))
        step = msgspec.structs.replace(STEP, vmas=(seen,))

        found = ["disagree about the VMAs" in fault.says for _, fault in disagreements([step], [state])]

        assert ([] if agree else [True]) == found

    def test_memory_fills_what_the_agent_left_out(self) -> None:
        """
        VMAs and entries are the lens's, but VMAs of no step in which a processor was held.
        """
        blind = msgspec.structs.replace(STEP, vmas=None, ptes=None)
        first, second = with_inside([blind, blind], [STATE, STATE], alone=[False, True], fill=True)

        assert (STEP.vmas, None) == (first.vmas, second.vmas)
        assert ((), ()) == (first.ptes, second.ptes)

    def test_memory_has_the_book_the_agent_did_not_read(self) -> None:
        """
        Where the memtype list was left out, the step has the lens's book.
        """
        blind = msgspec.structs.replace(STEP, book=None)

        (step,) = with_inside([blind], [STATE], fill=True)

        assert STATE.book == step.book

    def test_what_nobody_looked_at_is_not_compared(self) -> None:
        """
        A machine that was not asked for VMAs and entries has none to disagree about.
        """
        blind = msgspec.structs.replace(STEP, vmas=None, ptes=None)

        assert [] == list(disagreements([blind], [STATE]))

    def test_steps_without_a_look_stay(self) -> None:
        """
        Where there was no lens nothing is added.
        """
        assert with_inside([STEP], []) == (STEP,)

    @pytest.mark.parametrize("failures", [TRIES - 1, TRIES])
    def test_a_list_in_the_middle_of_a_change_is_read_again(self, failures: int) -> None:
        """
        Only what is wrong every time is an error.
        """

        class Restless:
            seen = 0

            def snapshot(self, pids: Mapping[str, int], places: Places) -> RawState:
                self.seen += 1
                if self.seen <= failures:
                    raise LensError("a loop")
                return RawState((), (), (), {"low": ["wc"]}, (), None, {})

        places = Places({}, {})
        if failures < TRIES:
            assert look(Restless(), Words(), {}, places).direct_map == ("low[0:1] WC",)
        else:
            with pytest.raises(LensError):
                look(Restless(), Words(), {}, places)


#: The placement of a program without devices.
NOWHERE = Placement(Places(), PfnRange(0xF8000, 0xF8100), {})


class Blank(BareGuest):
    """A guest whose RAM holds no kernel."""

    def __init__(self, ram: Path) -> None:
        super().__init__()
        self.ram = ram
        ram.write_bytes(bytes(4096))

    def request(self, text: str, limit: float = 30) -> str:
        """The end of a program without operations."""
        return "program 1\nbefore\nstep end\nr 0 0\ndone 1\n"


@pytest.mark.parametrize("demanded", [False, True])
def test_a_kernel_that_cannot_be_looked_into(demanded: bool, tmp_path: Path) -> None:
    """
    It is run all the same, unless the lens was asked for.
    """
    (tmp_path / "vmlinuz").write_bytes(b"no kernel")
    stepper = Stepper(Blank(tmp_path / "ram"), tmp_path / "vmlinuz")
    stepper.demanded = demanded
    program = Program("t", "", (), ())

    if demanded:
        with pytest.raises((LensError, MissingTool)):
            stepper.run("program 1\nend\n", program, NOWHERE)
    else:
        stepped = stepper.run("program 1\nend\n", program, NOWHERE)
        assert stepped == SteppedRun("program 1\nbefore\nstep end\nr 0 0\ndone 1\n")
        assert not stepper.needs_steps(program)


def test_a_kernel_that_could_not_be_looked_into_is_not_passed_over(tmp_path: Path) -> None:
    """What an optional lens has let pass is an error for the next program that demands it."""
    program = load_text(HEAD)
    stepper = Stepper(Blank(tmp_path / "ram"), tmp_path / "vmlinuz")
    (tmp_path / "vmlinuz").write_bytes(b"no kernel")
    stepper.run("program 1\nend\n", program, NOWHERE)

    stepper.demanded = True

    with pytest.raises((LensError, MissingTool)):
        stepper.needs_steps(program)


def test_what_is_no_kernel_has_no_types(tmp_path: Path) -> None:
    """So it is looked at through /proc."""
    path = tmp_path / "vmlinuz"
    path.write_bytes(b"no kernel")

    assert not has_types(path)


@pytest.mark.lab
@pytest.mark.xdist_group(f"kernel-{NEW}")
def test_a_kernel_of_the_archive_has_types() -> None:
    """So it is looked at in its memory."""
    if not can_look_inside():
        lacking("the packages of the lens are not here: pip install 'pfnlab[lens]'")

    assert has_types(bootable(NEW).vmlinuz)


SERIES = [pytest.param(one, marks=pytest.mark.xdist_group(f"kernel-{one}")) for one in (OLD, NEW)]


@pytest.fixture(scope="module", params=SERIES)
def machine(request: pytest.FixtureRequest) -> Iterator[QemuMachine]:
    """The oldest and the newest kernel, with the lens on."""
    if not can_look_inside():
        lacking("the packages of the lens are not here: pip install 'pfnlab[lens]'")
    bootable(request.param)
    with QemuMachine(request.param, guests=1, lens=True) as opened:
        yield opened


def series(machine: QemuMachine) -> str:
    """The series of a machine."""
    return machine.name.partition(":")[2]


def ran(machine: QemuMachine, text: str) -> Run:
    """One program's run, which must not be lost."""
    (run,) = machine.run([load_text(text)])
    assert run.unfinished is None
    return run


def unlike(machine: QemuMachine, program: Program, run: Run) -> list[tuple[str, str, object, object]]:
    """What the model says otherwise, in any field of any step."""
    model = ModelMachine(series(machine)).run_one(program, check=True)
    return [
        (one.op, field, getattr(one, field), getattr(other, field))
        for one, other in zip(model.steps, run.steps, strict=True)
        for field in FIELDS
        if getattr(one, field) != getattr(other, field)
    ]


@pytest.mark.lab
@pytest.mark.timeout(300)
class TestKernels:
    """The oldest and the newest."""

    def test_what_the_tracker_remembers_of_a_split_mapping(self, machine: QemuMachine) -> None:
        """
        When the middle goes, 6.1 has two VMAs that stand for a reservation, 7.3 one range they share.
        """
        text = HEAD + "munmap a[4:8]\n"

        run = ran(machine, text)

        pieces = {OLD: ("VM_PAT a[0:4]", "VM_PAT a[8:16]"), NEW: ("bar[0:16] x2 a[0:4] a[8:16]",)}
        assert [step.tracked for step in run.steps[1:]] == [pieces[series(machine)], ()]
        assert [step.prots for step in run.steps] == [("a[0:16] WC",), ("a[0:4] WC", "a[8:16] WC"), ()]
        assert unlike(machine, load_text(text), run) == []

    def test_nothing_else_depends_on_the_lens(self, machine: QemuMachine) -> None:
        """
        Handed over step by step or at once, a program shows the same from outside.
        """
        names = (
            "fork-after-split",
            "exec-after-split",
            "kill-after-split",
            "write-read-only",
            "exit-after-split",
        )
        programs = [load_program(litmus_file(name)) for name in names]

        runs = machine.run(programs)
        with QemuMachine(series(machine), guests=1, lens=False) as outside:
            at_once = outside.run(programs)

        blank = [
            tuple(
                msgspec.structs.replace(step, tracked=None, prots=None, direct_map=None) for step in run.steps
            )
            for run in runs
        ]
        assert blank == [run.steps for run in at_once]
        assert all(step.tracked is not None and step.prots is not None for run in runs for step in run.steps)

    @pytest.mark.parametrize("name", ["fork-fails-halfway", "fork-fails-private", "split-fails"])
    def test_memory_that_runs_out(self, name: str, machine: QemuMachine) -> None:
        """
        The operation says ENOMEM, and everything is as the model says.
        """
        program = load_program(litmus_file(name))

        (run,) = machine.run([program])

        assert run.unfinished is None
        assert [step.result for step in run.steps if step.op.startswith("fail")] == ["ENOMEM"]
        assert unlike(machine, program, run) == []

    def test_the_first_operation_fails(self, machine: QemuMachine) -> None:
        """
        The task is known before it has done anything.
        """
        text = HEAD.replace("a =", "fail __pte_alloc 1: a =")

        run = ran(machine, text)

        assert run.steps[0].result == "ENOMEM"
        assert unlike(machine, load_text(text), run) == []

    def test_a_call_that_does_not_come(self, machine: QemuMachine) -> None:
        """
        The operation succeeds, as in the model.
        """
        text = HEAD + "fail vm_area_dup 3: munmap a[4:8]\n"

        run = ran(machine, text)

        assert [step.result for step in run.steps] == ["ok"] * 3
        assert unlike(machine, load_text(text), run) == []

    def test_a_task_other_than_the_first_fails(self, machine: QemuMachine) -> None:
        """
        Calls of the acting task count, whoever else forks or splits.
        """
        text = HEAD + "c = fork\nfail vm_area_dup 1: c: munmap a[4:8]\nc: munmap a[4:8]\nmunmap a[4:8]\n"

        run = ran(machine, text)

        assert [step.result for step in run.steps] == ["ok", "ok", "ENOMEM", "ok", "ok", "ok"]

    def test_a_function_the_kernel_does_not_have(self, machine: QemuMachine) -> None:
        """
        The run is lost and says why; the next program is not.
        """
        lost, kept = machine.run([load_text(HEAD + "fail no_such_thing 1: munmap a\n"), load_text(HEAD)])

        assert lost.undecided is not None
        assert "no_such_thing" in lost.undecided
        assert kept.unfinished is None


def test_types_of_a_kernel_are_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    Guests of one kernel share what was found out about its types.
    """
    from pfnlab.lab.lens import btf, vmlinux

    read: list[Path] = []
    monkeypatch.setattr(vmlinux, "btf_of", lambda path, kept: read.append(kept) or b"")
    monkeypatch.setattr(btf, "Btf", lambda data, name, index: object())

    first, second = (inside._types(tmp_path / "vmlinuz", tmp_path / "6.1.1-ab.btf") for _ in range(2))

    assert first is second
    assert [tmp_path / "6.1.1-ab.btf"] == read
