"""Where in the text of a campaign's file a key stands, for messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pfnlab.base.inert import one_line
from pfnlab.campaign.store.rows import TASK_NAMES

#: What may hold the sign of a statement without being one, the signs themselves, and ends of lines.
_PIECE = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|' r"'''.*?'''|" r'"(?:[^"\\\n]|\\.)*"|' r"'[^'\n]*'|#[^\n]*|[\[\]{}\n]",
    re.DOTALL,
)

_NAME = r"""[\w-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'"""
_HEAD = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_NAME})[ \t]*([].])")
_KEY = re.compile(rf"[ \t]*({_NAME})[ \t]*[.=]")

_BARE = re.compile(r"[A-Za-z0-9_-]{1,40}")

#: The most letters of a key that a message repeats.
_SHOWN = 40


class KeyPlaces:
    """The lines of tables and keys.

    :param text: TOML
    :param source: the name of its file
    """

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self._rows: dict[tuple[str, int, str], int] = {}
        table, seen = "", dict[str, int]()
        for row, line in _statements(text):
            if match := _HEAD.match(line):
                table = _plain(match[2])
                if match[3] == "]":
                    seen[table] = seen.get(table, -1) + 1
                self._rows.setdefault((table, seen.get(table, 0), ""), row)
            elif match := _KEY.match(line):
                self._rows.setdefault((table, seen.get(table, 0), _plain(match[1])), row)

    def at(self, table: str = "", number: int = 0, key: str = "") -> str:
        """``FILE:LINE: [[fuzz]] 2, programs`` of a key, or of the head of its table."""
        rows = self._rows
        # A table may be written as a value too: name = {key = 1}.
        row = rows.get((table, number, key)) or rows.get((table, number, "")) or rows.get(("", 0, table))
        head = f"[[{table}]] {number + 1}" if table in TASK_NAMES else f"[{table}]" * bool(table)
        words = ", ".join(filter(None, (head, shown_key(key) if key else "")))
        place = f"{self._source}:{row}" if row else self._source
        return f"{place}: {words}" if words else place


def shown_key(key: str) -> str:
    """A key as a message shows it: as it is written, on one line, and shortened."""
    if _BARE.fullmatch(key):
        return key
    quoted = json.dumps(one_line(key), ensure_ascii=False)
    return quoted if len(quoted) <= _SHOWN else f"{quoted[: _SHOWN - 4]}..."


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """The lines of *text* that begin a statement, with their numbers."""
    row = first = 1
    depth, begin = 0, 0
    for piece in _PIECE.finditer(f"{text}\n"):
        sign = piece[0]
        row += sign.count("\n")
        if sign == "\n" and not depth:
            yield first, text[begin : piece.start()]
            begin, first = piece.end(), row
        elif sign in ("[", "{"):
            depth += 1
        elif sign in ("]", "}"):
            depth -= 1


def _plain(name: str) -> str:
    """A key without its quotes."""
    if name[0] == '"':
        try:
            return str(json.loads(name))
        except ValueError:
            # An escape that only TOML has.
            return name
    return name.strip("'")
