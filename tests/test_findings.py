"""The findings: each has a program, what kernels did, and a report with a state; none is packaged."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pfnlab.programs.layout import format_text
from pfnlab.programs.load import load_program
from pfnlab.programs.model import ModelMachine
from pfnlab.report.golden import golden_differences, golden_path, read_golden

ROOT = Path(__file__).parents[1]
FINDINGS = sorted(path.parent for path in (ROOT / "findings").glob("*/program.pfn"))
STATES = ("private", "reported", "public")

#: Every finding with every series whose kernel was asked.
ASKED = [
    pytest.param(folder, series, id=f"{folder.name}-{series}")
    for folder in FINDINGS
    if (golden := read_golden(golden_path(folder / "program.pfn"))) is not None
    for series in golden.kernels
]

each_finding = pytest.mark.parametrize("folder", FINDINGS, ids=lambda folder: folder.name)


def state(folder: Path) -> str:
    """The state of a finding, as the second line of its report says it."""
    line = (folder / "report.md").read_text(encoding="utf-8").splitlines()[1]
    assert line.startswith("State: "), line
    return line.removeprefix("State: ").split()[0]


def test_there_are_findings() -> None:
    """
    An empty folder does not pass for a correct one.
    """
    assert FINDINGS


@each_finding
def test_a_finding_has_a_state(folder: Path) -> None:
    """
    Whether it may be spoken of is said in the report.
    """
    assert state(folder) in STATES


@each_finding
def test_the_program_is_canonical(folder: Path) -> None:
    """
    The formatter would change nothing.
    """
    text = (folder / "program.pfn").read_text(encoding="utf-8")

    assert format_text(text) == text


@pytest.mark.parametrize(("folder", "series"), ASKED)
def test_the_model_does_what_kernels_did(folder: Path, series: str) -> None:
    """
    Zero differences from the golden.
    """
    path = folder / "program.pfn"
    run = ModelMachine(series).run_one(load_program(path), check=True)

    assert [] == golden_differences(path, run, series)


@pytest.mark.parametrize(
    "folder", [one for one in FINDINGS if state(one) == "private"], ids=lambda folder: folder.name
)
def test_a_private_finding_is_named_nowhere_else(folder: Path) -> None:
    """
    Neither documentation nor what is packaged speaks of it.
    """
    published = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")]
    published += [path for path in (ROOT / "litmus").rglob("*") if path.is_file()]
    published += (ROOT / "changelog.d").iterdir()
    published += (ROOT / "src").rglob("*.py")

    assert [] == [path for path in published if folder.name in path.read_text(encoding="utf-8")]


def test_findings_are_not_packaged() -> None:
    """
    Neither the wheel nor the source archive holds the folder.
    """
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]

    assert ["src/pfnlab"] == build["targets"]["wheel"]["packages"]
    assert "/findings" in build["targets"]["sdist"]["exclude"]
