"""The part that each kind of result contributes to a document.

A report shows the whole part. A terminal (``terminal.py``) leaves out drawings, folded parts and the command,
which the user typed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, get_type_hints

import msgspec

from pfnlab.base.inert import recorded_line
from pfnlab.base.result import Made, Outcome, PrintedStruct, Result
from pfnlab.present.document.blocks import Block, Bullets, Chapter, Code, DrawnFigures, Figure, Paragraph

#: The word for each outcome in an overview.
WORDS = {Outcome.DISCOVERY: "to review", Outcome.UNDECIDED: "undecided", Outcome.AS_EXPECTED: "as expected"}
#: The word for a result that is undecided because a guest was lost.
LOST = "lost"
#: The word for a result whose machines differ only in ways that a user of the kernel cannot see.
INSIDE = "differing inside"


class Part(msgspec.Struct, frozen=True):
    """One result, in the form that a document shows.

    :param blocks: the content: differences, tables, program, picture
    :param more: further content, left out of documents with many results
    :param about: its program's title; empty if it has none
    :param inside: whether machines differ only in ways that a user of the kernel cannot see
    :param facts: names and values that describe how it was made, the command first
    :param lost: whether it is undecided because a guest was lost
    :param first: the first line in a terminal; a document has the title and the sentence instead
    """

    title: str
    says: str
    outcome: Outcome
    blocks: tuple[Block, ...]
    facts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    lost: bool = False
    first: str = ""
    more: tuple[Block, ...] = ()
    about: str = ""
    inside: bool = False

    @property
    def word(self) -> str:
        """The word for its outcome in an overview."""
        if self.inside:
            return INSIDE
        return LOST if self.lost and self.outcome is Outcome.UNDECIDED else WORDS[self.outcome]

    @property
    def shown(self) -> Iterator[Block]:
        """The blocks that a terminal shows, with the first line and the facts."""
        if self.first:
            yield Paragraph(self.first)
        yield from (*self.blocks, *self.more)
        facts = (f"{name}: {value}" for name, values in self.facts if name not in MADE for value in values)
        yield Bullets(tuple(facts))


#: The facts that :func:`origin_rows` adds and a terminal leaves out.
MADE = ("pfnlab", "again")


def origin_rows(
    made: Made, *more: tuple[str, str | Sequence[str]]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return rows on how it was made: *more*, the command and others; a row without a value is left out."""
    rows = [(name, (value,) if isinstance(value, str) else tuple(value)) for name, value in more]
    rows += zip(MADE, ((made.pfnlab,), (recorded_line(made.command or ""),)), strict=True)
    return tuple((name, values) for name, values in rows if any(values))


def part_of_result(
    content: Result,
    title: str,
    says: str,
    blocks: Iterable[Block],
    *facts: tuple[str, str | Sequence[str]],
    first: str = "",
) -> Part:
    """Return the part for a result, with outcome and command; the other arguments are those of `Part`."""
    return Part(title, says, content.outcome, tuple(blocks), origin_rows(content.made, *facts), first=first)


def program_code(text: str, caption: str = "The program", *, glance: str | None = None) -> Iterator[Code]:
    """Yield a program's text, if there is any; unless *glance* is None, a terminal shows *glance* instead."""
    if text.strip():
        yield Code(caption, text.strip("\n"), glance)


def operations_of(text: str) -> str | None:
    """Return a program's lines without its head; None if this version cannot read the program."""
    from pfnlab.base.errors import ProgramError
    from pfnlab.programs.lang.load import load_text
    from pfnlab.programs.lang.printer import op_lines

    try:
        return "\n".join(op_lines(load_text(text)))
    except ProgramError:
        return None


def figures_on_demand(draw: Callable[[ModuleType], Iterable[Figure]]) -> DrawnFigures:
    """Return figures that *draw* makes on demand from :mod:`pfnlab.present.document.drawings`; not for
    terminals."""

    def figures() -> Iterable[Figure]:
        from pfnlab.present.document import drawings

        return draw(drawings)

    return DrawnFigures(figures)


def drawn_program(
    text: str | None, machines: Sequence[str], caption: str = "The program", *, glance: str | None = None
) -> Iterator[Block]:
    """Yield a program as in :func:`program_code`, and its steps, drawn on those machines that are models."""
    yield from program_code(text or "", caption, glance=glance)
    yield figures_on_demand(lambda drawings: drawings.story_of_text(text, machines))


def section(title: str, *blocks: Block, folded: bool = False) -> Iterator[Chapter]:
    """Yield a section with *blocks*, if there are any."""
    if blocks:
        yield Chapter(title, blocks, folded)


def short(says: str, machines: Sequence[str]) -> str:
    """Return a signature in words, without its machines, which the document already lists."""
    return says.replace(f" ({' | '.join(machines)})", "").removeprefix("difference ")


class ResultKind(msgspec.Struct, frozen=True):
    """A kind of result.

    :param place: the module, without ``_part``, and the function in it that makes the part;
        imported when needed
    """

    verb: str
    place: str

    @property
    def part(self) -> Callable[[Any], Part]:
        """The function that makes the part for a result."""
        module, _, name = self.place.partition(".")
        part: Callable[[Any], Part] = getattr(import_module(f"pfnlab.present.document.{module}_part"), name)
        return part

    @property
    def content(self) -> type[PrintedStruct]:
        """The structure of its results."""
        content: type[PrintedStruct] = get_type_hints(self.part)["content"]
        return content


#: The format of folders with findings.
FINDING = "pfnlab-finding/1"

KINDS = {
    "pfnlab-run/1": ResultKind("pfnlab run --json", "run.part"),
    "pfnlab-check/1": ResultKind("pfnlab check --json", "check.part"),
    "pfnlab-review/1": ResultKind("pfnlab review --json", "review.part"),
    "pfnlab-meeting/1": ResultKind("pfnlab kernels meet --json, pfnlab kernels diff --json", "meeting.part"),
    "pfnlab-bisect/1": ResultKind("pfnlab bisect --json", "bisect.part"),
    "pfnlab-rules/1": ResultKind("pfnlab kernels diff --model --json", "rules.part"),
    "pfnlab-fuzz/2": ResultKind("pfnlab fuzz --json", "campaign.part"),
    FINDING: ResultKind("pfnlab fuzz --findings FOLDER", "campaign.finding_part"),
    "pfnlab-trial/1": ResultKind("pfnlab try --json", "meeting.trial_part"),
    "pfnlab-claim/1": ResultKind("pfnlab discussions show 004.22 --json", "claims.part"),
    "pfnlab-posted-reviews/1": ResultKind("pfnlab discussions review --json", "posted_reviews.part"),
    "pfnlab-bugs-affects/1": ResultKind("pfnlab bugs affects --json", "bugs.affects_part"),
    "pfnlab-bug-run/1": ResultKind("pfnlab bugs run --json", "bugs.part"),
    "pfnlab-inspection/1": ResultKind("pfnlab inspect --json", "inspection.part"),
    "pfnlab-explanation/1": ResultKind("pfnlab explain --json", "explanation.part"),
    "pfnlab-results/1": ResultKind("pfnlab campaign results --json", "results.part"),
    "pfnlab-replay/1": ResultKind("pfnlab replay --json", "meeting.replay_part"),
}


def part_of(result: PrintedStruct) -> Part:
    """Return the part for a result."""
    return KINDS[result.form()].part(result)


def takes() -> str:
    """Return a list of the results that a report accepts, for messages."""
    verbs = ", ".join(kind.verb for form, kind in KINDS.items() if form != FINDING)
    return f"a report takes the output of {verbs}, and folders of findings"
