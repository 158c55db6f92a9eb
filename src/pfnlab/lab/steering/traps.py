"""Stopping a machine when a CPU reaches an address."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pfnlab.lab.steering.gdbstub import GdbStub, Stop

#: The signal reported for a stop at a trap.
TRAP = 5

#: A jump to itself.
_LOOP = b"\xeb\xfe"

#: First bytes of functions that have no effect: endbr, its variant for functions to which there are no
#: pointers, or room for a tracer.
_NOTHING = (b"\xf3\x0f\x1e\xfa", b"\x0f\x1f\x40\xd6", b"\x0f\x1f\x44\x00\x00")

#: First byte of a function that begins with a call to a tracer, and the size of that instruction.
_CALL, _CALL_SIZE = b"\xe8", 5

_LONGEST = 5


@dataclass(frozen=True)
class _ReplacedBytes:
    # The original first bytes of an instruction that a loop replaces, and the kind of instruction.
    code: bytes
    #: The instruction's size, if it has no effect.
    skipped: int = 0
    #: The target, if it is a call.
    calls: int = 0


class Loops:
    """Jumps to themselves, in a machine that is stopped regularly to check where its CPUs are.

    After an interrupt, QEMU keeps its translated code, except for pages that were written. After a
    breakpoint it drops all of it, and translating it again takes 0.1 s.
    """

    def __init__(self, stub: GdbStub) -> None:
        self._stub = stub
        self._replaced: dict[int, _ReplacedBytes] = {}

    def set(self, address: int) -> None:
        """Write the loop."""
        if address not in self._replaced:
            self._replaced[address] = _at(address, self._stub.read(address, _LONGEST))
            self._stub.write(address, _LOOP)

    def clear(self, address: int) -> None:
        """Restore the original bytes."""
        replaced = self._replaced.pop(address, None)
        if replaced is not None:
            self._stub.write(address, replaced.code)

    def stop_among(self, threads: Iterable[int]) -> Stop | None:
        """The stop of a CPU in a loop, if one of *threads* is in one; the machine is stopped."""
        for thread in threads:
            if self._stub.registers(thread)["rip"] in self._replaced:
                return Stop(TRAP, thread)
        return None

    def leave(self, stop: Stop, registers: Mapping[str, int]) -> None:
        """Emulate the replaced instruction."""
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


def _at(address: int, code: bytes) -> _ReplacedBytes:
    # Identifies the instruction at the start of the bytes at *address*.
    nothing = next((len(start) for start in _NOTHING if code.startswith(start)), 0)
    calls = 0
    if code.startswith(_CALL):
        distance = int.from_bytes(code[1:_CALL_SIZE], "little", signed=True)
        calls = address + _CALL_SIZE + distance
    return _ReplacedBytes(code[: len(_LOOP)], nothing, calls)
