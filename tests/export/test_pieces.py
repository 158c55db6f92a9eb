"""Pieces of C: each is whole, and comes behind what it needs."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
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


_FUNCTION = re.compile(
    r"^(?:static|void|long|int|bool|u64)\b[^\n;]*?(\w+)\([^;{]*?\)\n\{\n(.*?)^\}", re.MULTILINE | re.DOTALL
)
#: Names of the guest's driver begin so.
_OURS = re.compile(r"\b(?:PFNLAB_|pfnlab_|driver_)")
#: Functions from this length on, in words, are one fact if nearly all of their words are the same.
_LEAST, _ALIKE = 40, 0.95
#: Functions that are alike, with what only the guest has.
_DIFFERENT = dict.fromkeys(("give_page", "page_or_frame"), "the guest counts faults")


def bodies(text: str) -> dict[str, list[str]]:
    """The words of the functions in a source of C, by name, without comments and the shortest functions."""
    plain = _OURS.sub("", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
    found = {name: re.findall(r"\w+|\S", body) for name, body in _FUNCTION.findall(plain)}
    return {name: words for name, words in found.items() if len(words) >= _LEAST}


def copies(ours: str, guest: str) -> set[str]:
    """The functions in one source that the other has too, under any name."""
    found = set()
    for name, words in bodies(ours).items():
        matcher = SequenceMatcher(None, b=words, autojunk=False)
        for other in bodies(guest).values():
            matcher.set_seq1(other)
            if matcher.real_quick_ratio() >= _ALIKE and matcher.ratio() >= _ALIKE:
                found.add(name)
    return found


def sources(package: str, folder: str) -> str:
    """The sources of C in a folder of a package, one behind the other."""
    found = files(package).joinpath(folder)
    return "\n".join(file.read_text() for file in found.iterdir() if file.name.endswith((".c", ".h")))


@pytest.mark.parametrize(("ours", "guest"), [("c", "guest"), ("module", "guest/driver")])
def test_no_function_is_written_twice(ours: str, guest: str) -> None:
    """What the guest has too is a piece of the guest's sources."""
    found = copies(sources("pfnlab.export", ours), sources("pfnlab.lab", guest))

    assert set() == found - {*_DIFFERENT}


def test_a_second_copy_of_a_function_is_seen() -> None:
    """One of the driver's, with another name of its pages, other blanks and a comment."""
    text = all_pieces("module")["remap_narrowed"].text

    copied = (
        text.replace("\t", "  ")
        .replace("RAM_PAGES", "DRIVER_PAGES")
        .replace("int error", "/* ours */ int error")
    )

    assert {"remap_narrowed"} == copies(copied, sources("pfnlab.lab", "guest/driver"))
