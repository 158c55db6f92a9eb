"""Commands in turn with another tree's: options that a version lacks, what a run uses, and bad bases."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from for_each import for_each
from measuring import against_base as module
from measuring.against_base import Command, Side, Tree, against_base, base_tree, commands, fitting, used_by
from measuring.paired import HERE, OTHER, rounds_in_turn, table

from pfnlab.checker.scopes.scope import Scope, load_scope

ROOT = Path(__file__).parents[3]
PYTHON = Path(sys.executable)
#: Holds as much memory, in MiB, as its argument says, and says how much it did.
HOLDS = "import sys; held = b'x' * (int(sys.argv[1]) << 20); print('{\"states\": %s}' % sys.argv[2])"


def tree(folder: Path) -> Tree:
    """A tree of this interpreter."""
    return Tree(folder, PYTHON)


@for_each(
    ("known", "expected"),
    [
        ("--depth --json", ["check", "--depth", "4", "--json"]),
        ("--json --no-coverage", ["check", "--json"]),
        ("--depth", ["check", "--depth", "4"]),
    ],
)
def test_an_option_that_a_version_lacks_is_left_out(known: str, expected: list[str]) -> None:
    """With its value; what other verbs need is not added."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_help", lambda python, verb: known)

        assert expected == fitting(PYTHON, ["check", "--depth", "4", "--json"])


def test_an_option_that_only_an_older_version_needs_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hunts recorded branches unless they were told not to."""
    monkeypatch.setattr(module, "_help", lambda python, verb: "--json --no-coverage")

    assert ["fuzz", "--json", "--no-coverage"] == fitting(PYTHON, ["fuzz", "--json"])


def test_a_run_has_its_peak_and_its_work() -> None:
    """Of the process alone, however much this one has."""
    held = b"x" * (64 << 20)
    small, large = (used_by([str(PYTHON), "-c", HOLDS, size, "7"]) for size in ("1", "100"))

    assert {"states": 7} == small.work == large.work
    assert len(held) > small.peak
    assert 90 << 20 < large.peak - small.peak < 110 << 20


def test_a_command_that_fails_is_said() -> None:
    """With its last words; an answer of 1 or 3 is none."""
    with pytest.raises(RuntimeError, match="ended with 2: no such thing"):
        used_by([str(PYTHON), "-c", "import sys; print('no such thing', file=sys.stderr); sys.exit(2)"])
    assert used_by([str(PYTHON), "-c", "raise SystemExit(3)"]).work == {}


def test_other_work_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A ratio of unequal work is none; the tables have both trees."""
    monkeypatch.setattr(
        module, "commands", lambda long: {"held": Command(("-c", HOLDS, "1", "TREE"), python=True)}
    )
    monkeypatch.setattr(module, "_ROOT", Path("7"))
    monkeypatch.setattr(module, "_tree", lambda root: Tree(Path("8"), PYTHON))

    against_base(str(ROOT), [], 1, long=False)

    said = capsys.readouterr().out.splitlines()
    assert "not the same work: held: {'states': 7}, there {'states': 8}" in said
    assert 2 == len([line for line in said if line.startswith("  held ")])


def test_a_time_for_each_program_is_divided(tmp_path: Path) -> None:
    """By the number that the result says."""
    sides = {
        name: Side(tree(tmp_path), "it", Command(("-c", HOLDS, "1", count), each="states", python=True))
        for name, count in ((HERE, "1"), (OTHER, "1000"))
    }

    rows = table(rounds_in_turn(sides, 1, warm=False))

    assert ["it", "it, elapsed"] == [row[0] for row in rows]
    assert all(float(row[3]) < 0.1 for row in rows)


@for_each(
    ("base", "says"),
    [("no-such-commit", "neither a commit nor a checkout"), (str(ROOT / "docs"), "no .venv")],
)
def test_what_is_no_base_is_refused(base: str, says: str) -> None:
    """Before anything is measured."""
    with pytest.raises(RuntimeError, match=says), base_tree(base):
        pass


def test_the_kept_scope_is_read() -> None:
    """By this version, and it is that of its commit."""
    scope = load_scope(str(module._SCOPE))

    assert isinstance(scope, Scope)
    assert any("--scope" in command.words for command in commands(long=False).values())
