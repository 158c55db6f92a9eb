"""The kinds of findings: what they name exists."""

from __future__ import annotations

from for_each import for_each

from pfnlab.checker.judging.run_properties import PROPERTIES
from pfnlab.diagnosis.inspector.finding.finding_form import (
    FindingKind,
    PhysicalPlace,
    finding_kinds,
    range_text,
)
from pfnlab.kernel.functions.rule_texts import find_rule
from pfnlab.programs.lang.library import program_paths


@for_each("kind", list(finding_kinds().values()), ids=lambda kind: kind.title)
def test_what_a_kind_names_exists(kind: FindingKind) -> None:
    """Rules, a property and programs; and it says what to do."""
    assert [find_rule(number).number for number in kind.rules] == list(kind.rules)
    assert kind.violates in ("", *PROPERTIES)
    assert len(program_paths(kind.programs)) == len(kind.programs)
    assert kind.advice
    assert not kind.means.endswith("..")


def test_a_range_ends_with_its_last_byte() -> None:
    """As the kernel's messages write it."""
    assert "[mem 0xf8004000-0xf8007fff]" == range_text(0xF8004000, 0xF8008000)


def test_a_place_knows_its_bounds() -> None:
    """Half-open."""
    assert (0x1000, 0x3000) == PhysicalPlace.of(0x1000, 0x3000, "wc").bounds
