"""Other programs: missing, and too slow."""

from __future__ import annotations

import time

import pytest

from pfnlab.errors import MissingTool, TimedOut
from pfnlab.lab.images import commands


def test_missing_program_names_the_remedy() -> None:
    """
    A program that is not installed is a missing tool with its remedy.
    """
    with pytest.raises(MissingTool, match="`no-such-tool` is not on this machine: install it"):
        commands.run(["no-such-tool"], limit=5, remedy="install it")


def test_command_and_its_children_end_at_the_limit() -> None:
    """
    At its limit a command ends together with what it started.
    """
    begun = time.monotonic()

    with pytest.raises(TimedOut, match=r"did not end within 0.5 s"):
        commands.run(["sh", "-c", "sleep 60 & wait"], limit=0.5, remedy="none")

    assert time.monotonic() - begun < 30
