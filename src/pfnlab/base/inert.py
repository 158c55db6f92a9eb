"""Texts that others wrote, made inert: names of files and machines, titles, lines of a kernel's log.

What such a text holds is shown, and never acts: no character of it moves a terminal's cursor, breaks XML,
turns the direction of writing, or hides. Where a form reads some characters as its own (a comment's end, a
quote, an operator of a shell), there is a function here for each of its places, and whoever writes the form
calls that one: `tests/test_foreign_texts.py` finds who escapes in another way.
"""

import json
import re
import shlex
from collections.abc import Iterable
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


#: The most characters of a line of a message: its beginning says where, and its end what to do.
_MOST, _END = 1000, 300


def message(text: str) -> str:
    """The text as :func:`visible`, as lines of a message; of a long line its beginning and its end."""
    return "\n".join(
        line if len(line) <= _MOST else f"{line[: _MOST - _END]} … {line[-_END:]}"
        for line in visible(text).split("\n")
    )


def one_line(text: str) -> str:
    """The text as :func:`visible`, on one line."""
    return " ".join(visible(text).split())


def json_line(value: Any) -> str:
    """*value* as JSON on one line; :func:`visible`, and the same value when it is read again."""
    return _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], json.dumps(value, ensure_ascii=False))


# ---- Comments and strings of programs


def line_comment(text: object) -> str:
    """One line of a comment that ends with its line, as syzkaller and shells have it.

    What is printable stays, as every title of a program is: `pfnlab import` reads the same title again.
    """
    return "".join(letter if letter.isprintable() else _written(letter) for letter in str(text))


def _written(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def python_comment(text: object) -> str:
    """One line of a comment of Python, which takes some at the beginning of a file for its encoding."""
    return re.sub(r"(?<=coding)(?=[:=])", " ", line_comment(text))


def c_comment(text: object) -> str:
    """One line of a comment of C between its marks, which compilers warn of nowhere.

    Its end is spaced out, ``* /``, and so is what begins one, and a trigraph at the end of a line.
    """
    return re.sub(r"(?<=\*)(?=/)|(?<=/)(?=\*)|(?<=\?\?)(?=/)", " ", line_comment(text))


def c_string(text: object) -> str:
    """A string of C, with its quotes, that is one line where it is printed; also where trigraphs count."""
    plain = line_comment(text).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"(?<=\?)\?", r"\\?", plain) + '"'


def word(text: str) -> str:
    """*text* as one word of C, of make, and of the names of files and modules: ``munmap_middle``."""
    plain = re.sub("[^A-Za-z0-9]", "_", text)
    # What make has in every file of ours is no name of a program.
    return plain if plain[:1].isalpha() and plain not in ("all", "clean") else f"program_{plain}"


# ---- Words of a command line, for who copies it


def shell_word(text: object) -> str:
    """*text* as one word of a shell, on one line.

    With characters that are not seen it is in quotes that bash, zsh and ksh read as the same bytes. Other
    shells read another word, but one all the same: no quote stands within.
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
    """The name of a file as :func:`shell_word`, which no program takes for an option."""
    shown = str(path)
    return shell_word(f"./{shown}" if shown.startswith(("-", "@")) else shown)


def shell_line(words: Iterable[object]) -> str:
    """Words as a command line, each as :func:`shell_word`."""
    return " ".join(map(shell_word, words))


# A piece of a word: in $'' as shell_word() writes it, in quotes, a letter; or what is between words.
_PIECE = re.compile(
    r"""\$'(?P<coded>(?:[^'\\]|\\.)*)'|'(?P<plain>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|"""
    r"""(?P<letter>[^\s'"\\]|\\.)|\s+""",
    re.DOTALL,
)
_CODE = re.compile(rb"\\(?:x([0-9a-f]{2})|(.))", re.DOTALL)


def shell_words(line: str) -> list[str]:
    """The words of a command line, as :func:`shell_line` writes one; ValueError if a quote has no end.

    Operators of a shell are letters here.
    """
    words, at, inside = [""], 0, False
    while at < len(line):
        piece = _PIECE.match(line, at)
        if piece is None:
            raise ValueError("a quote has no end")
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


# What shell_line() writes.
_PLAIN_WORD = r"(?:[A-Za-z0-9@%+=:,./_-]|'[^'\n]*'|\"'\"|\$'(?:[^'\\\n]|\\[^'\n])*')+"
_PLAIN_LINE = re.compile(f"{_PLAIN_WORD}(?: {_PLAIN_WORD})*")


def recorded_line(command: str) -> str:
    """A command line that a file has, as words alone: none of its characters makes it two commands."""
    if not command or (_PLAIN_LINE.fullmatch(command) and not _UNSEEN.search(command)):
        return command
    try:
        return shell_line(shell_words(command))
    except ValueError:
        return shell_word(command)


# ---- Markup


def xml_text(text: str) -> str:
    """*text* as it may stand in an element, its lines kept."""
    return visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def xml_line(text: str) -> str:
    """*text* as :func:`xml_text`, on one line."""
    return xml_text(one_line(text))


def xml_attribute(text: str) -> str:
    """*text* as a value of an attribute, with its quotes, on one line."""
    plain = xml_line(text)
    if '"' in plain and "'" not in plain:
        return f"'{plain}'"
    return '"' + plain.replace('"', "&quot;") + '"'


# What Markdown gives a meaning within a line. A bracket means something only where a second thing follows,
# an underscore only at the border of a word; addresses become links by themselves.
_MEANS = re.compile(
    r"[\\`*<>]|~~|&(?=#|\w+;)|\](?=[(\[])|(?<![^\W_])_|_(?![^\W_])|(?<=:)/(?=/)|(?<=www)\.", re.IGNORECASE
)

# What it gives a meaning at the beginning of a line: headings, items, rules, tables, fences, definitions.
_BEGINS = re.compile(r"(#{1,6}|[-+]|\d+[.)])(?=\s|$)|[-=:|\s]+$|-{3}|~~~|\||\[[^\]]*\]:")


def markdown(text: str) -> str:
    """*text* on one line, with nothing left that Markdown would read within it."""
    return _MEANS.sub(lambda found: "".join(f"\\{char}" for char in found.group()), one_line(text))


def markdown_begun(line: str) -> str:
    """A line of :func:`markdown` where a line begins."""
    found = _BEGINS.match(line)
    if found is None:
        return line
    # A number keeps its digits: the backslash goes before the point behind them.
    at = found.end() - 1 if line[0].isdigit() else 0
    return f"{line[:at]}\\{line[at:]}"


def markdown_code(text: object) -> str:
    """*text* in typewriter face within a line of Markdown."""
    plain = one_line(str(text))
    marks = _more_than("`", plain, 1)
    return f"{marks} {plain} {marks}" if "`" in plain else f"{marks}{plain}{marks}"


def markdown_block(text: str, language: str) -> str:
    """Lines as a block of code in Markdown, with the end of its last line."""
    plain = visible(text).rstrip("\n")
    fence = _more_than("`", plain, 3)
    return f"{fence}{language}\n{plain}\n{fence}\n"


def _more_than(mark: str, text: str, least: int) -> str:
    return mark * max([least, *(len(run) + 1 for run in re.findall(f"{mark}+", text))])


# ---- Fields of other forms


def tap_description(text: str) -> str:
    """The name of a test point; a ``#`` would begin a directive."""
    return one_line(text).replace("\\", "\\\\").replace("#", "\\#")


def annotation(text: str, more: str = "") -> str:
    """*text* in a command of GitHub's runners; *more* are characters that end it, beside those of a line."""
    return "".join(f"%{ord(letter):02X}" if letter in f"%\r\n{more}" else letter for letter in text)


def metric_label(text: str) -> str:
    """The value of a label of Prometheus, with its quotes."""
    plain = visible(text).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{plain}"'


#: What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def csv_cell(value: Any) -> Any:
    """A value of a table; a text that a spreadsheet takes for a formula, as a text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def id_word(text: object) -> str:
    """A word of an id whose words have colons or blanks between them."""
    plain = str(text).encode("utf-8", "backslashreplace").decode("latin-1")
    return re.sub("[^A-Za-z0-9_.~-]", lambda found: f"%{ord(found[0]):02X}", plain)
