"""Lines and tokens: the layer of the text form that knows about columns but not about meaning."""

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple, NoReturn

from pfnlab.base.errors import ProgramError
from pfnlab.base.spelling import did_you_mean
from pfnlab.programs.lang import words

_TOKEN = re.compile(
    r"""[ \t]*(?:
        (?P<word>[A-Za-z_][A-Za-z0-9_]*(?:-(?=[A-Za-z])[A-Za-z0-9_]+)*-?)
      | (?P<series>[0-9]+\.[0-9]+(?:\.[0-9]+|-rc[0-9]+)?)
      | (?P<number>-?(?:0[xX][0-9a-fA-F]+|[0-9]+))
      | (?P<dots>\.\.)
      | (?P<mark>[=:,\[\]])
      | (?P<comment>\#.*)
      | (?P<other>[^ \t])
    )""",
    re.VERBOSE | re.DOTALL,
)

#: A line whose remainder is free text: a title or question.
_FREE = re.compile(r"[ \t]*(title|asks)(?![A-Za-z0-9_-])(.*)", re.DOTALL)


class Token(NamedTuple):
    """A word, number or mark in a line; ``column`` counts from 1."""

    kind: str
    text: str
    column: int


class Line:
    """A program line split into tokens, and the current reading position in it.

    :param number: counted from 1
    :ivar comment: the comment including its ``#``, or ""
    :ivar free: for a title or question: its keyword, its text, and the text's column; otherwise None
    """

    def __init__(self, raw: str, number: int, source: str) -> None:
        self.raw = raw
        self.number = number
        self.source = source
        self.comment = ""
        self.free: tuple[str, str, int] | None = None
        self.tokens: list[Token] = []
        self.position = 0
        self._cut()

    def _cut(self) -> None:
        if match := _FREE.match(self.raw):
            keyword, text = match.groups()
            column = match.start(2) + len(text) - len(text.lstrip()) + 1
            self.free = (keyword, " ".join(text.split()), column)
            length = len(self.raw)
        else:
            length = 0
            for match in _TOKEN.finditer(self.raw):
                kind = match.lastgroup or ""
                text = match[kind]
                if kind == "comment":
                    self.comment = text.rstrip()
                    break
                length = match.end()
                if length > words.MAX_LINE:
                    break
                self.tokens.append(Token(kind, text, match.start(kind) + 1))
        if length > words.MAX_LINE:
            self.fail(f"a line has at most {words.MAX_LINE} characters before its comment: split it", 1)

    def fail(self, message: str, column: int | None = None) -> NoReturn:
        """Refuse the line at *column*, which defaults to the next token."""
        at = self.column if column is None else column
        # Tabs and control characters each become one visible column, so that the caret is in the right place.
        start = self.raw[: at + 200]
        shown = "".join(
            letter if letter.isprintable() else " " if letter in "\t\r" else "�" for letter in start
        ).rstrip()
        raise ProgramError(message, source=self.source, line=self.number, column=at, text=shown)

    @property
    def column(self) -> int:
        """The column of the next token or, at the end, the column after the last one."""
        if self.position < len(self.tokens):
            return self.tokens[self.position].column
        if not self.tokens:
            return 1
        last = self.tokens[-1]
        return last.column + len(last.text)

    @property
    def next(self) -> str:
        """The next token's text, "" at the end."""
        return self.tokens[self.position].text if self.position < len(self.tokens) else ""

    @property
    def kind(self) -> str:
        """The next token's kind, "" at the end."""
        return self.tokens[self.position].kind if self.position < len(self.tokens) else ""

    def after(self) -> str:
        """The text of the token that follows the next one."""
        return self.tokens[self.position + 1].text if self.position + 1 < len(self.tokens) else ""

    def take(self) -> str:
        """Read the next token."""
        text = self.next
        self.position += 1
        return text

    def accept(self, text: str) -> bool:
        """Read the next token if it is *text*."""
        if self.next != text:
            return False
        self.position += 1
        return True

    def was(self, *texts: str) -> bool:
        """True if the most recently read tokens are *texts*."""
        read = self.tokens[: self.position][-len(texts) :]
        return tuple(token.text for token in read) == texts

    def need(self, text: str, example: str) -> None:
        """Read *text*, or refuse the line and show an *example* of the whole."""
        if not self.accept(text):
            before = f" before {words.quoted(self.next)}" if self.next else ""
            self.fail(f"`{text}` is missing{before}: write {example}")

    def word(self, noun: str, example: str) -> str:
        """Read a word, or refuse the line; *noun* names what is expected."""
        self._need_kind("word", noun, example)
        return self.take()

    def _need_kind(self, kind: str, noun: str, example: str) -> None:
        if self.kind != kind:
            problem = (
                f"{words.quoted(self.next)} is not a valid {noun}" if self.next else f"the {noun} is missing"
            )
            self.fail(f"{problem}: write {example}")

    def choice(self, noun: str, choices: Collection[str], example: str) -> str:
        """Read one of *choices*, or refuse the line and suggest the nearest one."""
        if self.next in choices:
            return self.take()
        if self.kind != "word":
            self.word(noun, example)
        self.fail(f"unknown {noun} {words.quoted(self.next)}{did_you_mean(self.next, choices)}")

    def number_of(self, noun: str, example: str) -> int:
        """Read a whole number, decimal or hexadecimal, or refuse the line."""
        self._need_kind("number", noun, example)
        text = self.next
        if len(text) > 20:
            self.fail("numbers go up to 2^40: write a smaller one")
        value = int(text, 16 if text.lower().lstrip("-").startswith("0x") else 10)
        if value > words.MAX_NUMBER:
            self.fail("numbers go up to 2^40: write a smaller one")
        self.position += 1
        return value

    def pages(self, example: str) -> int:
        """Read a page count, ``16 pages`` or ``64 KiB``."""
        column = self.column
        count = self.number_of("page count", example)
        if count < 0:
            self.fail(f"a size is not negative: write {example}", column)
        if not self.next:
            self.fail(f"a size needs its unit: write `{count} pages` or `{count} KiB`")
        unit = self.choice("unit", words.UNITS, example)
        size = count * words.UNITS[unit]
        if size % words.UNITS["page"]:
            self.fail(f"{count} {unit} is not whole pages: a page is 4 KiB", column)
        return size // words.UNITS["page"]

    def end(self, after: str) -> None:
        """Refuse any further tokens on the line."""
        if self.position < len(self.tokens):
            extra = words.quoted(self.next)
            self.fail(f"{extra} is too much after {after}: delete it, or write `#` before a comment")


def lines_of(text: str, source: str) -> Iterator[Line]:
    """Split *text* into lines, one at a time; a line ends in ``\\n`` or ``\\r\\n``.

    :raises ProgramError: if the text cannot be a program because it is too large, or binary
    """
    if len(text) > words.MAX_BYTES:
        raise ProgramError(words.TOO_LARGE, source=source)
    if "\0" in text:
        raise ProgramError("this is a binary file (it holds NUL bytes): name a program file", source=source)
    rows = text.removeprefix("\ufeff").split("\n")
    if rows[-1] == "":
        rows.pop()
    if len(rows) > words.MAX_LINES:
        raise ProgramError(
            f"a program has at most {words.MAX_LINES} lines: is it the right file?", source=source
        )
    for number, row in enumerate(rows, 1):
        yield Line(row.removesuffix("\r"), number, source)
