"""How wide a text is at most: no font is asked, so every width is a safe one for the fonts of a picture."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Literal

Face = Literal["mono", "sans", "bold"]

#: The widest of the fonts that may be used, in parts of the size of the letters.
_MONO, _OTHER = 0.612, 1.25

#: The narrowest letter of any font, and how much wider bold letters are.
_LEAST, _BOLD = 0.42, 1.1
_NARROW = frozenset("iljtfrI.,:;'|!()[] -/")
_WIDE = frozenset("mwMWQOGDHNU@%&=+<>")


# The same words stand in every step of a story.
@lru_cache(maxsize=1 << 14)
def text_width(text: str, size: float, face: Face = "mono") -> float:
    """The width of *text* in pixels, rather too much than too little."""
    if face == "mono":
        return sum(map(_mono, text)) * size
    return sum(map(_sans, text)) * (size * (_BOLD if face == "bold" else 1.0))


def cut(text: str, width: float, size: float, face: Face = "mono") -> str:
    """*text*, with an ellipsis where it is wider than *width*; empty where not even that fits."""
    if text_width(text, size, face) <= width:
        return text
    fits = _fitting(text, width - text_width("…", size, face), size, face)
    return text[:fits].rstrip() + "…" if fits else ""


def wrapped(text: str, width: float, size: float, face: Face = "mono") -> list[str]:
    """*text* in lines of at most *width*, broken between words, and inside a word that is too long."""
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if text_width(longer, size, face) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        *whole, line = _broken(word, width, size, face)
        lines += whole
    return [*lines, line]


def _broken(word: str, width: float, size: float, face: Face) -> Iterator[str]:
    """*word* in pieces of at most *width*, each of one letter at least."""
    start = 0
    while (fits := max(_fitting(word, width, size, face, start), 1)) < len(word) - start:
        yield word[start : start + fits]
        start += fits
    yield word[start:]


def _fitting(text: str, width: float, size: float, face: Face, start: int = 0) -> int:
    """How many letters of *text* from *start* on are at most *width* wide together."""
    # As no letter is narrower than the narrowest, the rest of a very long text is not looked at.
    most = max(int(width / (size * _LEAST)), 0) + 1
    if face == "mono":
        factor, letters = size, map(_mono, text[start : start + most])
    else:
        factor, letters = size * (_BOLD if face == "bold" else 1.0), map(_sans, text[start : start + most])
    return bisect_right([end * factor for end in accumulate(letters)], width)


def _mono(letter: str) -> float:
    return _MONO if ord(letter) < 0x250 else _OTHER


def _sans(letter: str) -> float:
    if letter in _NARROW:
        return _LEAST
    if letter in _WIDE:
        return 0.95
    return 0.66 if ord(letter) < 0x250 else _OTHER
