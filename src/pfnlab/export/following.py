"""Tracking address spaces: calls with addresses become operations on named areas.

Only device memory, and other mappings placed over it, are tracked. An address range that contains it becomes
an area in the program; the same address belongs to the same area in every process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from pfnlab.base.units import PAGE_SIZE
from pfnlab.export.printed_values import MAP
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

    def mmap(
        self,
        task: str,
        space: AddressSpace,
        source: MapSource,
        pages: int,
        *,
        at: int,
        prot: str,
        flags: int,
        says: str,
        failed: bool,
    ) -> None:
        """mmap(2).

        :param at: the resulting page; if the call failed, the requested page, or 0 if none was requested
        """
        if source.pages is None:
            if not failed:
                self._cover(task, space, pages, at=at, prot=prot, says=says)
            return
        over: Span | None = None
        name: str | None = None
        if failed:
            over = self._over(space, at, pages) if flags & MAP["MAP_FIXED"] else None
            name = None if over else (self._name_at(at) if at else self._free_name())
        else:
            over = self._over(space, at, pages)
            self._make_room(task, space, at, pages, over, says)
            name = None if over else self._name_at(at)
        if over is None and name is None:
            self.unsaid[f"mmap of device memory: more than {MAX_AREAS} places at once"] += 1
            return
        shared = flags & 3 != MAP["MAP_PRIVATE"]
        words = bool(flags & MAP["MAP_POPULATE"]), bool(flags & MAP["MAP_LOCKED"])
        self.add(task, Mmap(name, source.pages, source.via, shared, prot, *words, over, source.driver), says)
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
            extent = max(self._bound.get(name, 0), self._declared.get(name, 0))
            if first <= at < first + extent:
                start = at - first
                if start + pages > extent:
                    self._declared[name] = start + pages
                return Span(name, start, start + pages)
        return None

    def _make_room(
        self, task: str, space: AddressSpace, at: int, pages: int, over: Span | None, says: str
    ) -> None:
        """Unmap those tracked pages of other areas that the mapping replaces."""
        for span in spans_of(space.within(at, at + pages)):
            if over is None or span.name != over.name:
                self.add(task, Munmap(span), f"{says}, which maps over these pages")

    def _name_at(self, at: int) -> str | None:
        """A name for an area that starts at page *at*; None if all are in use."""
        return next((name for name, start in self._starts.items() if start == at), None) or self._free_name()

    def _free_name(self) -> str | None:
        fresh = next((letter for letter in _LETTERS if letter not in self._starts), None)
        return fresh or next((name for name in self._starts if not self._is_live(name)), None)

    def _is_live(self, name: str) -> bool:
        return any(piece.area == name for space in self._spaces for piece in space.pieces)

    def _cover(self, task: str, space: AddressSpace, pages: int, *, at: int, prot: str, says: str) -> None:
        """Replace tracked pages with other memory, represented by anonymous memory."""
        for span in spans_of(space.within(at, at + pages)):
            anonymous = Span(ANON, 0, span.pages)
            self.add(task, Mmap(None, anonymous, "anon", False, prot, over=span), f"{says}, other memory")
            piece_at = self._starts[span.name] + span.start
            space.put(FollowedPages(piece_at, piece_at + span.pages, span.name, span.start))

    # The other calls

    def ranged(
        self, task: str, space: AddressSpace, start: int, end: int, make: Callable[[Span], Call], says: str
    ) -> bool:
        """Add one operation for each area within pages *start* to *end*; True if there is any."""
        spans = spans_of(space.within(start, end))
        for span in spans:
            more = end - start - sum(each.pages for each in spans)
            other = "; the call has other pages too" if more > 0 else ""
            self.add(task, make(span), f"{says}{other}")
        return bool(spans)

    def munmap(
        self, task: str, space: AddressSpace, start: int, end: int, says: str, *, failed: bool
    ) -> bool:
        """munmap(2); True if it affects tracked pages."""
        met = self.ranged(task, space, start, end, Munmap, says)
        if not failed:
            space.clear(start, end)
        return met

    def mremap(
        self,
        task: str,
        space: AddressSpace,
        old: tuple[int, int],
        pages: int,
        flags: tuple[bool, bool, bool],
        *,
        to: int | None,
        says: str,
    ) -> bool:
        """mremap(2); True if it affects tracked pages.

        :param old: the first page, and the number of pages
        :param flags: maymove, fixed and dontunmap
        :param to: the resulting page; None if the call failed
        """
        start, count = old
        found = space.within(start, start + max(count, 1))
        if not found:
            return False
        first = found[0]
        span = Span(first.area, first.at, first.at + count)
        if span.end > max(self._bound.get(first.area, 0), self._declared.get(first.area, 0)):
            self._declared[first.area] = span.end
        maymove, _, dontunmap = flags
        if to is None or (to == start and not dontunmap):
            # The requested destination is known only if the call succeeded.
            self.add(task, Mremap(span, pages, maymove, False, dontunmap), says)
            if to is not None:
                self._resized(space, first, start, count, pages)
            return True
        over = self._over(space, to, pages)
        if over is not None and over.meets(span):
            over = None
        self._make_room(task, space, to, pages, over, says)
        name = None if over else self._name_at(to)
        if over is None and name is None:
            self.unsaid[f"mremap of device memory: more than {MAX_AREAS} places at once"] += 1
            return True
        self.add(task, Mremap(span, pages, True, True, dontunmap, name, over), says)
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
            end = first.at + pages
            if end > max(self._bound.get(first.area, 0), self._declared.get(first.area, 0)):
                self._declared[first.area] = end
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
