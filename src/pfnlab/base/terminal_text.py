"""Text on a terminal: its width, and wrapping."""

import os
import re
import shutil
import sys
import textwrap

from pfnlab.base.inert import one_line

#: The minimum number of columns for wrapped text, those of a screen of prose in a file or a pipe, and more
#: than any text has: nothing is wrapped.
_LEAST, PROSE, ANY_WIDTH = 20, 80, 1 << 20


def terminal_width(piped: int = ANY_WIDTH) -> int:
    """The number of columns of the terminal on standard output, at least 20.

    :param piped: columns to assume for a file or a pipe, unless COLUMNS is set
    """
    if "COLUMNS" not in os.environ and (sys.stdout is None or not sys.stdout.isatty()):
        return piped
    return max(_LEAST, shutil.get_terminal_size((piped, 24)).columns)


def has_colours() -> bool:
    """True if output is coloured: on a terminal, or with FORCE_COLOR, but never with NO_COLOR."""
    if os.environ.get("NO_COLOR"):
        return False
    is_terminal = sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return is_terminal or any(name in os.environ for name in ("FORCE_COLOR", "TTY_COMPATIBLE"))


_LINK = re.compile(r"\[([^]]+)\]\([^)]*\)")


def linkless(text: str) -> str:
    """*text* with each Markdown link replaced by its text."""
    return _LINK.sub(r"\1", text)


def first_sentence(text: str) -> str:
    """The first sentence of *text*, without links, its rule and its full stop."""
    return re.split(r"(?: \(S[0-9.a-z]+\))?\.(?: (?=[A-Z])|$)", linkless(text))[0]


def wrapped(text: str, indent: int = 0, first: str = "", *, width: int | None = None) -> list[str]:
    """*text* wrapped; a word longer than a line stays whole.

    :param indent: number of columns to indent
    :param first: text placed in the indentation of the first line
    :param width: number of columns; by default, the terminal's
    """
    return textwrap.wrap(
        one_line(text),
        terminal_width(PROSE) if width is None else width,
        initial_indent=first.ljust(indent),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
