"""A packed model out of a file: found, checked, searched, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfnlab.checker.search.packed_file import load_packed, search_file
from pfnlab.errors import Misuse

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
    with pytest.raises(Misuse, match=r"none.py is no file: write the name of one with a class Model in it"):
        load_packed(tmp_path / "none.py", None, quiet)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("return state > 8", "return state // 0", "line 17: ZeroDivisionError: .*: mend the file"),
        ("into[0] =", "into[1] =", "line 10: IndexError: .*: `most` is the most successors a state has"),
        ("(state + 1) % 10", "2**70", "OverflowError: .*: a state is a number from 0 to 2.64 - 1"),
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
