"""Violated properties in words: the failure, and who would notice it."""

import msgspec

from pfnlab.base.toml_text import package_tables


class Meaning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A violated property in words.

    :param happens: the failure
    :param noticed: who sees it, and how
    """

    happens: str
    noticed: str


#: By property, in report order; tests check that every property that can be violated is listed.
MEANINGS = package_tables(__package__, "meanings.toml", dict[str, Meaning])


def verdict_words(name: str, asks: str, *, violated: bool) -> str:
    """The verdict on property *name* in words: the failure if violated, otherwise the property itself,
    *asks*.
    """
    says = MEANINGS[name].happens if violated and name in MEANINGS else asks
    return says[:1].upper() + says[1:]
