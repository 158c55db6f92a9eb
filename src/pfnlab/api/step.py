"""The observation after one operation; and pages of a mapping or a device, sliced like a list: ``a[4:8]``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from functools import partial
from operator import index
from typing import Any, Self, SupportsIndex, TypeVar

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.checker.judging.history import kept_after
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import ByteRange
from pfnlab.programs.runs.cells import NOTHING, STEP_ROWS, cell
from pfnlab.programs.runs.compare import fields_named
from pfnlab.programs.runs.observation import BookEntry, PteSeen, Run, Step, VmaSeen

T = TypeVar("T")

#: The step fields that a user reads; message levels and mapping modes are in tables that `run` prints.
_FIELDS = tuple(field for field in STEP_ROWS if field not in ("levels", "mode"))


class ObservationTuple(tuple[T, ...]):
    """A tuple of observations that prints as in the terminal: one per line, ``-`` if empty."""

    _texts: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Iterable[T] | None, texts: Iterable[str]) -> Self | None:
        """*values*, each with its line; None if they were not observed."""
        if values is None:
            return None
        listed = cls(values)
        listed._texts = tuple(texts)
        return listed

    def __repr__(self) -> str:
        return "\n".join(self._texts or map(repr, self)) or NOTHING


class StepSeen:
    """The observation after one operation on one machine.

    It prints the way the terminal shows a step. All its parts are tuples of plain values; a part that the
    machine cannot observe is None.

    :ivar step: the complete step, as stored in a run
    :param kept: the ranges that drivers have reserved for themselves, listed once for each reservation; none
        of them is leaked
    """

    def __init__(self, step: Step, kept: Sequence[Span]) -> None:
        self.step = step
        self._cell = partial(cell, step, kept=kept)

    @property
    def op(self) -> str:
        """The operation as a program line."""
        return self.step.op

    @property
    def result(self) -> str:
        """``ok``, an errno name such as ``EINVAL``, or ``held``, ``waits``, ``busy`` while a task is held."""
        return self.step.result

    @property
    def ok(self) -> bool:
        """True if the operation succeeded."""
        return self.step.result == "ok"

    @property
    def value(self) -> int | str | None:
        """The number read, ``same`` or ``moved`` for mremap, ``SIGBUS code=2`` for a fault; else None."""
        return self.step.value

    @property
    def book(self) -> ObservationTuple[BookEntry] | None:
        """The memtype list: reserved device ranges and their cache modes."""
        return ObservationTuple.of(self.step.book, self._cell("book"))

    @property
    def log(self) -> ObservationTuple[str]:
        """The kernel log lines from this operation."""
        return ObservationTuple.of(self.step.log, self.step.log) or ObservationTuple()

    @property
    def vmas(self) -> ObservationTuple[VmaSeen] | None:
        """Every task's VMAs in the program's areas."""
        return ObservationTuple.of(self.step.vmas, self._cell("vmas"))

    @property
    def ptes(self) -> ObservationTuple[PteSeen] | None:
        """The page-table entries of those VMAs, as runs of equal entries."""
        return ObservationTuple.of(self.step.ptes, self._cell("ptes"))

    @property
    def flushes(self) -> int | None:
        """The TLB flushes in this operation."""
        return self.step.flushes

    @property
    def events(self) -> tuple[str, ...] | None:
        """The order of kernel calls in this operation."""
        return self.step.events

    @property
    def tracked(self) -> tuple[str, ...] | None:
        """The reservations that the tracker holds."""
        return self.step.tracked

    def to_dict(self) -> dict[str, Any]:
        """The step as plain values, with the same keys as a step in ``pfnlab run --json``."""
        item: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self.step))
        return item

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StepSeen) and self.step == other.step

    def __hash__(self) -> int:
        return hash(self.step)

    def __repr__(self) -> str:
        return "\n".join(self.lines(("value", "log", "book")))

    def rows(self, fields: Sequence[str] = _FIELDS) -> list[tuple[str, tuple[str, ...]]]:
        """The operation and its result, then each nonempty field among *fields*, with its lines.

        :raises Misuse: if a name in *fields* is not a field
        """
        if fields:
            fields_named(list(fields))
        rows: list[tuple[str, tuple[str, ...]]] = [(self.op, (self.result,))]
        for field in fields:
            lines = self._cell(field)
            if lines not in ((), (NOTHING,)):
                rows.append((f"  {field}", lines))
        return rows

    def lines(self, fields: Sequence[str] = _FIELDS) -> list[str]:
        """The same rows as lines of text.

        :raises Misuse: if a name in *fields* is not a field
        """
        rows = self.rows(fields)
        width = max(len(label) for label, _ in rows)
        return [
            f"{label if not at else '':<{width}}   {line}"
            for label, lines in rows
            for at, line in enumerate(lines)
        ]


def seen_steps(program: Program, run: Run) -> tuple[StepSeen, ...]:
    """The steps of *run*, with the reservations that the operations in *program* leave with drivers."""
    return tuple(map(StepSeen, run.steps, kept_after(program, run)))


@dataclasses.dataclass(frozen=True)
class Pages:
    """Pages ``start`` up to (but not including) ``end`` of the area or device called ``name``.

    ``a[4:8]`` and ``a[3]`` are some of its pages, counted from its first page; as with a list, ``a[4:8][0]``
    is ``a[4]``. A range may extend past the last page if the language allows it.

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


@dataclasses.dataclass(frozen=True, repr=False)
class MappedPages(Pages):
    """The pages of a new mapping, and the observation after the operation that created it.

    If the operation failed, the pages still have a name, but nothing is mapped there: see ``seen.result``.
    """

    seen: StepSeen = dataclasses.field(compare=False)

    @property
    def ok(self) -> bool:
        """True if the operation succeeded."""
        return self.seen.ok

    def __repr__(self) -> str:
        return super().__repr__() + ("" if self.ok else f" {self.seen.result}")


#: Pages as arguments: a slice of a mapping or device, or program text such as ``"bar[0:16]"``.
Where = Pages | str
#: The bytes of a page, as an argument: the first byte, and how many.
Bytes = tuple[int, int] | None


def byte_range(part: tuple[int, int] | None) -> ByteRange | None:
    """The bytes in a page that a walker reads or writes."""
    return None if part is None else ByteRange(*part)
