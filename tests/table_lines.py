"""Lines of the operations of the table, with every word that each takes, and programs around them."""

from __future__ import annotations

from pfnlab.programs.lang.fields import Ending, Field, Flag, Shape, Word
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Call, Program
from pfnlab.programs.lang.words import ROWS, verbs_of, word_of

_TEXTS: dict[Shape, str] = {
    **{Shape.RANGE: "a[1:3]", Shape.ACCESS: "a[2]", Shape.DEVICE_PAGES: "bar[0:4]", Shape.MEMORY: "ram[0:2]"},
    **{Shape.OWN_PAGES: "ram[0:2]", Shape.SECTIONS: "bar[0:512]", Shape.DEVICE: "bar", Shape.PROT: "rx"},
    Shape.VALUE: "7",
    Shape.ROOM: "+16 pages",
    **{Shape.TASK: "main", Shape.ANY_TASK: "c", Shape.HELD: "main"},
}
_HEAD = "pfnlab program 1\ndevice bar: pci, 512 pages\na = mmap bar[0:8] wc shared rw\n"

#: What stands before an operation that cannot be the first.
_BEFORE = {
    "plug": "unplug bar\n",
    "release": "hold unmap_vmas: munmap a\n",
    "process_mrelease": "c = fork\nhold unmap_vmas: c: munmap a\n",
}

#: What stands behind an operation that cannot be the last.
_AFTER = {"process_mrelease": "release\n"}


def _texts(field: Field) -> list[str]:
    """Every form of a field, with a space before it."""
    match field:
        case Word():
            return ["" if word == field.default else f" {word}" for word in field.numbers]
        case Flag():
            return ["", f" {field.word}"]
        case Ending():
            return [""]
    return [f" {_TEXTS[field]}"]


def _lines(kind: type[Call]) -> list[str]:
    found = list(verbs_of(kind))
    for field in ROWS[kind].fields:
        found = [f"{line}{text}" for line in found for text in _texts(field)]
    return found


#: Every line, with the word of its operation.
LINES = [(word_of(kind), line) for kind in ROWS for line in _lines(kind)]


def program_with(word: str, line: str) -> Program:
    """A program that ends in *line*, which is of the operation *word*, or in what must stand behind it."""
    return load_text(f"{_HEAD}{_BEFORE.get(word, '')}{line}\n{_AFTER.get(word, '')}")


def path_end(word: str) -> int:
    """The place of that line among the operations of the program, from its end on."""
    return -1 - len(_AFTER.get(word, "").splitlines())
