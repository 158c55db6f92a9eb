"""How a machine is made to stand when a CPU comes to an address: by breakpoints, or in loops."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from pfnlab.lab.steering.gdbstub import GdbStub, Stop

#: The signal of a stop at a breakpoint.
TRAP = 5

#: Seconds that a stop is waited for, and that a machine runs between two looks at where it is.
_WAIT, _RUNS = 0.01, 0.001

#: A jump to itself.
_LOOP = b"\xeb\xfe"

#: How functions begin, with the bytes of what does nothing: landing here by a jump, the same where no
#: pointer leads here, or room for a tracer.
_NOTHING = (b"\xf3\x0f\x1e\xfa", b"\x0f\x1f\x40\xd6", b"\x0f\x1f\x44\x00\x00")

#: How they begin where a tracer is called, with the bytes of the whole instruction.
_CALL, _CALL_SIZE = b"\xe8", 5

_LONGEST = 5

#: The only thread of a machine with one CPU.
_THREAD = 1


class Breakpoints:
    """Breakpoints of the gdbstub. After each stop QEMU translates the guest's code anew, for 0.1 s.

    Machines stop at them from `set` to `clear`, and must stand while they change.
    """

    def __init__(self, stub: GdbStub) -> None:
        self._stub = stub
        self.set, self.clear = stub.insert_breakpoint, stub.remove_breakpoint

    def poll(self) -> Stop | None:
        """The next stop of a machine that runs; None, and it runs on, where none comes soon."""
        return self._stub.poll(_WAIT)

    def leave(self, stop: Stop, registers: Mapping[str, int]) -> None:
        """Let the CPU of *stop*, which stands at one, be behind it; the machine stands."""
        self._stub.step_over(stop.thread, registers["rip"])


@dataclass(frozen=True)
class _Replaced:
    # The first bytes of an instruction that a loop is in the place of, and what it is.
    code: bytes
    #: Its size where it does nothing.
    skipped: int = 0
    #: Where it calls.
    calls: int = 0


class Loops:
    """Jumps to themselves, in a machine with one CPU: it is interrupted now and then, to see where it is.

    Otherwise as `Breakpoints`. After an interrupt QEMU keeps its translated code, but for the pages that
    were written.
    """

    def __init__(self, stub: GdbStub) -> None:
        self._stub = stub
        self._replaced: dict[int, _Replaced] = {}

    def set(self, address: int) -> None:
        """Write the loop."""
        if address not in self._replaced:
            self._replaced[address] = _at(address, self._stub.read(address, _LONGEST))
            self._stub.write(address, _LOOP)

    def clear(self, address: int) -> None:
        """Write what was there."""
        replaced = self._replaced.pop(address, None)
        if replaced is not None:
            self._stub.write(address, replaced.code)

    def poll(self) -> Stop | None:
        """Interrupt it, and let it go on where it is in no loop."""
        time.sleep(_RUNS)
        self._stub.interrupt()
        if self._stub.registers(_THREAD)["rip"] in self._replaced:
            return Stop(TRAP, _THREAD)
        self._stub.cont()
        return None

    def leave(self, stop: Stop, registers: Mapping[str, int]) -> None:
        """Do what the instruction would have done."""
        at = registers["rip"]
        replaced = self._replaced[at]
        if replaced.skipped:
            self._stub.write_registers(stop.thread, rip=at + replaced.skipped)
        elif replaced.calls:
            stack = registers["rsp"] - 8
            self._stub.write(stack, (at + _CALL_SIZE).to_bytes(8, "little"))
            self._stub.write_registers(stop.thread, rsp=stack, rip=replaced.calls)
        else:
            self.clear(at)
            self._stub.step_off(stop.thread, at)
            self.set(at)


def _at(address: int, code: bytes) -> _Replaced:
    # What instruction the bytes at *address* begin with.
    nothing = next((len(start) for start in _NOTHING if code.startswith(start)), 0)
    calls = 0
    if code.startswith(_CALL):
        distance = int.from_bytes(code[1:_CALL_SIZE], "little", signed=True)
        calls = address + _CALL_SIZE + distance
    return _Replaced(code[: len(_LOOP)], nothing, calls)
