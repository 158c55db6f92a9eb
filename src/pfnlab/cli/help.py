"""Print the help of a verb: it fits the terminal, keeps sentences whole, and ends with examples."""

import re
from collections.abc import Iterator, Sequence

from pfnlab.base.terminal_text import PROSE, terminal_width, wrapped
from pfnlab.cli.verbs import HELP, VerbPage, paragraphs_of
from pfnlab.verbs.verb_option import Option

#: With fewer columns than this, an option is printed above its description, not to its left.
_NARROW = 60

#: The maximum width of help, in columns.
_MOST = 78

#: The maximum width, in columns, of an option with its description to its right.
_BESIDE = 30


def help_text(page: VerbPage) -> str:
    """Return the help, laid out for the current terminal."""
    columns = terminal_width(PROSE)
    return "".join(f"{line}\n" for line in _lines(page, min(columns - 2, _MOST), columns < _NARROW))


def _lines(page: VerbPage, width: int, narrow: bool) -> Iterator[str]:
    yield from wrapped(page.usage, 7, "Usage:", width=width)
    for paragraph in page.says:
        yield ""
        yield from wrapped(paragraph, 2, width=width)
    arguments = [(row.word.strip("[]"), _meaning(row)) for row in page.arguments]
    options = [(_names(row), _meaning(row)) for row in (*page.options, HELP)]
    verbs = [
        (heading, [(name, first_sentence(page, name)) for name in names]) for heading, names in page.groups
    ]
    # The help of pfnlab itself begins with its commands.
    lists = [("Arguments", arguments), ("Options", options), *verbs]
    for heading, rows in lists if page.words else [*verbs, ("Options", options)]:
        if rows:
            yield from ("", f"{heading}:")
            yield from _rows(rows, width, narrow)
    yield from ("", "Examples:")
    for line, says in page.examples:
        # A command stays on one line so that it can be copied.
        yield f"  {line}"
        yield from wrapped(f"{says}.", 6, width=width)


def first_sentence(group: VerbPage, name: str) -> str:
    """Return the first sentence of the help of verb *name* in a group, never truncated."""
    return re.split(r"(?<=\.) ", paragraphs_of(f"{group.name} {name}".strip())[0], maxsplit=1)[0]


def _names(row: Option) -> str:
    return ", ".join(row.all_names) + f" {row.metavar}".rstrip()


def _meaning(row: Option) -> str:
    return f"{row.help} [{row.limits}]" if row.limits else row.help


def _rows(rows: Sequence[tuple[str, str]], width: int, narrow: bool) -> Iterator[str]:
    """Lay out the rows of a list, each description to the right of its term or below it."""
    fitting = [len(first) for first, _ in rows if len(first) + 4 <= _BESIDE]
    begin = 4 + max(fitting if len(fitting) == len(rows) else [_BESIDE - 2])
    for first, second in rows:
        if narrow:
            yield from (*wrapped(first, 2, width=width), *wrapped(second, 6, width=width))
            continue
        head, *others = wrapped(second, begin, width=width)
        if len(first) + 4 > begin:
            yield from (f"  {first}", head, *others)
        else:
            yield from (f"  {first}".ljust(begin) + head[begin:], *others)
