"""Causes of an errno for each way to map physical memory (``errnos.toml``, whose top explains its format)."""

import re
from collections.abc import Iterator, Sequence
from functools import cache

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.base.toml_text import package_tables
from pfnlab.kernel.bugs.known_bugs import bugs_with

#: Words of a question that do not name a way to map.
_FILLING = frozenset(
    ("a", "an", "at", "by", "file", "for", "from", "in", "ioctl", "of", "on", "open", "the", "through")
)

#: Name suffix of a way that is just the open() of another.
_OPEN = "_open"

#: Maximum number of characters of a word to show.
_MOST = 60


class MappingWay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way to map physical memory; the top of the file describes the fields."""

    name: str
    title: str
    words: tuple[str, ...]
    like: tuple[str, ...] = ()


class ShownErrno(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program that shows the errno.

    :param on: a release whose model returns the errno
    :param step: part of the failing operation
    """

    program: str
    on: str
    step: str


class ErrnoCause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cause of an errno and how to check for it; the top of the file describes the fields."""

    errno: str
    ways: tuple[str, ...]
    what: str
    check: str
    name: str = ""
    rules: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    shown: tuple[ShownErrno, ...] = ()

    @property
    def bugs(self) -> tuple[str, ...]:
        """The numbers of the bugs that are this cause, according to their data."""
        return bugs_with("errnos", self.name) if self.name else ()

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs in litmus/ that show it."""
        return tuple(dict.fromkeys(one.program for one in self.shown))


class CauseFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ways and the causes, in file order."""

    way: tuple[MappingWay, ...]
    cause: tuple[ErrnoCause, ...]


def causes(errno_name: str, how: Sequence[str]) -> tuple[ErrnoCause, ...]:
    """Return causes of an errno, most specific way first; raise Misuse if the errno or the way is unknown."""
    known = known_errnos()
    wanted = errno_name.strip().upper()
    if wanted not in known:
        shown = visible_name(errno_name)[:_MOST]
        raise Misuse(f"no causes of {shown!r} are known: write one of {', '.join(known)}")
    return _of(wanted, ways_of(how))


def ways_of(how: Sequence[str]) -> tuple[str, ...]:
    """Return the ways that words name, then those they resemble; raise Misuse for unknown words or no way."""
    found: dict[str, None] = {}
    known = {way.name for way in all_causes().way}
    opens = any("open" in text.lower().split() for text in how)
    for word in (part for text in how for part in text.split()):
        ways = [way for way in all_causes().way if _names(way, word)]
        if not ways and word.lower() not in _FILLING:
            raise Misuse(f"{visible_name(word)[:_MOST]!r} is not a known way to map: write {_offered()}")
        # Some files have separate causes for open().
        names = (way.name + _OPEN * (opens and way.name + _OPEN in known) for way in ways)
        found.update(dict.fromkeys(names))
    if not found:
        raise Misuse(f"this names no way to map: write {_offered()}")
    return _special_first(tuple(found))


def way_of(word: str) -> str:
    """Return the most specific way that one word names, or an empty string."""
    return next((way.name for way in all_causes().way if _names(way, word)), "") if word else ""


def causes_of(errno_name: str, way: str) -> tuple[ErrnoCause, ...]:
    """Return the causes of an errno for the way with this name, most specific first; may be empty."""
    return _of(errno_name, _special_first((way,)))


def _of(errno_name: str, ways: tuple[str, ...]) -> tuple[ErrnoCause, ...]:
    return tuple(
        cause
        for name in ways
        for cause in all_causes().cause
        if cause.errno == errno_name and name in cause.ways
    )


def known_errnos() -> tuple[str, ...]:
    """Return the names of all errnos with a known cause, in alphabetical order."""
    return tuple(sorted({cause.errno for cause in all_causes().cause}))


@cache
def all_causes() -> CauseFile:
    """Return the ways and causes in the file."""
    return package_tables(__package__, "errnos.toml", CauseFile)


def _names(way: MappingWay, word: str) -> bool:
    """True if *word*, or its last path component, names the way."""
    plain = word.strip(".,:;?()'\"`").lower()
    forms = {plain, plain.rstrip("/").rpartition("/")[2]}
    return any(re.fullmatch(pattern, form) for pattern in way.words for form in forms)


def _special_first(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names plus all names they resemble, each before the ones it resembles."""
    likes = {way.name: way.like for way in all_causes().way}

    def reached(name: str) -> Iterator[str]:
        yield name
        for like in likes[name]:
            yield from reached(like)

    order = [other for name in names for other in reached(name)]
    # Keep the last position: a way that several others resemble comes after all of them.
    return tuple(reversed(dict.fromkeys(reversed(order))))


def _offered() -> str:
    titles = [way.title for way in all_causes().way if way.words]
    return f"{', '.join(titles[:-1])} or {titles[-1]}"
