"""Damage of pastes undone: quoting, markup of mails and pages, escapes of terminals, other signs for signs.

One line at a time, before any pattern looks at it. What is undone for one kind of damage must not harm a line
that has none: ``size=2048MB`` is no quoted-printable, and ``__ioremap`` is no Markdown.
"""

from __future__ import annotations

import html
import re

#: The longest part of a line that is looked at, in bytes; a line of a log has 1,000.
MOST_LINE = 1 << 14

_TERMINAL = re.compile(r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]")
_BREAK = re.compile(r"<\s*/?\s*(?:br|p|div|li|tr)\b[^<>]{0,80}>", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:a|b|i|u|em|code|pre|span|font|strong|tt|td|th|ul|ol|table|tbody|blockquote|kbd|samp|mark|html|body)"
    r"(?:\s[^<>]{0,200})?/?>",
    re.IGNORECASE,
)
_BBCODE = re.compile(
    r"\[/?(?:code|quote|b|i|u|s|color|font|url|pre|spoiler|php|list|indent)(?:=[^\[\]]{0,80})?\]",
    re.IGNORECASE,
)
#: lspci has a size too, which no bracket closes.
_SIZED = re.compile(r"\[size=[^\[\]]{1,8}\](.*)\[/size\]", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,5}|#x[0-9a-fA-F]{1,4});")
_QUOTED = re.compile(r"^(?:\s{0,8}(?:>|\|(?=\s)|[A-Z]{2,3}>))+[ \t]?")
#: A line of a diff, of a list or of a comment: one sign before what is a line of its own.
_SIGN = re.compile(
    r"^(\s*)(?:\+(?=[\[\w ])|-(?=[\[\w ])(?!0x|minus|combining|back|through|protect)"
    r"|[*•·](?=\s)|//(?=\s)|#(?=\s)|--(?=\s))\s?"
)
_MARKDOWN = re.compile(r"\*{2,3}|`{1,3}|~~")
_ARROW = re.compile(r"<\s*[-–—=]{1,2}\s*>|↔|⇔|&lt;-&gt;")
_DASH = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_QUOTE_MARKS = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\xa0": " ", "\t": " "}
)
_PRINTABLE = re.compile(r"=([0-9A-F]{2})")
_IS_PRINTABLE = re.compile(r"=3D|=C2=A0|=E2=80|=20$|=09|=5B|=2D")

#: A line in which nothing is to be undone but tags in brackets: nearly every one, and this is seen at once.
_SOUND = re.compile(r"[A-Za-z0-9\[][^\x00-\x1f\x7f-\U0010ffff=&<>*`~]*")


class CleanLine(str):
    """A line without the damage of its paste.

    :ivar glued: the next line goes on without a blank between, as quoted-printable says
    """

    __slots__ = ("glued",)
    glued: bool


def clean(raw: bytes | str) -> CleanLine:
    """One line of a paste as the machine printed it, as far as that can be said of one line.

    Its stamp and host are still there (:mod:`pfnlab.diagnosis.messages.prefix`).

    :param raw: without its end; no more than ``MOST_LINE`` is looked at
    """
    text = raw[:MOST_LINE].decode("utf-8", "replace") if isinstance(raw, bytes) else raw[:MOST_LINE]
    text = text.rstrip("\r\n")
    glued = False
    if _SOUND.fullmatch(text) is None or _BBCODE.search(text) is not None:
        text, glued = _mended(text)
    found = CleanLine(text.rstrip(" \\"))
    found.glued = glued
    return found


def _mended(text: str) -> tuple[str, bool]:
    """The text of a line without what is damage, and whether the next line belongs to it."""
    if "\x1b" in text:
        text = _TERMINAL.sub("", text)
    text = _CONTROL.sub("", text.translate(_QUOTE_MARKS))
    text, glued = _from_printable(text)
    if "&" in text:
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text).replace("\xa0", " ")
    if "<" in text:
        text = _TAG.sub("", _BREAK.sub(" ", text))
    if "[" in text:
        text = _SIZED.sub(r"\1", _BBCODE.sub("", text))
    text = _ARROW.sub("<->", _DASH.sub("-", text))
    text = _QUOTED.sub("", text)
    text = _SIGN.sub(r"\1", text)
    if "*" in text or "`" in text or "~~" in text:
        text = _MARKDOWN.sub("", text)
    return text, glued


def _from_printable(text: str) -> tuple[str, bool]:
    """The text out of quoted-printable, if it is in that, and whether the next line belongs to it."""
    glued = text.endswith("=") and len(text) > 40
    if glued:
        text = text[:-1]
    if "=" not in text or not _IS_PRINTABLE.search(text):
        return text, glued
    raw = _PRINTABLE.sub(lambda found: chr(int(found[1], 16)), text)
    try:
        text = raw.encode("latin-1").decode("utf-8")
    except UnicodeError:
        text = raw
    return text.replace("\xa0", " "), glued
