"""Two ports of a guest by which it and the host take turns: neither polls while the other one works.

The agent rings the *bell* when it has something to say; the host sleeps until then. It stands at the *gate*
until the host lets it through. Both are debug consoles of QEMU, on sockets; ``guest/PROTOCOL.md`` has the
ports. A write to a socket without room is what makes a processor stand, so QEMU itself stands, too: nobody
may ask it anything while the guest is at the gate.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Sequence

#: Ways to wait, for the word of the channel that says so.
RING, STAND, NAP = 1, 2, 4

_PORTS = {"bell": 0xE9, "gate": 0xEA}

# As many rings as nobody has listened to, at most; there is one for each operation that is done.
_MOST = 4096


class Ports:
    """The host's ends of the two ports of one guest."""

    def __init__(self) -> None:
        self._mine: dict[str, socket.socket] = {}
        self._of_guest: dict[str, socket.socket] = {}
        for name in _PORTS:
            self._mine[name], self._of_guest[name] = socket.socketpair()
            self._mine[name].setblocking(False)
        # The least room there is: each byte that finds room is a poll.
        self._of_guest["gate"].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 0)

    @property
    def files(self) -> Sequence[int]:
        """The descriptors that QEMU needs."""
        return [end.fileno() for end in self._of_guest.values()]

    def arguments(self) -> list[str]:
        """QEMU's arguments for the two devices."""
        return [
            word
            for name, end in self._of_guest.items()
            for word in (
                *("-chardev", f"socket,id={name},fd={end.fileno()}"),
                *("-device", f"isa-debugcon,iobase={_PORTS[name]:#x},chardev={name}"),
            )
        ]

    def started(self) -> None:
        """QEMU has its ends; these here are closed, so that it notices when the host is gone."""
        for end in self._of_guest.values():
            end.close()

    def listen(self, seconds: float) -> None:
        """Sleep until the bell rings, or is broken, so many *seconds* at most."""
        # Two threads may listen: one whose answer came too late may still do.
        bell = select.poll()
        bell.register(self._mine["bell"], select.POLLIN)
        if bell.poll(1000 * seconds):
            with contextlib.suppress(OSError):
                self._mine["bell"].recv(_MOST)

    def let_through(self) -> None:
        """Let the guest through the gate, once; without effect while it is elsewhere."""
        with contextlib.suppress(OSError):
            self._mine["gate"].recv(1)

    def close(self) -> None:
        """Close everything; does nothing the second time."""
        for end in (*self._mine.values(), *self._of_guest.values()):
            end.close()
