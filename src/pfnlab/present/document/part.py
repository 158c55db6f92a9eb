"""The part of a document that every kind of result gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType

import msgspec

from pfnlab.base.inert import recorded_line
from pfnlab.base.result import Made, Outcome
from pfnlab.present.document.blocks import Block, Chapter, Code, Drawn, Facts, Figure

#: The word for each outcome in an overview.
WORDS = {Outcome.DISCOVERY: "to look at", Outcome.UNDECIDED: "undecided", Outcome.AS_EXPECTED: "as expected"}

#: The word for what is undecided because a guest was lost.
LOST = "lost"


class Part(msgspec.Struct, frozen=True):
    """One result, as a document shows it.

    :param title: its name
    :param says: the result in one sentence
    :param blocks: what is below: differences, tables, program, picture
    :param facts: what was done: names and values, the command first
    :param lost: it is undecided because a guest was lost
    :param first: the line with which a terminal begins; a document has title and sentence instead
    """

    title: str
    says: str
    outcome: Outcome
    blocks: tuple[Block, ...]
    facts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    lost: bool = False
    first: str = ""

    @property
    def word(self) -> str:
        """Its outcome in an overview."""
        return LOST if self.lost and self.outcome is Outcome.UNDECIDED else WORDS[self.outcome]


#: The facts that :func:`done` adds, which the reader of a terminal knows.
MADE = ("pfnlab", "again")


def done(made: Made, *more: tuple[str, str | Sequence[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The rows of what was done: *more*, then what made it; a row without a value is left out."""
    rows = [(name, (value,) if isinstance(value, str) else tuple(value)) for name, value in more]
    rows += zip(MADE, ((made.pfnlab,), (recorded_line(made.command or ""),)), strict=True)
    return tuple((name, values) for name, values in rows if any(values))


def program_code(text: str, caption: str = "The program", *, glance: str | None = None) -> Iterator[Code]:
    """The text of a program, where there is one.

    :param glance: what a terminal shows of it; None for all
    """
    if text.strip():
        yield Code(caption, text.strip("\n"), glance)


def drawn(draw: Callable[[ModuleType], Iterable[Figure]]) -> Drawn:
    """The figures that *draw* makes of :mod:`pfnlab.present.document.drawings`; no terminal imports it."""

    def figures() -> Iterable[Figure]:
        from pfnlab.present.document import drawings

        return draw(drawings)

    return Drawn(figures)


def section(title: str, *blocks: Block, folded: bool = False) -> Iterator[Chapter]:
    """A section of *blocks*, where there are any."""
    if blocks:
        yield Chapter(title, blocks, folded)


def short(says: str, machines: Sequence[str]) -> str:
    """A signature in words, without its machines and that they differ, which the document said already."""
    return says.replace(f" ({' | '.join(machines)})", "").removeprefix("difference ")


def facts_of(part: Part) -> Facts:
    """The rows of what was done, as a block."""
    return Facts(part.facts)
