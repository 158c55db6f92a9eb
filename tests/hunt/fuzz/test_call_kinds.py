"""The kinds of random programs, and the simpler words of the shrinker: none of the language is left out."""

from __future__ import annotations

from typing import get_args

import msgspec
from for_each import for_each

from pfnlab.hunt.fuzz.call_kinds import KINDS, Vocabulary
from pfnlab.hunt.fuzz.simplifications import plain_flag, plainest
from pfnlab.programs.lang.fields import Ending, Word
from pfnlab.programs.lang.ops import Call
from pfnlab.programs.lang.words import ROWS, word_of

#: The operations that a schedule is made of, which are drawn with it.
OF_SCHEDULES = {"thread", "release"}

#: Flags of which neither value is plainer: a move loses its destination with the flag, and each kind of
#: struct pages asks for a mode of its own.
NEITHER_PLAINER = {("mremap", "fixed"), ("memremap_pages", "p2pdma")}


def test_every_operation_is_drawn() -> None:
    """Each has its kind, or is of a schedule."""
    assert {word_of(kind) for kind in get_args(Call)} - OF_SCHEDULES <= set(KINDS)


def test_every_kind_is_of_a_vocabulary() -> None:
    """With all that programs may have, each is drawn."""
    assert set(KINDS) == set(Vocabulary(driver=True, vfio=True, slots=True).kinds)


WORDS = [
    (kind, name, tuple(field.numbers))
    for kind, row in ROWS.items()
    for name, field in zip(kind.__struct_fields__, row.fields, strict=True)
    if isinstance(field, Word | Ending)
]


@for_each(("kind", "name", "words"), WORDS)
def test_a_choice_has_its_plainest_words(kind: type[Call], name: str, words: tuple[str, ...]) -> None:
    """The shrinker has an order of words for every field of several words, and no others."""
    assert plainest(kind, name)
    assert set(plainest(kind, name)) <= set(words)


def test_a_flag_has_its_plainer_value() -> None:
    """The shrinker tries it in every operation that has one."""
    flags = {
        (kind, field.name)
        for kind in get_args(Call)
        for field in msgspec.structs.fields(kind)
        if field.type is bool
    }

    assert NEITHER_PLAINER == {
        (word_of(kind), name) for kind, name in flags if plain_flag(kind, name) is None
    }
