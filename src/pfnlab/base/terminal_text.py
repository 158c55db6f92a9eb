"""Text in a terminal: its width, and wrapping."""

import re
import shutil
import sys
import textwrap

from pfnlab.base.inert import one_line


def terminal_width() -> int:
    """Columns of the terminal on standard output, at least 40; 80 if it is not a terminal."""
    if sys.stdout is None or not sys.stdout.isatty():
        return 80
    return max(40, shutil.get_terminal_size((80, 24)).columns)


_LINK = re.compile(r"\[([^]]+)\]\([^)]*\)")


def linkless(text: str) -> str:
    """*text* with each Markdown link replaced by its link text."""
    return _LINK.sub(r"\1", text)


def wrapped(text: str, indent: int = 0, first: str = "") -> list[str]:
    """*text* wrapped to the width of the terminal.

    :param indent: columns of indentation
    :param first: text placed in the indentation of the first line
    """
    return textwrap.wrap(
        one_line(text),
        terminal_width(),
        initial_indent=first.ljust(indent),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
