"""A client of the GDB remote serial protocol, as implemented by QEMU's gdbstub for x86-64.

`Guest.listen_for_gdb` returns the path for `GdbStub` to connect to. Thread 1 is CPU 0. While the stub is
connected, the machine runs only on command.
"""

import re
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from pfnlab.base.errors import Defect, LostGuest, TimedOut, Undecided, Why

_RESENDS = 3
_NAP = 0.02
_SHOWN = 40
_SPECIAL = re.compile(rb"[$#}*]")
_PACKET = re.compile(rb"\$([^#$]*)#([0-9a-fA-F]{2})", re.DOTALL)


def framed(payload: bytes) -> bytes:
    """*payload* as a packet: escaped, between ``$`` and ``#``, followed by its checksum."""
    body = _SPECIAL.sub(lambda special: b"}" + bytes([special[0][0] ^ 0x20]), payload)
    return b"$%s#%02x" % (body, sum(body) & 0xFF)


def unescaped(body: bytes) -> bytes:
    """A packet's payload after decoding escapes (``}``) and run lengths (``*``)."""
    out = bytearray()
    rest = iter(body)
    for byte in rest:
        if byte == ord("}"):
            out.append(next(rest, 0) ^ 0x20)
        elif byte == ord("*") and out:
            out += out[-1:] * (next(rest, 29) - 29)
        else:
            out.append(byte)
    return bytes(out)


class Wire:
    """A connection to the gdbstub at Unix socket *path*; TimedOut if nothing listens for *limit* seconds."""

    def __init__(self, path: Path, limit: float) -> None:
        self._socket = _connect(path, limit)
        self._received = b""
        self._acks: deque[bool] = deque()
        self._packets: deque[str] = deque()
        #: True if packets are acknowledged, in both directions.
        self.acknowledge = True

    def send(self, payload: str, limit: float) -> None:
        """Send one packet, again if damaged; Undecided, TimedOut or LostGuest if it is not accepted."""
        frame = framed(payload.encode("latin-1"))
        for _ in range(_RESENDS):
            self.send_raw(frame)
            if not self.acknowledge:
                return
            deadline = time.monotonic() + limit
            while not self._acks:
                self._fill(deadline, limit, f"acknowledge `{payload[:_SHOWN]}`")
            if self._acks.popleft():
                return
        raise Undecided(f"the gdbstub did not accept `{payload[:_SHOWN]}`, sent {_RESENDS} times")

    def send_raw(self, data: bytes) -> None:
        """Send *data* as is, e.g. byte 3, which interrupts."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise LostGuest(f"the gdbstub is gone: {error}") from error

    def receive(self, limit: float, action: str) -> str:
        """The payload of the next packet.

        :param action: what the gdbstub is expected to do, for the error message
        :raises TimedOut: if it has not done so within *limit* seconds
        :raises LostGuest: if the connection is closed
        """
        deadline = time.monotonic() + limit
        while not self._packets:
            self._fill(deadline, limit, action)
        return self._packets.popleft()

    def forget(self) -> None:
        """Discard packets that have arrived but have not been received."""
        self._packets.clear()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _fill(self, deadline: float, limit: float, action: str) -> None:
        self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise TimedOut(f"the gdbstub did not {action} within {limit:g} s") from None
        except OSError as error:
            raise LostGuest(f"the gdbstub is gone before it could {action}: {error}") from error
        if not data:
            raise LostGuest(f"the gdbstub closed the connection before it could {action}")
        self._received += data
        self._digest()

    # Sorts the bytes that have arrived into acknowledgements and packets; anything else is noise.
    def _digest(self) -> None:
        while self._received:
            first = self._received[:1]
            packet = _PACKET.match(self._received) if first == b"$" else None
            if packet:
                self._received = self._received[packet.end() :]
                self._take(packet[1], int(packet[2], 16))
            elif first == b"$" and b"$" not in self._received[1:]:
                return
            else:
                if first in (b"+", b"-"):
                    self._acks.append(first == b"+")
                self._received = self._received[1:]

    def _take(self, body: bytes, checksum: int) -> None:
        intact = sum(body) & 0xFF == checksum
        if self.acknowledge:
            self.send_raw(b"+" if intact else b"-")
        if intact:
            self._packets.append(unescaped(body).decode("latin-1"))


def _connect(path: Path, limit: float) -> socket.socket:
    deadline = time.monotonic() + limit
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
            return connection
        except OSError as error:
            connection.close()
            if time.monotonic() > deadline:
                raise TimedOut(f"no gdbstub listened at {path} within {limit:g} s: {error}") from None
            time.sleep(_NAP)


#: The registers at the start of a ``g`` packet, in order.
REGISTERS = (
    *("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"),
    *(f"r{number}" for number in range(8, 16)),
    *("rip", "eflags", "cs", "ss", "ds", "es", "fs", "gs"),
    *("fs_base", "gs_base", "k_gs_base", "cr0", "cr2", "cr3", "cr4", "cr8", "efer"),
)
_REGISTERS, _WORD = struct.Struct("<17Q7I9Q"), (1 << 64) - 1
#: Those of 32 bits: flags and segments.
_HALF = frozenset(REGISTERS[17:24])

# Bytes of memory per packet: QEMU's buffer holds 4096 characters.
_CHUNK = 1024
# Number of attempts to step a CPU past an instruction.
_STEPS = 8
_STOP = re.compile(r"[TS]([0-9a-f]{2})(?:.*thread:(?:p[0-9a-f]+\.)?([0-9a-f]+))?")


class GdbError(Undecided):
    """The gdbstub answered a request with an error, e.g. because memory is not mapped."""

    kind = Why.GUEST


@dataclass(frozen=True)
class Stop:
    """The reason why all CPUs are stopped.

    :param signal: 5 after a step, 2 after an interrupt
    :param thread: the CPU where it happened, counted from 1; 0 if unknown
    """

    signal: int
    thread: int


class GdbStub:
    """A connection to the gdbstub at the Unix socket *path*; connecting stops the machine.

    :param limit: time limit in seconds for each answer
    :raises TimedOut: if nothing is listening there, or there is no answer
    """

    def __init__(self, path: Path, *, limit: float = 10.0) -> None:
        self._limit = limit
        self._wire = Wire(path, limit)
        self._selected = 0
        self.running = False
        try:
            self.reason = _stop(self._ask("?", stops=True))
            self._drain()
            if "QStartNoAckMode+" in self._ask("qSupported").split(";"):
                self._expect_ok("QStartNoAckMode")
                self._wire.acknowledge = False
        except BaseException:
            self._wire.close()
            raise

    def threads(self) -> tuple[int, ...]:
        """The threads, one per CPU."""
        numbers: list[int] = []
        reply = self._ask("qfThreadInfo")
        while reply.startswith("m"):
            numbers += [int(word.rpartition(".")[2], 16) for word in reply[1:].split(",")]
            reply = self._ask("qsThreadInfo")
        return tuple(numbers)

    def select(self, thread: int) -> None:
        """Select *thread* for subsequent reads of registers and memory."""
        if self._selected != thread:
            self._expect_ok(f"Hg{thread:x}")
            self._selected = thread

    def registers(self, thread: int) -> dict[str, int]:
        """The registers of *thread* by name."""
        self.select(thread)
        return self._registers()[0]

    def write_registers(self, thread: int, **values: int) -> None:
        """Change the named registers of *thread*; negative values are stored as two's complement."""
        self.select(thread)
        registers, rest = self._registers()
        unknown = values.keys() - registers.keys()
        if unknown:
            raise Defect(f"no such registers: {', '.join(sorted(unknown))}")
        for name, value in values.items():
            registers[name] = value & (_WORD >> 32 if name in _HALF else _WORD)
        self._expect_ok(f"G{(_REGISTERS.pack(*registers.values()) + rest).hex()}")

    def read(self, address: int, size: int) -> bytes:
        """*size* bytes at the virtual address *address*; GdbError if any of them are not mapped."""
        data = b""
        while len(data) < size:
            count = min(size - len(data), _CHUNK)
            data += _unhex(self._answer(f"m{address + len(data):x},{count:x}"), count)
        return data

    def word(self, address: int) -> int:
        """The 64-bit word at *address*."""
        return int.from_bytes(self.read(address, 8), "little")

    def write(self, address: int, data: bytes) -> None:
        """Write *data* to the virtual address *address*."""
        for at in range(0, len(data), _CHUNK):
            part = data[at : at + _CHUNK]
            self._expect_ok(f"M{address + at:x},{len(part):x}:{part.hex()}")

    def cont(self) -> None:
        """Resume all CPUs."""
        self._resume("vCont;c")

    def cont_only(self, *threads: int) -> None:
        """Resume *threads*; the others stay stopped."""
        self._resume("vCont" + "".join(f";c:{thread:x}" for thread in threads))

    def step(self, thread: int) -> Stop:
        """Have *thread* execute one instruction, alone and without interrupts."""
        self._resume(f"vCont;s:{thread:x}")
        return self.wait(self._limit, f"one step of CPU {thread - 1}")

    def step_off(self, thread: int, address: int) -> None:
        """Have *thread*, stopped at *address*, execute the instruction there; Undecided if it stays there."""
        for _ in range(_STEPS):
            self.step(thread)
            # If a step executed nothing, the same call would be counted twice.
            if self.registers(thread)["rip"] != address:
                return
        raise Undecided(f"CPU {thread - 1} stays at {address:#x} for {_STEPS} single steps")

    def poll(self, limit: float) -> Stop | None:
        """The next stop, or None after *limit* seconds without one."""
        try:
            reply = self._wire.receive(limit, "stop")
        except TimedOut:
            return None
        self.running = False
        self.reason = _stop(reply)
        return self.reason

    def wait(self, limit: float, event: str) -> Stop:
        """The next stop; TimedOut, with *event* in the message, after *limit* seconds without one."""
        stop = self.poll(limit)
        if stop is None:
            raise TimedOut(f"{event} did not happen within {limit:g} s")
        return stop

    def interrupt(self) -> Stop:
        """Stop all CPUs; return the current stop if they are stopped already."""
        if self.running:
            self._wire.send_raw(b"\x03")
            stop = self.wait(self._limit, "the stop after an interrupt")
            # The machine may have reported another stop at the same moment.
            self._drain()
            self.reason = stop
        return self.reason

    def close(self) -> None:
        """Close the connection to a machine that is about to end."""
        self._wire.close()

    def _resume(self, packet: str) -> None:
        self._selected = 0
        self._wire.forget()
        self._wire.send(packet, self._limit)
        self.running = True

    def _registers(self) -> tuple[dict[str, int], bytes]:
        reply = self._answer("g")
        data = _unhex(reply, len(reply) // 2)
        if len(data) < _REGISTERS.size:
            raise Undecided(
                f"the gdbstub has registers of {len(data)} bytes, x86-64 has at least {_REGISTERS.size}"
            )
        values = zip(REGISTERS, _REGISTERS.unpack_from(data), strict=True)
        return dict(values), data[_REGISTERS.size :]

    # Connecting and interrupting may each be reported twice: a stop that arrives before the answer to a
    # request is an old one.
    def _drain(self) -> None:
        self._ask("qC")
        self._wire.forget()

    def _answer(self, packet: str) -> str:
        reply = self._ask(packet)
        if re.fullmatch(r"E[0-9a-fA-F]{2}", reply) or not reply:
            raise GdbError(f"the gdbstub refused `{packet[:40]}`: {reply or 'unknown request'}")
        return reply

    def _expect_ok(self, packet: str) -> None:
        reply = self._answer(packet)
        if reply != "OK":
            raise Undecided(f"the gdbstub answered `{packet[:40]}` with {reply[:40]!r} instead of OK")

    # Sends a request and returns the answer; a stop reported in between is a late one.
    def _ask(self, packet: str, stops: bool = False) -> str:
        if self.running:
            raise Defect(f"`{packet[:40]}` was sent to a running machine")
        self._wire.send(packet, self._limit)
        while True:
            reply = self._wire.receive(self._limit, f"answer `{packet[:40]}`")
            if stops or not _STOP.match(reply):
                return reply


def _stop(reply: str) -> Stop:
    match = _STOP.match(reply)
    if match:
        return Stop(signal=int(match[1], 16), thread=int(match[2] or "0", 16))
    if reply[:1] in ("W", "X"):
        raise LostGuest(f"QEMU exited while waiting for a stop ({reply[:40]})")
    raise Undecided(f"the gdbstub sent {reply[:40]!r} where a stop was expected")


def _unhex(text: str, size: int) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise Undecided(
            f"the gdbstub answered {text[:40]!r} where hexadecimal digits were expected"
        ) from None
    if len(data) != size:
        raise Undecided(f"the gdbstub answered {len(data)} bytes instead of {size}")
    return data
