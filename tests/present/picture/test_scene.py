"""The rules behind parts: sections and steps that docs/semantics has."""

from __future__ import annotations

import re
from pathlib import Path

from for_each import for_each
from svg_reading import PROGRAMS, parts_of, run_of

from pfnlab.present.picture import draw_state
from pfnlab.present.picture.scene import log_rules, op_rules
from pfnlab.programs.lang.words import VERBS

_TEXTS = [path.read_text() for path in (Path(__file__).parents[3] / "docs" / "semantics").glob("*.md")]

#: The numbers of all sections and steps.
KNOWN = {
    number
    for text in _TEXTS
    for number in re.findall(r"^(?:#+ |- \*\*)(S[0-9]+(?:\.[0-9]+)*)", text, re.MULTILINE)
}


#: What only looks, and what only makes or lets go on another task.
WITHOUT = ("look", "status", "memtype_list", "thread", "release")


@for_each("name", PROGRAMS)
def test_rules_of_parts_are_there(name: str) -> None:
    """Nobody is sent to a step that there is not."""
    program, run = run_of(name, "6.12")
    named = {
        word
        for index in range(len(run.steps))
        for part in parts_of(draw_state(program, [run], index)).values()
        for word in part.attrib.get("data-rule", "").split()
    }

    assert named
    assert named <= KNOWN


@for_each(
    ("op", "rule"),
    [
        ("munmap a[4:8]", "S8.2"),
        ("a = mmap bar[0:4] wc shared rw", "S9.2 S4.7"),
        ("t: unmap_mapping_range bar[0:4]", "S6.7 S8.3"),
        ("hold flush_tlb_mm_range: munmap a", "S8.2"),
        ("c = fork", "S3.5 S5.11"),
        ("look", ""),
        ("", ""),
    ],
)
def test_an_operation_has_its_rule(op: str, rule: str) -> None:
    """By its verb, whoever does it, and whatever is forced on it."""
    assert rule == op_rules(op)


@for_each("verb", [verb for verb in VERBS if verb not in WITHOUT])
def test_an_operation_has_a_rule_that_is_there(verb: str) -> None:
    """Every operation but those that no rule is about alone."""
    rules = op_rules(f"{verb} a").split()

    assert rules
    assert set(rules) <= KNOWN


def test_a_log_line_has_its_rule() -> None:
    """The step that prints it, or that of all warnings."""
    assert "S2.4.5" == log_rules("x86/PAT: main freeing invalid memtype bar[4:8]")
    assert "S10.5" == log_rules("something else")


def titles() -> dict[str, set[str]]:
    """Of each word that titles of sections name, the sections."""
    found: dict[str, set[str]] = {}
    for number, title in re.findall(r"(?m)^## (S[\d.]+) (.*)$", "\n".join(_TEXTS)):
        for word in re.findall(r"\w+", title):
            found.setdefault(word, set()).add(number)
    return found


@for_each("verb", ["madvise", "mprotect", "mremap", "munmap", "mlock", "ioremap", "memremap", "fork"])
def test_an_operation_leads_to_the_section_that_has_its_name(verb: str) -> None:
    """Its own rule, and not that of its neighbour."""
    assert titles()[verb] & set(op_rules(f"{verb} a").split())
