"""The spreading of tests over processes: by file, or by group."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

#: A file of tests that note their process: some of a group, some of none.
NOTING = """
import os
import time

import pytest


@pytest.fixture(autouse=True)
def noted(request, worker_id):
    with open({notes!r}, "a") as notes:
        notes.write(f"{{request.node.path.stem}} {{request.node.originalname}} {{worker_id}}\\n")
    # Long enough that the other process asks for work meanwhile.
    time.sleep(0.02)


@pytest.mark.parametrize("number", range(8))
def test_alone(number):
    pass


@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("number", [*range(3), "a@b", "of [brackets]"])
def test_together(number):
    pass
"""


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], set[str]]:
    """The processes that ran the tests of two files, by file and test."""
    folder = tmp_path_factory.mktemp("spread")
    (folder / "pytest.ini").touch()
    for name in ("test_one.py", "test_two.py"):
        (folder / name).write_text(NOTING.format(notes=str(folder / "notes")))
    command = [sys.executable, "-m", "pytest", "-p", "spreading", "-n", "2", "--rootdir", folder, folder]
    done = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=100, check=False
    )
    assert 0 == done.returncode, done.stdout
    found = defaultdict(set)
    for line in (folder / "notes").read_text().splitlines():
        file, test, process = line.split()
        found[file, test].add(process)
    return found


def test_the_tests_of_a_file_share_a_process(processes: dict[tuple[str, str], set[str]]) -> None:
    """What a module prepares is prepared once."""
    assert [1, 1] == [len(processes[file, "test_alone"]) for file in ("test_one", "test_two")]


def test_the_tests_of_a_group_share_a_process(processes: dict[tuple[str, str], set[str]]) -> None:
    """Across files, whatever their parameters are."""
    assert 1 == len(processes["test_one", "test_together"] | processes["test_two", "test_together"])
