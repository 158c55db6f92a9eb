"""The pager: only on a terminal, only for long output, and never in the way of the exit code."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

#: What a pager of the tests writes before the text, and where it stops reading.
_PAGER = """#!/bin/sh
echo PAGED
exec head -n 3
"""


@pytest.fixture
def pager(tmp_path: Path) -> Path:
    """A pager that shows three lines."""
    path = tmp_path / "pager"
    path.write_text(_PAGER, encoding="utf-8")
    path.chmod(0o755)
    return path


def on_a_terminal(*words: str, pager: str, rows: int = 24) -> tuple[int, str]:
    """The exit code of a command on a terminal of 80 columns, and what is on the screen."""
    main, terminal = pty.openpty()
    environment = {**os.environ, "PAGER": pager, "COLUMNS": "80", "LINES": str(rows)}
    process = subprocess.Popen(
        [sys.executable, "-m", "pfnlab", *words],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
    )
    os.close(terminal)
    read = b""
    try:
        while piece := os.read(main, 1 << 16):
            read += piece
    except OSError:
        # The terminal has no other end any longer.
        pass
    os.close(main)
    return process.wait(60), read.decode().replace("\r\n", "\n")


def test_long_output_is_paged(pager: Path) -> None:
    """The pager gets all of it, and may stop reading."""
    code, screen = on_a_terminal("policies", pager=str(pager))

    assert (0, "PAGED", 4) == (code, screen.splitlines()[0], len(screen.splitlines()))


def test_a_discovery_stays_one(pager: Path) -> None:
    """The pager ends with 0, the command with 1."""
    words = ("run", "munmap-middle", "--on", "model:6.1", "--on", "model:7.2", "--trace")

    code, screen = on_a_terminal(*words, pager=str(pager))

    assert (1, "PAGED") == (code, screen.splitlines()[0])


@pytest.mark.parametrize(
    "words", [("--no-pager", "policies"), ("bugs", "list", "--json"), ("bugs", "show", "A06")]
)
def test_short_output_data_and_no_pager_are_printed(words: tuple[str, ...], pager: Path) -> None:
    """At once."""
    code, screen = on_a_terminal(*words, pager=str(pager), rows=60)

    assert 0 == code and "PAGED" not in screen


@pytest.mark.parametrize("name", ["cat", "", "no-such-pager", "'"])
def test_without_a_pager_all_is_printed(name: str) -> None:
    """Nothing of it is lost."""
    code, screen = on_a_terminal("policies", pager=name)

    assert (0, True) == (code, len(screen.splitlines()) > 40)


def test_a_file_is_never_paged(pager: Path) -> None:
    """Nor a pipe."""
    environment = {**os.environ, "PAGER": str(pager)}
    command = [sys.executable, "-m", "pfnlab", "policies"]

    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert "PAGED" not in printed


def test_requests_that_print_as_they_go_say_so() -> None:
    """A pager would hold their output back until the end."""
    from pfnlab.cli.verbs import request_of, verb_pages

    gradual = {page.name for page in verb_pages() if getattr(request_of(page.name), "gradual", False)}

    assert {"explore", "mcp", "fuzz", "campaign run", "campaign resume", "kernels build"} <= gradual
    assert not gradual & {"run", "check", "bugs list", "kernels list", "help"}
