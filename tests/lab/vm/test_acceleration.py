"""KVM or TCG: what guests have, and what happens where KVM is not there or does not work."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from fake_guests import HELD, KERNEL, PROGRAM, FakeGuest, Lab
from having import NEW, bootable

from pfnlab.base.errors import LostGuest, MissingTool
from pfnlab.lab.images.image import guest_image
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.running.stepper import SteppedRun, Stepper
from pfnlab.lab.vm import boots
from pfnlab.lab.vm.boots import Acceleration, GuestShape
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.machine import Accel

FORCED = load_text(
    "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\na = mmap bar[0:4] wc shared rw\n"
    "fail __pte_alloc 1: c = fork\n"
)


class Kvm(Lab):
    """Boots fake guests; those with KVM never, or not at first."""

    def __init__(self, *, works: bool) -> None:
        super().__init__()
        self.works = works

    def __call__(self, kernel: KernelImage, shape: GuestShape, offsets: str | None) -> FakeGuest:
        """Boot one."""
        if shape.accel is Accel.KVM and not self.works:
            self.shapes.append(shape)
            raise LostGuest("the guest was lost: it did not boot within 20 s")
        return super().__call__(kernel, shape, offsets)

    @property
    def accels(self) -> list[Accel]:
        """What each guest was to have."""
        return [shape.accel for shape in self.shapes]


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A device that can be opened."""
    monkeypatch.setattr(boots, "KVM_DEVICE", tmp_path / "kvm")
    (tmp_path / "kvm").touch()
    return tmp_path / "kvm"


def asked(lab: Lab, accel: Accel, *programs: Program) -> list[str]:
    """What is said while *programs* run."""
    said = list[str]()
    with QemuMachine(KERNEL, guests=1, lens=True, accel=accel, say=said.append, factory=lab) as machine:
        machine.run(programs)
    return said


@pytest.mark.parametrize(
    ("wanted", "has"), [(Accel.TCG, Accel.TCG), (Accel.KVM, Accel.KVM), (Accel.AUTO, Accel.KVM)]
)
def test_where_kvm_works_it_is_had_when_asked_for(device: Path, wanted: Accel, has: Accel) -> None:
    """And nothing is said of it."""
    lab = Kvm(works=True)

    said = asked(lab, wanted, PROGRAM)

    assert ([has], []) == (lab.accels, said)


def test_without_a_device_auto_is_tcg(device: Path) -> None:
    """Said once, with what helps."""
    device.unlink()
    lab = Kvm(works=True)

    (said,) = asked(lab, Accel.AUTO, *[PROGRAM] * 3)

    assert [Accel.TCG] == lab.accels
    assert said.startswith(f"guests run without KVM: no {device}: load the module kvm_intel or")


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOENT, "load the module kvm_intel or kvm_amd"),
        (errno.EACCES, r"add yourself to the group kvm \(usermod -aG kvm \$USER\)"),
        (errno.ENODEV, "load the module kvm_intel or kvm_amd"),
    ],
)
def test_kvm_that_cannot_be_had_is_missing(
    device: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    """Whoever asked for it is told what to do; nothing is booted."""

    def refuse(path: Path, flags: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(boots.os, "open", refuse)
    lab = Kvm(works=True)

    with pytest.raises(MissingTool, match=f"^KVM cannot be used: .*{remedy}.*, or leave `--accel kvm` out$"):
        asked(lab, Accel.KVM, PROGRAM)

    assert [] == lab.accels


@pytest.mark.parametrize("wanted", [Accel.KVM, Accel.AUTO])
def test_a_guest_that_does_not_say_hello_is_booted_without(device: Path, wanted: Accel) -> None:
    """That one and all later ones, which is said once; no program is lost for it."""
    lab = Kvm(works=False)
    said = list[str]()

    with QemuMachine(KERNEL, guests=1, accel=wanted, say=said.append, factory=lab) as machine:
        runs = machine.run([PROGRAM] * 3)
        machine.close()
        runs += machine.run([PROGRAM])

    assert [None] * 4 == [run.unfinished for run in runs]
    assert [Accel.KVM, Accel.TCG, Accel.TCG] == lab.accels
    assert [
        "guests run without KVM, which does not work here: the guest was lost: it did not boot within 20 s"
    ] == said


def test_the_boot_without_is_a_first_one(device: Path) -> None:
    """One that fails is tried once more, as where nobody asked for KVM."""
    lab = Kvm(works=False)
    lab.fails = 1

    with QemuMachine(KERNEL, guests=1, accel=Accel.KVM, factory=lab) as machine:
        (run,) = machine.run([PROGRAM])

    assert (None, [Accel.KVM, Accel.TCG, Accel.TCG]) == (run.unfinished, lab.accels)


def test_a_boot_that_fails_later_is_an_ordinary_one(device: Path) -> None:
    """KVM has worked before; the boot is tried once more, with it."""
    lab = Kvm(works=True)
    with QemuMachine(KERNEL, guests=1, accel=Accel.KVM, factory=lab) as machine:
        machine.run([PROGRAM])
        machine.close()
        lab.works = False

        (run,) = machine.run([PROGRAM])

    assert run.lost is not None
    assert [Accel.KVM] * 3 == lab.accels


@pytest.mark.parametrize("program", [HELD, FORCED], ids=["held", "forced"])
@pytest.mark.parametrize(("wanted", "lines"), [(Accel.KVM, 1), (Accel.AUTO, 0), (Accel.TCG, 0)])
def test_programs_that_steer_run_without(
    device: Path, monkeypatch: pytest.MonkeyPatch, program: Program, wanted: Accel, lines: int
) -> None:
    """Said once where KVM was asked for."""
    lab = Kvm(works=True)
    monkeypatch.setattr(Stepper, "run", lambda *_: SteppedRun("program 1\n"))

    said = asked(lab, wanted, program, program)

    assert {Accel.TCG} == set(lab.accels)
    assert ["programs that hold a processor or force a function run without KVM"] * lines == said


def test_a_reason_is_told_once() -> None:
    """However many guests it meets."""
    said = list[str]()
    acceleration = Acceleration(Accel.KVM, said.append, device=Path("/dev/null"))

    fell = [acceleration.falls_back(reason) for reason in ("one", "two")]

    assert ([True, True], ["guests run without KVM, which does not work here: one"]) == (fell, said)


QEMU = """\
#!/bin/sh
echo "$@" > "$PFNLAB_CACHE/arguments"
echo "KVM internal error. Suberror: 1" >&2
sleep 60
"""


def test_a_guest_that_kvm_stopped_is_lost_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU lives on, but says why; nobody waits for the limit."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path))
    (tmp_path / "image").touch()
    (tmp_path / "qemu-system-x86_64").write_text(QEMU)
    (tmp_path / "qemu-system-x86_64").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    with pytest.raises(LostGuest, match=r"lost: KVM internal error\. Suberror: 1"):
        Guest(tmp_path / "vmlinuz", GuestShape(image=tmp_path / "image", accel=Accel.KVM), boot_limit=250)

    words = (tmp_path / "arguments").read_text().split()
    assert ["kvm", "host,kvm=off,-arch-capabilities"] == [
        words[words.index(option) + 1] for option in ("-accel", "-cpu")
    ]


@pytest.mark.target("long")
@pytest.mark.lab
def test_a_real_kernel_says_the_same_with_kvm() -> None:
    """
    A program's run does not depend on the accelerator.

    Not every machine can have KVM, so nothing fails where it is missing.
    """
    kernel = bootable(NEW)
    try:
        Acceleration(Accel.KVM).settle()
        Guest(
            kernel.vmlinuz, GuestShape(image=guest_image(), accel=Accel.KVM), boot_limit=boots.HELLO_LIMIT
        ).close()
    except (MissingTool, LostGuest) as missing:
        pytest.skip(f"no KVM that works on this machine: {missing}")

    runs = []
    for wanted in (Accel.TCG, Accel.KVM):
        with QemuMachine(kernel, guests=1, accel=wanted) as machine:
            runs += machine.run([PROGRAM])

    assert (None, runs[0].steps) == (runs[1].unfinished, runs[1].steps)
