"""Kernels that crash on purpose, by the test driver's hand: at once a discovery, with operation and trace."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from having import ASKED, EVERY_SERIES, bootable, have

from pfnlab.base.result import Outcome
from pfnlab.cli.verbs import performed
from pfnlab.lab.images.driver_module import image_with_driver
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running import bench
from pfnlab.lab.running.placement import Placement
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.running.wire import ObservationRequest
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.observation import Run
from pfnlab.verbs.run import RunRequest

HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\na = mmap bar[0:2] driver remap wc shared rw\n"
PLAIN = HEAD + "b = mmap bar[2:4] wc shared rw\nmunmap b\nmunmap a\n"
HELD = HEAD + (
    "b = mmap bar[2:4] wc shared rw\nt = thread\nhold unmap_vmas: munmap b\n"
    "t: read a[0]\nt: munmap a\nrelease\n"
)

#: How the driver is told to do harm: ``enum pfnlab_harm``.
NULL_POINTER, BUG, PANIC, WARN = range(4)

#: Makes the munmap with that number, of those in a program, an order to the driver to do harm.
Harm = Callable[[int, int], None]

pytestmark = pytest.mark.lab


@pytest.fixture
def harm(monkeypatch: pytest.MonkeyPatch) -> Harm:
    """The kernel is harmed instead of asked for munmap."""
    compiled = bench.compile_program

    def arrange(munmap: int, how: int) -> None:
        def compile_program(program: Program, placement: Placement, observed: ObservationRequest) -> str:
            text = compiled(program, placement, observed)
            place = list(re.finditer(r"(?m)^(op \d+) munmap .*$", text))[munmap]
            return f"{text[: place.start()]}{place[1]} driver oops {how:x}{text[place.end() :]}"

        monkeypatch.setattr(bench, "compile_program", compile_program)

    return arrange


#: A crash costs a guest: by default the newest kernel alone is crashed.
CRASHED = ASKED if EVERY_SERIES else ASKED[-1:]


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.xdist_group(f"kernel-{name}")) for name in CRASHED]
)
def kernel(request: pytest.FixtureRequest) -> KernelImage:
    """Every series that is asked, in turn; with the test driver."""
    image = bootable(request.param)
    have(lambda: image_with_driver(image))
    return image


def run_of(kernel: KernelImage, text: str, **options: Any) -> Run:
    """The run of a program."""
    with QemuMachine(kernel, guests=1, **options) as machine:
        return machine.run([load_text(text)])[0]


def alarm_of(run: Run) -> Alarm:
    """Its alarm, which makes it a discovery."""
    assert run.alarm is not None
    assert RunResult.of(load_text(PLAIN), [run], {}).outcome is Outcome.DISCOVERY
    return run.alarm


@pytest.mark.parametrize("lens", [True, False])
def test_an_oops_names_its_operation(kernel: KernelImage, harm: Harm, lens: bool) -> None:
    """
    Whether the guest was asked for one operation after the other, or for all at once.
    """
    harm(1, NULL_POINTER)

    alarm = alarm_of(run_of(kernel, PLAIN, lens=lens))

    assert ("oops", 3, "munmap a") == (alarm.kind, alarm.step, alarm.op)
    assert alarm.title == "BUG: kernel NULL pointer dereference in harm"


def test_an_oops_has_its_call_trace(kernel: KernelImage, harm: Harm) -> None:
    """
    From the first line to the panic, with the functions that led there.
    """
    harm(0, NULL_POINTER)

    log = alarm_of(run_of(kernel, PLAIN)).log

    assert log[0].startswith("BUG: kernel NULL pointer dereference")
    assert log[-1] == "Kernel panic - not syncing: Fatal exception"
    assert any("pfnlab_ioctl+" in line for line in log)


@pytest.mark.parametrize(("how", "kind"), [(BUG, "BUG"), (PANIC, "panic")])
def test_other_ways_to_end(kernel: KernelImage, harm: Harm, how: int, kind: str) -> None:
    """
    A BUG and a panic are what the kernel calls them.
    """
    harm(0, how)

    assert kind == alarm_of(run_of(kernel, PLAIN)).kind


@pytest.mark.parametrize(
    ("munmap", "op"), [(0, "hold unmap_vmas: munmap b"), (1, "t: munmap a")], ids=["held", "beside"]
)
def test_an_oops_under_a_hold(kernel: KernelImage, harm: Harm, munmap: int, op: str) -> None:
    """
    Of the operation that was to be held, or of another while a processor stands.
    """
    harm(munmap, NULL_POINTER)

    alarm = alarm_of(run_of(kernel, HELD))

    assert ("oops", op) == (alarm.kind, alarm.op)


def test_an_oops_behind_a_release(kernel: KernelImage, harm: Harm) -> None:
    """
    The operation that was held goes on, and the kernel does not survive it.
    """
    harm(0, NULL_POINTER)
    text = HEAD + "hold security_file_ioctl: munmap a\nrelease\n"

    alarm = alarm_of(run_of(kernel, text))

    assert ("oops", "release") == (alarm.kind, alarm.op)


def test_a_warning_is_kept_with_its_trace(kernel: KernelImage, harm: Harm) -> None:
    """
    It is no alarm by itself: the guest lives on, and only a comparison can say that no rule explains it.
    """
    harm(0, WARN)

    run = run_of(kernel, PLAIN)

    assert (run.alarm, run.unfinished) == (None, None)
    (alarm,) = run.warnings
    assert (2, "munmap b") == (alarm.step, alarm.op)
    assert any("pfnlab_ioctl+" in line for line in alarm.log)


def test_the_command_line_ends_with_one(
    kernel: KernelImage, harm: Harm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    And prints what happened, when and where.
    """
    harm(0, NULL_POINTER)
    path = tmp_path / "crash.pfn"
    path.write_text(PLAIN)

    code = performed("run", RunRequest(programs=(str(path),), on=(f"qemu:{kernel.series}",)))

    text = capsys.readouterr().out
    assert code == 1
    assert "in step 3, munmap b: oops, BUG: kernel NULL pointer dereference in harm" in " ".join(text.split())
    assert "    Kernel panic - not syncing: Fatal exception\n" in text


def test_the_command_line_says_so_as_json(
    kernel: KernelImage, harm: Harm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Of a kernel that warned where its model did not.
    """
    harm(0, WARN)
    path = tmp_path / "warning.pfn"
    path.write_text(PLAIN)
    series = kernel.series

    code = performed(
        "run", RunRequest(programs=(str(path),), on=(f"model:{series}", f"qemu:{series}"), as_json=True)
    )

    model, real = json.loads(capsys.readouterr().out)["machines"]
    assert (1, None, "WARN") == (code, model["alarm"], real["alarm"]["kind"])
