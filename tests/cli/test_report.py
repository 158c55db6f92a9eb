"""``pfnlab report``, and the results it takes from other verbs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asking import Ask


@pytest.fixture
def result(ask: Ask, program: Path, tmp_path: Path) -> Path:
    """What run printed."""
    path = tmp_path / "run.json"
    path.write_text(ask("run", program, "--on", "model:6.1", "--on", "model:7.2", "--json").out)
    return path


def test_a_file_of_html(ask: Ask, result: Path, tmp_path: Path) -> None:
    """It is written, and nothing is printed."""
    answer = ask("report", result, "-o", tmp_path / "r.html", "--title", "Mine")

    assert (0, "") == (answer.code, answer.out)
    assert "<h1>Mine</h1>" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize(
    ("words", "begin"),
    [((), "<!DOCTYPE html>"), (("--format", "md"), "# "), (("--format", "html"), "<!DOCTYPE html>")],
)
def test_a_report_is_printed(ask: Ask, result: Path, words: tuple[str, ...], begin: str) -> None:
    """Without -o."""
    assert ask("report", result, *words).out.startswith(begin)


def test_the_name_of_the_file_says_the_format(ask: Ask, result: Path, tmp_path: Path) -> None:
    """Where no other is asked for."""
    ask("report", result, "-o", tmp_path / "r.md")

    assert (tmp_path / "r.md").read_text().startswith("# ")


def test_an_unknown_format(ask: Ask, result: Path) -> None:
    """Both are named."""
    answer = ask("report", result, "--format", "pdf")

    assert (2, True) == (answer.code, "write one of html, md" in answer.err)


def test_a_report_says_the_command(ask: Ask, result: Path) -> None:
    """That which printed the result, as it was typed."""
    made = json.loads(result.read_text())["made"]

    assert made["command"].startswith("pfnlab run ")
    assert made["command"] in ask("report", result, "--format", "md").out


def test_run_prints_the_same(ask: Ask, program: Path, result: Path) -> None:
    """What --format html prints is the report of what --json prints, but for the command."""
    machines = ("--on", "model:6.1", "--on", "model:7.2")
    direct = ask("run", program, *machines, "--format", "html").out

    assert direct.replace("--format html", "--json") == ask("report", result).out


def test_a_report_of_nothing(ask: Ask, tmp_path: Path) -> None:
    """A file that is no result is misuse, in one line."""
    (tmp_path / "x.json").write_text('{"format": "other"}')

    answer = ask("report", tmp_path / "x.json")

    assert (2, 1) == (answer.code, answer.err.count("\n"))
