"""The families: what they refer to is there, and no advice does harm."""

from __future__ import annotations

import re
from pathlib import Path

from for_each import for_each

from pfnlab.diagnosis.messages.family_files import Family, FamilyVerdict, families

ROOT = Path(__file__).parents[3]
PROGRAMS = {path.stem for path in (ROOT / "litmus").rglob("*.pfn")}
RULES = set(
    re.findall(
        r"^(?:#{1,2} |- \*\*)(S[0-9]+(?:\.[0-9]+[a-z]?)*)",
        "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "semantics").glob("S*.md")),
        re.MULTILINE,
    )
)

#: What nobody should be advised: to take a check out of the kernel, or to free somebody's entries.
HARM = re.compile(
    r"(?i)\b(patch|comment|cut|take)\b[^.]*\bout\b|\bremove the check|\bforc\w+|free the entr|devmem2"
)

NAMED = [*families()]


def name(one: Family) -> str:
    """The name of a case."""
    return one.name


@for_each("one", NAMED, ids=name)
def test_what_a_family_refers_to_is_there(one: Family) -> None:
    """Rules, programs and other families."""
    others = {family.name for family in NAMED}

    assert [] == [rule for rule in one.rules if rule not in RULES]
    assert [] == [program for program in one.programs if program not in PROGRAMS]
    assert [] == [other for other in (*one.follows, *one.after) if other not in others]


@for_each("one", NAMED, ids=name)
def test_a_meaning_is_two_sentences(one: Family) -> None:
    """No more is read, and one says too little."""
    assert 2 == len(re.findall(r"[.?!](?=\s[A-Z]|$)", one.meaning)), one.meaning


@for_each("one", [one for one in NAMED if one.endings], ids=name)
def test_an_ending_is_told_as_a_family_is(one: Family) -> None:
    """Two sentences; and who is to look is helped there too."""
    for ending in one.endings:
        assert 2 == len(re.findall(r"[.?!](?=\s[A-Z]|$)", ending.meaning)), ending.meaning
        assert ending.verdict is not FamilyVerdict.LOOK or ending.advice or ending.send, ending.when


@for_each("one", NAMED, ids=name)
def test_no_advice_does_harm(one: Family) -> None:
    """No check is taken out, and nothing is freed by force."""
    endings = (advice.do for ending in one.endings for advice in ending.advice)
    said = " ".join(
        [*(advice.do for advice in one.advice), *(remedy.text for remedy in one.remedies), *endings]
    )

    assert None is HARM.search(said)


@for_each("one", [one for one in NAMED if one.remedies], ids=name)
def test_a_remedy_names_where_it_was_seen(one: Family) -> None:
    """To work and to fail; an empty field says nothing."""
    assert [] == [remedy.text for remedy in one.remedies if not (remedy.works and remedy.fails)]


@for_each("one", [one for one in NAMED if one.verdict is FamilyVerdict.LOOK], ids=name)
def test_who_is_to_look_is_helped(one: Family) -> None:
    """There is something to do, a place to look, or what else to send."""
    assert one.advice or one.send or one.leak or one.remedies


def test_harm_is_noticed() -> None:
    """In the words people use for it."""
    for said in ("Comment the check out.", "Free the entries by force.", "Remove the check in the kernel"):
        assert HARM.search(said), said
