"""Known states on real kernels: bundle and core of one moment, by a program that ran up to there."""

from __future__ import annotations

from pathlib import Path

import pytest
from having import ASKED, NEW, OLD, bootable, have
from litmus_files import FILES, litmus_file

from pfnlab.base.errors import Undecided
from pfnlab.base.units import pfn_to_phys
from pfnlab.kernel.policies.releases import series_of
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.programs.lang.load import load_program, load_text
from tests.guests.known_state import KnownState, known_state
from tests.guests.shell import shell

pytestmark = [pytest.mark.timeout(600)]

#: What a bundle begins with, as far as these tests look.
SCRIPT = """cat /sys/kernel/debug/x86/pat_memtype_list
for folder in /proc/[0-9]*; do echo "$folder $(cat "$folder/comm")"; done
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script that writes the memtype list and the names of all processes."""
    path = tmp_path / "collect.sh"
    path.write_text(SCRIPT)
    return path


def _entries(state: KnownState) -> list[tuple[int, int]]:
    # The entries of the list in the program's device, in pages of it.
    (device,) = state.placement.places.devices.values()
    found = []
    for line in state.bundle.splitlines():
        if line.startswith("PAT: [mem 0x"):
            start, end = (int(word, 16) for word in line.split("[mem ")[1].split("]")[0].split("-"))
            if pfn_to_phys(device.start) <= start < pfn_to_phys(device.end):
                found.append((start - pfn_to_phys(device.start) >> 12, end - pfn_to_phys(device.start) >> 12))
    return found


@pytest.mark.lab
@pytest.mark.parametrize(
    "series",
    [pytest.param(series, marks=pytest.mark.xdist_group(f"kernel-{series}")) for series in ASKED],
)
def test_the_middle_that_went_first_is_in_the_list(series: str, script: Path, tmp_path: Path) -> None:
    """
    After the unmap of the middle the whole reservation is there, and so is the task.

    After that of the rest, kernels up to 6.15 have leaked eight pages, while the task goes on; one that
    shares the whole has leaked nothing.
    """
    kernel: KernelImage = bootable(series)
    have(shell)
    program = load_program(litmus_file("munmap-middle"))

    middle = known_state(program, kernel, script, tmp_path / "middle", after=2)
    end = known_state(program, kernel, script, tmp_path / "end")

    leaked = [(0, 8)] if series_of(series) in ("6.1", "6.12") else []
    assert ([(0, 16)], leaked) == (_entries(middle), _entries(end))
    for state, operations in (middle, 2), (end, 3):
        assert f"/proc/{state.pids['main']} main" in state.bundle.splitlines()
        assert operations == len([step for step in state.steps if step.op != "end"])
        assert state.core.stat().st_size > 1 << 20


@pytest.mark.lab
def test_a_script_that_fails_is_no_bundle(tmp_path: Path) -> None:
    """
    Its status is in the message.
    """
    kernel = bootable(OLD)
    have(shell)
    path = tmp_path / "collect.sh"
    path.write_text("echo begun\nexit 3\n")

    with pytest.raises(Undecided, match="the script ended with 3"):
        known_state(load_program(litmus_file("munmap-middle")), kernel, path, tmp_path / "core", after=0)


@pytest.mark.lab
def test_a_copy_that_fails_is_a_state_too(script: Path, tmp_path: Path) -> None:
    """
    The kernel is made to fail in the fork, and the mapping stays reserved once.
    """
    kernel = bootable(NEW)
    have(shell)
    program = load_text(
        "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\n"
        "a = mmap bar[0:16] wc shared rw\nfail __pte_alloc 1: child = fork\n"
    )

    state = known_state(program, kernel, script, tmp_path / "core")

    assert ["ok", "ENOMEM"] == [step.result for step in state.steps][:2]
    assert [(0, 16)] == _entries(state)


def test_a_program_that_holds_a_processor_has_no_state(script: Path, tmp_path: Path) -> None:
    """
    It is refused before anything boots.
    """
    kernel = KernelImage("6.1", "linux-image", "6.1", "6.1", tmp_path / "vmlinuz", "")
    held = next(program for program in map(load_program, sorted(FILES.values())) if program.needs.held)

    with pytest.raises(Undecided, match="no state of its own"):
        known_state(held, kernel, script, tmp_path / "core")
