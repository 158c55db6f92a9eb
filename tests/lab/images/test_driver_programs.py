"""Programs that need the driver: which they are, their image, and one on real kernels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from having import NEW, OLD, bootable, have

from pfnlab.errors import MissingTool, Misuse, Undecided
from pfnlab.lab.images.driver_module import driver_for
from pfnlab.lab.images.driver_programs import DriverImage
from pfnlab.lab.running.placement import check_placeable
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences

HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\n"

PLAIN = "a = mmap bar[0:8] wc shared rw\n"
ZAP = """\
a = mmap bar[0:8] driver remap wc shared rw
zap_vma_ptes a[0]
mincore a
b = mmap bar[0:4] driver ram wc shared rw
c = fork
unmap_mapping_range bar[4:8]
c: munmap a
munmap a
"""


def program(text: str) -> Program:
    """A program text without its head."""
    return load_text(HEAD + text)


def test_the_image_is_made_once(tmp_path: Path) -> None:
    """However many guests need it."""
    asked = []

    def build() -> Path:
        asked.append(1)
        return tmp_path

    image = DriverImage(build)

    assert ([image.path(), image.path()], [1]) == ([tmp_path] * 2, asked)


def test_what_cannot_be_had_is_not_asked_for_again() -> None:
    """The archive is asked once; every program is told the same."""
    asked = []

    def build() -> Path:
        asked.append(1)
        raise MissingTool("no headers for 6.5")

    image = DriverImage(build)
    for _ in range(2):
        with pytest.raises(Undecided, match=r"^no headers for 6\.5$"):
            image.path()

    assert [1] == asked


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a = mmap bar[0:2000] wc shared rw\nmincore a\n", "at most 1024 pages, not 2000"),
        ("a = mmap bar[0:17] driver ram shared rw\n", "16 pages of RAM, not 17"),
    ],
)
def test_what_no_guest_can_answer_is_refused(text: str, why: str) -> None:
    """Before anything runs."""
    with pytest.raises(Misuse, match=why):
        check_placeable(load_text("pfnlab program 1\ndevice bar: pci, 2000 pages\n" + text))


@pytest.mark.lab
def test_without_headers_only_driver_programs_are_undecided() -> None:
    """The others run on the same kernel."""
    kernel = replace(bootable(OLD), release="6.1.0-1-none", version="6.1.1-1")

    with QemuMachine(kernel, guests=1, order=False) as machine:
        runs = machine.run([program(ZAP), program(PLAIN)])

    assert str(runs[0].undecided).startswith("no headers for 6.1.0-1-none: ")
    assert (runs[0].steps, runs[1].unfinished, len(runs[1].steps)) == ((), None, 2)


@pytest.mark.lab
@pytest.mark.parametrize("series", [OLD, NEW])
def test_a_driver_program_does_on_the_kernel_what_the_model_says(series: str) -> None:
    """Between programs without the driver, whose guests have none."""
    kernel = bootable(series)
    have(lambda: driver_for(kernel))
    programs = [program(PLAIN), program(ZAP), program(PLAIN)]

    with QemuMachine(series, guests=1) as machine:
        runs = machine.run(programs)

    predicted = ModelMachine(series).run(programs)
    assert [None] * 3 == [run.unfinished for run in runs]
    assert [[], [], []] == [differences(list(pair)) for pair in zip(predicted, runs, strict=True)]
