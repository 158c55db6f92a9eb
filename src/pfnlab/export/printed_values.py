"""The values that strace prints: numbers, flags, strings, descriptors."""

import re
from collections.abc import Callable, Mapping
from math import prod

_DESCRIPTOR = re.compile(r"(-?\d+|AT_FDCWD|0xffffff9c)(?:<(.*)>)?\Z", re.DOTALL)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?\Z', re.DOTALL)
_ESCAPED = re.compile(r"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f"}

#: The start of a path that is relative to the working directory.
AT_FDCWD = -100

#: mmap(2) bits on x86.
PROT = {"PROT_NONE": 0, "PROT_READ": 1, "PROT_WRITE": 2, "PROT_EXEC": 4}
MAP = {
    **{"MAP_SHARED": 0x01, "MAP_PRIVATE": 0x02, "MAP_SHARED_VALIDATE": 0x03, "MAP_FIXED": 0x10},
    **{"MAP_ANONYMOUS": 0x20, "MAP_32BIT": 0x40, "MAP_GROWSDOWN": 0x100, "MAP_DENYWRITE": 0x800},
    **{"MAP_EXECUTABLE": 0x1000, "MAP_LOCKED": 0x2000, "MAP_NORESERVE": 0x4000},
    **{"MAP_POPULATE": 0x8000, "MAP_NONBLOCK": 0x10000, "MAP_STACK": 0x20000, "MAP_HUGETLB": 0x40000},
    **{"MAP_SYNC": 0x80000, "MAP_FIXED_NOREPLACE": 0x100000},
}
MREMAP = {"MREMAP_MAYMOVE": 1, "MREMAP_FIXED": 2, "MREMAP_DONTUNMAP": 4}
OPEN = {
    **{"O_RDONLY": 0, "O_WRONLY": 1, "O_RDWR": 2, "O_SYNC": 0o4010000, "O_DSYNC": 0o10000},
    "O_CLOEXEC": 0o2000000,
}
PAGEMAP_SCAN = 0xC0606610
MLOCKALL = {"MCL_CURRENT": 1, "MCL_FUTURE": 2, "MCL_ONFAULT": 4}
MSYNC = {"MS_ASYNC": 1, "MS_INVALIDATE": 2, "MS_SYNC": 4}
CLONE = {
    **{"CLONE_VM": 0x100, "CLONE_FILES": 0x400, "CLONE_PIDFD": 0x1000, "CLONE_VFORK": 0x4000},
    "CLONE_THREAD": 0x10000,
}


def number(text: str) -> int | None:
    """A number or address, where ``NULL`` is 0; None if it is not a number."""
    word = _COMMENT.sub("", text).strip()
    if word == "NULL":
        return 0
    if re.fullmatch(r"0[0-7]+", word):
        return int(word, 8)
    try:
        return int(word, 0)
    except ValueError:
        # A product, such as a size in pages printed by strace: 4*4096.
        factors = [part.strip() for part in word.split("*")]
        is_product = len(factors) > 1 and all(part.isdigit() for part in factors)
        return prod(map(int, factors)) if is_product else None


def bits(text: str, names: Mapping[str, int]) -> tuple[int, tuple[str, ...]]:
    """Flags as a number, and the words that are not in *names*."""
    value = 0
    unknown = []
    for part in _COMMENT.sub("", text).split("|"):
        word = part.strip()
        if word in names:
            value |= names[word]
        elif (found := number(word)) is not None:
            value |= found
        elif word:
            unknown.append(word)
    return value, tuple(unknown)


def descriptor(text: str) -> tuple[int, str] | None:
    """A descriptor and its path (``""`` if not printed); None if it is not a descriptor."""
    found = _DESCRIPTOR.match(text.strip())
    if found is None:
        return None
    word = found[1]
    value = int(word) if word.lstrip("-").isdigit() else AT_FDCWD
    return value, unescaped(found[2] or "").removesuffix(" (deleted)").partition("<")[0]


def string(text: str) -> tuple[str, bool] | None:
    """A string, and whether it was printed in full; None if it is not a string."""
    found = _STRING.match(text.strip())
    return None if found is None else (unescaped(found[1]), found[2] is None)


def unescaped(text: str) -> str:
    """*text* with C escapes resolved."""
    return _ESCAPED.sub(_letter, text)


def _letter(found: re.Match[str]) -> str:
    word = found[1]
    if word[0] == "x" and len(word) == 3:
        return chr(int(word[1:], 16))
    if word.isdigit():
        return chr(int(word, 8) & 0xFF)
    return _LETTERS.get(word, word)


def prot_letters(value: int) -> str:
    """The program language's word for a protection."""
    return "".join(letter for bit, letter in ((1, "r"), (2, "w"), (4, "x")) if value & bit) or "none"


def arguments_in(
    text: str, start: int, behind_text: Callable[[str, int], int]
) -> tuple[tuple[str, ...], int] | None:
    """The arguments from *start* on, and the index of the closing bracket; or None.

    :param behind_text: given an index, returns the index after a string, or after other text whose brackets
        are ignored, that starts there; otherwise returns the index unchanged
    """
    found: list[str] = []
    open_: list[str] = []
    begin = at = start
    while at < len(text):
        behind = behind_text(text, at)
        if behind > at:
            at = behind
            continue
        letter = text[at]
        if letter in _CLOSING:
            open_.append(_CLOSING[letter])
        elif open_ and letter == open_[-1]:
            open_.pop()
        elif letter in ",)" and not open_:
            found.append(text[begin:at].strip())
            begin = at + 1
            if letter == ")":
                return tuple(word for word in found if word or len(found) > 1), at
        at += 1
    return None


def end_of_string(text: str, at: int) -> int:
    """The index after the string that starts at *at* with the quote there."""
    quote = text[at]
    at += 1
    while at < len(text) and text[at] != quote:
        at += 2 if text[at] == "\\" else 1
    return at + 1
