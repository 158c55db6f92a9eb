"""Programs as folders of the kernel's selftests."""

from __future__ import annotations

from litmus_files import litmus_file, program_of

from pfnlab.export.formats import export
from pfnlab.export.subject import Subject


def files(name: str) -> dict[str, str]:
    """The folder of a program."""
    return export(Subject(name, program_of(litmus_file(name))), "kselftest")


def test_the_makefile_has_the_program() -> None:
    """As the kernel's lib.mk wants it."""
    folder = files("munmap-middle")

    assert ["munmap_middle.c", "Makefile", "config"] == list(folder)
    assert "TEST_GEN_PROGS := munmap_middle\n\ninclude ../lib.mk\n" in folder["Makefile"]


def test_results_are_told_in_the_kernel_s_words() -> None:
    """Nothing of TAP is printed by hand."""
    text = files("munmap-middle")["munmap_middle.c"]

    assert '#include "../kselftest.h"' in text
    assert "printf(" not in text.replace("snprintf(", "")


def test_a_device_of_vfio_needs_its_module() -> None:
    """Which ``config`` asks for."""
    assert "CONFIG_VFIO_PCI=m\n" in files("vfio-refused-bar")["config"]


def test_tasks_name_each_other_there_too() -> None:
    """The first process sends pids with the turns."""
    text = files("mrelease")["mrelease.c"]

    assert "static long reap(pid_t process)" in text
    assert '.text = "process_mrelease c", .names = 1 }' in text
