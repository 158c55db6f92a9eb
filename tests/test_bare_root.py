"""A bare machine: a wrong call makes none, and says so with the code of what cannot be asked."""

from __future__ import annotations

import subprocess
from pathlib import Path

TOOL = Path(__file__).parents[1] / "tools" / "bare_root.sh"

#: The exit code of a machine that cannot be made.
NO_MACHINE = 125


def _bare_root(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TOOL, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_suite_that_is_not_known_is_named() -> None:
    """With those that are."""
    ended = _bare_root("potato", "true")

    assert (NO_MACHINE, "bare_root: potato is not known: bookworm or trixie\n") == (
        ended.returncode,
        ended.stderr,
    )


def test_a_command_in_several_words_is_refused() -> None:
    """It is one argument, as of a shell's -c."""
    ended = _bare_root("trixie", "make", "demo")

    assert (NO_MACHINE, "bare_root: write tools/bare_root.sh [SUITE] 'COMMAND'\n") == (
        ended.returncode,
        ended.stderr,
    )


def test_a_call_without_a_command_is_refused() -> None:
    """No shell begins that waits for one."""
    ended = _bare_root()

    assert NO_MACHINE == ended.returncode
