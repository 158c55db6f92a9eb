"""The origin of a result."""

from __future__ import annotations

from contextvars import Context

from pfnlab import __version__
from pfnlab.base.made import command, set_command
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
