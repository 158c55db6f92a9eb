"""How wide a text is at most: no font is asked, so every width is a safe one for the fonts of a picture."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

Face = Literal["mono", "sans", "bold"]

#: The widest of the fonts that may be used, in parts of the size of the letters.
_MONO, _OTHER = 0.612, 1.25
_NARROW = frozenset("iljtfrI.,:;'|!()[] -/")
_WIDE = frozenset("mwMWQOGDHNU@%&=+<>")


# The same words stand in every step of a story.
@lru_cache(maxsize=1 << 14)
def text_width(text: str, size: float, face: Face = "mono") -> float:
    """The width of *text* in pixels, rather too much than too little."""
    if face == "mono":
        return sum(_MONO if ord(letter) < 0x250 else _OTHER for letter in text) * size
    factor = size * (1.1 if face == "bold" else 1.0)
    return sum(map(_sans, text)) * factor


def cut(text: str, width: float, size: float, face: Face = "mono") -> str:
    """*text*, with an ellipsis where it is wider than *width*; empty where not even that fits."""
    if text_width(text, size, face) <= width:
        return text
    while text and text_width(text + "…", size, face) > width:
        text = text[:-1]
    return text.rstrip() + "…" if text else ""


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
        while text_width(word, size, face) > width and len(word) > 1:
            fits = len(word) - 1
            while fits > 1 and text_width(word[:fits], size, face) > width:
                fits -= 1
            lines.append(word[:fits])
            word = word[fits:]
        line = word
    return [*lines, line]


def _sans(letter: str) -> float:
    if letter in _NARROW:
        return 0.42
    if letter in _WIDE:
        return 0.95
    return 0.66 if ord(letter) < 0x250 else _OTHER
