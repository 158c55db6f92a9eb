"""Guests on a real kernel: what the agent answers, and what is left when a guest ends."""

import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from damages import DAMAGES
from having import OLD, bootable

from pfnlab.base.errors import Defect, LostGuest, MissingTool
from pfnlab.lab.images.image import initramfs
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.channel import Channel, Hello, read_hello
from pfnlab.lab.vm.qemu import Guest

SERIES = OLD
AREA = 0x100000000000
PAGES = 32
# MAP_SHARED | MAP_FIXED_NOREPLACE, PROT_READ | PROT_WRITE
SHARED, RW = 0x100001, 3
MAP = f"op 0 mmap wc {AREA:x} 8000 {RW:x} {SHARED:x} 0"
UNMAP = f"op 0 munmap {AREA:x} 8000"

lab = pytest.mark.lab


@pytest.fixture(scope="session")
def kernel() -> KernelImage:
    """A kernel to boot."""
    return bootable(SERIES)


@pytest.fixture(scope="session")
def vmlinuz(kernel: KernelImage) -> Path:
    """Its image."""
    return kernel.vmlinuz


@pytest.fixture
def own_cache(vmlinuz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory, set after the kernel was found in the usual one."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def guest(vmlinuz: Path) -> Iterator[Guest]:
    """One guest for all questions that do not end it."""
    with Guest(vmlinuz) as guest:
        yield guest


def ask(guest: Guest, *ops: str, name: str = "") -> dict[str, list[str]]:
    """The reply's lines by section: ``before``, ``0``, ``1``, ... and ``end``."""
    bar = guest.hello.bar_start
    text = guest.request(
        "\n".join(
            [
                "program test",
                "observe vmas ptes",
                f"watch {bar:x} {bar + PAGES * 4096:x}",
                f"area {AREA:x} {PAGES:x}",
                *[name] * bool(name),
                *ops,
                "end\n",
            ]
        )
    )
    sections: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line == "before" or line.startswith("step "):
            current = sections.setdefault(line.removeprefix("step "), [])
        elif sections:
            current.append(line)
    return sections


def lines(section: list[str], kind: str) -> list[str]:
    """The lines of *section* that begin with the word *kind*, without it."""
    return [line.removeprefix(f"{kind} ") for line in section if line.startswith(f"{kind} ")]


def results(reply: dict[str, list[str]]) -> list[str]:
    """The result of every step, the last one left out."""
    return [lines(section, "r")[0] for step, section in reply.items() if step not in ("before", "end")]


def test_hello_is_read():
    """
    A hello becomes numbers in bytes and pages.
    """
    text = (
        "hello 6.1\nbar f8000000 4000\nlowmem 1000 9fc00\nroms c0600\nphysical 40\nlevels 5\nptes ok\n"
        "offsets 1,2\nend\n"
    )

    assert (
        read_hello(text).bar_start,
        read_hello(text).bar_pages,
        read_hello(text).phys_bits,
        read_hello(text).rom_end,
    ) == (0xF8000000, 0x4000, 40, 0xC0600)


def test_a_false_rom_ends_where_the_firmware_begins():
    """
    A card has its own further down.
    """
    assert [Hello("6.1", 0, 0, "ok", "", rom_end=end).has_false_rom for end in (0, 0xC0600, 0xF0000)] == [
        *(False, False, True)
    ]


def card_with_a_rom(path: Path) -> GuestShape:
    """
    A network card whose ROM is so long that the kernel takes the one behind it for an adapter's.

    :param path: where the ROM is written
    """
    rom = bytearray(0x44 * 512)
    rom[:4] = b"\x55\xaa\x44\xcb"
    struct.pack_into("<H", rom, 0x18, 0x1C)
    struct.pack_into(
        "<4sHHHHB3sHHBBH", rom, 0x1C, b"PCIR", 0x8086, 0x100E, 0, 24, 0, b"\0\0\2", 0x44, 0, 0, 0x80, 0
    )
    rom[-1] = -sum(rom) & 0xFF
    path.write_bytes(rom)
    return GuestShape(devices=(f"e1000,romfile={path}",))


@lab
def test_the_hello_says_where_the_last_adapter_rom_ends(vmlinuz: Path, tmp_path: Path):
    """
    QEMU's own loader, behind the ROM of a card.
    """
    with Guest(vmlinuz, card_with_a_rom(tmp_path / "rom")) as guest:
        assert 0xC8800 < guest.hello.rom_end <= 0xCA000


class FalseRoms:
    """
    The first boots of guests in which the kernel finds a false adapter ROM.

    :param count: how many
    """

    def __init__(self, count: int):
        self.count, self.boots = count, 0

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        boot = Guest._boot

        def booted(guest: Guest, limit: float) -> str:
            self.boots += 1
            text = boot(guest, limit)
            return re.sub("(?m)^roms .*", "roms f0000", text) if self.boots <= self.count else text

        monkeypatch.setattr(Guest, "_boot", booted)


@lab
def test_a_guest_with_a_false_rom_is_booted_again(vmlinuz: Path, monkeypatch: pytest.MonkeyPatch):
    """
    The next one answers, and has none.
    """
    roms = FalseRoms(1)
    roms.patch(monkeypatch)

    with Guest(vmlinuz, fresh=True) as guest:
        assert (2, False) == (roms.boots, guest.hello.has_false_rom)
        assert "end" in ask(guest, MAP)


@lab
def test_a_kernel_that_always_finds_one_is_lost(vmlinuz: Path, monkeypatch: pytest.MonkeyPatch):
    """
    After some boots.
    """
    FalseRoms(99).patch(monkeypatch)

    with pytest.raises(LostGuest, match="mistook firmware memory for an adapter ROM in 4 boots"):
        Guest(vmlinuz, fresh=True)


def test_no_qemu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """
    Without QEMU the error names the package to install.
    """
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingTool, match="apt-get install --no-install-recommends qemu-system-x86"):
        Guest(tmp_path / "vmlinuz")


def test_console_without_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """
    A guest that is lost where its console cannot be kept is lost, no more.
    """
    qemu = tmp_path / "qemu-system-x86_64"
    qemu.write_text("#!/bin/sh\nexit 1\n")
    qemu.chmod(0o755)
    for name in ("image", "vmlinuz", "cache"):
        (tmp_path / name).touch()
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))

    with pytest.raises(LostGuest, match="status 1") as lost:
        Guest(tmp_path / "vmlinuz", GuestShape(image=tmp_path / "image"))

    assert lost.value.console is None


@lab
def test_hello_names_the_release(guest: Guest, kernel: KernelImage):
    """
    The guest runs the kernel it was given.
    """
    assert guest.hello.release == kernel.release


@lab
def test_hello_reads_page_tables(guest: Guest):
    """
    The page-table reader works on a stock kernel.
    """
    assert guest.hello.ptes == "ok"


@lab
def test_hello_knows_the_bar(guest: Guest):
    """
    The device under test has the size asked for, 64 MiB by default.
    """
    assert guest.hello.bar_pages == 64 << 8


@lab
def test_map_enters_the_book(guest: Guest):
    """
    A write-combining mapping is one entry of the memtype list.
    """
    bar = guest.hello.bar_start

    reply = ask(guest, MAP)

    assert [f"{bar:x} {bar + 0x8000:x} write-combining"] == lines(reply["0"], "m")


@lab
def test_map_fills_page_tables(guest: Guest):
    """
    Eight pages mapped at once are one run of consecutive entries, the rest of the area another.
    """
    reply = ask(guest, MAP)

    runs = [line.split()[1:4] + line.split()[5:] for line in lines(reply["0"], "p")]
    assert [[f"{AREA:x}", "8", "1", "1"], [f"{AREA + 0x8000:x}", "18", "1", "0"]] == runs


@lab
def test_map_makes_a_vma(guest: Guest):
    """
    The mapping is one VMA of the task, with its file.
    """
    reply = ask(guest, MAP)

    words = lines(reply["0"], "v")[0].split()
    assert ["0", f"{AREA:x}", f"{AREA + 0x8000:x}", "rw-s"] == words[:4]
    assert words[-1].endswith("/resource2_wc")


@lab
def test_munmap_leaves_the_book_empty(guest: Guest):
    """
    Unmapping the whole mapping gives its entry back.
    """
    reply = ask(guest, MAP, UNMAP)

    assert lines(reply["1"], "m") == []


@lab
def test_munmap_empties_page_tables(guest: Guest):
    """
    After unmapping there is one hole, at the level that has no table any more.
    """
    reply = ask(guest, MAP, UNMAP)

    holes = [line.split()[1:3] + line.split()[4:5] for line in lines(reply["1"], "p")]
    assert [[f"{AREA:x}", f"{PAGES:x}", "0"]] == holes


@lab
def test_prot_none_is_one_run(guest: Guest):
    """
    Entries without access hold inverted frames, and still are one run, counting down.
    """
    reply = ask(guest, MAP, f"op 0 mprotect {AREA:x} 8000 0")

    first = lines(reply["1"], "p")[0].split()
    assert [first[2], first[5]] == ["8", "-1"]


@lab
def test_load_reads_what_was_stored(guest: Guest):
    """
    A load gives the number stored before, in decimal.
    """
    reply = ask(guest, MAP, f"op 0 store {AREA:x} 5a5a5a5a", f"op 0 load {AREA:x}")

    assert ["0 0", "0 0", f"0 0 {0x5A5A5A5A}"] == results(reply)


@lab
def test_load_of_nothing_faults(guest: Guest):
    """
    A load from an unmapped address is SIGSEGV with SEGV_MAPERR, and the task lives on.
    """
    reply = ask(guest, f"op 0 load {AREA:x}", "op 0 nop")

    assert results(reply) == ["-1 14 sig 11 1", "0 0"]


@lab
def test_fork_inherits_the_mapping(guest: Guest):
    """
    A child sees the parent's VMA at the same place.
    """
    reply = ask(guest, MAP, "op 0 fork 3")

    assert [line.split()[0] for line in lines(reply["1"], "v")] == ["0", "3"]


@lab
def test_fork_tells_the_pid(guest: Guest):
    """
    The child's process id follows its fork.
    """
    reply = ask(guest, "op 0 fork 3")

    assert [line.split()[0] for line in lines(reply["0"], "pid") if not line.startswith("0 ")] == ["3"]


@lab
def test_fork_into_a_taken_slot(guest: Guest):
    """
    A slot with a living process is not given away.
    """
    reply = ask(guest, "op 0 fork 1", "op 0 fork 1")

    assert results(reply) == ["0 0", "-1 17 taken"]


@lab
@pytest.mark.parametrize("verb", ["exit", "kill"])
def test_address_space_is_gone_with_its_task(guest: Guest, verb: str):
    """
    When exit and kill are answered, the task's book entries are gone, too.
    """
    reply = ask(guest, "op 0 fork 1", MAP.replace("op 0", "op 1"), f"op 1 {verb}")

    assert (len(lines(reply["1"], "m")), len(lines(reply["2"], "m"))) == (1, 0)


@lab
def test_op_for_a_task_that_is_gone(guest: Guest):
    """
    An operation of an ended or never started task is ESRCH.
    """
    reply = ask(guest, "op 0 fork 1", "op 1 exit", "op 1 nop", "op 2 nop")

    assert results(reply)[2:] == ["-1 3", "-1 3"]


@lab
def test_task_that_dies_while_executing(guest: Guest):
    """
    A task that unmaps itself dies of it; the answer says so, and the slot is empty.
    """
    reply = ask(guest, "op 0 munmap 0 7ffffffff000", "op 0 nop")

    assert results(reply) == ["-1 3 died", "-1 3"]


@lab
def test_tasks_do_not_inherit_the_channel(guest: Guest):
    """
    Forking adds nothing to the memtype list: the agent's own mapping stays its own.
    """
    reply = guest.request("program x\nwatch 0 ffffffffffffffff\nop 0 fork 1\nend\n")

    before, after = (part.partition("step")[0].count("\nm ") for part in reply.split("step 0"))
    assert before == after


@lab
def test_exec_drops_the_mapping(guest: Guest):
    """
    After exec the task is the same process with nothing mapped in the area.
    """
    reply = ask(guest, MAP, "op 0 exec", "op 0 nop")

    assert results(reply) == ["0 0", "0 0", "0 0"]
    assert lines(reply["1"], "v") == []


@lab
def test_name_is_in_the_log(guest: Guest):
    """
    A task's messages carry the name it was given.
    """
    reply = ask(guest, MAP, f"op 0 munmap {AREA:x} 2000", name="name 0 painter")

    assert [line.rpartition(":")[0] for line in _invalid(reply)] == ["x86/PAT: painter"]


def _invalid(reply: dict[str, list[str]]) -> list[str]:
    # Other parts of a kernel that has just booted write to its log too, e.g. clock sources.
    message = " freeing invalid memtype"
    return [line.partition(message)[0] for line in lines(reply["1"], "k") if message in line]


@lab
def test_moved_address(guest: Guest):
    """
    Mremap answers the new address.
    """
    reply = ask(guest, MAP, f"op 0 mremap {AREA:x} 8000 8000 3 {AREA + 0x10000:x}")

    assert ["0 0", f"0 0 {AREA + 0x10000:x}"] == results(reply)


@lab
@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("op 0 dance", "no such verb"),
        ("op 16 nop", "a task is not a decimal slot 0..15"),
        ("op 0 load xyz", "a number is not hexadecimal"),
        ("op 0 munmap 0", "wrong number of arguments"),
        ("op 0 mmap air 0 0 0 0 0", "no such way to map"),
        ("sing", "no such line"),
    ],
)
def test_request_that_cannot_be_read(guest: Guest, line: str, why: str):
    """
    A wrong line is named and nothing is run.
    """
    assert f"error {why}\ndone bad\n" == guest.request(f"program bad\nop 0 nop\n{line}\nend\n")


@lab
def test_two_programs_in_one_request(guest: Guest):
    """
    Programs of one request are answered one after the other.
    """
    reply = guest.request("program one\nend\nprogram two\nend\n")

    assert [line for line in reply.splitlines() if line.startswith("done")] == ["done one", "done two"]


@lab
def test_guest_stands_after_each_operation(guest: Guest):
    """
    Nothing of an operation happens while the host looks at what was before it.
    """
    text = f"program 1\nobserve stand\n{MAP}\nop 0 nop\n{UNMAP}\nend\n"
    seen: list[tuple[int, int]] = []

    reply = guest.request_with_stops(
        text, [1, 2, 3], lambda answered: seen.append((guest.begun, answered.count("\nr ")))
    )

    assert [(1, 1), (2, 2), (3, 3)] == seen
    assert reply.endswith("step end\nr 0 0\ndone 1\n")


@lab
def test_guest_stands_only_where_it_is_told(guest: Guest):
    """
    Operations between two stops follow each other, and a request that cannot be read has no stops.
    """
    seen: list[str] = []

    guest.request_with_stops("program 1\nobserve stand\nop 0 nop\nop 0 nop\nend\n", [2], seen.append)
    guest.request_with_stops("program 1\nobserve stand\nsing\nend\n", [1], seen.append)

    assert [2] == [text.count("\nr ") for text in seen]


@lab
def test_limit_is_kept_and_named(vmlinuz: Path, own_cache: Path):
    """
    A guest that is not up in time is lost, and the message names the limit.
    """
    with pytest.raises(LostGuest, match=r"did not boot within 0\.1 s"):
        Guest(vmlinuz, boot_limit=0.1)


@pytest.mark.target("long")
@lab
def test_offsets_given_back(guest: Guest, vmlinuz: Path):
    """
    A guest that is given the offsets of an earlier one says the same hello.
    """
    with Guest(vmlinuz, offsets=guest.hello.offsets, fresh=True) as later:
        assert guest.hello == later.hello


@pytest.mark.target("long")
@lab
def test_wrong_offsets_are_noticed(guest: Guest, vmlinuz: Path):
    """
    Offsets of another kernel are not believed; the agent searches again.
    """
    with Guest(vmlinuz, offsets=guest.hello.offsets[::-1], fresh=True) as later:
        assert guest.hello == later.hello


@lab
def test_later_guests_start_from_a_saved_state(vmlinuz: Path, own_cache: Path):
    """
    The second guest of a kernel does not boot: it is up where a boot limit of nothing would end it.
    """
    with Guest(vmlinuz) as first, Guest(vmlinuz, boot_limit=0) as later:
        assert later.hello == first.hello


@pytest.mark.target("long")
@lab
def test_saved_states_are_running(vmlinuz: Path, own_cache: Path):
    """
    A guest started from a saved state answers, and so does the one that was saved.
    """
    with Guest(vmlinuz) as first, Guest(vmlinuz) as later:
        replies = [guest.request("program x\nop 0 nop\nend\n") for guest in (first, later)]

    assert ["r 0 0" in reply for reply in replies] == [True, True]


@pytest.mark.target("long")
@lab
def test_broken_state_is_thrown_away(vmlinuz: Path, own_cache: Path):
    """
    A state that QEMU cannot read is replaced by booting.
    """
    Guest(vmlinuz).close()
    (state,) = (own_cache / "states").glob("*.state")
    state.write_bytes(b"no state")

    with Guest(vmlinuz) as guest:
        assert guest.hello.ptes == "ok"
    assert state.stat().st_size > 1 << 20


@pytest.mark.target("long")
@lab
def test_damaged_state_is_not_started_from(vmlinuz: Path, own_cache: Path):
    """
    One bit of a guest's memory that is another one would not be noticed by QEMU; it boots instead.
    """
    Guest(vmlinuz).close()
    (state,) = (own_cache / "states").glob("*.state")
    DAMAGES["flipped"](state)

    with pytest.raises(LostGuest, match="did not boot"):
        Guest(vmlinuz, boot_limit=0)

    assert not state.exists()


@pytest.mark.target("long")
@lab
def test_fresh_guests_boot(vmlinuz: Path, own_cache: Path):
    """
    A guest that must be fresh neither uses nor leaves a saved state.
    """
    Guest(vmlinuz, fresh=True).close()

    assert not (own_cache / "states").exists()


@lab
def test_panic_is_told(vmlinuz: Path, own_cache: Path):
    """
    A kernel that panics ends the guest; the error says so and the console is kept.
    """
    broken = own_cache / "broken.cpio"
    broken.write_bytes(initramfs(b"no program"))

    with pytest.raises(LostGuest, match="Kernel panic") as lost:
        Guest(vmlinuz, GuestShape(image=broken))

    assert "Kernel panic" in Path(str(lost.value.console)).read_text()


@lab
def test_killed_machine_is_lost(vmlinuz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    When QEMU dies, the pending and every later request raise LostGuest.
    """
    with Guest(vmlinuz) as guest:
        monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path))
        os.kill(guest.pid, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(LostGuest, match="QEMU ended with status -9"):
                guest.request("program x\nend\n")


@pytest.mark.target("long")
@lab
def test_the_steps_before_the_end_are_there(vmlinuz: Path, own_cache: Path):
    """
    A machine that dies in the middle of a program has answered whole sections, the last one too.
    """
    ops = "".join("op 0 nop\n" for _ in range(1000))
    with Guest(vmlinuz) as guest:
        earlier = guest.begun

        def kill() -> None:
            while guest.begun == earlier:
                time.sleep(0.001)
            # What was begun first is answered by the time another one is.
            second = guest.begun
            while guest.begun == second:
                time.sleep(0.001)
            os.kill(guest.pid, signal.SIGKILL)

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        with pytest.raises(LostGuest) as lost:
            guest.request(f"program x\nobserve vmas\n{ops}end\n")
        killer.join()

    lines = lost.value.answered.splitlines()
    answers = [line for line in lines if line.startswith("r ")]
    assert ["program x", "before"] == lines[:2]
    assert 0 < len(answers) < 1000
    assert [f"step {at}" for at in range(len(answers))] == [line for line in lines if line.startswith("step")]


@lab
def test_close_leaves_nothing(vmlinuz: Path):
    """
    After close there is no child process and no file.
    """
    with Guest(vmlinuz) as guest:
        pid, console = guest.pid, guest.console

    assert (Path(f"/proc/{pid}").exists(), console.parent.exists()) == (False, False)


@lab
def test_request_after_close(vmlinuz: Path):
    """
    A closed guest takes no requests, and may be closed again.
    """
    guest = Guest(vmlinuz)
    guest.close()
    guest.close()

    with pytest.raises(Defect, match="closed"):
        guest.request("program x\nend\n")


@lab
def test_killed_owner_takes_its_guest_along(vmlinuz: Path):
    """
    A process that is killed leaves no QEMU and no files behind.
    """
    owner = subprocess.Popen([sys.executable, "-c", _OWNER, str(vmlinuz)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    pid, folder = owner.stdout.readline().split()

    owner.kill()
    owner.communicate(timeout=10)

    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and (Path(f"/proc/{pid}").exists() or Path(folder).exists()):
        time.sleep(0.02)
    assert (Path(f"/proc/{pid}").exists(), Path(folder).exists()) == (False, False)


_OWNER = """
import sys, time
from pathlib import Path
from pfnlab.lab.vm.qemu import Guest
guest = Guest(Path(sys.argv[1]))
print(guest.pid, guest.console.parent, flush=True)
time.sleep(60)
"""


@lab
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_guest_that_somebody_disturbed_says_so(vmlinuz: Path, number: signal.Signals):
    """
    It is lost, and its kernel had nothing to do with it; also when it is closed.
    """
    with Guest(vmlinuz) as guest:
        before = guest.is_disturbed
        os.kill(guest.pid, number)
        with pytest.raises(LostGuest):
            guest.request("program p\nend\n", 1.0)

    assert (False, True) == (before, guest.is_disturbed)


@lab
def test_a_guest_that_is_slow_is_not_disturbed(vmlinuz: Path, monkeypatch: pytest.MonkeyPatch):
    """
    What does not answer in time may be the kernel's doing.
    """
    with Guest(vmlinuz) as guest:
        monkeypatch.setattr(Channel, "reply", lambda *_: None)
        with pytest.raises(LostGuest):
            guest.request("program p\nend\n", 1.0)

        assert not guest.is_disturbed
