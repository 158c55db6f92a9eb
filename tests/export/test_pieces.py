"""Pieces of C: each is whole, and comes behind what it needs."""

from __future__ import annotations

from importlib.resources import files

import pytest
from litmus_files import FILES

from pfnlab.export.pieces import all_pieces, pieces_called, with_needs
from pfnlab.programs.runs.golden import golden_path, read_golden


@pytest.mark.parametrize("room", ["c", "module"])
def test_what_a_piece_needs_is_there(room: str) -> None:
    """By its name, in its own folder."""
    pieces = all_pieces(room)

    assert set() == {need for piece in pieces.values() for need in piece.needs} - {*pieces}


def test_a_piece_comes_behind_what_it_needs() -> None:
    """Each once."""
    names = [piece.name for piece in with_needs(["load", "store"], {})]

    assert ["values", "add_value", "caught", "faults", "load", "store"] == names


def test_a_piece_may_stand_for_another() -> None:
    """Also where others need that one."""
    assert "check_ksft" in [piece.name for piece in with_needs(["left"], {"check": "check_ksft"})]


def test_the_agent_makes_its_calls_by_pieces() -> None:
    """Each file that exports take pieces of is in one unit of the agent, too."""
    guest = files("pfnlab.lab") / "guest"
    units = [file.read_text() for file in guest.iterdir() if file.name.endswith(".c")]
    calls = [file.name for file in (guest / "calls").iterdir()]

    included = [name for name in calls for unit in units if f'#include "calls/{name}"' in unit]

    assert sorted(calls) == sorted(included)


def test_every_errno_of_a_kernel_has_its_name() -> None:
    """Of all that were ever recorded, but what is said of a processor that is held."""
    goldens = [read_golden(golden_path(path)) for path in FILES.values()]
    results = {
        step.result
        for golden in goldens
        if golden is not None
        for observation in golden.observations
        for step in observation.steps
    }

    named = {name for name in results if f'"{name}"' in all_pieces()["errno_name"].text}

    assert {"ok", "held", "waits", "busy"} >= results - named


def test_an_expression_calls_the_pieces_that_define_its_functions() -> None:
    """By the name of a piece, or of a function in one; words of C alone call none."""
    assert ("seal",) == pieces_called("seal(area_a, 4)")
    assert ("held", "memremap_pages") == pieces_called("let_go(undo_pages, 0, 0)", "module")
    assert () == pieces_called("mlock(area_a + PAGE, 2 * PAGE)")
