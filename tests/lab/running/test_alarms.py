"""Alarms of guests that say what a test says: whose they are, and what becomes of the guest."""

from __future__ import annotations

import pytest
from fake_guests import HELD, KERNEL, PROGRAM, STORE, FakeGuest, Lab, clean, with_lines

from pfnlab.base.errors import LostGuest
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.notes import Noise
from pfnlab.lab.running.placement import Placement
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.running.stepper import SteppedRun, Stepper, operation_begun
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.alarm import Alarm

OOPS = Alarm("oops", "BUG: kernel NULL pointer dereference in zap_pte_range", log=("Call Trace:",))
STALL = Alarm("RCU stall", "INFO: rcu_sched self-detected stall")

BAD = "k BUG: Bad page map in process main  pte:80000000f800002f pmd:055a5067\n"
WARNED = "k WARNING: CPU: 0 PID: 7 at mm/memory.c:12 zap_pte_range+0x1/0x2\n"
TWO_STEPS = "program 1\nbefore\nstep 0\nr 0 0\n{first}step 1\nr 0 0\n{second}step end\nr 0 0\n{end}done 1\n"


class Dying(Lab):
    """A lab whose first guest dies of an alarm, so many operations into its first request."""

    def __init__(self, alarm: Alarm, begun: int, error: Exception | None = None) -> None:
        super().__init__(clean)
        self.alarm, self.begun = alarm, begun
        self.error = error or LostGuest(f"the guest was lost: {alarm.title}")

    def __call__(self, kernel: KernelImage, shape: GuestShape, offsets: str | None) -> FakeGuest:
        """Boot one."""
        guest = super().__call__(kernel, shape, offsets)
        if len(self.guests) == 1:
            guest.alarm, guest.begun, guest.reply = self.alarm, self.begun, self._die
        return guest

    def _die(self, number: int, text: str) -> str:
        raise self.error


def two_steps(first: str = "", second: str = "", end: str = "") -> str:
    """The reply to a program of two operations, with log lines of each step."""
    return TWO_STEPS.format(first=first, second=second, end=end)


@pytest.mark.parametrize(
    ("begun", "step", "op"),
    [(0, None, ""), (1, 0, "a = mmap bar[0:4] wc shared rw"), (2, 1, "write a[0] 1"), (3, 2, "end")],
)
def test_a_crash_names_its_operation(begun: int, step: int | None, op: str) -> None:
    """The one that was begun last, also where the whole program is one request."""
    run = Dying(OOPS, begun).run(STORE)[0]

    assert run.alarm == Alarm(OOPS.kind, OOPS.title, log=OOPS.log, op=op, step=step)


def test_a_crash_is_a_lost_run_too() -> None:
    """There are no steps behind it."""
    run = Dying(OOPS, 1).run(STORE)[0]

    assert str(run.lost) == f"the guest was lost: {OOPS.title}"


def test_who_noticed_a_crash_first_does_not_matter() -> None:
    """The gdbstub of a machine that ended only says that it is gone; the console says why."""
    run = Dying(OOPS, 1, LostGuest("the gdbstub is gone")).run(STORE)[0]

    assert (run.alarm is not None, str(run.lost)) == (
        True,
        f"the guest was lost: {OOPS.title}; the gdbstub is gone",
    )


def test_a_kernel_that_does_not_boot_raises_no_alarm() -> None:
    """No program did it any harm."""
    run = Lab(fails=1000).run(PROGRAM)[0]

    assert (None, True) == (run.alarm, run.lost is not None)


def test_a_crash_costs_one_program() -> None:
    """The next one has another guest."""
    runs = Dying(OOPS, 1).run(PROGRAM, PROGRAM)

    assert [True, False] == [run.alarm is not None for run in runs]


def test_requests_around_an_operation_are_the_operations() -> None:
    """The driver gives the task a notifier, and is told how to map, before an mmap."""
    program = load_text(
        "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\n"
        "a = mmap bar driver remap wc shared rw\nmunmap a\n"
    )

    assert [None, 0, 0, 0, 1, 2] == [operation_begun(program, begun) for begun in range(6)]


def test_a_crash_under_a_hold_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others than the kernel may be the reason for noise, but not for its alarm."""
    lab = Dying(OOPS, 0)

    def run(self: Stepper, request: str, program: Program, placement: Placement) -> SteppedRun:
        self.at = 1
        raise Noise("it waits for nothing that is known")

    monkeypatch.setattr(Stepper, "run", run)
    with QemuMachine(KERNEL, guests=1, lens=True, factory=lab) as machine:
        (held,) = machine.run([HELD])

    assert (1, 1) == (len(lab.guests), held.alarm and held.alarm.step)
    assert str(held.lost) == f"the guest was lost: {OOPS.title}; it waits for nothing that is known"


def test_who_waits_for_a_held_processor_raises_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel says that something takes long, which is the program's doing."""

    def run(self: Stepper, request: str, program: Program, placement: Placement) -> SteppedRun:
        raise LostGuest("the guest was lost: it did not answer within 30 s")

    monkeypatch.setattr(Stepper, "run", run)
    with QemuMachine(KERNEL, guests=1, lens=True, factory=Dying(STALL, 0)) as machine:
        (held,) = machine.run([HELD])

    assert held.alarm is None and held.lost is not None


def test_a_guest_that_hung_may_have_said_why() -> None:
    """A stall is an alarm where no processor is held."""
    assert (alarm := Dying(STALL, 1).run(STORE)[0].alarm) is not None and alarm.kind == "RCU stall"


def test_an_alarm_in_the_log_names_its_operation() -> None:
    """The guest lives on, and every step is there."""
    run = Lab(lambda number, text: two_steps(second=BAD)).run(STORE)[0]

    assert run.alarm is not None
    assert ("bad page map", 1, "write a[0] 1") == (run.alarm.kind, run.alarm.step, run.alarm.op)
    assert (3, None) == (len(run.steps), run.unfinished)


def test_an_alarm_at_the_end_is_of_the_end() -> None:
    """When every task is gone."""
    run = Lab(lambda number, text: two_steps(end=BAD)).run(STORE)[0]

    assert run.alarm is not None and (2, "end") == (run.alarm.step, run.alarm.op)


def test_no_program_runs_behind_an_alarm() -> None:
    """What comes next in such a guest may come of it."""
    lab = Lab(lambda number, text: with_lines(left=BAD), clean)

    lab.run(PROGRAM, PROGRAM)

    assert [1, 1] == [len(guest.requests) for guest in lab.guests]


def test_a_warning_is_kept_with_its_trace() -> None:
    """It is no alarm by itself, and the guest stays."""
    lab = Lab(lambda number, text: two_steps(first=WARNED))

    runs = lab.run(STORE, STORE)

    assert [None, None] == [run.alarm for run in runs]
    assert [("WARN", 0)] == [(alarm.kind, alarm.step) for alarm in runs[0].warnings]
    assert len(lab.guests) == 1


def test_an_alarm_that_comes_late_is_not_lost() -> None:
    """The next program reports it, without an operation, and runs in another guest."""
    lab = Lab(lambda number, text: with_lines(before=BAD if number else ""), clean)

    runs = lab.run(PROGRAM, PROGRAM, PROGRAM)

    assert [None, ("bad page map", None), None] == [
        run.alarm and (run.alarm.kind, run.alarm.step) for run in runs
    ]
    assert runs[1].unfinished is None and len(lab.guests) == 2


def test_the_next_programs_may_have_new_guests() -> None:
    """What a kernel prints once a boot is to be seen again."""
    lab = Lab()

    with QemuMachine(KERNEL, guests=1, factory=lab) as machine:
        machine.run([PROGRAM])
        machine.reboot()
        machine.run([PROGRAM])

    assert len(lab.guests) == 2
