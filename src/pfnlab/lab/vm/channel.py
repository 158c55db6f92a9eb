"""Memory shared by host and guest agent, and the ports they use to take turns: ``guest/PROTOCOL.md``."""

import contextlib
import mmap
import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pfnlab.base.errors import Defect
from pfnlab.base.units import PfnRange, phys_to_pfn

#: Ways of waiting: flags in one word of the channel.
RING, STAND, NAP = 1, 2, 4

_IO_PORTS = {"bell": 0xE9, "gate": 0xEA}

# Maximum number of unread rings; there is one for each completed operation.
_MOST = 4096


class Ports:
    """Two ports through which host and guest take turns, so that neither polls while the other works.

    The agent rings the *bell* when it has a message; the host sleeps until then. The agent stops at the
    *gate* until the host lets it through. Both are QEMU debug consoles on sockets, and these are the host's
    ends. The processor blocks when it writes to a full socket, and QEMU itself blocks with it, so QEMU must
    not be queried while the guest is at the gate.
    """

    def __init__(self) -> None:
        self._mine: dict[str, socket.socket] = {}
        self._of_guest: dict[str, socket.socket] = {}
        for name in _IO_PORTS:
            self._mine[name], self._of_guest[name] = socket.socketpair()
            self._mine[name].setblocking(False)
        # The smallest possible buffer: each byte of room is one more poll.
        self._of_guest["gate"].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 0)

    @property
    def files(self) -> Sequence[int]:
        """The file descriptors that QEMU needs."""
        return [end.fileno() for end in self._of_guest.values()]

    def arguments(self) -> list[str]:
        """QEMU arguments for the two devices."""
        return [
            word
            for name, end in self._of_guest.items()
            for word in (
                *("-chardev", f"socket,id={name},fd={end.fileno()}"),
                *("-device", f"isa-debugcon,iobase={_IO_PORTS[name]:#x},chardev={name}"),
            )
        ]

    def started(self) -> None:
        """Close our copies of QEMU's ends once QEMU has started, so that it notices when the host is gone."""
        for end in self._of_guest.values():
            end.close()

    def listen(self, seconds: float) -> None:
        """Sleep until the bell rings or breaks, at most *seconds*."""
        # Two threads may be listening: one whose answer came too late may not have stopped yet.
        bell = select.poll()
        bell.register(self._mine["bell"], select.POLLIN)
        if bell.poll(1000 * seconds):
            with contextlib.suppress(OSError):
                self._mine["bell"].recv(_MOST)

    def let_through(self) -> None:
        """Let the guest through the gate once; has no effect if the guest is not at the gate."""
        with contextlib.suppress(OSError):
            self._mine["gate"].recv(1)

    def close(self) -> None:
        """Close everything; does nothing the second time."""
        for end in (*self._mine.values(), *self._of_guest.values()):
            end.close()


#: Size of the shared memory, in bytes.
CHANNEL_SIZE = 16 << 20

_REQUEST = 4096
_REPLY = 1 << 20
_REQUEST_SEQUENCE, _REQUEST_LENGTH, _REPLY_SEQUENCE, _REPLY_LENGTH = range(4)
_HEARTBEAT, _BEGUN, _ALLOWED, _DONE, _TURNS, _PORTS, _AWAITED = range(4, 11)

# The first byte of the firmware's own code, which extends to 1 MiB.
_FIRMWARE_CODE = 0xF0000

# Waiting: spin at first, then sleep for longer and longer times (in seconds).
_SPIN = 0.00002
_SHORTEST_NAP = 0.0003
_LONGEST_NAP = 0.001
_CHECK_EVERY = 0.02


@dataclass(frozen=True)
class Hello:
    """The guest's description of itself once it is up.

    :param release: as printed by ``uname -r``
    :param bar_start: the first physical byte of the device under test, which has *bar_pages* pages
    :param ptes: ``ok``, or the reason why page tables cannot be read
    :param offsets: offsets that the page-table reader found; with them a later guest of the
        same kernel boots faster
    :param order: ``ok`` if the order of kernel calls can be observed
    :param phys_bits: the width of a physical address on its processor
    :param rom_end: where the last adapter ROM that the kernel found ends; 0 if it found none
    """

    release: str
    bar_start: int
    bar_pages: int
    ptes: str
    offsets: str
    order: str = ""
    phys_bits: int = 40
    rom_end: int = 0

    @property
    def bar(self) -> PfnRange:
        """The page frames of the device under test."""
        first = phys_to_pfn(self.bar_start)
        return PfnRange(first, first + self.bar_pages)

    @property
    def has_false_rom(self) -> bool:
        """True if the kernel mistook firmware memory for an adapter ROM.

        SeaBIOS marks the memory below its own code with the signature of such a ROM. The checksum that a ROM
        must have (probe_roms) is right by chance in one boot out of 256.
        """
        return self.rom_end == _FIRMWARE_CODE


def read_hello(text: str) -> Hello:
    """Parse the agent's first reply; Defect if it is not a hello, i.e. if agent and host disagree."""
    lines = dict(line.partition(" ")[::2] for line in text.splitlines())
    try:
        start, pages = lines["bar"].split()
        return Hello(
            release=lines["hello"],
            bar_start=int(start, 16),
            bar_pages=int(pages, 16),
            ptes=lines["ptes"],
            offsets=lines["offsets"],
            order=lines.get("order", ""),
            phys_bits=int(lines["physical"]),
            rom_end=int(lines["roms"], 16),
        )
    except (KeyError, ValueError) as error:
        raise Defect(f"the guest's hello cannot be read ({error!r}): {text[:200]!r}") from error


class Channel:
    """The host's end of one guest's shared memory, backed by the file *path*."""

    def __init__(self, path: Path, ports: Ports) -> None:
        self._ports = ports
        with path.open("w+b") as file:
            file.truncate(CHANNEL_SIZE)
            self._memory = mmap.mmap(file.fileno(), CHANNEL_SIZE)
        self._words = memoryview(self._memory).cast("I")
        self._sequence = 1

    def send(self, text: str, allowed: int = 0, turns: int = RING) -> None:
        """Send *text* to the agent; the next reply waited for is the reply to it.

        :param allowed: the number of operations that may begin right away, if the request makes them wait
        :param turns: how both sides wait, as described in :mod:`~pfnlab.lab.vm.channel`
        """
        data = text.encode("ascii")
        if len(data) > _REPLY - _REQUEST:
            raise Defect(f"a request of {len(data)} bytes does not fit; at most {_REPLY - _REQUEST}")
        self._memory[_REQUEST : _REQUEST + len(data)] = data
        self._words[_REQUEST_LENGTH] = len(data)
        self._words[_REPLY_LENGTH] = 0
        self._words[_ALLOWED] = allowed
        self._words[_DONE] = 0
        self._words[_TURNS] = turns
        self._sequence += 1
        self._words[_REQUEST_SEQUENCE] = self._sequence

    def reply(self, limit: float, lives: Callable[[], bool]) -> str | None:
        """The pending reply; None if *limit* seconds pass or *lives* returns False."""
        words, sequence = self._words, self._sequence
        if not self._wait(lambda: words[_REPLY_SEQUENCE] == sequence, limit, lives):
            return None
        return self.answered()

    def answered(self) -> str:
        """The reply so far, in complete sections, from a guest that sends nothing more."""
        length = self._words[_REPLY_LENGTH]
        return self._memory[_REPLY : _REPLY + length].decode("ascii", "replace")

    def awaited(self, limit: float, lives: Callable[[], bool]) -> bool:
        """Wait until the agent is waiting for the next request; *limit* and *lives* as in `reply`."""
        return self._wait(lambda: self._words[_AWAITED] == self._sequence + 1, limit, lives)

    def allow(self, operations: int) -> None:
        """Let operations in the request begin, up to *operations* in total, counting the end."""
        self._words[_ALLOWED] = operations
        self._ports.let_through()

    def done(self, operations: int, limit: float, lives: Callable[[], bool]) -> bool | None:
        """Wait like `reply` until *operations* are done; False if the reply came first, None for neither."""
        words, sequence = self._words, self._sequence

        def is_done() -> bool:
            return words[_DONE] >= operations or words[_REPLY_SEQUENCE] == sequence

        if not self._wait(is_done, limit, lives):
            return None
        return words[_REPLY_SEQUENCE] != sequence

    def resume(self, requests: int) -> None:
        """Continue with a guest that has answered *requests* requests; its last reply is pending again."""
        self._sequence = 1 + requests

    def stop_heart(self) -> None:
        """Reset the heartbeat of a stopped machine before its state is saved."""
        self._words[_HEARTBEAT] = 0

    def heart_beats(self, limit: float, lives: Callable[[], bool]) -> bool:
        """Wait until the agent is polling for requests; *limit* and *lives* as in `reply`."""
        return _wait(lambda: self._words[_HEARTBEAT] != 0, limit, lives)

    # True if *done* became true before *limit* passed and while *lives* held; an agent
    # without ports is polled.
    def _wait(self, done: Callable[[], bool], limit: float, lives: Callable[[], bool]) -> bool:
        rings = self._words[_PORTS] and self._words[_TURNS] & RING
        return _wait(done, limit, lives, partial(self._ports.listen, _CHECK_EVERY) if rings else None)

    @property
    def begun(self) -> int:
        """The number of operations in the last request that the agent has begun, counting the end."""
        return self._words[_BEGUN]

    def close(self) -> None:
        """Release the memory; the owner removes the file."""
        self._words.release()
        self._memory.close()
        self._ports.close()


# True if *done* became true before *limit* passed and while *lives* held; *listen* sleeps
# until that may be so.
def _wait(
    done: Callable[[], bool],
    limit: float,
    lives: Callable[[], bool],
    listen: Callable[[], None] | None = None,
) -> bool:
    start = time.monotonic()
    check, nap = start + _CHECK_EVERY, _SHORTEST_NAP
    while not done():
        now = time.monotonic()
        if now >= check:
            if now - start > limit or not lives():
                return done()
            check = now + _CHECK_EVERY
        if listen:
            listen()
        elif now - start >= _SPIN:
            time.sleep(nap)
            nap = min(nap * 1.1, _LONGEST_NAP)
    return True
