"""Every text fits the terminal: what a verb prints has lines of its width, whatever the verb."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from asking import Ask
from for_each import for_each

_LINE = "x86/PAT: Xorg:1234 freeing invalid memtype [mem 0xf8004000-0xf8007fff]"

#: Programs enough for a page of differences.
FORKS = Path(__file__).parents[2] / "litmus" / "fork"

#: Commands that print lists, entries and answers.
COMMANDS = [
    *("litmus list", "bugs list", "bugs find memtype", "bugs show A06", "bugs affects 6.1.85"),
    *(
        "kernels list --cache",
        "kernels sizes",
        "policies list",
        "policies show 6.12",
        "policies show 6.1 7.3",
    ),
    *("discussions list", "discussions list --claims", "discussions show T2", "discussions show R11"),
    *("check --on model:6.1 --scope small --depth 3", f"kernels diff 6.1 6.12 --model --litmus {FORKS}"),
    *(f"explain {shlex.quote(_LINE)} --kernel 6.1.85", f"explain {shlex.quote(_LINE)} --long"),
]


def too_wide(text: str, width: int) -> list[str]:
    """The lines that are too wide, except commands, which are copied, and those with a very long word."""
    return [
        line
        for line in text.splitlines()
        if len(line) > width
        and not line.lstrip().startswith("pfnlab ")
        and len(max(line.split(), key=len)) <= width * 2 // 5
    ]


@for_each("command", COMMANDS)
def test_no_line_is_wider_than_the_terminal(ask: Ask, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """At any width."""
    for width in (60, 80, 120):
        monkeypatch.setenv("COLUMNS", str(width))

        answer = ask(*shlex.split(command))

        assert answer.code in (0, 1), answer.err
        assert [] == too_wide(answer.out, width)


@for_each("command", ["litmus list", "bugs list", "policies list", "bugs affects 6.1.85"])
def test_a_pipe_has_a_line_a_row(ask: Ask, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """What a terminal of any width wraps is one line there, so that grep finds all of it."""
    monkeypatch.delenv("COLUMNS", raising=False)
    piped = ask(*command.split()).out
    monkeypatch.setenv("COLUMNS", "60")

    narrow = ask(*command.split()).out

    assert len(piped.splitlines()) < len(narrow.splitlines())
    assert {*piped.split()} == {*narrow.split()}
