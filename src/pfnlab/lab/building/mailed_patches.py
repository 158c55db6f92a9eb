"""Mailed patches: which functions and structures they change and call.

Nothing is applied, so a patch may be incomplete.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from pfnlab.base.result import Count
from pfnlab.kernel.functions.known_functions import functions_beginning
from pfnlab.lab.building.diffs import FileDiff, patches_in

#: The most subjects, names and faults that are kept of a mailbox.
MOST_SUBJECTS, MOST_NAMES, _MOST_FAULTS = 100, 10_000, 100

#: The most files that are kept of a name.
_MOST_FILES = 10

#: The longest line of which calls are read, in bytes: no line of a kernel source is longer.
_MOST_CODE = 1000

_CALL = re.compile(rb"\b([a-zA-Z_]\w{2,99})\s*\(")
#: A member of a structure of operations that is set to a function.
_POINTER = re.compile(rb"(?:\.|->)\w{1,99}\s*=\s*&?([a-zA-Z_]\w{2,99})\s*[,;]")
#: The beginning of a structure's definition or value.
_BLOCK = re.compile(rb"(?:\w+\s+){0,5}?(?:struct|union|enum)\s+(\w{1,99})\b[^;(]*$")
#: Lines that need no place: empty, a comment, an include, a brace, a label.
_PLAIN = re.compile(rb"\s*(?:$|/\*|\*|//|#\s*include\b|[{}][;,]?\s*$|\w+:\s*$)")
#: GNU diff cuts the line of a function after 40 characters, git after 80.
_CUT = (39, 40, 79, 80)
_MACRO = re.compile(rb"#\s*define\s+([a-zA-Z_]\w{2,99})\(")
#: Words that look like calls, and those that a line of code in the first column may begin with.
_WORDS = frozenset((b"if", b"while", b"for", b"switch", b"return", b"sizeof", b"typeof", b"defined"))
_NO_TYPE = frozenset((b"return", b"else", b"goto", b"case", b"typedef", b"#define"))
_OF_TYPES = bytes(range(128)).translate(
    None, b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_* \t"
)


@dataclass
class CallChange:
    """Calls of one function in changed lines.

    :ivar files: the files that have them
    """

    added: bool = False
    removed: bool = False
    files: dict[str, None] = field(default_factory=dict)


class UnplacedHunk(msgspec.Struct, frozen=True):
    """A hunk with changed code of which the patch does not say to which function it belongs.

    :param file: its file
    :param line: its first line in the file before the change
    :param why: what its header and context say instead
    """

    file: str
    line: Count
    why: str


@dataclass
class MailedPatches:
    """The patches in a file.

    :ivar patches: the number of mails, or bare diffs, with a change
    :ivar subjects: the subjects of the first of them, decoded; a bare diff has none
    :ivar changed: the functions and macros whose code is changed, each with their files
    :ivar called: the functions that a changed line calls, or no longer calls
    :ivar pointed: the functions in changed structures of operations, with their files
    :ivar structures: the structures whose definition or value is changed, with their files
    :ivar members: the members that are changed in them, with their files
    :ivar unplaced: the hunks that belong to no function, as far as the patch says
    :ivar files: the files changed
    :ivar faults: what cannot be read, each with its place
    :ivar policies: their ``Policy:`` trailers
    :ivar bases: their ``Base:`` trailers, e.g. ``linux-source-7.2 7.2.13-1``
    """

    patches: int = 0
    subjects: list[str] = field(default_factory=list)
    changed: dict[str, dict[str, None]] = field(default_factory=dict)
    called: dict[str, CallChange] = field(default_factory=dict)
    pointed: dict[str, dict[str, None]] = field(default_factory=dict)
    structures: dict[str, dict[str, None]] = field(default_factory=dict)
    members: dict[str, dict[str, None]] = field(default_factory=dict)
    unplaced: list[UnplacedHunk] = field(default_factory=list)
    files: dict[str, None] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    policies: dict[str, None] = field(default_factory=dict)
    bases: dict[str, None] = field(default_factory=dict)


def read_mailed(*paths: Path | None) -> MailedPatches:
    """Read the patches in files, as one series.

    :param paths: None for standard input
    :raises Misuse: if one cannot be read, is larger than 64 MiB or has a mail of more than 16 MiB, or
        contains no change
    """
    found = MailedPatches()
    for path in paths:
        _read_file(found, path)
    return found


def _read_file(found: MailedPatches, path: Path | None) -> None:
    for mail, diffs in patches_in(path):
        reader = _HunkReader(found)
        for diff in diffs:
            reader.take(diff)
        found.faults += diffs.faults[: _MOST_FAULTS - len(found.faults)]
        for word, value in diffs.trailers:
            if word != "SPDX-License-Identifier":
                _keep(found.policies if word == "Policy" else found.bases, value)
        found.patches += diffs.has_diff
        if diffs.has_diff and mail.subject and len(found.subjects) < MOST_SUBJECTS:
            found.subjects.append(mail.subject)


class _HunkReader:
    """Reads which functions and structures the diffs of a mail change and call."""

    def __init__(self, found: MailedPatches) -> None:
        self._found = found
        self._file = ""
        self._line = 0
        # At most one of these has a name; the reason is for a line that has neither.
        self._function = self._structure = self._why = ""
        self._pointed: list[str] = []
        self._is_structure_changed = False

    def take(self, diff: FileDiff) -> None:
        """Take the next file."""
        self._file = diff.name
        for name in diff.changed:
            _keep(self._found.files, name)
        for hunk in diff.hunks:
            self._line = hunk.line
            self._take_head(hunk.context[:_MOST_CODE].rstrip())
            for line in hunk.lines:
                if not line.startswith(b"\\"):
                    self._take_code(line[1:_MOST_CODE], line[:1])
            self._enter()

    def _take_head(self, head: bytes) -> None:
        """Take what the header of a hunk says of the function that the hunk begins in."""
        if (name := _defined(head)) is not None:
            self._enter(function=name)
            return
        last = head.replace(b"*", b" ").split()[-1:]
        word = last[0].decode(errors="replace") if last else ""
        is_cut = len(head) in _CUT and word.isidentifier() and b"(" not in head
        if is_cut and (names := functions_beginning(word, self._file)):
            if len(names) == 1:
                self._enter(function=names[0])
            else:
                self._enter(why=f"its header is cut, and fits {' and '.join(names)}")
        elif (block := _BLOCK.match(head)) and not (is_cut and b"*" in head):
            self._enter(structure=block[1].decode(errors="replace"))
        elif not _is_c(self._file):
            self._enter(why="not C")
        elif not head and self._line <= 1:
            self._enter(why="outside functions")
        elif not head:
            self._enter(why="its header names no function")
        elif head.endswith((b";", b"}")):
            self._enter(why="outside functions")
        else:
            said = head.decode(errors="replace")
            self._enter(
                why=f"its header is cut: {said}" if is_cut else f"its header names a label or data: {said}"
            )

    def _enter(self, *, function: str = "", structure: str = "", why: str = "") -> None:
        """Begin another part of the file; what a structure has of pointers counts if it is changed."""
        if self._is_structure_changed:
            for name in self._pointed:
                _keep_in(self._found.pointed, name, self._file)
        self._pointed, self._is_structure_changed = [], False
        self._function, self._structure, self._why = function, structure, why

    def _take_code(self, code: bytes, mark: bytes) -> None:
        changed = mark in (b"+", b"-")
        name = _defined(code)
        closes = code[:1] == b"}"
        if name is not None:
            self._enter(function=name)
        elif not code[:1].isspace() and code.rstrip()[-1:] == b"{" and (block := _BLOCK.match(code)):
            self._enter(structure=block[1].decode(errors="replace"))
        pointers = [pointer.decode() for pointer in _POINTER.findall(code)]
        if not self._function:
            self._pointed += pointers
        if changed:
            self._change(code, mark, name, pointers)
        if closes:
            # The line itself still belongs to the function.
            after = self._function or self._structure
            self._enter(why=f"outside functions, after {after}" if after else "outside functions")

    def _change(self, code: bytes, mark: bytes, defined: str | None, pointers: list[str]) -> None:
        """Keep what a changed line changes and calls."""
        found, file = self._found, self._file
        calls = [call.decode() for call in _CALL.findall(code) if call not in _WORDS]
        for name in calls:
            if name != defined and (name in found.called or len(found.called) < MOST_NAMES):
                call = found.called.setdefault(name, CallChange())
                call.added |= mark == b"+"
                call.removed |= mark == b"-"
                _keep(call.files, file, _MOST_FILES)
        for name in pointers:
            _keep_in(found.pointed, name, file)
        if self._function:
            _keep_in(found.changed, self._function, file)
        elif _PLAIN.match(code):
            return
        elif self._structure:
            self._is_structure_changed = True
            _keep_in(found.structures, self._structure, file)
            if member := _member(code):
                _keep_in(found.members, member, file)
        elif not self._is_declaration(code, calls):
            hunk = UnplacedHunk(file, self._line, self._why)
            if len(found.unplaced) < MOST_NAMES and not self._is_last(hunk):
                found.unplaced.append(hunk)

    def _is_declaration(self, code: bytes, calls: list[str]) -> bool:
        """True for a line outside functions that names what it declares, or continues such a line."""
        return self._why.startswith("outside") and (bool(calls) or code[:1].isspace())

    def _is_last(self, hunk: UnplacedHunk) -> bool:
        """True if the last hunk that is kept is this one, or in the same file without functions."""
        last = self._found.unplaced[-1:]
        return bool(last) and last[0].file == hunk.file and (last[0].line == hunk.line or hunk.why == "not C")


def _is_c(file: str) -> bool:
    """True if the name of a file is that of C source."""
    return file.endswith((".c", ".h"))


def _defined(code: bytes) -> str | None:
    """The function or macro whose definition begins in this line: in the first column, and unlike a call or a
    declaration without `;` and `=`.
    """
    if macro := _MACRO.match(code):
        return macro[1].decode()
    head, parenthesis, rest = code.partition(b"(")
    words = head.replace(b"*", b" ").split()
    # No expression for this: a hostile line would take it long.
    if not parenthesis or not words or head[:1].isspace() or b";" in rest or b"=" in rest:
        return None
    name = words[-1]
    if words[0] in _NO_TYPE or name in _WORDS or not 3 <= len(name) <= 100 or name[:1].isdigit():
        return None
    return name.decode() if head.translate(None, _OF_TYPES) == head and head.isascii() else None


def _member(code: bytes) -> str:
    """The member that a line defines (`bool fullmm : 1;`), or sets in a value (`.fault = one,`); or ""."""
    text = code.strip()
    if text.startswith(b"."):
        name = text[1:].partition(b"=")[0]
    elif b"(*" in text:
        name = text.partition(b"(*")[2].partition(b")")[0]
    else:
        head, semicolon, _ = text.replace(b"[", b";").replace(b":", b";").partition(b";")
        words = head.replace(b"*", b" ").split()
        # A member has its type before it.
        name = words[-1] if semicolon and len(words) > 1 else b""
    word = name.strip().decode(errors="replace")
    return word if word.isidentifier() and len(word) <= 100 else ""


def _keep(names: dict[str, None], name: str, most: int | None = None) -> None:
    if len(names) < (MOST_NAMES if most is None else most):
        names[name] = None


def _keep_in(names: dict[str, dict[str, None]], name: str, file: str) -> None:
    if name in names or len(names) < MOST_NAMES:
        _keep(names.setdefault(name, {}), file, _MOST_FILES)
