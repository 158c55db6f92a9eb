"""Escaping foreign text: names of files and machines, titles, lines from a kernel log.

Such text is shown and never acted on: none of its characters can move a terminal's cursor, break XML, change
the writing direction, or be invisible. For each place in an output format where characters are special (the
end of a comment, a quote, a shell operator) there is one function here, which all code writing that format
uses; `tests/test_foreign_texts.py` finds code that escapes in any other way.
"""

import json
import re
import shlex
from collections.abc import Iterable
from typing import Any

# Control characters except newline and tab, characters that change the writing direction or have no width,
# and characters that XML and UTF-8 do not allow.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    """The text with each control character escaped, e.g. ``\\x1b``; newlines and tabs are kept."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def visible_name(text: object) -> str:
    """A name escaped as by :func:`visible`, but including newlines and tabs."""
    return visible(str(text)).replace("\n", "\\n").replace("\t", "\\t")


#: The maximum length of a message line, in characters: its start says where, its end says what to do.
_MOST, _END = 1000, 300


def message(text: str) -> str:
    """The text escaped as by :func:`visible`, as the lines of a message; long lines are cut in the middle."""
    return "\n".join(
        line if len(line) <= _MOST else f"{line[: _MOST - _END]} … {line[-_END:]}"
        for line in visible(text).split("\n")
    )


def one_line(text: str) -> str:
    """The text escaped as by :func:`visible`, on one line."""
    return " ".join(visible(text).split())


def json_line(value: Any) -> str:
    """*value* as JSON on one line, with invisible characters escaped; reading it returns the same value."""
    return _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], json.dumps(value, ensure_ascii=False))


# ---- Comments and strings of programs


def line_comment(text: object) -> str:
    """One line of a comment that extends to the end of its line, e.g. in shells.

    Printable text, such as a program's title, stays unchanged, so `pfnlab import` reads the same title back.
    """
    return "".join(letter if letter.isprintable() else _written(letter) for letter in str(text))


def _written(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def python_comment(text: object) -> str:
    """One line of a Python comment that cannot be mistaken for an encoding declaration."""
    return re.sub(r"(?<=coding)(?=[:=])", " ", line_comment(text))


def c_comment(text: object) -> str:
    """One line of a C comment, without its delimiters, that no compiler warns about.

    A space splits comment delimiters, ``* /``, and a trigraph at the end of a line.
    """
    return re.sub(r"(?<=\*)(?=/)|(?<=/)(?=\*)|(?<=\?\?)(?=/)", " ", line_comment(text))


def c_string(text: object) -> str:
    """A C string with its quotes, on one line of source; safe if the compiler reads trigraphs."""
    plain = line_comment(text).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"(?<=\?)\?", r"\\?", plain) + '"'


def word(text: str) -> str:
    """*text* as a single word for C, make, and file and module names: ``munmap_middle``."""
    plain = re.sub("[^A-Za-z0-9]", "_", text)
    # Targets in our Makefiles, which therefore cannot be names of programs.
    return plain if plain[:1].isalpha() and plain not in ("all", "clean") else f"program_{plain}"


# ---- Command-line words, for copying


def shell_word(text: object) -> str:
    """*text* as a single shell word, on one line.

    Text with invisible characters is quoted so that bash, zsh and ksh read the same bytes. Other shells read
    different text, but still a single word, since no quote occurs inside.
    """
    shown = str(text)
    if shown.isprintable() and not _UNSEEN.search(shown):
        return shlex.quote(shown)
    return f"$'{''.join(map(_quoted, shown))}'"


def _quoted(letter: str) -> str:
    if letter == "\\":
        return "\\\\"
    if letter != "'" and letter.isprintable() and not _UNSEEN.match(letter):
        return letter
    try:
        code = letter.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        code = letter.encode("utf-8", "surrogatepass")
    return {"\n": "\\n", "\t": "\\t"}.get(letter) or "".join(f"\\x{byte:02x}" for byte in code)


def shell_path(path: object) -> str:
    """A file name as by :func:`shell_word` that no program can mistake for an option."""
    shown = str(path)
    return shell_word(f"./{shown}" if shown.startswith(("-", "@")) else shown)


def shell_line(words: Iterable[object]) -> str:
    """Words as a command line, each as by :func:`shell_word`."""
    return " ".join(map(shell_word, words))


# A piece of a word: $'...' as written by shell_word(), a quoted string, or a letter; or
# the space between words.
_PIECE = re.compile(
    r"""\$'(?P<coded>(?:[^'\\]|\\.)*)'|'(?P<plain>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|"""
    r"""(?P<letter>[^\s'"\\]|\\.)|\s+""",
    re.DOTALL,
)
_CODE = re.compile(rb"\\(?:x([0-9a-f]{2})|(.))", re.DOTALL)


def shell_words(line: str) -> list[str]:
    """The words of a command line as written by :func:`shell_line`; ValueError if a quote is not closed.

    Shell operators are treated as letters.
    """
    words, at, inside = [""], 0, False
    while at < len(line):
        piece = _PIECE.match(line, at)
        if piece is None:
            raise ValueError("a quote is not closed")
        at = piece.end()
        kind = piece.lastgroup
        if kind is None and inside:
            words.append("")
        inside = kind is not None
        words[-1] += _unquoted(kind, piece[kind]) if kind else ""
    return words if inside else words[:-1]


def _unquoted(kind: str, text: str) -> str:
    if kind == "coded":
        code = _CODE.sub(_byte, text.encode("utf-8", "surrogatepass"))
        return code.decode("utf-8", "surrogateescape")
    if kind == "double":
        return re.sub(r'\\(["\\$`])', r"\1", text)
    return text.removeprefix("\\") if kind == "letter" and len(text) > 1 else text


def _byte(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes.fromhex(found[1].decode())
    return {b"n": b"\n", b"t": b"\t"}.get(found[2], found[2])


# Output from shell_line().
_PLAIN_WORD = r"(?:[A-Za-z0-9@%+=:,./_-]|'[^'\n]*'|\"'\"|\$'(?:[^'\\\n]|\\[^'\n])*')+"
_PLAIN_LINE = re.compile(f"{_PLAIN_WORD}(?: {_PLAIN_WORD})*")


def recorded_line(command: str) -> str:
    """A command line read from a file, requoted so that no character in it can make it two commands."""
    if not command or (_PLAIN_LINE.fullmatch(command) and not _UNSEEN.search(command)):
        return command
    try:
        return shell_line(shell_words(command))
    except ValueError:
        return shell_word(command)


# ---- Markup


def url_part(text: str) -> str:
    """*text* as one part of a URL path, in which ``@+=`` have no special meaning."""
    # Imported here because few commands write URLs.
    from urllib.parse import quote

    return quote(text, safe="@+=", errors="backslashreplace")


def xml_text(text: str) -> str:
    """*text* as element content, keeping its line breaks."""
    return visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def xml_line(text: str) -> str:
    """*text* as by :func:`xml_text`, on one line."""
    return xml_text(one_line(text))


def xml_attribute(text: str) -> str:
    """*text* as an attribute value, with its quotes, on one line."""
    plain = xml_line(text)
    if '"' in plain and "'" not in plain:
        return f"'{plain}'"
    return '"' + plain.replace('"', "&quot;") + '"'


# Characters with a meaning within a line of Markdown. A bracket has one only before a second part, and an
# underscore only at the edge of a word; URLs become links by themselves.
_MEANS = re.compile(
    r"[\\`*<>]|~~|&(?=#|\w+;)|\](?=[(\[])|(?<![^\W_])_|_(?![^\W_])|(?<=:)/(?=/)|(?<=www)\.", re.IGNORECASE
)

# Text that has a meaning at the start of a line: headings, items, rules, tables, fences, definitions.
_BEGINS = re.compile(r"(#{1,6}|[-+]|\d+[.)])(?=\s|$)|[-=:|\s]+$|-{3}|~~~|\||\[[^\]]*\]:")


def markdown(text: str) -> str:
    """*text* on one line, with all inline Markdown escaped."""
    return _MEANS.sub(lambda found: "".join(f"\\{char}" for char in found.group()), one_line(text))


def markdown_begun(line: str) -> str:
    """A line from :func:`markdown`, for use at the start of a line."""
    found = _BEGINS.match(line)
    if found is None:
        return line
    # The backslash goes before the period or parenthesis after a number.
    at = found.end() - 1 if line[0].isdigit() else 0
    return f"{line[:at]}\\{line[at:]}"


def markdown_code(text: object) -> str:
    """*text* as inline code in Markdown."""
    plain = one_line(str(text))
    marks = _more_than("`", plain, 1)
    return f"{marks} {plain} {marks}" if "`" in plain else f"{marks}{plain}{marks}"


def markdown_block(text: str, language: str) -> str:
    """Lines as a code block in Markdown, with a final newline."""
    plain = visible(text).rstrip("\n")
    fence = _more_than("`", plain, 3)
    return f"{fence}{language}\n{plain}\n{fence}\n"


def _more_than(mark: str, text: str, least: int) -> str:
    return mark * max([least, *(len(run) + 1 for run in re.findall(f"{mark}+", text))])


# ---- Fields of other formats


def annotation(text: str, more: str = "") -> str:
    """*text* within a GitHub runner command; *more* lists further characters to escape."""
    return "".join(f"%{ord(letter):02X}" if letter in f"%\r\n{more}" else letter for letter in text)


#: Characters that start a formula in a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def csv_cell(value: Any) -> Any:
    """A table cell; text that a spreadsheet could mistake for a formula is marked as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def id_word(text: object) -> str:
    """A word for use in an id whose words are separated by colons or blanks."""
    plain = str(text).encode("utf-8", "backslashreplace").decode("latin-1")
    return re.sub("[^A-Za-z0-9_.~-]", lambda found: f"%{ord(found[0]):02X}", plain)
