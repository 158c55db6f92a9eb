"""The verb ``litmus list``: a list as it is read."""

from __future__ import annotations

import pytest

from pfnlab.base.errors import Misuse
from pfnlab.present.document.lists import library
from pfnlab.present.document.terminal import text_of
from pfnlab.verbs.litmus import LitmusRequest, perform_list


def test_programs_stand_under_their_sections() -> None:
    """With an empty line between two sections; how many there are is said once the list was taken."""
    said: list[str] = []
    results = perform_list(LitmusRequest(grep="munmap-middle"), said.append)

    text = text_of(library(next(results)))

    assert not said
    assert [] == list(results)
    lines = text.splitlines()
    assert lines[0] == "Unmapping"
    assert lines[1].startswith("  munmap-middle ")
    assert said[0].endswith("; pfnlab run NAME, pfnlab litmus show NAME")


def test_nothing_is_a_list_for_programs_and_misuse_for_people() -> None:
    """JSON has an empty list."""
    (empty,) = perform_list(LitmusRequest(grep="no such word", as_json=True), print)

    assert () == empty.programs
    with pytest.raises(Misuse, match="no program contains 'no such word'"):
        list(perform_list(LitmusRequest(grep="no such word"), print))
