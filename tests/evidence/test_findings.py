"""The findings: each has programs, what kernels did, and a report with a state; none is packaged."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from for_each import for_each
from tooling import check_release

from pfnlab.checker.check import check
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.problems import format_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.golden import golden_differences, golden_look, golden_path, read_golden
from pfnlab.programs.runs.look import LookLevel

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted((ROOT / "evidence" / "findings").glob("*/*.pfn"))
FINDINGS = sorted({path.parent for path in PROGRAMS})
#: Those that no sequence of a scope hides.
SCOPES = sorted((ROOT / "evidence" / "findings").glob("*/scope.toml"))
STATES = ("private", "reported", "public")

#: Every program with every version that was asked.
ASKED = [
    pytest.param(path, version, id=f"{path.parent.name}-{path.stem}-{version}")
    for path in PROGRAMS
    if (golden := read_golden(golden_path(path))) is not None
    for version in golden.kernels
]

each_program = pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: f"{path.parent.name}-{path.stem}")
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
def test_a_finding_has_a_program(folder: Path) -> None:
    """
    The one that shows it has the same name everywhere.
    """
    assert (folder / "program.pfn").is_file()


@each_program
def test_a_program_is_canonical(path: Path) -> None:
    """
    The formatter would change nothing.
    """
    text = path.read_text(encoding="utf-8")

    assert format_text(text) == text


@each_program
def test_kernels_were_asked(path: Path) -> None:
    """
    A finding is what at least two series did; of what no golden holds there are the outputs.
    """
    golden = read_golden(golden_path(path))
    outputs = [*path.parent.glob("alarm-*.txt"), *path.parent.glob("observed-*.txt")]

    assert len(golden.kernels if golden is not None else outputs) >= 2


@for_each(("path", "version"), ASKED)
def test_the_model_does_what_kernels_did(path: Path, version: str) -> None:
    """
    Zero differences from the golden.
    """
    look = golden_look(path) or LookLevel.PROC
    run = ModelMachine(version, look).run_one(load_program(path), check=True)

    assert [] == golden_differences(path, run, version)


@pytest.mark.parametrize(
    ("machine", "name", "result"),
    [
        ("6.1", "remove", "ok"),
        ("6.1,without=636b21b50152", "remove", "EFAULT"),
        ("5.15", "remove", "ok"),
        ("5.10", "remove", "EFAULT"),
        ("5.10", "interfaces", "ok"),
    ],
)
def test_the_commit_a_removed_device_stays_mapped_since(machine: str, name: str, result: str) -> None:
    """
    Before it removal empties the files in sysfs, and never those in /proc.
    """
    program = load_program(ROOT / "evidence" / "findings" / "removed-device-stays-mapped" / f"{name}.pfn")

    steps = ModelMachine(machine).run_one(program, check=True).steps

    assert result == next(step.result for step in steps if step.op == "read a[0]")


def files_of_git(root: Path) -> Iterator[tuple[str, bytes]]:
    """The files below *root* that git has or would take; what it ignores is made of them."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    yield from ((name, (root / name).read_bytes()) for name in names if (root / name).is_file())


def test_nothing_else_has_a_private_finding() -> None:
    """
    Neither documentation nor anything that is packaged: what `make release` looks for is not in the tree.
    """
    tool = check_release()
    own = str(Path(__file__).relative_to(ROOT))
    apart = (own, "evidence/findings/")
    files = [file for file in files_of_git(ROOT) if not file[0].startswith(apart)]

    found = tool.held(files, tool.private_findings(ROOT / "evidence" / "findings"))

    assert "README.md" in dict(files)
    assert [] == found


def test_what_git_ignores_is_not_looked_at(tmp_path: Path) -> None:
    """
    A compiled test beside its source; what nobody has added yet is.
    """
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "__pycache__").mkdir()
    for name in (".gitignore", "__pycache__/test_one.pyc", "test_one.py"):
        (tmp_path / name).write_text("__pycache__/\n")

    names = {name for name, _ in files_of_git(tmp_path)}

    assert {".gitignore", "test_one.py"} == names


def test_findings_are_not_packaged() -> None:
    """
    Neither the wheel nor the source archive holds the folder.
    """
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]

    assert ["src/pfnlab", "litmus"] == build["targets"]["wheel"]["only-include"]
    assert "/evidence/findings" in build["targets"]["sdist"]["exclude"]


@pytest.mark.parametrize("path", SCOPES, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("series", ["6.1", "6.12", "7.2", "7.3"])
def test_a_search_finds_it_unaided(path: Path, series: str) -> None:
    """
    A scope's sentence ends with the property that a search of it breaks.
    """
    searched = load_scope(str(path))
    name = searched.says.rsplit(": ")[-1]

    found = check(ModelMachine(series), searched, questions([name]))

    assert ["violated"] == [answer.verdict for answer in found.answers]
