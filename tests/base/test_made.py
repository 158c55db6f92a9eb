"""The origin of a result."""

from __future__ import annotations

from contextvars import Context

from pfnlab import __version__
from pfnlab.base.made import command, set_command, with_option
from pfnlab.base.result import Made


def test_a_library_has_no_command() -> None:
    """It has a version."""
    assert Made(__version__, None) == Context().run(Made.now)


def test_the_command_can_be_typed_again() -> None:
    """Words with blanks are quoted."""

    def said() -> str | None:
        set_command(["run", "a b.pfn", "--json"])
        return command()

    assert "pfnlab run 'a b.pfn' --json" == Context().run(said)


def test_an_option_is_added_once() -> None:
    """A command that has it is already the one to give again."""
    set_command(["fuzz", "--seed", "2"])
    assert "pfnlab fuzz --seed 2 --resume 'a b'" == with_option("--resume", "a b")

    set_command(["fuzz", "--resume", "x"])
    assert "pfnlab fuzz --resume x" == with_option("--resume", "y")
