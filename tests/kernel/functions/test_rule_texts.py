"""The rules by number, and the words of the glossary."""

from __future__ import annotations

from pathlib import Path

import pytest
from for_each import for_each

import pfnlab
from pfnlab.base.errors import Misuse
from pfnlab.checker.judging.reasons import known_rules
from pfnlab.kernel.functions.rule_texts import find_rule, glossary, rule_numbers, rules_naming


def test_a_word_of_the_glossary_has_its_meaning_without_links() -> None:
    """As the page has it."""
    assert "a named range of virtual pages in a program" in glossary()["area"]
    assert not any("](" in meaning for meaning in glossary().values())


def test_every_rule_has_a_number() -> None:
    """Sections and steps."""
    assert {"S2", "S2.3", "S2.3.1"} <= set(rule_numbers())


def test_a_step_has_its_text_and_section() -> None:
    """A step is shown with the title of its section and the kernel's functions."""
    rule = find_rule("S2.3.1")

    assert ("S2.3.1", "Conflicts and adopted modes") == (rule.number, rule.title)
    assert rule.text.startswith("If no entry overlaps")
    assert "S2.3.2" not in rule.text
    assert "memtype_check_conflict" in rule.kernel


def test_a_place_is_where_the_name_begins() -> None:
    """File and line lead to the definition."""
    place = find_rule("S2.3.1").places[0]

    lines = (Path(pfnlab.__file__).parent / place.file).read_text(encoding="utf-8").splitlines()
    assert place.line is not None
    assert f"def {place.name.rpartition('.')[2]}(" in lines[place.line - 1]


def test_a_step_that_is_gone_leads_to_its_section() -> None:
    """A number without a step shows what is around it."""
    assert "S2.3" == find_rule("S2.3." + "999").number


def test_a_bug_is_found_by_its_identifier() -> None:
    """With what happens, and the releases that have it."""
    bug = find_rule("A06")

    assert "tracking by VMA (VM_PAT)" == bug.title
    assert bug.text.startswith("If part of a tracked mapping is unmapped")
    assert "since 2.6.29; until 6.16, f8e97613fed2" == bug.kernel


def test_every_reason_of_a_known_violation_can_be_looked_up() -> None:
    """So that the page can show what an identifier stands for."""
    for one in known_rules():
        assert one.rule == find_rule(one.rule).number


@pytest.mark.parametrize("number", ["", "S" + "99", "../S2", "<script>"])
def test_what_is_no_rule_is_refused(number: str) -> None:
    """A number is looked up, never made into a path."""
    with pytest.raises(Misuse, match="no such rule"):
        find_rule(number)


@for_each(
    ("identifier", "numbers"),
    [
        ("move_ptes", ["S8.6"]),
        ("MOVE_PTES", ["S8.6"]),
        # Part of a longer identifier.
        ("move_pte", []),
        ("kmalloc", []),
    ],
)
def test_the_rules_that_name_an_identifier(identifier: str, numbers: list[str]) -> None:
    """As a whole word, whatever its case."""
    assert numbers == [rule.number for rule in rules_naming(identifier)]
