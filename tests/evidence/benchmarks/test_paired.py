"""Two trees that take turns, with a benchmark and figures of our own making."""

from __future__ import annotations

from pathlib import Path

import pytest
from measuring.paired import HERE, OTHER, Worker, against, rounds_in_turn, table

SCRIPT = """\
from measuring.paired import serve
import speed

serve(lambda: {"it": speed.SECONDS})
"""


def tree(folder: Path, seconds: str) -> Path:
    """A source tree whose speed is *seconds*."""
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "speed.py").write_text(f"SECONDS = {seconds}\n")
    return folder


def test_each_worker_has_the_sources_of_its_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The ratio is that of the other's time to ours.
    """
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    against(script, tree(tmp_path / "a", "0.5"), tree(tmp_path / "b", "2.0"), title="t", number=2)

    line = capsys.readouterr().out.splitlines()[-1].split()
    assert line == ["it", "500.00", "ms", "2000.00", "ms", "4.00", "4.00", "to", "4.00"]


def test_trees_take_turns(tmp_path: Path) -> None:
    """
    In the other order every second time, and the first round is left out.
    """
    turns: list[str] = []

    class PreparedTimes:
        def __init__(self, name: str) -> None:
            self.name = name

        def round(self) -> dict[str, float]:
            turns.append(self.name)
            return {"it": float(len(turns))}

    rounds = rounds_in_turn({HERE: PreparedTimes("a"), OTHER: PreparedTimes("b")}, 2)  # type: ignore[dict-item]

    assert turns == ["b", "a", "a", "b", "b", "a"]
    assert rounds == {HERE: [{"it": 3.0}, {"it": 6.0}], OTHER: [{"it": 4.0}, {"it": 5.0}]}


def test_the_ratio_is_that_of_each_round() -> None:
    """
    Its median, and its least and greatest: what both suffered in a round does not count.
    """
    rounds = {HERE: [{"it": 1.0}, {"it": 10.0}, {"it": 2.0}], OTHER: [{"it": 2.0}, {"it": 30.0}, {"it": 3.0}]}

    assert [["it", "2000.00 ms", "3000.00 ms", "2.00", "1.50 to 3.00"]] == table(rounds)


def test_a_worker_that_ends_is_said(tmp_path: Path) -> None:
    """
    With its status, at once.
    """
    script = tmp_path / "script.py"
    script.write_text("raise SystemExit(5)")

    with Worker(script, tmp_path) as worker, pytest.raises(RuntimeError, match="ended with status 5"):
        worker.round()
