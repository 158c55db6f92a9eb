"""The two ports by which a guest and the host take turns."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from having import OLD, bootable

from pfnlab.base.errors import LostGuest
from pfnlab.lab.vm import qemu
from pfnlab.lab.vm.channel import Ports
from pfnlab.lab.vm.qemu import Guest

#: Far longer than a ring takes; a test that waits as long fails by what it finds then.
LONG = 20.0

PROGRAM = "program 1\nobserve stand\nop 0 nop\nop 0 nop\nend\n"

# An agent that polls does so while the host naps that often, in seconds.
NAPS, NAP = 50, 0.01

# Words of the channel.
REPLIED, HEARTBEAT, PORTS, AWAITED = 2, 4, 9, 10


@pytest.fixture
def ports() -> Iterator[Ports]:
    """The ports of a guest that never starts."""
    with contextlib.closing(Ports()) as ports:
        yield ports


@pytest.fixture
def ends(ports: Ports) -> Iterator[dict[str, socket.socket]]:
    """The guest's ends; a write that finds no room is an error."""
    with contextlib.ExitStack() as opened:
        found = {}
        for name, file in zip(("bell", "gate"), ports.files, strict=True):
            found[name] = opened.enter_context(socket.socket(fileno=os.dup(file)))
            found[name].setblocking(False)
        yield found


def room(end: socket.socket) -> int:
    """How many bytes find room, one by one."""
    for count in range(10_000):
        try:
            end.send(b"\0")
        except BlockingIOError:
            return count
    raise AssertionError("there is room without end")


def test_qemu_is_given_both_sockets(ports: Ports) -> None:
    """Each is a debug console at a port of its own."""
    words = ports.arguments()

    assert [
        f"socket,id={name},fd={file}" for name, file in zip(("bell", "gate"), ports.files, strict=True)
    ] == [
        words[1],
        words[5],
    ]
    assert ["isa-debugcon,iobase=0xe9,chardev=bell", "isa-debugcon,iobase=0xea,chardev=gate"] == words[3::4]


def test_every_ring_is_heard_once(ports: Ports, ends: dict[str, socket.socket]) -> None:
    """However many there were: the host then looks for itself."""
    for _ in range(3):
        ends["bell"].send(b"\0")

    ports.listen(LONG)

    with pytest.raises(BlockingIOError):
        ports._mine["bell"].recv(1)


def test_a_broken_bell_is_no_error(ports: Ports) -> None:
    """QEMU has ended; the host finds out by itself."""
    ports.started()

    ports.listen(LONG)


def test_the_gate_has_little_room(ends: dict[str, socket.socket]) -> None:
    """A guest polls a few times before it stands."""
    assert 1 <= room(ends["gate"]) < 50


def test_one_write_ends_when_the_guest_is_let_through(ports: Ports, ends: dict[str, socket.socket]) -> None:
    """The next one stands again."""
    room(ends["gate"])

    ports.let_through()

    assert 1 == room(ends["gate"])


def test_nobody_at_the_gate_is_no_error(ports: Ports) -> None:
    """The host does not know whether the guest has come to it yet."""
    ports.let_through()


def test_ports_are_closed_twice_without_an_error(ports: Ports) -> None:
    """As a guest is."""
    ports.close()
    ports.close()


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    """A guest that runs."""
    with Guest(bootable(OLD).vmlinuz) as guest:
        yield guest


def words(guest: Guest) -> memoryview:
    """The words of its channel."""
    return guest._channel._words


@pytest.mark.lab
def test_a_guest_of_a_saved_state_has_its_ports(guest: Guest) -> None:
    """And so has one that has just booted, from which the state comes."""
    assert 1 == words(guest)[PORTS]


@pytest.mark.lab
def test_an_agent_at_the_gate_does_not_poll(guest: Guest) -> None:
    """Its processor stands until the host has looked; steered guests are asked meanwhile, so they poll."""
    beats: list[int] = []

    def look(answered: str) -> None:
        before = words(guest)[HEARTBEAT]
        for _ in range(NAPS):
            if words(guest)[HEARTBEAT] != before:
                break
            time.sleep(NAP)
        beats.append(words(guest)[HEARTBEAT] - before)

    guest.request_with_stops(PROGRAM, [1], look)
    guest.request_with_stops(PROGRAM, [1], look, through=lambda stop, go_on: go_on())

    assert beats[0] == 0 < beats[1]


@pytest.mark.lab
def test_a_guest_that_stood_for_too_long_is_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kernel may have noticed, which is not the program's doing."""
    monkeypatch.setattr(qemu, "_STAND_LIMIT", -1.0)

    with Guest(bootable(OLD).vmlinuz) as guest, pytest.raises(LostGuest, match="was stopped for too long"):
        guest.request_with_stops(PROGRAM, [1], lambda answered: None)

    assert guest.is_disturbed


@pytest.mark.lab
def test_an_agent_without_ports_is_polled(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kernel gives none; nobody rings then."""
    monkeypatch.setattr(Ports, "listen", lambda *_: pytest.fail("nobody rings"))
    words(guest)[PORTS] = 0
    try:
        reply = guest.request("program 1\nop 0 nop\nend\n")
    finally:
        words(guest)[PORTS] = 1

    assert "done 1" in reply


def test_two_may_listen_at_once(ports: Ports, ends: dict[str, socket.socket]) -> None:
    """One whose answer came too late, and one who asks anew; what the one heard, the other does not."""
    with ThreadPoolExecutor(2) as pool:
        listeners = [pool.submit(ports.listen, LONG) for _ in range(2)]
        while not all(listener.done() for listener in listeners):
            with contextlib.suppress(BlockingIOError):
                ends["bell"].send(b"\0")

    assert [None, None] == [listener.result() for listener in listeners]


@pytest.mark.lab
def test_a_guest_that_rests_has_made_its_next_task(guest: Guest) -> None:
    """Its agent waits for the request that follows the last one."""
    guest.request("program 1\nop 0 nop\nend\n")
    guest.rest()

    assert words(guest)[REPLIED] + 1 == words(guest)[AWAITED]


@pytest.mark.lab
def test_an_agent_that_is_busy_does_not_rest(guest: Guest) -> None:
    """In the middle of a program it waits for no request."""
    rested: list[bool] = []

    guest.request_with_stops(PROGRAM, [1], lambda answered: rested.append(_rests(guest)))

    assert rested == [False]


def _rests(guest: Guest) -> bool:
    return guest._channel.awaited(0.0, lambda: True)
