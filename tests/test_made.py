"""The origin of a result."""

from __future__ import annotations

from contextvars import Context

from pfnlab import __version__
from pfnlab.made import made, set_command


def test_a_library_has_no_command() -> None:
    """It has a version."""
    assert {"pfnlab": __version__, "command": None} == Context().run(made)


def test_the_command_can_be_typed_again() -> None:
    """Words with blanks are quoted."""

    def said() -> str | None:
        set_command(["run", "a b.pfn", "--json"])
        return made()["command"]

    assert "pfnlab run 'a b.pfn' --json" == Context().run(said)
