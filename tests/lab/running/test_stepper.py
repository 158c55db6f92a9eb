"""The changes of a slot from outside, between the requests to a guest that only notes them."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar, cast

import pytest
from fake_guests import BareGuest

from pfnlab.base.errors import LostGuest, Undecided
from pfnlab.base.units import PfnRange
from pfnlab.lab.running import stepper as stepper_module
from pfnlab.lab.running.inside_state import LensState
from pfnlab.lab.running.placement import Windows
from pfnlab.lab.running.preparations import preparations
from pfnlab.lab.running.stepper import SteppedRun, Stepper
from pfnlab.lab.running.wire import ObservationRequest, compile_program
from pfnlab.lab.steering.functions import Functions
from pfnlab.lab.steering.points import Injection
from pfnlab.lab.steering.steering import Steering
from pfnlab.lab.vm.channel import Hello
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Op, Program
from pfnlab.programs.runs.places import Places

T = TypeVar("T")

SWAP = "pfnlab program 1\ndevice bar: pci, 4 pages\nunplug bar\nplug bar\n"


class Noting(BareGuest):
    """A guest that notes what is asked of it and says that all is well, but for a task or an errno."""

    def __init__(self, answer: str = "0 0", *, tasks: bool = True) -> None:
        self.hello = Hello("6.1.1", 0xF8000000, 64, "ok", "")
        self.noted: list[str] = []
        self._answer = answer
        self._tasks = tasks

    def request(self, text: str, limit: float = 30) -> str:
        """The operations of *text* are noted."""
        ops = [line for line in text.splitlines() if line.startswith("op ")]
        self.noted += ops
        answer = self._answer if ops and "slot" in ops[0] else "0 0"
        pid = "pid 0 77\n" * self._tasks
        step = f"step 0\nr {answer}\n" if ops else "step end\nr 0 0\n"
        return f"program 1\nbefore\n{step}{pid}done 1\n"

    def unplug(self) -> None:
        """The device goes."""
        self.noted.append("unplug")

    def plug(self) -> None:
        """Another comes."""
        self.noted.append("plug")


def run(guest: Noting) -> SteppedRun:
    """The program on *guest*."""
    program = load_text(SWAP)
    placement = Windows(PfnRange(0xF8000, 0xF8040)).place(program)
    assert placement is not None
    stepper = Stepper(guest, Path("/no/vmlinuz"))
    assert stepper.needs_steps(program)
    return stepper.run(
        compile_program(program, placement, ObservationRequest(vmas=False, ptes=False)), program, placement
    )


def test_the_device_goes_before_the_kernel_is_waited_for() -> None:
    """And so it comes."""
    guest = Noting()

    run(guest)

    assert ["op 0 nop", "unplug", "op 0 slot 0", "plug", "op 0 slot 1"] == guest.noted


def test_a_task_that_is_not_there_unplugs_nothing() -> None:
    """Its operations answer ESRCH, and the device stays."""
    guest = Noting(tasks=False)

    run(guest)

    assert not {"unplug", "plug"} & set(guest.noted)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (errno.ETIMEDOUT, "did not notice the hotplug event in time"),
        (errno.EADDRNOTAVAIL, "a different address"),
    ],
)
def test_what_no_program_means(error: int, why: str) -> None:
    """A kernel that does otherwise than the language says leaves the program undecided."""
    with pytest.raises(Undecided, match=why):
        run(Noting(f"-1 {error}"))


FORKS = (
    "pfnlab program 1\ndevice bar: pci, 4 pages\na = mmap bar[0:4] wc shared rw\nc = fork\nc: munmap a[0:1]\n"
)


class StoppableGuest(Noting):
    """A guest that stands after each operation, and may be lost at one."""

    ram = Path("/no/ram")

    def __init__(self, lost_at: int | None = None) -> None:
        super().__init__()
        self.lost_at = lost_at

    def request_with_stops(
        self,
        text: str,
        stops: Sequence[int],
        look: Callable[[str], None],
        limit: float = 30,
        through: Callable[[int, Callable[[], bool]], bool] | None = None,
    ) -> str:
        """Every operation is answered; the first two have a new task each."""
        self.steered = through is not None
        answered = "program 1\nbefore\n"
        self.stops = list(stops)
        for number in range(stops[-1]):
            if number == self.lost_at:
                raise LostGuest("the guest was lost: a cable", answered=answered)
            answered += f"step {number}\nr 0 0\n" + (f"pid {number} {70 + number}\n" if number < 2 else "")
            if number + 1 in stops:
                assert through is None or through(stops.index(number + 1), lambda: True)
                look(answered)
        return answered + "step end\nr 0 0\ndone 1\n"


class Eye:
    """A lens that notes which tasks it is asked about."""

    asked: list[dict[str, int]]

    def __init__(self, vmlinuz: Path, ram: Path) -> None:
        Eye.asked = []

    def look(self, pids: Mapping[str, int], places: Places) -> LensState:
        """Nothing is there."""
        self.asked.append(dict(pids))
        return LensState()


def stand(guest: StoppableGuest, monkeypatch: pytest.MonkeyPatch) -> tuple[Stepper, SteppedRun]:
    """The forking program on *guest*."""
    monkeypatch.setattr(stepper_module, "Inside", Eye)
    program = load_text(FORKS)
    placement = Windows(PfnRange(0xF8000, 0xF8040)).place(program)
    assert placement is not None
    stepper = Stepper(guest, Path("/no/vmlinuz"))
    assert stepper.stands(program)
    request = compile_program(program, placement, ObservationRequest(vmas=False, ptes=False, stand=True))
    return stepper, stepper.run(request, program, placement)


def test_a_look_after_every_operation_and_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task is looked at from the operation on that made it."""
    _, stepped = stand(StoppableGuest(), monkeypatch)

    main, both = {"main": 70}, {"main": 70, "c": 71}
    assert [main, both, both, both] == Eye.asked
    assert len(stepped.states) == 4


def test_only_a_guest_that_is_steered_may_be_asked_while_it_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No other one polls then."""
    guest = StoppableGuest()

    stand(guest, monkeypatch)

    assert not guest.steered


def test_steps_before_a_loss_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the states seen until then, and the operation the guest was lost in."""
    stepper, stepped = stand(StoppableGuest(lost_at=2), monkeypatch)

    assert 2 == stepper.at == len(stepped.states)
    assert stepped.reply.endswith("pid 1 71\nlost the guest was lost: a cable\n")


FORCED = """pfnlab program 1
device bar: pci, 4 pages
a = mmap bar[0:4] wc shared rw
c = fork
fail vm_area_alloc 1: b = mmap bar[0:4] driver remap shared rw
read a[0]
"""


class Forcing(Stepper):
    """Notes what it is asked to force, and where the guest stands then."""

    forced: ClassVar[list[tuple[str, int | None]]] = []

    def _open_steering(self) -> None:
        self._steering = cast(Steering, object())
        self._functions = cast(Functions, Named())

    def _force(self, injection: Injection, call: Callable[[], T]) -> T:
        self.forced.append((injection.function, injection.pid))
        return call()


class Named:
    """Functions of a kernel that has all."""

    def check(self, program: Program) -> None:
        """Nothing is missing."""

    def injection(self, op: Op, pid: int) -> Injection | None:
        """What a program says."""
        assert op.fail is not None
        return Injection(op.fail.function, -12, pid, op.fail.nth, op.fail.inside)


def test_a_call_is_forced_where_the_guest_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the operation itself, of the task that does it; what prepares it is done before."""
    monkeypatch.setattr(stepper_module, "Inside", Eye)
    monkeypatch.setattr(Forcing, "forced", [])
    program = load_text(FORCED)
    placement = Windows(PfnRange(0xF8000, 0xF8040)).place(program)
    assert placement is not None
    guest = StoppableGuest()
    stepper = Forcing(guest, Path("/no/vmlinuz"))
    request = compile_program(program, placement, ObservationRequest(vmas=False, ptes=False, stand=True))

    stepped = stepper.run(request, program, placement)

    # How the driver is to map is said before.
    assert [0, 0, 2, 0] == [len(around.before) for around in preparations(program)]
    assert [1, 2, 4, 5, 6] == guest.stops
    assert guest.steered
    assert [("vm_area_alloc", 70)] == Forcing.forced
    assert len(stepped.states) == 5


@pytest.mark.parametrize("line", ["fail __pte_alloc 1: c = fork", "unplug bar"])
def test_a_steered_program_is_taken_apart(line: str) -> None:
    """Where the host acts in the first operation, or at the slot, each is a request of its own."""
    program = load_text(f"pfnlab program 1\ndevice bar: pci, 4 pages\n{line}\n")

    assert not Stepper(StoppableGuest(), Path("/no/vmlinuz")).stands(program)
