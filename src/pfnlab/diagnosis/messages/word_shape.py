"""The words of a text, whatever its numbers are: lines of a log differ most in their numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Addresses, pids and stamps, where they stand as words of their own.
_NUMBER = re.compile(r"\b(?:0x[0-9a-f]+|[0-9]+)\b")

#: A part of one of these.
_DIGITS = re.compile(r"[0-9a-fx]+")

#: What two texts have in common that have the same words.
WordShape = tuple[str, ...]


class WordShapes:
    """Shapes of texts: two texts of one shape have the same ones of some words in them.

    So whatever depends on these words alone is found out once for each shape.

    :param words: the words, or phrases
    """

    def __init__(self, words: Iterable[str]) -> None:
        # These are looked for in the text as it is.
        self._in_numbers = tuple(sorted({word for word in words if may_touch_a_number(word)}))

    def of(self, text: str) -> WordShape:
        """The shape of a text."""
        found = [word for word in self._in_numbers if word in text]
        return (_NUMBER.sub("0", text), *found)


def may_touch_a_number(word: str) -> bool:
    """True where a word may lie in a number, or have one in it: a text of the same shape need not have it."""
    return any(map(_DIGITS.fullmatch, re.findall(r"\w+", word)))
