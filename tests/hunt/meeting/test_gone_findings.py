"""Filed findings on a kernel: what kernels of its series showed, and it no longer shows, is named."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from kernels_of_models import HEAD, Crashing, Kernel

from pfnlab.base.errors import Why
from pfnlab.hunt.meeting.gone_findings import filed_findings, gone_findings
from pfnlab.programs.lang.load import load_program, load_text, program_hash
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.golden import golden_path, promoted, write_golden
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

#: Up to 6.15 it leaks, and frees what is not booked.
LEAKS = HEAD + "a = mmap bar[0:16] wc shared rw\nmunmap a[4:8]\nmunmap a\n"
#: Breaks nothing.
HARMLESS = HEAD + "a = mmap bar[0:16] wc shared rw\nmremap a 16 pages maymove\nmunmap a\n"


def silent(line: str) -> None:
    """Say nothing."""


def file_finding(folder: Path, text: str, *recorded: str, **printed: str) -> Path:
    """File a finding with what the models of *recorded* versions do, and with what was printed of series."""
    folder.mkdir(parents=True)
    path = folder / "program.pfn"
    path.write_text(text)
    program = load_text(text)
    if recorded:
        runs = {version: ModelMachine(version).run_one(program) for version in recorded}
        write_golden(golden_path(path), promoted(None, program_hash(program), "made", runs))
    for name, output in printed.items():
        (folder / f"{name.replace('_', '-')}-6.12.txt").write_text(output)
    return path


class Unable(Kernel):
    """A kernel that has no answer."""

    def one(self, program: Program) -> Run:
        """Nothing was seen."""
        return msgspec.structs.replace(super().one(program), steps=(), undecided="no driver", why=Why.MISSING)


class Alarming(Kernel):
    """A kernel that does as it should, and raises an alarm."""

    def one(self, program: Program) -> Run:
        """With an alarm."""
        return msgspec.structs.replace(super().one(program), alarm=Alarm("oops", "BUG: something", log=()))


@pytest.mark.parametrize(
    ("kernel", "gone"),
    [
        (Kernel("6.12.117"), ()),
        (Kernel("6.12.117,tracker=exact"), ("one-that-leaks",)),
        (Unable("6.12.117,tracker=exact"), ()),
    ],
    ids=["it shows", "it does not", "nobody knows"],
)
def test_a_finding_that_was_recorded(kernel: Kernel, gone: tuple[str, ...], tmp_path: Path) -> None:
    """What its golden breaks is asked of the kernel again; it is named where the kernel breaks none of it."""
    file_finding(tmp_path / "one-that-leaks", LEAKS, "6.12.113")

    assert gone == gone_findings(kernel, "6.12.117", tmp_path, silent)
    assert 1 == len(kernel.asked)


@pytest.mark.parametrize(
    ("kernel", "gone"),
    [
        (Alarming("6.12.117"), ()),
        (Crashing("6.12.117"), ()),
        (Kernel("6.12.117"), ("fatal",)),
    ],
    ids=["an alarm", "its end", "neither"],
)
def test_a_finding_of_an_alarm(kernel: Kernel, gone: tuple[str, ...], tmp_path: Path) -> None:
    """No golden has one, but what was printed of the series is kept."""
    file_finding(tmp_path / "fatal", HARMLESS, alarm="alarm: oops\n")

    assert gone == gone_findings(kernel, "6.12.117", tmp_path, silent)


def test_a_finding_without_a_rule(tmp_path: Path) -> None:
    """The properties that are printed as violated are what it showed, and other lines are nothing."""
    printed = "a violates nothing\nviolates no_leak in step 3, munmap a: qemu:6.12: leaked\n"
    file_finding(tmp_path / "observed", LEAKS, observed=printed)
    file_finding(tmp_path / "not-seen", LEAKS, observed="end  ok\n")

    found = filed_findings(tmp_path, "6.12")

    assert [("observed", LookLevel.MEMORY, {"no_leak"})] == [
        (one.name, one.look, one.broken) for one in found
    ]


@pytest.mark.parametrize("series", ["6.1", "7.2"])
def test_a_series_that_did_not_show_it(series: str, tmp_path: Path) -> None:
    """It has nothing that could be gone: nobody asked one, and the other never broke anything."""
    file_finding(tmp_path / "one-that-leaks", LEAKS, "6.12.113", "7.2.13")

    assert [] == filed_findings(tmp_path, series)


def test_every_kernel_of_the_series_counts(tmp_path: Path) -> None:
    """What an older one showed, and the newest recorded one does not, is gone on later ones too."""
    path = file_finding(tmp_path / "one-that-leaks", LEAKS)
    seen = {"6.12.113": "6.12.113", "6.12.115": "6.12.115,tracker=exact"}
    runs = {version: ModelMachine(spec).run_one(load_program(path)) for version, spec in seen.items()}
    write_golden(golden_path(path), promoted(None, program_hash(load_program(path)), "made", runs))

    gone = gone_findings(Kernel("6.12.117,tracker=exact"), "6.12.117", tmp_path, silent)

    assert ("one-that-leaks",) == gone


def test_without_a_folder(tmp_path: Path) -> None:
    """A wheel has no findings; nothing is run and nothing said."""
    said: list[str] = []
    kernel = Kernel("6.12.117")

    assert () == gone_findings(kernel, "6.12.117", tmp_path / "none", said.append)
    assert ([], []) == (said, kernel.asked)
