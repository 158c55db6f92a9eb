"""Text from anywhere, made safe to show: nothing in it is seen by a terminal, a browser or a mail client.

Names of machines, logs of kernels and programs come from others. Characters that move the cursor, turn the
direction of writing, or are not to be seen are shown by their number instead.
"""

from __future__ import annotations

import unicodedata

#: Categories of characters that show nothing themselves: controls, formats (among them the marks that turn
#: the direction of writing), halves of surrogate pairs, places of no character, and breaks of lines.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})


def inert(text: str) -> str:
    """*text* with every character that is not seen as ``<U+202E>``; ends of lines and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def one_line(text: str) -> str:
    """The same on one line."""
    return " ".join(inert(text).split())


def _shown(char: str) -> str:
    if char in "\n\t":
        return char
    return f"<U+{ord(char):04X}>" if unicodedata.category(char) in _UNSEEN else char
