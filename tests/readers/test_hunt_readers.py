"""A hunt finds a fault that was planted, and what it finds becomes a small input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from every_reader import READERS
from hunt_readers import smaller

HERE = Path(__file__).parent

#: A hunt of the reader of bundles, whose notes are looked up in a table that has not all of them.
PLANTED = """
import json, sys
from pathlib import Path
import hunt_readers
hunt_readers.WORK = Path(sys.argv[1])
readers = hunt_readers.followed_readers()
from pfnlab.diagnosis.inspector.sources.bundle import Bundle
if sys.argv[2] == "planted":
    class Notes(dict):
        def __setitem__(self, word, value):
            {"root": 0, "redacted": 1}[word]
            super().__setitem__(word, value)
    begin = Bundle._check_lines
    def planted(self):
        begin(self)
        self._notes = Notes()
    Bundle._check_lines = planted
(found,) = hunt_readers.hunt([readers["bundle"]], 250, runs=8000)
print(json.dumps(found._asdict()))
"""


def _hunted(folder: Path, which: str) -> dict[str, object]:
    ended = subprocess.run(
        [sys.executable, "-c", PLANTED, folder, which],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=True,
        timeout=280,
    )
    found: dict[str, object] = json.loads(ended.stdout)
    return found


@pytest.mark.target("readers")
def test_a_planted_fault_is_found(tmp_path: Path) -> None:
    """Within some thousand inputs, by a seed that is the same each time; its input shows it."""
    found = _hunted(tmp_path, "planted")

    (fault,) = found["faults"]
    assert fault.startswith("KeyError at ")
    assert b"\nnote " in Path(fault.split()[-1]).read_bytes()


@pytest.mark.target("readers")
def test_nothing_is_found_where_nothing_is_planted(tmp_path: Path) -> None:
    """The same hunt."""
    found = _hunted(tmp_path, "honest")

    assert ([], 8000) == (found["faults"], found["inputs"])


def test_an_input_is_made_smaller() -> None:
    """To what shows the same."""
    small = smaller(b"abcdefghijklmnop" * 9, lambda data: b"c" in data and b"n" in data)

    assert b"cn" == small


def test_a_reader_has_a_name_for_itself() -> None:
    """Inputs are kept by it."""
    assert len(READERS) == len({reader.name for reader in READERS})
