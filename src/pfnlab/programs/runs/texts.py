"""Step fields that are texts, as values: page-table entries, tracked ranges, moved bytes.

Reading never fails, because texts also come from files: a malformed text reads as an empty value.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

import msgspec

from pfnlab.programs.lang.ops import MAIN_TASK
from pfnlab.programs.lang.span import Span

#: The place given for a VMA that itself stands for its reservation.
VM_PAT = "VM_PAT"

#: A page number or count, limited in length because Python refuses to convert very long numbers.
_NUMBER = "[0-9]{1,18}"
_SPAN = re.compile(
    rf"(?:(?P<task>[^\s\[\]]+):)?(?P<name>[^\s\[\]:]+)\[(?P<start>{_NUMBER}):(?P<end>{_NUMBER})\]"
)
_REFS = re.compile(rf"x{_NUMBER}")


class TableEntry(msgspec.Struct, frozen=True):
    """A page-table entry.

    :param level: 1 for the 4K level, 2 and 3 for 2M and 1G leaves; for an absent entry, where the tables end
    :param mode: the cache mode, e.g. ``WC``; empty if the entry is absent
    :param flags: ``P`` or ``!P``, ``RW`` or ``RO``, then ``US``, ``SPECIAL``, ``A`` and ``D``
    :param absent: ``none`` or ``swap`` if nothing is mapped; otherwise empty
    """

    level: int
    mode: str
    flags: tuple[str, ...] = ()
    absent: str = ""

    @property
    def maps(self) -> bool:
        """True if it maps something."""
        return not self.absent

    @property
    def is_present(self) -> bool:
        """True if the processor uses it: a PROT_NONE entry maps a page, but is not present."""
        return "P" in self.flags

    def __str__(self) -> str:
        if self.absent:
            return f"{self.absent}@L{self.level}"
        return " ".join((f"L{self.level}", self.mode, *self.flags))


@lru_cache(maxsize=4096)
def table_entry(text: str) -> TableEntry:
    """The entry in ``PteSeen.entry`` or ``CachedTranslations.entry``."""
    absent, at, level = text.partition("@L")
    if at:
        return TableEntry(_level(level), "", absent=absent or "none")
    first, *words = text.split() or [""]
    return TableEntry(_level(first[1:]), words[0] if words else text, tuple(words[1:]))


def _level(text: str) -> int:
    return int(text) if len(text) == 1 and text.isdecimal() else 1


class TrackedRange(msgspec.Struct, frozen=True):
    """An item that a tracker recorded: a reserved range, or a VMA that stands for one.

    :param place: device pages, :data:`VM_PAT`, or a word for pages whose place differs between machines
    :param refs: the number of its users; None if the tracker does not count
    :param users: the task and area of each user
    """

    place: Span | str
    refs: int | None
    users: tuple[tuple[str, Span], ...]

    def __str__(self) -> str:
        return tracked_text(self.place, self.refs, (vma_name(task, span) for task, span in self.users))


def tracked_text(place: Span | str, refs: int | None, users: Iterable[str]) -> str:
    """The line in ``Step.tracked`` for a range with these users, given by name."""
    return f"{place}{'' if refs is None else f' x{refs}'} {' '.join(users)}"


@lru_cache(maxsize=4096)
def tracked_range(line: str) -> TrackedRange:
    """The range in a line of ``Step.tracked``."""
    first, *words = line.split() or [""]
    place = named_span(first)
    refs = int(words[0][1:]) if words and _REFS.fullmatch(words[0]) else None
    users = map(named_span, words if refs is None else words[1:])
    return TrackedRange(first if place is None else place[1], refs, tuple(filter(None, users)))


# Cache as many as a long run has VMAs, because a tracker may name all of them after every step.
@lru_cache(maxsize=1 << 14)
def named_span(text: str) -> tuple[str, Span] | None:
    """The task and pages in ``t:a[0:4]``; None for any other text."""
    match = _SPAN.fullmatch(text)
    if match is None:
        return None
    return match["task"] or MAIN_TASK, Span(match["name"], int(match["start"]), int(match["end"]))


def vma_name(task: str, span: Span) -> str:
    """The text for a VMA in ``tracked`` and ``prots``; the main task is not named."""
    return str(span) if task == MAIN_TASK else f"{task}:{span}"


def ascending(first: int, length: int) -> bytes:
    """The bytes that a write stores: *first*, then each one more than the last, with 0 after 255."""
    return bytes((first + place) % 256 for place in range(length))


def moved_text(count: int, content: bytes | None = None) -> str:
    """``12 bytes: 00*4 07+8``: four zeros, followed by eight bytes that ascend from 7.

    :param content: the bytes that were read; None if bytes were written
    """
    text = f"{count} {'byte' if count == 1 else 'bytes'}"
    return text if content is None else f"{text}: {' '.join(_runs(content))}"


def _runs(content: bytes) -> Iterator[str]:
    """Equal bytes as ``00*4``, ascending ones as ``07+8``, others alone; at each place, the longer run."""
    place = 0
    while place < len(content):
        length, sign = max((_length(content, place, step), sign) for step, sign in ((0, "*"), (1, "+")))
        yield f"{content[place]:02x}{sign}{length}" if length > 1 else f"{content[place]:02x}"
        place += length


def _length(content: bytes, place: int, step: int) -> int:
    """The number of bytes from *place* on that each exceed the one before by *step*."""
    end = place + 1
    while end < len(content) and content[end] == (content[end - 1] + step) % 256:
        end += 1
    return end - place
