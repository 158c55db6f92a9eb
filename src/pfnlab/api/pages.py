"""Pages of a mapping or a device, cut like a list: ``a[4:8]``."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import index
from typing import SupportsIndex

from pfnlab.api.step import StepSeen
from pfnlab.base.errors import Misuse
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import ByteRange


@dataclass(frozen=True)
class Pages:
    """Pages ``start`` up to ``end`` (not included) of the area or device called ``name``.

    ``a[4:8]`` and ``a[3]`` are pages of it, counted from its own first page; as in a list, ``a[4:8][0]`` is
    ``a[4]``. A range may reach behind the last page where the language allows it.

    >>> Pages("a", 0, 16)[4:8]
    a[4:8]
    """

    name: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        """The same as a value of the program language."""
        return Span(self.name, self.start, self.end)

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, pages: SupportsIndex | slice) -> Pages:
        if not isinstance(pages, slice):
            pages = slice(pages, index(pages) + 1)
        start = 0 if pages.start is None else index(pages.start)
        stop = len(self) if pages.stop is None else index(pages.stop)
        if pages.step is not None:
            raise Misuse(f"a range has no step: write {self.name}[{start}:{stop}]")
        if start < 0 or stop < start:
            raise Misuse(f"pages count upwards from 0: write {self.name}[4:8], not [{start}:{stop}]")
        return Pages(self.name, self.start + start, self.start + stop)

    def __repr__(self) -> str:
        return f"{self.name}[{self.start}]" if len(self) == 1 else str(self.span)


@dataclass(frozen=True, repr=False)
class MappedPages(Pages):
    """The pages of a new mapping, and what was seen after the operation that made it.

    An operation that failed gives its pages a name too, with nothing mapped there: ``seen.result`` says.
    """

    seen: StepSeen = field(compare=False)

    @property
    def ok(self) -> bool:
        """True where the operation succeeded."""
        return self.seen.ok

    def __repr__(self) -> str:
        return super().__repr__() + ("" if self.ok else f" {self.seen.result}")


#: Pages as arguments: of a mapping or device, or in the words of the language, as ``"bar[0:16]"``.
Where = Pages | str

#: The bytes of a page as an argument: from which one on, and how many.
Bytes = tuple[int, int] | None


def byte_range(part: tuple[int, int] | None) -> ByteRange | None:
    """The bytes of a page that a walker moves."""
    return None if part is None else ByteRange(*part)
