"""The words of the program language for the page's editor, out of the language's own tables."""

from __future__ import annotations

from typing import Any

from pfnlab.programs.lang import words
from pfnlab.programs.lang.words import FIRST_LINE


def token_table() -> dict[str, Any]:
    """The kinds of words, each with its words, sorted; a word stands in the first kind that has it."""
    kinds = {
        "header": ("pfnlab", "program", *words.HEADERS, "expect"),
        "verb": words.VERBS,
        "prefix": ("fail", "skip", "hold", "in", "return"),
        "device": (*words.KINDS, words.ANON),
        "via": tuple(words.VIAS),
        "mode": words.MODES,
        "prot": tuple(words.PROTS),
        "word": (
            *words.SHARING,
            *words.MMAP_WORDS,
            *words.MREMAP_WORDS,
            *words.UNMAP_WORDS,
            *words.PAGES_WORDS,
            *words.DRIVER_HOW,
            *words.FORK_WORDS,
            *words.THP,
            *("leaked", "nothing", "left"),
        ),
        "unit": tuple(words.UNITS),
    }
    seen: set[str] = set()
    table: dict[str, Any] = {}
    for kind, members in kinds.items():
        table[kind] = sorted({member for member in members if member not in seen})
        seen.update(members)
    return {"kinds": table, "first_line": FIRST_LINE}
