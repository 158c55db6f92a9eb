"""The client of the GDB remote protocol against a server that misbehaves as told."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gdb_server import BLOB, QEMU, Server
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import Defect, LostGuest, TimedOut, Undecided
from pfnlab.lab.steering.gdbstub import REGISTERS, GdbError, GdbStub, Stop, Wire, framed, unescaped

LIMIT = 0.3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the server listens."""
    return tmp_path / "gdb"


@pytest.fixture
def server(path: Path) -> Iterator[Server]:
    """A server that answers as QEMU 7.2 does."""
    server = Server(path, QEMU)
    yield server
    server.close()


@given(st.binary())
def test_frame_is_undone(payload: bytes):
    """
    What is framed has no frame characters inside and comes out as it went in.
    """
    packet = framed(payload)

    assert packet[:1] == b"$" and not set(packet[1:-3]) & set(b"$#*")
    assert payload == unescaped(packet[1:-3])
    assert sum(packet[1:-3]) & 0xFF == int(packet[-2:], 16)


def test_run_lengths():
    """
    A character and a count stand for a run of it.
    """
    assert b"0000" == unescaped(b"0* ")


def test_connects(path: Path, server: Server):
    """
    Connecting asks why the machine stands.
    """
    with closing(GdbStub(path, limit=LIMIT)) as stub:
        assert Stop(5, 1) == stub.reason

    assert ["?", "qC", "qSupported"] == server.said


def test_extra_stop_at_connecting(path: Path, server: Server):
    """
    The stop QEMU tells on its own when somebody connects is not taken for an answer.
    """
    server.greeting = framed(b"T02thread:01;")

    with closing(GdbStub(path, limit=LIMIT)) as stub:
        assert (1, 2) == stub.threads()
        assert BLOB[:8] == stub.registers(2)["rax"].to_bytes(8, "little")


def test_late_stop(path: Path, server: Server):
    """
    A stop told before the answer to a request is dropped.
    """
    server.replies["m1000,2"] = framed(b"T02thread:02;") + framed(b"beef")

    with closing(GdbStub(path, limit=LIMIT)) as stub:
        assert b"\xbe\xef" == stub.read(0x1000, 2)


def test_bad_checksum(path: Path, server: Server):
    """
    A damaged answer is asked for again.
    """
    whole = framed(b"beef")
    damaged = [b"$bexf" + whole[-3:]]

    def deliver(connection: socket.socket, data: bytes) -> None:
        connection.sendall(data.replace(whole, damaged.pop()) if damaged and whole in data else data)

    server.replies["m1000,2"] = whole
    server.deliver = deliver

    with closing(GdbStub(path, limit=LIMIT)) as stub:
        assert b"\xbe\xef" == stub.read(0x1000, 2)
    assert 1 == server.acks.count(b"-")


def test_damaged_request(path: Path, server: Server):
    """
    A request that arrived damaged is sent again.
    """
    server.refuse = 2

    with closing(GdbStub(path, limit=LIMIT)) as stub:
        assert Stop(5, 1) == stub.reason


def test_request_never_taken(path: Path, server: Server):
    """
    A request that is never taken ends in an error that names it.
    """
    server.refuse = 99

    with pytest.raises(Undecided, match=r"did not accept `\?`, sent 3 times"):
        GdbStub(path, limit=LIMIT)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_split_packets(path: Path, server: Server, size: int):
    """
    Answers may arrive in pieces of any size.
    """

    def deliver(connection: socket.socket, data: bytes) -> None:
        for at in range(0, len(data), size):
            connection.sendall(data[at : at + size])
            time.sleep(0.0002)

    server.replies["m1000,2"] = framed(b"beef")
    server.deliver = deliver

    with closing(GdbStub(path, limit=5)) as stub:
        assert b"\xbe\xef" == stub.read(0x1000, 2)


def test_noise_between_packets(path: Path, server: Server):
    """
    What is no packet is passed over, a packet that never ended too.
    """
    server.replies["m1000,2"] = b"noise$half" + framed(b"beef")

    with closing(GdbStub(path, limit=LIMIT)) as stub:
        assert b"\xbe\xef" == stub.read(0x1000, 2)


def test_silence(path: Path, server: Server):
    """
    A server that takes requests and says nothing is given up, and the message says what was waited for.
    """
    server.replies["?"] = b""

    with pytest.raises(TimedOut, match=r"did not answer `\?` within 0\.3 s"):
        GdbStub(path, limit=LIMIT)


def test_silence_of_acks(path: Path, server: Server):
    """
    A server that does not even acknowledge is given up as well.
    """
    server.deliver = lambda connection, data: None

    with pytest.raises(TimedOut, match=r"did not acknowledge `\?` within 0\.3 s"):
        GdbStub(path, limit=LIMIT)


def test_nobody_listens(path: Path):
    """
    Connecting to nobody ends, and names the socket.
    """
    with pytest.raises(TimedOut, match=r"no gdbstub listened at .*/gdb within 0\.1 s"):
        Wire(path, 0.1)


def test_connection_closed(path: Path, server: Server):
    """
    A QEMU that ends in the middle is a lost guest.
    """
    with pytest.raises(LostGuest, match="the gdbstub"), closing(GdbStub(path, limit=LIMIT)) as stub:
        server.connection.shutdown(socket.SHUT_RDWR)
        stub.threads()


def test_exit_packet(path: Path, server: Server):
    """
    A server that says its program ended is a lost guest.
    """
    server.replies["vCont;c"] = framed(b"W00")
    server.replies["interrupt"] = framed(b"T02thread:01;")

    with closing(GdbStub(path, limit=LIMIT)) as stub:
        stub.cont()
        with pytest.raises(LostGuest, match="QEMU exited while waiting for a stop"):
            stub.poll(LIMIT)


def test_refusal(path: Path, server: Server):
    """
    An error answer names the request.
    """
    server.replies["m0,8"] = framed(b"E14")

    with closing(GdbStub(path, limit=LIMIT)) as stub, pytest.raises(GdbError, match="refused `m0,8`: E14"):
        stub.word(0)


def test_unknown_request(path: Path, server: Server):
    """
    An empty answer means the server does not know the request.
    """
    with (
        closing(GdbStub(path, limit=LIMIT)) as stub,
        pytest.raises(GdbError, match="`M10,1:00`: unknown request"),
    ):
        stub.write(0x10, b"\0")


@pytest.mark.parametrize("answer", [b"be", b"beefed", b"xyzz"])
def test_wrong_answer(path: Path, server: Server, answer: bytes):
    """
    Memory of another size than asked for, or not hexadecimal, is refused.
    """
    server.replies["m1000,2"] = framed(answer)

    with closing(GdbStub(path, limit=LIMIT)) as stub, pytest.raises(Undecided, match="the gdbstub answered"):
        stub.read(0x1000, 2)


def test_registers_have_names(path: Path, server: Server):
    """
    Registers lie in the packet one after the other, little-endian.
    """
    with closing(GdbStub(path, limit=LIMIT)) as stub:
        registers = stub.registers(1)

    assert list(REGISTERS) == list(registers)
    assert int.from_bytes(BLOB[16 * 8 : 17 * 8], "little") == registers["rip"]
    assert int.from_bytes(BLOB[172:180], "little") == registers["gs_base"]


def test_write_registers(path: Path, server: Server):
    """
    Writing one register keeps the others and what follows them; a negative value is two's complement.
    """
    changed = (-12).to_bytes(8, "little", signed=True) + BLOB[8:]
    server.replies[f"G{changed.hex()}"] = framed(b"OK")

    with closing(GdbStub(path, limit=LIMIT)) as stub:
        stub.write_registers(1, rax=-12)
        with pytest.raises(Defect, match="no such registers: eax"):
            stub.write_registers(1, eax=1)


def test_flags_and_segments_have_32_bits(path: Path, server: Server):
    """
    A negative value of theirs is two's complement too.
    """
    changed = BLOB[:136] + b"\xff" * 4 + BLOB[140:]
    server.replies[f"G{changed.hex()}"] = framed(b"OK")

    with closing(GdbStub(path, limit=LIMIT)) as stub:
        stub.write_registers(1, eflags=-1)


def test_short_registers(path: Path, server: Server):
    """
    Registers of another machine are not read as if they were ours.
    """
    server.replies["g"] = framed(bytes(64).hex().encode())

    with closing(GdbStub(path, limit=LIMIT)) as stub, pytest.raises(Undecided, match="registers of 64 bytes"):
        stub.registers(1)


def test_write_memory_in_pieces(path: Path, server: Server):
    """
    More memory than a packet holds is written, and read, in pieces.
    """
    server.replies[f"M1000,400:{bytes(1024).hex()}"] = framed(b"OK")
    server.replies["M1400,1:00"] = framed(b"OK")
    server.replies["m1000,400"] = framed(bytes(1024).hex().encode())
    server.replies["m1400,1"] = framed(b"07")

    with closing(GdbStub(path, limit=LIMIT)) as stub:
        stub.write(0x1000, bytes(1025))
        assert bytes(1024) + b"\x07" == stub.read(0x1000, 1025)


def test_running_and_stopping(path: Path, server: Server):
    """
    One CPU runs alone until it is interrupted, even when the stop is told twice.
    """
    server.replies["interrupt"] = framed(b"T02thread:p01.02;") * 2

    with closing(GdbStub(path, limit=LIMIT)) as stub:
        stub.cont_only(2)
        assert stub.poll(0.05) is None
        with pytest.raises(Defect, match="`Hg1` was sent to a running machine"):
            stub.registers(1)
        assert Stop(2, 2) == stub.interrupt()
        assert Stop(2, 2) == stub.interrupt()
        assert (1, 2) == stub.threads()


def test_stop_that_does_not_come(path: Path, server: Server):
    """
    Waiting for a stop ends, and the message says which.
    """
    server.replies["interrupt"] = framed(b"T02thread:01;")

    with closing(GdbStub(path, limit=LIMIT)) as stub:
        stub.cont()
        with pytest.raises(TimedOut, match=r"free_pgtables did not happen within 0\.05 s"):
            stub.wait(0.05, "free_pgtables")


def test_step(path: Path, server: Server):
    """
    A step is of one CPU.
    """
    with closing(GdbStub(path, limit=LIMIT)) as stub:
        assert Stop(5, 2) == stub.step(2)


def test_step_that_executes_nothing(path: Path, server: Server):
    """
    A CPU that is still at the trap after a step would meet it again: it is an error to go on.
    """
    rip = int.from_bytes(BLOB[16 * 8 : 17 * 8], "little")

    with (
        closing(GdbStub(path, limit=LIMIT)) as stub,
        pytest.raises(Undecided, match=f"CPU 1 stays at {rip:#x} for 8 single steps"),
    ):
        stub.step_off(2, rip)

    assert 8 == server.said.count("vCont;s:2")


def test_no_acknowledgements(path: Path, server: Server):
    """
    Where the server offers it, packets are no longer acknowledged.
    """
    server.replies["qSupported"] = framed(b"PacketSize=1000;QStartNoAckMode+")
    server.replies["QStartNoAckMode"] = framed(b"OK")

    with closing(GdbStub(path, limit=LIMIT)) as stub:
        stub.threads()
        stub.registers(1)

    # Those of the answers up to the one that ended it.
    assert [b"+"] * 4 == server.acks
