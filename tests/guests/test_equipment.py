"""Devices beside the one under test, with the drivers Linux has for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from having import OLD, bootable, have

from pfnlab.base.errors import Undecided
from pfnlab.programs.lang.load import load_text
from tests.guests.equipment import Equipment
from tests.guests.known_state import known_state
from tests.guests.plain_kernels import plain_kernel, plain_modules
from tests.guests.shell import SCRIPT, shell

PROGRAM = load_text("pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\na = mmap bar[0:16] wc shared rw\n")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script that writes resources, the memtype list and mappings."""
    path = tmp_path / "collect.sh"
    path.write_text(
        "cat /proc/iomem /sys/kernel/debug/x86/pat_memtype_list\n"
        "for folder in /proc/[0-9]*; do cat $folder/maps 2>/dev/null; done\n"
    )
    return path


def test_without_equipment_the_script_is_the_only_file(script: Path) -> None:
    """
    Nothing comes before it.
    """
    with Equipment(("bochs-display",)).files(script) as files:
        assert {SCRIPT: script} == files


def test_modules_are_loaded_in_their_order_before_the_script(script: Path, tmp_path: Path) -> None:
    """
    What follows the modules comes behind them, and then the script itself.
    """
    modules = tuple(tmp_path / name for name in ("b.ko", "a.ko"))

    with Equipment(modules=modules, setup="sleep 1").files(script) as files:
        commands = files["setup.sh"].read_text().splitlines()
        assert ["insmod /module-00.ko", "insmod /module-01.ko", "sleep 1"] == commands
        assert modules == (files["module-00.ko"], files["module-01.ko"])
        assert script in files.values()
        assert files[SCRIPT] != script


@pytest.mark.lab
def test_a_setup_that_fails_is_no_bundle(script: Path, tmp_path: Path) -> None:
    """
    The guest would be in another state.
    """
    kernel = bootable(OLD)
    have(shell)
    equipment = Equipment(setup="false\ntrue")

    with pytest.raises(Undecided, match="the script ended with 90"):
        known_state(PROGRAM, kernel, script, tmp_path / "core", equipment=equipment)


@pytest.mark.lab
@pytest.mark.target("long")
@pytest.mark.timeout(900)
def test_a_display_and_a_disk_have_their_drivers(script: Path, tmp_path: Path) -> None:
    """
    Both claim their BARs, and a process maps a buffer of the display.
    """
    cloud = bootable(OLD)
    have(shell)
    kernel = have(lambda: plain_kernel(cloud))
    equipment = Equipment(
        ("bochs-display", "nvme,serial=x"),
        tuple(plain_modules(kernel, ["bochs", "nvme"])),
        "until [ -e /dev/dri/card0 ] && [ -e /dev/nvme0 ]; do sleep 0.1; done\n"
        "/init --map /dev/dri/card0 buffer 0x8000 &\nsleep 1",
        ram_mib=512,
    )

    state = known_state(PROGRAM, kernel, script, tmp_path / "core", equipment=equipment)

    lines = [line.strip().partition(" : ")[2] for line in state.bundle.splitlines()]
    assert {"bochs-drm", "nvme"} <= set(lines)
    assert any(line.endswith("/dev/dri/card0") for line in state.bundle.splitlines())
    assert any("/resource2_wc" in line for line in state.bundle.splitlines())
