"""Repair damaged pastes: quoting, mail and page markup, terminal escapes, substituted characters.

Repair works line by line, before any pattern is tried. Repairing one kind of damage must not harm intact
lines: ``size=2048MB`` is not quoted-printable, and ``__ioremap`` is not Markdown.
"""

import html
import json
import re
from collections.abc import Callable, Iterator

import msgspec

#: How many bytes of a line to examine; a log line has 1,000.
MOST_LINE = 1 << 14
_TERMINAL = re.compile(r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|[@-Z\\-_])")
#: Colour codes whose escape character was printed or lost: `^[[33m`, `\033[0m`, `[1;31m`.
_COLOUR = re.compile(
    rb"(?:\x1b|\^\[|\\(?:033|x1[bB]|u001[bB]|e))\[[0-9;]{0,16}m|\[(?:[01]|[0-9;]{0,8}[349][0-7]|[01];[0-9;]{2,8})m"
)
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
#: lspci prints sizes too, but with no closing bracket.
_SIZED = re.compile(r"\[size=[^\[\]]{1,8}\](.*)\[/size\]", re.IGNORECASE)
_WIKI = re.compile(r"\{(?:noformat|quote|code(?::[^{}]{0,40})?)\}")
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,5}|#x[0-9a-fA-F]{1,4});")
_QUOTED = re.compile(r"^(?:\s{0,8}(?:>|\|(?=\s)|[A-Z]{2,3}>))+[ \t]?")
#: A diff, list or comment line: one character precedes the real line.
_SIGN = re.compile(
    r"^(\s*)(?:\+(?=[\[\w <])|-(?=[\[\w <])(?!0x|minus|combining|back|through|protect)"
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
#: A line that needs no repair except for tags in brackets: nearly every line, and quick to detect.
_SOUND = re.compile(r"[A-Za-z0-9\[][^\x00-\x1f\x7f-\U0010ffff=&<>*`~]*")


class CleanLine(str):
    """A repaired line; if *glued*, the next line continues it without a blank, as in quoted-printable."""

    __slots__ = ("glued",)
    glued: bool


def clean(raw: bytes | str) -> CleanLine:
    """Reconstruct a line as the machine printed it, with timestamp and host, as far as possible.

    :param raw: the line without the newline; at most ``MOST_LINE`` bytes are examined
    """
    text = raw[:MOST_LINE].decode("utf-8", "replace") if isinstance(raw, bytes) else raw[:MOST_LINE]
    text = text.rstrip("\r\n")
    glued = False
    if not is_sound(text):
        text, glued = _mended(text)
    found = CleanLine(text.rstrip(" \\"))
    found.glued = glued
    return found


def without_colours(block: bytes) -> bytes:
    """Return lines without terminal colours, which may also occur inside messages."""
    return _COLOUR.sub(b"", block) if b"\x1b[" in block or b"[0m" in block or b"[m" in block else block


def is_sound(text: str) -> bool:
    """True if a line needs no repair."""
    return _SOUND.fullmatch(text) is not None and _BBCODE.search(text) is None


def _mended(text: str) -> tuple[str, bool]:
    """Return the repaired text of a line, and whether the next line belongs to it."""
    if "\x1b" in text:
        text = _TERMINAL.sub("", text)
    text = _CONTROL.sub("", text.translate(_QUOTE_MARKS))
    text, glued = _from_printable(text)
    is_row = text.lstrip().startswith("|") and text.rstrip().endswith("|")
    if "&" in text:
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text.replace("&amp;", "&")).replace(
            "\xa0", " "
        )
    if "{" in text:
        text = _WIKI.sub("", text)
    if "<" in text:
        text = _TAG.sub("", _BREAK.sub(" ", text))
    if "[" in text:
        text = _SIZED.sub(r"\1", _BBCODE.sub("", text))
    text = _ARROW.sub("<->", _DASH.sub("-", text))
    text = _QUOTED.sub("", text)
    text = _SIGN.sub(r"\1", text)
    if is_row:
        text = text.rstrip(" |")
    if "*" in text or "`" in text or "~~" in text:
        text = _MARKDOWN.sub("", text)
    return text, glued


def _from_printable(text: str) -> tuple[str, bool]:
    """Return the text, decoded if it is quoted-printable, and whether the next line belongs to it."""
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


#: Maximum number of prefixes on a message, and of pieces in a line that absorbed several lines.
_MOST_SIGNS, _MOST_PIECES = 8, 64
_STAMP = re.compile(r"\s*\[\s{0,8}(\d{1,9}\.\d{1,9})\s{0,3}\]:?")
_LOST_BRACKET = re.compile(r"\s*(\d{1,7}\.\d{6})\]")
#: A /dev/kmsg record: level, number, microseconds, flags.
_KMSG = re.compile(r"\s*\d{1,4},\d{1,12},(\d{1,16}),[-c+](?:,[^;]{0,64})?;")
_CLOCK = r"\d{1,2}:\d{2}:\d{2}(?:[.,]\d{1,9})?"
_CALLER = r"\[\s{0,16}[TC]\d{1,10}\]"
_LEVEL = r"<\d{1,3}>"
#: `[Tue Aug 26 16:02:52 2025]`, in any language, and `[Aug26 16:02]`, `[  +0.000012]` from dmesg -H.
_HUMAN = (
    rf"\[[^\[\]]{{3,24}}?\s{_CLOCK}(?:\s{{1,3}}[A-Z]{{2,5}})?\s{{1,3}}\d{{4}}(?:\s{{1,3}}<[\s\d.]{{8,16}}>)?\]"
    r"|\[[A-Z][a-z]{2}\s{0,4}\d{1,2}\s{1,3}\d{2}:\d{2}\]|\[<?\s{0,16}\+?\d{1,7}\.\d{6}>?\]"
    r"|\[\s{0,16}\d{1,7}\.\d{6}\s{1,3}<\s{0,16}\d{1,7}\.\d{6}>\]"
)
#: The prefix of a line in numbered search output, and a journal field.
_LISTED = r"\d{1,8}:(?=\s{0,2}\[\s{0,16}\d)|MESSAGE="
_SYSLOG = (
    rf"(?:<\d{{1,3}}>)?(?:[^\W\d_]{{2,9}}\.?\s{{1,4}}\d{{1,2}}\.?|\d{{1,2}}\.?\s{{1,3}}[^\W\d_]{{2,9}}\.?"
    rf"|\d{{1,2}}月\s{{0,3}}\d{{1,2}}日?)\s{{1,3}}(?:\d{{4}}\s{{1,3}})?{_CLOCK}\s{{1,3}}"
)
#: With the day of the week and the zone from journalctl -o short-full; seconds from -o short-unix.
_ISO = (
    rf"\d{{10}}\.\d{{6}}\s{{1,3}}|(?:[^\W\d_]{{2,4}}\.?\s{{1,3}})?\[?\d{{4}}-\d{{2}}-\d{{2}}(?:T|\s{{1,3}}){_CLOCK}"
    r"(?:\s{0,3}(?:Z|[+-]\d{2}:?\d{2}|[A-Z]{3,5}\b))?\]?[\s:]"
)
_ONLY_CLOCK = rf"\[?{_CLOCK}\]?\s{{1,3}}(?=.*\bkernel:)"
_FACILITY = r"(?:kern|user|daemon|syslog|local\d)\s{0,12}(?::\s{0,3}|\.)(?:[a-z]{3,7})\s{0,12}:?\s{1,3}"
#: `(3)[2512:app]`, `[0:  init:    1]` and `c1   345` from phone kernels; `[C3] [swapper]` from others.
_VENDOR = (
    r"\(\d{1,2}\)\[\d{1,7}:[^\[\]]{1,32}\]:?|\[\d{1,2}:\s{0,32}[^\[\]]{1,48}?:\s{0,16}\d{1,7}\]"
    r"|c\d{1,2}\s{1,32}\d{1,7}\s{1,3}(?=\S)|\[\d{1,7}:[^\[\]\s]{1,32}\](?=\s{0,3}x86)"
)
#: `01-02 03:04:05.678     0     0 W KERNEL  : `
_LOGCAT = (
    rf"\d{{2}}-\d{{2}}\s{{1,3}}{_CLOCK}\s{{1,16}}\d{{1,7}}\s{{1,16}}\d{{1,7}}"
    r"\s{1,3}[VDIWEF]\s{1,3}[^:]{0,24}:\s{1,3}"
)
#: A table cell before the message: a number, a time, a date, a level.
_CELL = (
    r"\|{0,2}\s{0,16}(?:[\dT.:+/ -]{1,40}Z?|kern|kernel|info|warn|warning|err|error|notice|debug)?"
    r"\s{0,16}\|{1,2}\s{1,3}"
)
#: The first that fits is used; a host may follow a time.
_OTHERS = re.compile(
    rf"\s*(?:{_CALLER}|{_LEVEL}|{_HUMAN}|{_LISTED}|{_VENDOR}|{_LOGCAT}|{_CELL}|(?P<clock>{_SYSLOG}|{_ISO})|{_FACILITY}|{_ONLY_CLOCK})"
)
_KERNEL = re.compile(r"\s*(?:([\w.-]{1,64})\s{1,3})?(?:kernel|vmunix)(?:\[\d*\])?:\s{0,3}")
_HOST = re.compile(r"\s*([\w.-]{1,64})\s{1,3}(?=kernel\b|[\w./-]{1,40}(?:\[\d{1,10}\])?:\s{1,3})")
_LATER_STAMP = re.compile(r"(?<=\S)\s+(?=\[\s{0,16}\d{1,7}\.\d{4,9}\s{0,3}\](?:\[\s{0,8}[TC]\d{1,10}\])?\s)")
_QUOTED_VALUE = re.compile(r"""(?:\b[\w.-]{1,40}=|"[\w.-]{1,40}"\s?:\s?)"((?:[^"\\]|\\.){8,})(?:"|$)""")


class LogPiece(msgspec.Struct, frozen=True):
    """A message with its *stamp* in seconds since boot; a *bare* one may continue the line before."""

    text: str
    stamp: float | None = None
    host: str = ""
    bare: bool = True


def pieces(line: str, interesting: Callable[[str], bool]) -> Iterator[LogPiece]:
    """Yield the messages in a line: all in a paragraph, and those in a value whose text is *interesting*."""
    outer, line = line, _unpacked(line, interesting)
    # A runtime's own line is about its host; a line with its own timestamp may be a guest console.
    named = "" if line is outer else _stripped(outer).host
    parts = _LATER_STAMP.split(line, _MOST_PIECES) if "[" in line else [line]
    waiting: LogPiece | None = None
    for part in parts:
        piece = _stripped(part)
        if not piece.text and not piece.bare:
            # Only timestamps: the console capture adds its own before the kernel's.
            waiting = piece
            continue
        if waiting is not None:
            piece = msgspec.structs.replace(piece, host=piece.host or waiting.host, bare=False)
            waiting = None
        if named and not piece.host and piece.stamp is None:
            piece = msgspec.structs.replace(piece, host=named)
        yield piece


def _unpacked(line: str, interesting: Callable[[str], bool]) -> str:
    """Return the kernel line inside a container runtime's structured line; unpack twice, as they may nest."""
    for _ in range(2):
        if '="' not in line and '":' not in line:
            break
        held = [found[1] for found in _QUOTED_VALUE.finditer(line) if interesting(found[1])]
        if not held:
            break
        inner = max(held, key=len)
        try:
            unescaped = json.loads(f'"{inner}"', strict=False)
        except ValueError:
            unescaped = inner.replace('\\"', '"')
        line = str(unescaped).strip().replace("\n", " ")
    return line


def _stripped(text: str) -> LogPiece:
    """Return a text without anything that precedes the message."""
    stamp, host, place = None, "", 0
    may_be_kernel = "kernel" in text or "vmunix" in text
    for _ in range(_MOST_SIGNS):
        first = not place or text[:place].rstrip().endswith("|")
        if found := _STAMP.match(text, place) or (_LOST_BRACKET.match(text, place) if first else None):
            stamp = float(found[1])
        elif first and (found := _KMSG.match(text, place)):
            stamp = int(found[1]) / 1e6
        elif may_be_kernel and (found := _KERNEL.match(text, place)):
            host = found[1] or host
        elif found := _OTHERS.match(text, place):
            named = _HOST.match(text, found.end()) if found.lastgroup == "clock" else None
            if named is not None:
                host = named[1]
                place = named.end()
                continue
        if found is None:
            break
        place = found.end()
    return LogPiece(text[place:].strip(), stamp, host, bare=place == 0)
