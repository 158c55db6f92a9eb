"""A gdbstub of canned answers, which misbehaves as told."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

from pfnlab.lab.steering.gdbstub import framed, unescaped

BLOB = bytes(range(256)) + bytes(300)
INTERRUPT = b"\x03"

#: What a server says to a request; a function of the request for more than one packet.
Replies = dict[str, bytes]

QEMU: Replies = {
    "?": framed(b"T05thread:01;"),
    "qC": framed(b"QC01"),
    "qSupported": framed(b"PacketSize=1000;vContSupported+"),
    "qfThreadInfo": framed(b"m01,02"),
    "qsThreadInfo": framed(b"l"),
    "g": framed(BLOB.hex().encode()),
    "D": framed(b"OK"),
    "Hg1": framed(b"OK"),
    "Hg2": framed(b"OK"),
    "vCont;c": b"",
    "vCont;c:2": b"",
    "vCont;s:2": framed(b"T05thread:02;"),
}


class Server:
    """A gdbstub of canned answers at *path*; `said` is what it was asked."""

    def __init__(self, path: Path, replies: Replies) -> None:
        self.replies = dict(replies)
        self.said: list[str] = []
        self.acks: list[bytes] = []
        self.greeting = b""
        #: What becomes of the bytes that are sent, to break them up or to lose them.
        self.deliver: Callable[[socket.socket, bytes], None] = socket.socket.sendall
        self.refuse = 0
        self.acknowledge = True
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def _serve(self) -> None:
        try:
            self.connection, _ = self._listener.accept()
            self.deliver(self.connection, self.greeting)
            data = b""
            while more := self.connection.recv(4096):
                data = self._digest(data + more)
        except OSError:
            pass

    def _digest(self, data: bytes) -> bytes:
        while data:
            if data[:1] in b"+-":
                self.acks.append(data[:1])
                data = data[1:]
                if self.acks[-1] == b"-":
                    self.deliver(self.connection, self.last)
            elif data[:1] == INTERRUPT:
                data = data[1:]
                self.deliver(self.connection, self.replies["interrupt"])
            else:
                end = data.find(b"#")
                if end < 0 or len(data) < end + 3:
                    return data
                packet, data = data[: end + 3], data[end + 3 :]
                self._answer(packet)
        return data

    def _answer(self, packet: bytes) -> None:
        assert packet == framed(unescaped(packet[1:-3]))
        if self.refuse:
            self.refuse -= 1
            self.connection.sendall(b"-")
            return
        request = packet[1:-3].decode()
        self.said.append(request)
        self.last = self.replies.get(request, framed(b""))
        self.deliver(self.connection, b"+" * self.acknowledge + self.last)
        if request == "QStartNoAckMode":
            self.acknowledge = False
