"""Packets of the GDB remote serial protocol on a unix socket: frames, checksums, acknowledgements, limits."""

import re
import socket
import time
from collections import deque
from pathlib import Path

from pfnlab.base.errors import LostGuest, TimedOut, Undecided

_RESENDS = 3
_NAP = 0.02
_SHOWN = 40
_SPECIAL = re.compile(rb"[$#}*]")
_PACKET = re.compile(rb"\$([^#$]*)#([0-9a-fA-F]{2})", re.DOTALL)


def framed(payload: bytes) -> bytes:
    """*payload* as a packet: escaped, between ``$`` and ``#``, with its checksum."""
    body = _SPECIAL.sub(lambda special: b"}" + bytes([special[0][0] ^ 0x20]), payload)
    return b"$%s#%02x" % (body, sum(body) & 0xFF)


def unescaped(body: bytes) -> bytes:
    """The payload of a packet, its escapes (``}``) and run lengths (``*``) taken out."""
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
    """One connection to a gdbstub at the unix socket *path*; TimedOut if none listens in *limit* seconds."""

    def __init__(self, path: Path, limit: float) -> None:
        self._socket = _connect(path, limit)
        self._received = b""
        self._acks: deque[bool] = deque()
        self._packets: deque[str] = deque()
        #: Whether packets are acknowledged, both ways.
        self.acknowledge = True

    def send(self, payload: str, limit: float) -> None:
        """Send one packet, again when it arrives damaged; Undecided, TimedOut or LostGuest if not taken."""
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
        raise Undecided(f"the gdbstub did not take `{payload[:_SHOWN]}`, sent {_RESENDS} times")

    def send_raw(self, data: bytes) -> None:
        """Send *data* as it is, such as the byte 3 that interrupts."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise LostGuest(f"the gdbstub is gone: {error}") from error

    def receive(self, limit: float, action: str) -> str:
        """The content of the next packet.

        :param action: the action expected of the gdbstub, for the message
        :raises TimedOut: it did not within *limit* seconds
        :raises LostGuest: the connection is closed
        """
        deadline = time.monotonic() + limit
        while not self._packets:
            self._fill(deadline, limit, action)
        return self._packets.popleft()

    def forget(self) -> None:
        """Drop the packets that have arrived and were not received."""
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

    # Sort the bytes that have arrived into acknowledgements and packets; other bytes are noise on the line.
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
