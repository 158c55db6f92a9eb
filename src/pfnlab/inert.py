"""Texts that others wrote, made inert: names of files and machines, titles, lines of a kernel's log.

What such a text holds is shown, and never acts: no character of it moves a terminal's cursor, breaks XML,
turns the direction of writing, or hides. What a form reads as markup is escaped by who writes that form.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Control characters but the end of a line and the tabulator, what turns the direction of writing or has no
# width, and what XML and UTF-8 do not have.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    """The text with each control character written out, as ``\\x1b``; ends of lines and tabulators stay."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def visible_name(text: object) -> str:
    """A name as :func:`visible`, with its ends of lines and tabulators written out too."""
    return visible(str(text)).replace("\n", "\\n").replace("\t", "\\t")


def path_word(path: object) -> str:
    """A path as a word of a command that a message advises: one word for the shell, and never an option."""
    from shlex import quote

    text = visible_name(path)
    return quote(f"./{text}" if text.startswith("-") else text)


#: The most characters of a line of a message: its beginning says where, and its end what to do.
_MOST, _END = 1000, 300


def message(text: str) -> str:
    """The text as :func:`visible`, as lines of a message; of a long line its beginning and its end."""
    return "\n".join(map(_bounded, visible(text).split("\n")))


def _bounded(line: str) -> str:
    return line if len(line) <= _MOST else f"{line[: _MOST - _END]} … {line[-_END:]}"


def one_line(text: str) -> str:
    """The text as :func:`visible`, on one line."""
    return " ".join(visible(text).split())


def json_line(value: Any) -> str:
    """*value* as JSON on one line; :func:`visible`, and the same value when it is read again."""
    return _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], json.dumps(value, ensure_ascii=False))
