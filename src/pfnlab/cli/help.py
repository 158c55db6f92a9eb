"""The help of a verb: fits the terminal, keeps sentences whole, and ends with examples."""

import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence

from pfnlab.cli.verbs import HELP, VerbOption, VerbPage, paragraphs_of

#: Below this many columns an option stands above its description, not to its left.
_NARROW = 60

#: The fewest and the most columns of help.
_LEAST, _MOST = 20, 78

#: The most columns of an option with its description to its right.
_BESIDE = 30


def help_text(page: VerbPage) -> str:
    """Return the help for the present terminal."""
    columns = shutil.get_terminal_size().columns
    return "".join(
        f"{line}\n" for line in _lines(page, min(max(columns - 2, _LEAST), _MOST), columns < _NARROW)
    )


def _lines(page: VerbPage, width: int, narrow: bool) -> Iterator[str]:
    yield from _wrapped(f"Usage: {page.usage}", width, 0, 7)
    for paragraph in page.says:
        yield ""
        yield from _wrapped(paragraph, width, 2, 2)
    arguments = [(row.word.strip("[]"), _meaning(row)) for row in page.arguments]
    options = [(_names(row), _meaning(row)) for row in (*page.options, HELP)]
    verbs = [(name, first_sentence(page, name)) for name in page.verbs]
    for heading, rows in (("Arguments", arguments), ("Options", options), ("Commands", verbs)):
        if rows:
            yield from ("", f"{heading}:")
            yield from _rows(rows, width, narrow)
    yield from ("", "Examples:")
    for line, says in page.examples:
        # A command stays on one line, so that it can be copied.
        yield f"  {line}"
        yield from _wrapped(f"{says}.", width, 6, 6)


def first_sentence(group: VerbPage, name: str) -> str:
    """Return the first sentence of the help of verb *name* of a group, never cut."""
    return re.split(r"(?<=\.) ", paragraphs_of(f"{group.name} {name}".strip())[0], maxsplit=1)[0]


def _names(row: VerbOption) -> str:
    return ", ".join(row.names) + f" {row.metavar}".rstrip()


def _meaning(row: VerbOption) -> str:
    return f"{row.says}  [{row.limits}]" if row.limits else row.says


def _rows(rows: Sequence[tuple[str, str]], width: int, narrow: bool) -> Iterator[str]:
    """Lay out the rows of a list: each description to the right of its term, or below it."""
    fitting = [len(first) for first, _ in rows if len(first) + 4 <= _BESIDE]
    begin = 4 + max(fitting if len(fitting) == len(rows) else [_BESIDE - 2])
    for first, second in rows:
        if narrow:
            yield from (*_wrapped(first, width, 2, 2), *_wrapped(second, width, 6, 6))
            continue
        head, *others = _wrapped(second, width, begin, begin)
        if len(first) + 4 > begin:
            yield from (f"  {first}", head, *others)
        else:
            yield from (f"  {first}".ljust(begin) + head[begin:], *others)


def _wrapped(text: str, width: int, first: int, other: int) -> list[str]:
    """Wrap text in indented lines of *width* columns; a longer word stays whole."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=" " * first,
        subsequent_indent=" " * other,
        break_long_words=False,
        break_on_hyphens=False,
    )
