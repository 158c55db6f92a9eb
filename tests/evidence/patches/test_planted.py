"""The planted defects: every number of the patch has its rule, and the page is made of what was found."""

from __future__ import annotations

import re

import msgspec
import pytest
import tooling

from pfnlab.base.errors import Undecided
from pfnlab.lab.building.patch_file import read_patch

TOOL = tooling.hunt_defects()


def test_every_number_of_the_patch_has_its_rule() -> None:
    """And every rule a number there."""
    numbers = {int(found) for found in re.findall(r"^\+.*?pfnlab_has\((\d+)\)", _lines(), re.MULTILINE)}

    assert {defect.number for defect in TOOL.read_defects()} == numbers


def _lines() -> str:
    # One number a line.
    text: str = TOOL.PATCH.read_text(encoding="utf-8")
    return re.sub(r"(pfnlab_has\(\d+\))", r"\1\n+", text)


def test_its_head_says_what_it_is() -> None:
    """Title, licence, and the source that it stands on."""
    patch = read_patch(TOOL.PATCH)

    assert patch.titles
    assert ("7.3", "GPL-2.0-only") == (patch.base_series, patch.license)


def test_a_defect_is_in_the_file_that_its_row_names() -> None:
    """The file is one that the patch changes."""
    assert {defect.where for defect in TOOL.read_defects()} <= set(read_patch(TOOL.PATCH).files)


def test_the_page_is_made_of_what_was_found() -> None:
    """Its table is the one that the tool makes."""
    page = TOOL.PAGE.read_text(encoding="utf-8")

    assert TOOL.text(TOOL.read_defects(), TOOL.read_hunted()) in page


def test_a_defect_that_was_not_found_is_shown_as_such() -> None:
    """Its row says so."""
    defect = TOOL.Defect(number=1, rule="r", where="mm/memory.c")
    hunted = TOOL.HuntFinding(number=1, kernel="k", command="c", programs=9, seconds=2)

    assert "| 1 | r | `mm/memory.c` | 9 | 2 | not found |  |" in TOOL.text([defect], {1: hunted})


#: A reason of the model's own: the kernel ran the program.
OWN = "the model has no rule for it"


def answer_with(findings: dict[str, object], reasons: dict[str, int]) -> bytes:
    """The result of a hunt of seven programs, as it is printed."""
    return msgspec.json.encode({"programs": 7, "findings": findings, "reasons": reasons, "models_own": [OWN]})


@pytest.mark.parametrize("found", [True, False])
def test_a_hunt_is_read(found: bool) -> None:
    """The first finding of a result."""
    finding = {
        **{"says": "violation end (qemu): files_left", "program": "pfnlab program 1\n"},
        **{"first": 3, "minimal": True, "known": False},
    }
    answer = answer_with({"abc": finding} if found else {}, {OWN: 2})

    hunted = TOOL.read(TOOL.Defect(number=1, rule="r", where="w"), "pfnlab fuzz", answer, 5)

    assert (finding["says"] if found else "") == hunted.signature


def test_a_known_finding_is_not_that_of_the_defect() -> None:
    """The kernel has it without the defect as well."""
    answer = answer_with({"abc": {"says": "alarm", "first": 1, "known": True}}, {OWN: 2})

    assert TOOL.read(TOOL.Defect(number=1, rule="r", where="w"), "pfnlab fuzz", answer, 5).signature == ""


def test_a_hunt_whose_programs_did_not_run_has_no_result() -> None:
    """A kernel without the guest driver would seem to have no defect."""
    answer = answer_with({}, {"no headers for 7.3.4": 5, OWN: 2})

    with pytest.raises(Undecided, match=r"some programs did not run: no headers for 7\.3\.4"):
        TOOL.read(TOOL.Defect(number=1, rule="r", where="w"), "pfnlab fuzz", answer, 5)
