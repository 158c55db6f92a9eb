"""A guest that hangs while it boots: looks at made-up processors, and real guests whose kernel is a loop."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pfnlab.base.errors import LostGuest
from pfnlab.lab.vm import standstill
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.qemu import Guest
from pfnlab.lab.vm.standstill import Standstill

lab = pytest.mark.lab

RUNS, WAITS, DEAD = "RFL=00000046 [---Z-P-] HLT=0", "RFL=00000246 [-------] HLT=1", "RFL=00000046 [---] HLT=1"


def places_after(
    looks: int, registers: Callable[[int], str], used: Callable[[int], float] = float
) -> list[str | None]:
    """The place after each of so many looks, a second apart; both functions get the second."""
    now = [0]
    guest = Standstill(lambda: registers(now[0]), lambda: used(now[0]), lambda: float(now[0]))
    places = []
    for now[0] in range(1, looks + 1):
        places.append(guest.place())
    return places


def test_a_processor_that_stays_in_its_page_hangs_within_ten_looks():
    """
    A processor that runs and never leaves one page is named with its last place.
    """
    places = places_after(10, lambda second: f"CPU#0\r\nRIP=ffffffff81c00b{second:02x} {RUNS}\r\n")

    assert "ffffffff81c00b0a" == places[-1]
    assert places[0] is None


def test_a_processor_that_moves_does_not_hang():
    """
    A processor in another page at every second look is not taken to hang.
    """
    places = places_after(40, lambda second: f"CPU#0\r\nRIP=ffffffff81c0{second % 2}be0 {RUNS}\r\n")

    assert [None] * 40 == places


def test_a_processor_that_waits_for_an_interrupt_does_not_hang():
    """
    A processor that is halted and takes interrupts may be woken.
    """
    places = places_after(40, lambda second: f"CPU#0\r\nRIP=ffffffff81c00be0 {WAITS}\r\n")

    assert [None] * 40 == places


def test_a_processor_that_nothing_wakes_hangs():
    """
    A halted processor without interrupts hangs, though it uses no processor time.
    """
    places = places_after(
        10, lambda second: f"CPU#0\r\nRIP=ffffffff81c00be0 {DEAD}\r\n", used=lambda second: 0.0
    )

    assert "ffffffff81c00be0" == places[-1]


def test_a_guest_that_gets_no_processor_does_not_hang():
    """
    A machine so loaded that QEMU does not run says nothing of the guest.
    """
    places = places_after(
        40, lambda second: f"CPU#0\r\nRIP=ffffffff81c00be0 {RUNS}\r\n", used=lambda second: 0.01 * second
    )

    assert [None] * 40 == places


def test_one_of_several_processors_that_moves_is_enough():
    """
    A guest hangs only where none of its processors moves.
    """
    places = places_after(
        40,
        lambda second: (
            f"CPU#0\r\nRIP=ffffffff81c00be0 {RUNS}\r\n\r\nCPU#1\r\nRIP=ffffffff81{second:02x}0be0 {RUNS}\r\n"
        ),
    )

    assert [None] * 40 == places


def test_a_monitor_that_does_not_answer_says_nothing():
    """
    Where QEMU does not answer, the guest is not taken to hang.
    """

    def silent(second: int) -> str:
        raise LostGuest("no answer")

    assert [None] * 20 == places_after(20, silent)


def kernel_of(code: bytes) -> bytes:
    """A bzImage that QEMU accepts, whose real-mode entry is *code*."""
    image = bytearray(4096)
    image[0x1F1] = 1
    image[0x1FE:0x200] = b"\x55\xaa"
    # A jump over the header of the boot protocol.
    image[0x200:0x202] = b"\xeb\x66"
    image[0x202:0x206] = b"HdrS"
    image[0x206:0x208] = b"\x04\x02"
    image[0x211] = 1
    # Where an initramfs may lie.
    image[0x22C:0x230] = b"\xff\xff\xff\x37"
    image[0x268 : 0x268 + len(code)] = code
    return bytes(image)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an image, and with the cache; looks are four a second."""
    monkeypatch.setattr(standstill, "_EVERY", 0.25)
    monkeypatch.setattr(standstill, "_RAN", 0.05)
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "image").write_bytes(b"")
    yield tmp_path


@lab
def test_a_kernel_that_loops_is_lost_before_the_limit(files: Path):
    """
    A kernel that loops before its first line is lost as one that hangs, not as one that is slow.
    """
    (files / "vmlinuz").write_bytes(kernel_of(b"\xfa\xeb\xfe"))

    with pytest.raises(LostGuest, match=r"hangs at [0-9a-f]+ before its first line"):
        Guest(files / "vmlinuz", GuestShape(image=files / "image"), fresh=True)


@lab
def test_a_kernel_that_waits_has_the_whole_limit(files: Path):
    """
    A kernel that is halted with interrupts on is not taken to hang.
    """
    (files / "vmlinuz").write_bytes(kernel_of(b"\xfb\xf4\xeb\xfd"))

    with pytest.raises(LostGuest, match=r"did not boot within 4 s"):
        Guest(files / "vmlinuz", GuestShape(image=files / "image"), fresh=True, boot_limit=4)
