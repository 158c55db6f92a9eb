"""A packed model out of a file: found, checked, searched, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfnlab import limit
from pfnlab.checker.search.packed_file import load_packed, search_file
from pfnlab.errors import Misuse, PolicyError

EXAMPLE = Path(__file__).parents[3] / "examples" / "counted.py"
GOOD = """\
class Model:
    most = 1
    symmetric = False
    properties = ("small",)

    def initial(self):
        return [0]

    def successors(self, state, into):
        into[0] = (state + 1) % 10
        return 1

    def canonical(self, states, count):
        pass

    def broken(self, state):
        return state > 8

    def action(self, before, after):
        return f"to {after}"
"""


def quiet(line: str) -> None:
    """Nothing is said of a missing compiler."""


def file_of(folder: Path, old: str = "", new: str = "") -> Path:
    """The model with *new* in place of *old*."""
    assert old in GOOD
    path = folder / "model.py"
    path.write_text(GOOD.replace(old, new))
    return path


def test_the_shortest_way_is_found(tmp_path: Path) -> None:
    """
    Nine steps, and the search goes on to the end.
    """
    path = file_of(tmp_path)

    found = search_file(path, load_packed(path, None, quiet), say=quiet)

    assert [f"to {number}" for number in range(1, 10)] == list(found.discoveries["small"].actions)
    assert (found.states, found.complete) == (10, True)


def test_a_search_can_be_cut(tmp_path: Path) -> None:
    """
    Nothing broken is found within three steps, and the reason is told.
    """
    path = file_of(tmp_path)

    found = search_file(path, load_packed(path, None, quiet), depth=3, say=quiet)

    assert ({}, False) == (found.discoveries, found.complete)
    assert ["depth: 1 state at depth 3 not expanded"] == found.cut


def test_the_example_breaks_both_of_its_properties() -> None:
    """
    By the step that forgets to count back; without it both hold.
    """
    model = load_packed(EXAMPLE, None, quiet)
    found = search_file(EXAMPLE, model, say=quiet)

    assert set(model.properties) == set(found.discoveries)
    assert {("map b", "unmap b by its middle")} == {way.actions for way in found.discoveries.values()}


def test_the_example_holds_without_its_mistake(tmp_path: Path) -> None:
    """
    Three steps of a state then: the mistake is what is found.
    """
    text = EXAMPLE.read_text()
    assert "if state & 2:" in text
    path = tmp_path / "right.py"
    path.write_text(text.replace("if state & 2:", "if False:"))

    found = search_file(path, load_packed(path, None, quiet), say=quiet)

    assert ({}, True, 4) == (found.discoveries, found.complete, found.states)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("class Model", "class Other", "has no class Model: see docs/check.md"),
        ("    def broken(", "    def other(", "class Model has no method broken: see docs/check.md"),
        ("    most = 1\n", "", "class Model lacks one of most, symmetric and properties"),
        ('("small",)', '"small"', "class Model lacks one of most, symmetric and properties"),
        ('("small",)', "()", "class Model has no properties: write the names of what must always hold"),
        ("    most = 1\n", "    most = 1 +\n", "model.py: SyntaxError: invalid syntax"),
        (
            "    most = 1\n",
            "    most = nothing\n",
            "model.py, line 2: NameError: name 'nothing' is not defined",
        ),
    ],
)
def test_a_file_that_is_no_model_is_one_line(old: str, new: str, says: str, tmp_path: Path) -> None:
    """
    It says where, what, and what to write instead.
    """
    with pytest.raises(Misuse) as caught:
        load_packed(file_of(tmp_path, old, new), None, quiet)

    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """
    With what it should be.
    """
    with pytest.raises(Misuse, match=r"none.py: there is no such file: check the path"):
        load_packed(tmp_path / "none.py", None, quiet)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("return 1", "return -1", "IndexError: successors gave -1 states: `most` is the most successors"),
        ("return 1", "return 2", "IndexError: successors gave 2 states: `most` is the most successors"),
        ("return 1", "return None", "TypeError: .*: mend the file"),
        ("return [0]", "return []", "ValueError: initial gives no state: mend the file"),
        ("return state > 8", "return 2", "ValueError: broken gave 2, a bit for a property that is not there"),
        (
            "return state > 8",
            "return -1",
            "ValueError: broken gave -1, a bit for a property that is not there",
        ),
        ("return state > 8", "raise SystemExit(0)", "line 17: SystemExit: 0: mend the file"),
        ("return state > 8", "return state // 0", "line 17: ZeroDivisionError: .*: mend the file"),
        ("into[0] =", "into[1] =", "line 10: IndexError: .*: `most` is the most successors a state has"),
        (
            "(state + 1) % 10",
            "2**70",
            "OverflowError: .*: states, what `successors` returns and what `broken`",
        ),
    ],
)
def test_a_model_that_fails_on_the_way_is_one_line(old: str, new: str, says: str, tmp_path: Path) -> None:
    """
    With the line of the file where there is one.
    """
    path = file_of(tmp_path, old, new)
    model = load_packed(path, None, quiet)

    with pytest.raises(Misuse, match=says):
        search_file(path, model, say=quiet)


def test_a_file_that_ends_the_program_is_one_line(tmp_path: Path) -> None:
    """
    Though its exit code is that of success.
    """
    path = tmp_path / "model.py"
    path.write_text("import sys\nsys.exit(0)\n")

    with pytest.raises(Misuse, match=r"model\.py, line 2: SystemExit: 0: mend the file$"):
        load_packed(path, None, quiet)


def test_a_symmetry_that_is_wrong_is_the_files_mistake(tmp_path: Path) -> None:
    """
    Not one of pfnlab.
    """
    wrong = GOOD.replace("symmetric = False", "symmetric = True")
    path = tmp_path / "model.py"
    path.write_text(wrong.replace("pass", "states[0] = (states[0] * 7 + 3) % 10"))

    with pytest.raises(
        Misuse, match=r"model\.py: states that stand for each other have different successors"
    ):
        search_file(path, load_packed(path, None, quiet), say=quiet)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("class Model:", "while True: pass\nclass Model:"),
        ("return [0]", "while True: pass"),
        ("into[0] =", "while state: pass\n        into[0] ="),
        ("return state > 8", "while state: pass\n        return 0"),
    ],
    ids=["file", "initial", "successors", "broken"],
)
def test_a_model_that_loops_is_ended(
    old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    In the middle of the search, too.
    """
    monkeypatch.setattr(limit, "LIMIT", 0.3)
    path = file_of(tmp_path, old, new)

    with pytest.raises(PolicyError, match=r"model\.py: it did not return within 0\.3 s: does it loop\?"):
        search_file(path, load_packed(path, None, quiet), say=quiet)


def test_a_search_may_take_longer_than_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The limit is for a stretch of it.
    """
    monkeypatch.setattr(limit, "LIMIT", 2.0)
    path = file_of(tmp_path, "into[0] =", "import time; time.sleep(0.25); into[0] =")

    found = search_file(path, load_packed(path, None, quiet), say=quiet)

    assert (10, True) == (found.states, found.complete)


@pytest.mark.parametrize("name", ["model", "model.txt"])
def test_a_model_is_a_python_file(name: str, tmp_path: Path) -> None:
    """
    What to write is said.
    """
    (tmp_path / name).write_text(GOOD)

    with pytest.raises(Misuse, match=r"is no Python file: write the name of one, FILE\.py"):
        load_packed(tmp_path / name, None, quiet)
