"""Tracking address spaces: calls with addresses become operations on named areas.

Only device memory, and other mappings placed over it, are tracked. An address range that contains it becomes
an area in the program; the same address belongs to the same area in every process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from pfnlab.base.units import PAGE_SIZE
from pfnlab.export.strace_lines import MAP, MREMAP
from pfnlab.programs.lang.device_ops import DriverMap
from pfnlab.programs.lang.ops import Area, Call, Mmap, Mremap, Munmap, Via
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import ANON, MAX_AREAS

#: The names of areas, in the order in which they are used.
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class FollowedPages(NamedTuple):
    """Tracked pages in an address space, from page *start* up to page *end*.

    :param at: the first of these pages, counted from the start of the area
    """

    start: int
    end: int
    area: str
    at: int

    def cut(self, start: int, end: int) -> FollowedPages:
        """The part of this range between two pages."""
        first = max(start, self.start)
        return FollowedPages(first, min(end, self.end), self.area, self.at + first - self.start)


class RecoveredOp(NamedTuple):
    """An operation in the resulting program.

    :param task: the acting task, as named in the trace
    :param copied: for a fork, exec, exit or kill: whether it copies or ends any tracked mapping
    :param always: keep an exec whenever its task is kept
    """

    task: str
    call: Call
    says: str
    copied: bool = True
    always: bool = False


class MapSource(NamedTuple):
    """The memory that an mmap maps: pages of a device through a file, or other memory (*pages* is None)."""

    pages: Span | None = None
    via: Via = "anon"
    driver: DriverMap | None = None


class MapRequest(NamedTuple):
    """The other arguments of an mmap, and whether it failed.

    :param at: the resulting page; if the call failed, the requested page, or 0 if none was requested
    """

    pages: int
    at: int
    prot: str
    flags: int
    failed: bool


class AddressSpace:
    """One process's tracked pages."""

    def __init__(self, pieces: tuple[FollowedPages, ...] = ()) -> None:
        self.pieces = list(pieces)

    def within(self, start: int, end: int) -> list[FollowedPages]:
        """The tracked pieces between two pages, clipped to them."""
        return [piece.cut(start, end) for piece in self.pieces if piece.start < end and start < piece.end]

    def clear(self, start: int, end: int) -> None:
        """Remove everything between two pages."""
        kept = []
        for piece in self.pieces:
            kept += [part for part in (piece.cut(0, start), piece.cut(end, 1 << 60)) if part.start < part.end]
        self.pieces = kept

    def put(self, piece: FollowedPages) -> None:
        """Replace the range of *piece* with *piece*."""
        self.clear(piece.start, piece.end)
        self.pieces.append(piece)


class ActingTask(NamedTuple):
    """A task that makes a call, the memory that it is on, and the comment of what it becomes."""

    task: str
    space: AddressSpace
    says: str


class Follower:
    """All address spaces in a trace, and the operations so far."""

    def __init__(self) -> None:
        self.steps: list[RecoveredOp] = []
        #: The number of calls that cannot be expressed, by kind.
        self.unsaid: Counter[str] = Counter()
        self._spaces: list[AddressSpace] = []
        #: The first page and the page count of each area that is not declared.
        self._starts: dict[str, int] = {}
        self._bound: dict[str, int] = {}
        self._declared: dict[str, int] = {}

    def space(self, pieces: tuple[FollowedPages, ...] = ()) -> AddressSpace:
        """A new address space."""
        space = AddressSpace(pieces)
        self._spaces.append(space)
        return space

    def areas(self) -> tuple[Area, ...]:
        """The areas that need a declaration."""
        return tuple(
            Area(name, pages) for name, pages in self._declared.items() if pages > self._bound.get(name, 0)
        )

    def add(self, task: str, call: Call, says: str, *, copied: bool = True, always: bool = False) -> None:
        """Add one operation."""
        self.steps.append(RecoveredOp(task, call, says, copied, always))

    # mmap

    def mmap(self, who: ActingTask, source: MapSource, request: MapRequest) -> None:
        """mmap(2)."""
        space, (pages, at, prot, flags, failed) = who.space, request
        if source.pages is None:
            if not failed:
                self._cover(who, pages, at, prot)
            return
        over: Span | None = None
        name: str | None = None
        if failed:
            over = self._over(space, at, pages) if flags & MAP["MAP_FIXED"] else None
            name = None if over else (self._name_at(at) if at else self._free_name())
        else:
            over = self._over(space, at, pages)
            self._make_room(who, at, pages, over)
            name = None if over else self._name_at(at)
        if over is None and name is None:
            self.unsaid[f"mmap of device memory: more than {MAX_AREAS} places at once"] += 1
            return
        shared = flags & 3 != MAP["MAP_PRIVATE"]
        words = bool(flags & MAP["MAP_POPULATE"]), bool(flags & MAP["MAP_LOCKED"])
        mapped = Mmap(name, source.pages, source.via, shared, prot, *words, over, source.driver)
        self.add(who.task, mapped, who.says)
        if failed:
            if name is not None:
                self._bind(name, pages)
            return
        if over is not None:
            space.put(FollowedPages(at, at + pages, over.name, over.start))
        elif name is not None:
            self._starts[name] = at
            self._bind(name, pages)
            space.put(FollowedPages(at, at + pages, name, 0))

    def _bind(self, name: str, pages: int) -> None:
        self._bound[name] = max(self._bound.get(name, 0), pages)

    def _over(self, space: AddressSpace, at: int, pages: int) -> Span | None:
        """The range from page *at* on, in an area that exists in *space* and contains that page."""
        for name in dict.fromkeys(piece.area for piece in space.pieces):
            first = self._starts[name]
            if first <= at < first + self._extent(name):
                start = at - first
                self._reach(name, start + pages)
                return Span(name, start, start + pages)
        return None

    def _extent(self, name: str) -> int:
        """The number of pages that an area has so far."""
        return max(self._bound.get(name, 0), self._declared.get(name, 0))

    def _reach(self, name: str, end: int) -> None:
        """Declare an area larger if it has to reach page *end*."""
        if end > self._extent(name):
            self._declared[name] = end

    def _make_room(self, who: ActingTask, at: int, pages: int, over: Span | None) -> None:
        """Unmap those tracked pages of other areas that the mapping replaces."""
        for span in spans_of(who.space.within(at, at + pages)):
            if over is None or span.name != over.name:
                self.add(who.task, Munmap(span), f"{who.says}, which maps over these pages")

    def _name_at(self, at: int) -> str | None:
        """A name for an area that starts at page *at*; None if all are in use."""
        return next((name for name, start in self._starts.items() if start == at), None) or self._free_name()

    def _free_name(self) -> str | None:
        fresh = next((letter for letter in _LETTERS if letter not in self._starts), None)
        return fresh or next((name for name in self._starts if not self._is_live(name)), None)

    def _is_live(self, name: str) -> bool:
        return any(piece.area == name for space in self._spaces for piece in space.pieces)

    def _cover(self, who: ActingTask, pages: int, at: int, prot: str) -> None:
        """Replace tracked pages with other memory, represented by anonymous memory."""
        for span in spans_of(who.space.within(at, at + pages)):
            covered = Mmap(None, Span(ANON, 0, span.pages), "anon", False, prot, over=span)
            self.add(who.task, covered, f"{who.says}, other memory")
            piece_at = self._starts[span.name] + span.start
            who.space.put(FollowedPages(piece_at, piece_at + span.pages, span.name, span.start))

    # The other calls

    def on_bytes(self, who: ActingTask, at: int, length: int, make: Callable[[Span], Call]) -> bool:
        """Add one operation for each area within *length* bytes from *at* on; True if there is any."""
        start, end = at // PAGE_SIZE, pages_in(at + length)
        spans = spans_of(who.space.within(start, end))
        more = end - start > sum(span.pages for span in spans)
        for span in spans:
            self.add(who.task, make(span), who.says + "; the call has other pages too" * more)
        return bool(spans)

    def munmap(self, who: ActingTask, at: int, length: int, *, failed: bool) -> bool:
        """munmap(2); True if it affects tracked pages."""
        met = self.on_bytes(who, at, length, Munmap)
        if not failed:
            who.space.clear(at // PAGE_SIZE, pages_in(at + length))
        return met

    def mremap(
        self, who: ActingTask, start: int, count: int, pages: int, *, flags: int, to: int | None
    ) -> bool:
        """mremap(2); True if it affects tracked pages.

        :param start: the first of *count* old pages
        :param to: the resulting page; None if the call failed
        """
        space = who.space
        found = space.within(start, start + max(count, 1))
        if not found:
            return False
        first = found[0]
        span = Span(first.area, first.at, first.at + count)
        self._reach(first.area, span.end)
        dontunmap = bool(flags & MREMAP["MREMAP_DONTUNMAP"])
        if to is None or (to == start and not dontunmap):
            # The requested destination is known only if the call succeeded.
            maymove = bool(flags & MREMAP["MREMAP_MAYMOVE"])
            self.add(who.task, Mremap(span, pages, maymove, False, dontunmap), who.says)
            if to is not None:
                self._resized(space, first, start, count, pages)
            return True
        over = self._over(space, to, pages)
        if over is not None and over.meets(span):
            over = None
        self._make_room(who, to, pages, over)
        name = None if over else self._name_at(to)
        if over is None and name is None:
            self.unsaid[f"mremap of device memory: more than {MAX_AREAS} places at once"] += 1
            return True
        self.add(who.task, Mremap(span, pages, True, True, dontunmap, name, over), who.says)
        if count and not dontunmap:
            space.clear(start, start + count)
        if name is not None:
            self._starts[name] = to
            self._bind(name, pages)
        area, at = (over.name, over.start) if over else (name or "", 0)
        space.put(FollowedPages(to, to + pages, area, at))
        return True

    def _resized(self, space: AddressSpace, first: FollowedPages, start: int, count: int, pages: int) -> None:
        if pages < count:
            space.clear(start + pages, start + count)
        else:
            self._reach(first.area, first.at + pages)
            space.put(FollowedPages(start, start + pages, first.area, first.at))


def spans_of(pieces: list[FollowedPages]) -> list[Span]:
    """The span of *pieces* in each area, from the first page to the last."""
    found: dict[str, Span] = {}
    for piece in sorted(pieces):
        end = piece.at + piece.end - piece.start
        span = found.get(piece.area, Span(piece.area, piece.at, end))
        found[piece.area] = Span(piece.area, min(span.start, piece.at), max(span.end, end))
    return list(found.values())


def pages_in(length: int) -> int:
    """The number of pages in *length* bytes, rounded as the kernel does."""
    return -(-length // PAGE_SIZE)
