"""``pfnlab check --packed``: what it prints, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from asking import Ask

from pfnlab import limit, supervised

EXAMPLE = Path(__file__).parents[2] / "examples" / "counted.py"
COUNT, NOTHING = "the count is the number of mappings", "nothing mapped means nothing counted"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is compiled."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))


def test_a_violation_is_told_with_its_way(ask: Ask) -> None:
    """
    The exit code is that of a discovery.
    """
    answer = ask("check", "--packed", EXAMPLE)

    lines = answer.out.splitlines()
    assert answer.code == 1
    assert lines[0] == f"{EXAMPLE}: 28 states, 65 steps"
    assert [f"VIOLATED   {COUNT}", " " * 11 + "map b", " " * 11 + "unmap b by its middle"] == lines[3:6]


def test_json_has_the_same(ask: Ask) -> None:
    """
    Of the properties that were asked for.
    """
    answer = ask("check", "--packed", EXAMPLE, "--property", NOTHING, "--json")

    told = json.loads(answer.out)
    assert ("pfnlab-packed/1", 28, 65, True) == (
        *(told["format"], told["states"], told["transitions"], told["complete"]),
    )
    way = ["map b", "unmap b by its middle"]
    assert [{"name": NOTHING, "verdict": "VIOLATED", "path": way}] == told["properties"]


def test_a_search_that_was_cut_is_undecided(ask: Ask) -> None:
    """
    Within one step nothing is broken, and more is not known.
    """
    answer = ask("check", "--packed", EXAMPLE, "--depth", 1)

    assert answer.code == 3
    assert f"undecided  {COUNT}" in answer.out
    assert "cut: depth: 2 states at depth 1 not expanded" in answer.out


def test_what_no_state_breaks_holds_always(ask: Ask, tmp_path: Path) -> None:
    """
    The example without its mistake.
    """
    path = tmp_path / "right.py"
    path.write_text(EXAMPLE.read_text().replace("if state & 2:", "if False:"))

    answer = ask("check", "--packed", path)

    assert answer.code == 0
    assert f"always     {COUNT}" in answer.out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--on", "model:6.1", "--jobs", 1], "--on is for kernels: leave --on out"),
        (["--cluster", "tcp://lab:8786"], "--cluster is for kernels: leave --cluster out"),
        (["--property", "the cuont"], "counted.py has no property 'the cuont'"),
    ],
)
def test_a_mistake_says_what_to_write(ask: Ask, options: list[object], says: str) -> None:
    """
    In one line.
    """
    answer = ask("check", "--packed", EXAMPLE, *options)

    assert (2, 1) == (answer.code, len(answer.err.splitlines()))
    assert says in answer.err


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("found = 0", "import os; os._exit(0)", "it ended the process it is called in (exit 0)"),
        (
            "found = 0",
            "import itertools; sum(itertools.count())",
            "it did not return within 1 s: does it loop?",
        ),
        ("COUNT = 2", "import os; os._exit(0)", "it ended the process it is called in (exit 0)"),
        ("COUNT = 2", "import os; os.fork(); COUNT = 2", "it forked the process it is called in"),
    ],
    ids=["exit", "loop", "file", "fork"],
)
def test_a_model_cannot_end_the_command(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, says: str
) -> None:
    """
    Nor keep it from ending: its file is named.
    """
    monkeypatch.setattr(limit, "LIMIT", 1.0)
    monkeypatch.setattr(supervised, "GRACE", 0.5)
    path = tmp_path / "odd.py"
    path.write_text(EXAMPLE.read_text().replace(old, new))

    answer = ask("check", "--packed", path)

    assert (2, "") == (answer.code, answer.out)
    assert answer.err.startswith(f"pfnlab: {path}: {says}")


def test_what_a_model_prints_is_no_output(tmp_path: Path) -> None:
    """
    The object stays one.
    """
    path = tmp_path / "odd.py"
    path.write_text(EXAMPLE.read_text().replace("found = 0", "found = 0; print('printed here')"))

    command = [sys.executable, "-m", "pfnlab", "check", "--packed", str(path), "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (1, "pfnlab-packed/1") == (answer.returncode, json.loads(answer.stdout)["format"])
    assert "printed here\n" in answer.stderr
