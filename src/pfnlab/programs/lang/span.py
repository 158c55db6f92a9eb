"""A range of pages of something with a name, and the base class for operations on one."""

from __future__ import annotations

import msgspec


class Span(msgspec.Struct, frozen=True, gc=False):
    """Pages ``start`` up to but not including ``end`` of the area or device called ``name``."""

    name: str
    start: int
    end: int

    @property
    def parts(self) -> tuple[str, int, int]:
        """Its name and bounds, for structures that have separate fields for them."""
        return self.name, self.start, self.end

    @property
    def pages(self) -> int:
        """The number of pages of the span."""
        return self.end - self.start

    def meets(self, other: Span) -> bool:
        """True if the two spans have any page in common."""
        return self.name == other.name and self.start < other.end and other.start < self.end

    def contains(self, other: Span) -> bool:
        """True if every page of *other* is in this span."""
        return self.name == other.name and self.start <= other.start and other.end <= self.end

    def __str__(self) -> str:
        return f"{self.name}[{self.start}:{self.end}]"


class OnPages(msgspec.Struct, frozen=True):
    """An operation on pages of an area or a device."""

    span: Span
