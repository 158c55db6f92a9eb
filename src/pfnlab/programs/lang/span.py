"""A range of pages of a named object, and the base class of operations on one."""

from __future__ import annotations

import msgspec


class Span(msgspec.Struct, frozen=True, gc=False):
    """Pages ``start`` up to ``end`` (not included) of the area or device called ``name``."""

    name: str
    start: int
    end: int

    @property
    def parts(self) -> tuple[str, int, int]:
        """Its name and its bounds, for structures with separate fields for them."""
        return self.name, self.start, self.end

    @property
    def pages(self) -> int:
        """The number of pages of the span."""
        return self.end - self.start

    def meets(self, other: Span) -> bool:
        """True if the two spans have a page in common."""
        return self.name == other.name and self.start < other.end and other.start < self.end

    def contains(self, other: Span) -> bool:
        """True if every page of *other* lies in this span."""
        return self.name == other.name and self.start <= other.start and other.end <= self.end

    def __str__(self) -> str:
        return f"{self.name}[{self.start}:{self.end}]"


class OnPages(msgspec.Struct, frozen=True):
    """An operation on pages of an area or a device."""

    span: Span
