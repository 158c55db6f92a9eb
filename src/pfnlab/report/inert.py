"""Texts that others wrote, made inert: names of files and machines, titles, lines of a kernel's log.

What such a text holds is shown, and never acts: no control character reaches a terminal or XML, no tag a
page, no mark Markdown.
"""

from __future__ import annotations

import html
import re

# Control characters but the end of a line and the tabulator, what turns the direction of writing, and what
# XML and UTF-8 do not have.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)

#: What Markdown reads as more than a character.
_MARKS = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")


def visible(text: str) -> str:
    """The text with each control character written out, as ``\\x1b``; ends of lines and tabulators stay."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """The text as :func:`visible`, on one line."""
    return " ".join(visible(text).split())


def in_html(text: str) -> str:
    """The text in an element or in a quoted attribute of HTML."""
    return html.escape(visible(text), quote=True)


def in_markdown(text: str) -> str:
    """The text on one line of Markdown, also in a cell: no mark, no tag, no link."""
    escaped = _MARKS.sub(r"\\\1", one_line(text))
    # A name that looks like an address would become a link.
    return html.escape(escaped, quote=False).replace("://", ":&#47;&#47;").replace("@", "&#64;")


def in_fence(text: str) -> str:
    """The text as a block of code in Markdown; the fence is longer than any in the text."""
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{visible(text).rstrip()}\n{fence}\n"
