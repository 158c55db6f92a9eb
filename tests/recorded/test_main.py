"""``python -m tests.recorded``: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.recorded.__main__ import main

RECORDED = Path(__file__).parent


def few(path: Path, change: tuple[str, str] = ("", "")) -> str:
    """A file of recorded cases of each kind, of several kernels, with a text in them changed."""
    kinds = {"cases.jsonl": 3, "order.jsonl": 4}
    lines = [
        row
        for name, cases in kinds.items()
        for row in (RECORDED / name).read_text().splitlines()
        if row.split(":")[1] in [first.split(":")[1] for first in first_rows(name, cases)]
    ]
    path.write_text("\n".join(lines).replace(*change))
    return str(path)


def first_rows(name: str, cases: int) -> list[str]:
    """A row of each of the last *cases* cases of a file."""
    rows = {row.split(":")[1]: row for row in reversed((RECORDED / name).read_text().splitlines())}
    return list(rows.values())[-cases:]


def one(path: Path, change: tuple[str, str] = ("", "")) -> str:
    """A file of one row, with a text in it changed."""
    path.write_text((RECORDED / "order.jsonl").read_text().splitlines()[0].replace(*change))
    return str(path)


WRONG = ('"flushes": 0', '"flushes": 9')


@pytest.mark.parametrize(
    ("change", "code", "first"),
    [
        (("", ""), 0, "1 case: 1 exact, 0 waiting, 0 wrong"),
        (WRONG, 1, "1 case: 0 exact, 0 waiting, 1 wrong"),
    ],
)
def test_counts_come_first(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, change: tuple[str, str], code: int, first: str
) -> None:
    """A wrong prediction is a discovery."""
    answer = main([one(tmp_path / "one.jsonl", change), "--jobs", "1"])

    assert (code, first) == (answer, capsys.readouterr().out.splitlines()[0])


def test_json_has_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Numbers, then a line for each wrong observation."""
    code = main([one(tmp_path / "one.jsonl", WRONG), "--json", "--jobs", "1"])

    said = json.loads(capsys.readouterr().out)
    assert (1, ["cases", "exact", "waiting", "wrong", "details"]) == (code, list(said)[2:])
    assert ((1, 0, 0, 1), 1) == (tuple(list(said.values())[2:6]), len(said["details"]))


@pytest.mark.parametrize(
    ("content", "says"),
    [("\n\n", "holds no cases"), (None, "no such file"), ("{", "not a recorded case")],
)
def test_what_cannot_be_read_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str | None, says: str
) -> None:
    """With exit code 2, as of a verb."""
    path = tmp_path / "none.jsonl"
    if content is not None:
        path.write_text(content)

    code = main([str(path)])

    told = capsys.readouterr()
    assert (2, "", 1) == (code, told.out, len(told.err.splitlines()))
    assert str(path) in told.err and says in told.err


@pytest.mark.target("long")
@pytest.mark.parametrize(("change", "code"), [(("", ""), 0), (('"ret":0,', '"ret":-22,'), 1)])
def test_two_processes_say_what_one_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, change: tuple[str, str], code: int
) -> None:
    """The cases of one kernel are a piece of work."""
    path = few(tmp_path / "few.jsonl", change)

    answers = [(main([path, "--jobs", jobs]), capsys.readouterr().out) for jobs in ("1", "2")]

    assert [code, code] == [answer for answer, _ in answers]
    assert answers[0][1] == answers[1][1]
