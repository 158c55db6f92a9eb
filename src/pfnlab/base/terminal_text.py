"""Text in a terminal: its width, and lines broken at it."""

import re
import shutil
import sys
import textwrap

from pfnlab.base.inert import one_line


def terminal_width() -> int:
    """The columns of the terminal that standard output is, at least 40; 80 if it is none."""
    if sys.stdout is None or not sys.stdout.isatty():
        return 80
    return max(40, shutil.get_terminal_size((80, 24)).columns)


_LINK = re.compile(r"\[([^]]+)\]\([^)]*\)")


def linkless(text: str) -> str:
    """*text* with the words alone of each link that Markdown has in it."""
    return _LINK.sub(r"\1", text)


def wrapped(text: str, indent: int = 0, first: str = "") -> list[str]:
    """The lines of *text* within the width of the terminal.

    :param indent: the columns before each line
    :param first: stands in them before the first
    """
    return textwrap.wrap(
        one_line(text),
        terminal_width(),
        initial_indent=first.ljust(indent),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
