"""The result of a review: what is newly broken, repaired, costs and changes, and what was asked."""

from typing import Annotated, Literal, get_args

import msgspec

from pfnlab.base.result import ALWAYS, Count, Outcome, Result

#: The kinds of questions.
Form = Literal["sequence", "schedule"]

#: The parts of an answer, and of the state after it, in which two models may differ without a violation.
ChangedField = Literal["result", "log", "book", "entries", "walks"]

#: What an operation costs: flushes, those that nothing needs, calls that reserve, allocations that may fail.
CostKind = Literal["flushes", "needless", "reservations", "allocations"]
COST_KINDS: tuple[CostKind, ...] = get_args(CostKind)

#: A review in one word, and its outcome.
ReviewVerdict = Literal["clean", "broken", "undecided"]
_OUTCOMES: dict[ReviewVerdict, Outcome] = {
    "clean": Outcome.AS_EXPECTED,
    "broken": Outcome.DISCOVERY,
    "undecided": Outcome.UNDECIDED,
}


class Broken(msgspec.Struct, frozen=True):
    """A property that one of the two violates and the other keeps.

    :param name: its name
    :param form: what shows it: operations one after the other, or side by side
    :param happens: what goes wrong
    :param noticed: who would notice
    :param where: what is mapped
    :param seconds: how long the review had run when it found it, in seconds
    :param text: the shortest program; null if no program makes the schedule
    :param schedule: of a schedule: the turns
    """

    name: str = msgspec.field(name="property")
    form: Form
    happens: str = msgspec.field(name="says")
    noticed: str
    where: str
    seconds: float
    text: str | None = msgspec.field(name="program")
    schedule: tuple[str, ...] = ()


class SameViolation(msgspec.Struct, frozen=True):
    """A property that both violate.

    :param name: its name
    :param happens: what goes wrong
    :param states: in how many states
    """

    name: str = msgspec.field(name="property")
    happens: str = msgspec.field(name="says")
    states: Count


class OperationCost(msgspec.Struct, frozen=True):
    """The costs of one kind of operation in all sequences.

    :param kind: what is counted
    :param operation: its word
    :param base: how many the base took
    :param design: how many the design took
    :param more: how many operations took more in the design
    :param fewer: how many took fewer
    :param program: operations, one a line, of which the last took more; or fewer, where none took more
    """

    kind: CostKind = msgspec.field(name="what")
    operation: str
    base: Count
    design: Count
    more: Count
    fewer: Count
    program: str = ""


class Change(msgspec.Struct, frozen=True):
    """An operation that answers or prints otherwise, or leaves another state, without a violation.

    :param operation: its word
    :param field: ``result`` or ``log``; of the state: the ``book``, the ``entries`` of tasks, or what
        ``walks`` take for ordinary pages
    :param base: what the base answers or prints, or its pages by cache mode
    :param design: the same of the design
    :param times: in how many sequences
    :param program: the first operations, one a line, of which the last differs
    """

    operation: str
    field: ChangedField
    base: str
    design: str
    times: Count
    program: str


class ReviewStage(msgspec.Struct, frozen=True):
    """A stage of questions.

    :param name: what is asked
    :param core: whether the review is complete without it
    :param asked: how many pieces were asked
    :param planned: how many pieces there are
    """

    name: str
    core: bool
    asked: Count
    planned: Count


class ReviewResult(Result, frozen=True, kw_only=True, tag="pfnlab-review/1"):
    """The review of a design.

    :param design: the model with the design
    :param base: the model it is compared with
    :param verdict: ``broken`` if the design newly breaks something, ``undecided`` if the core was cut
    :param broken: what the design newly breaks
    :param repaired: what the base breaks and the design does not
    :param same: what both break
    :param costs: the operations whose costs differ
    :param bytes_per_vma: of base and design: what a tracker costs in every VMA, in bytes
    :param changes: what is answered, printed or seen otherwise
    :param differs: by kind of mapping: in how many states and pairs the two differ
    :param cut: the stages that were not asked to their end
    :param stages: what was asked
    :param states: how many states of sequences were compared
    :param schedules: how many pairs of operations beside each other were searched on both
    :param left_out: what the model has no rule for, and how many operations that left out
    :param seconds: what it took, in seconds
    """

    design: str
    base: str
    broken: tuple[Broken, ...]
    repaired: tuple[Broken, ...]
    same: tuple[SameViolation, ...]
    costs: tuple[OperationCost, ...] = msgspec.field(name="cost")
    bytes_per_vma: tuple[int, int]
    changes: tuple[Change, ...] = msgspec.field(name="changed")
    verdict: Annotated[ReviewVerdict, ALWAYS] = "clean"
    cut: Annotated[tuple[str, ...], ALWAYS] = ()
    differs: Annotated[dict[str, Count], ALWAYS] = msgspec.field(default_factory=dict)
    stages: tuple[ReviewStage, ...]
    states: Count
    schedules: Count
    left_out: dict[str, Count]
    seconds: float

    def __post_init__(self) -> None:
        cut = tuple(stage.name for stage in self.stages if stage.asked < stage.planned)
        verdict: ReviewVerdict = "broken" if self.broken else "clean" if self.complete else "undecided"
        msgspec.structs.force_setattr(self, "cut", cut)
        msgspec.structs.force_setattr(self, "verdict", verdict)

    @property
    def complete(self) -> bool:
        """True where the core stages were asked to their end."""
        return all(stage.asked == stage.planned for stage in self.stages if stage.core)

    @property
    def is_unchanged(self) -> bool:
        """True where the two did the same in all that was asked, at the same cost."""
        base, design = self.bytes_per_vma
        return base == design and not (self.broken or self.repaired or self.costs or self.changes)

    @property
    def outcome(self) -> Outcome:
        """A property that is newly broken is a fact, also where the core was cut."""
        return _OUTCOMES[self.verdict]
