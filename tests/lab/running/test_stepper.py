"""What is done to a slot from outside, between the requests to a guest that only notes them."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pfnlab.errors import Undecided
from pfnlab.lab.running.placement import Windows
from pfnlab.lab.running.stepper import Stepped, Stepper
from pfnlab.lab.running.wire import compile_program
from pfnlab.lab.vm.channel import Hello
from pfnlab.programs.lang.load import load_text
from pfnlab.units import PfnRange

SWAP = "pfnlab program 1\ndevice bar: pci, 4 pages\nunplug bar\nplug bar\n"


class Noting:
    """A guest that notes what is asked of it and says that all is well, but for a task or an errno."""

    def __init__(self, answer: str = "0 0", *, tasks: bool = True) -> None:
        self.hello = Hello("6.1.1", 0xF8000000, 64, (0, 0), 5, "ok", "")
        self.noted: list[str] = []
        self._answer = answer
        self._tasks = tasks

    def request(self, text: str, limit: float) -> str:
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

    def close(self) -> None:
        """Nothing is left of it anyway."""


def run(guest: Noting) -> Stepped:
    """The program on *guest*."""
    program = load_text(SWAP)
    placement = Windows(PfnRange(0xF8000, 0xF8040)).place(program)
    assert placement is not None
    stepper = Stepper(guest, Path("/no/vmlinuz"))
    assert stepper.wanted(program)
    return stepper.run(compile_program(program, placement, vmas=False, ptes=False), program, placement)


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
    [(errno.ETIMEDOUT, "did not notice in time"), (errno.EADDRNOTAVAIL, "another address")],
)
def test_what_no_program_means(error: int, why: str) -> None:
    """A kernel that does otherwise than the language says leaves the program undecided."""
    with pytest.raises(Undecided, match=why):
        run(Noting(f"-1 {error}"))
