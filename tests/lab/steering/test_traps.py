"""Loops in the place of instructions, against a machine made up here and against real kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import cast

import pytest
from having import NEW, OLD, bootable, lacking
from open_cast import OpenCast

from pfnlab.base.errors import PfnlabError
from pfnlab.lab.steering.functions import FAILURES
from pfnlab.lab.steering.gdbstub import GdbStub, Stop
from pfnlab.lab.steering.points import Injection
from pfnlab.lab.steering.steering import Steering
from pfnlab.lab.steering.symbols import kernel_symbols
from pfnlab.lab.steering.traps import TRAP, Loops
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.qemu import Guest

HERE, LOOP = 0x1000, b"\xeb\xfe"
ENDBR, SEALED, NOP, CALL, PUSH = (
    b"\xf3\x0f\x1e\xfa\x90",
    b"\x0f\x1f\x40\xd6\x90",
    b"\x0f\x1f\x44\x00\x00",
    b"\xe8\x10\x00\x00\x00",
    b"\x55" * 5,
)


class MadeUp:
    """A stub of one CPU: its memory from HERE on, and its registers."""

    def __init__(self, code: bytes, rip: int = HERE) -> None:
        self.memory = bytearray(code) + bytearray(64)
        self.values = {"rip": rip, "rsp": HERE + 48}
        self.stepped_with = b""
        self.idle_steps = 0

    step_off = GdbStub.step_off

    def read(self, address: int, size: int) -> bytes:
        """The bytes there."""
        return bytes(self.memory[address - HERE : address - HERE + size])

    def write(self, address: int, data: bytes) -> None:
        """Change them."""
        self.memory[address - HERE : address - HERE + len(data)] = data

    def registers(self, thread: int) -> dict[str, int]:
        """All of them."""
        return dict(self.values)

    def write_registers(self, thread: int, **values: int) -> None:
        """Change some."""
        self.values.update(values)

    def step(self, thread: int) -> Stop:
        """One instruction, whichever it is; nothing as long as there are idle steps."""
        if self.idle_steps:
            self.idle_steps -= 1
            return Stop(TRAP, 1)
        self.stepped_with = self.read(self.values["rip"], 2)
        self.values["rip"] += 1
        return Stop(TRAP, 1)


def looped(code: bytes, rip: int = HERE) -> tuple[MadeUp, Loops]:
    """A machine with a loop at HERE."""
    stub = MadeUp(code, rip)
    loops = Loops(cast(GdbStub, stub))
    loops.set(HERE)
    return stub, loops


def test_a_loop_is_written_and_taken_away() -> None:
    """The rest of the instruction stays."""
    stub, loops = looped(ENDBR)
    written = bytes(stub.memory[:5])
    loops.clear(HERE)

    assert (LOOP + ENDBR[2:], ENDBR) == (written, bytes(stub.memory[:5]))


def test_a_loop_is_written_once() -> None:
    """Else what it replaced would be forgotten."""
    stub, loops = looped(ENDBR)
    loops.set(HERE)
    loops.clear(HERE)

    assert bytes(stub.memory[:5]) == ENDBR


@pytest.mark.parametrize(
    ("rip", "threads", "stop"),
    [(HERE, (1,), Stop(TRAP, 1)), (HERE + 4, (1,), None), (HERE, (), None)],
    ids=["in the loop", "elsewhere", "not asked"],
)
def test_the_cpu_in_the_loop_is_the_stop(rip: int, threads: tuple[int, ...], stop: Stop | None) -> None:
    """One that is held may be where a loop is for another."""
    _, loops = looped(ENDBR, rip)

    assert stop == loops.stop_among(threads)


@pytest.mark.parametrize(
    ("code", "size"), [(ENDBR, 4), (SEALED, 4), (NOP, 5)], ids=["endbr64", "sealed", "nop"]
)
def test_what_does_nothing_is_skipped(code: bytes, size: int) -> None:
    """The loop stays for the next call."""
    stub, loops = looped(code)

    loops.leave(Stop(TRAP, 1), stub.registers(1))

    assert (HERE + size, LOOP, b"") == (stub.values["rip"], bytes(stub.memory[:2]), stub.stepped_with)


def test_a_call_is_made() -> None:
    """The return address is on the stack, and the CPU is where it calls."""
    stub, loops = looped(CALL)

    loops.leave(Stop(TRAP, 1), stub.registers(1))

    assert (HERE + 0x15, HERE + 40) == (stub.values["rip"], stub.values["rsp"])
    assert int.from_bytes(stub.memory[40:48], "little") == HERE + 5


def test_any_other_instruction_is_executed() -> None:
    """As it was, and the loop comes back."""
    stub, loops = looped(PUSH)

    loops.leave(Stop(TRAP, 1), stub.registers(1))

    assert (PUSH[:2], LOOP, HERE + 1) == (stub.stepped_with, bytes(stub.memory[:2]), stub.values["rip"])


def test_a_step_that_executes_nothing_is_repeated() -> None:
    """Else the CPU would come to the loop again, and one call would count as two."""
    stub, loops = looped(PUSH)
    stub.idle_steps = 1

    loops.leave(Stop(TRAP, 1), stub.registers(1))

    assert (LOOP, HERE + 1) == (bytes(stub.memory[:2]), stub.values["rip"])


@pytest.fixture(scope="module", params=(OLD, NEW))
def steered(request: pytest.FixtureRequest) -> Iterator[list[tuple[Guest, Steering]]]:
    """A kernel with one CPU, and with four."""
    with ExitStack() as stack:
        machines = []
        for cpus in (1, 4):
            try:
                kernel = bootable(request.param)
                guest = stack.enter_context(Guest(kernel.vmlinuz, GuestShape(cpus=cpus)))
            except PfnlabError as missing:
                lacking(str(missing))
            symbols = kernel_symbols(guest, kernel.vmlinuz)
            stub = stack.enter_context(closing(GdbStub(guest.listen_for_gdb())))
            machines.append((guest, Steering(stub, symbols, guest.hello.offsets)))
        yield machines


@pytest.mark.target("long")
@pytest.mark.lab
@pytest.mark.xdist_group("steering")
@pytest.mark.parametrize(
    ("function", "inside", "nth"),
    [
        ("__pte_alloc", "copy_page_range", 1),
        ("__pte_alloc", "copy_page_range", 9),
        ("vm_area_dup", None, 3),
        ("vm_area_dup", None, 99),
    ],
)
def test_calls_are_met_on_any_number_of_cpus(
    steered: list[tuple[Guest, Steering]], function: str, inside: str | None, nth: int
) -> None:
    """The same calls are counted and forced, and the fork ends in the same way."""
    outcomes = []
    for guest, steering in steered:
        start = guest.hello.bar_start
        with OpenCast(guest, (start, start + (64 << 12))) as players:
            players.do(0, "mmap", "wc", 1 << 44, 4 << 12, 3, 0x100001, 0)
            players.do(0, "load", 1 << 44)
            failure = Injection(function, FAILURES[function], players.pids[0], nth, inside)
            outcomes.append(steering.inject(failure, lambda cast=players: cast.do(0, "fork", 1)))

    one, four = outcomes
    assert one == four
    assert one.forced == (nth < 9)
