"""The result of a review: new violations, repairs, costs and changes, and the pieces that were run."""

from typing import Annotated, Literal, get_args

import msgspec

from pfnlab.base.result import ALWAYS, Count, Outcome, Result

#: The kinds of questions.
Form = Literal["sequence", "schedule"]

#: The parts of a result, and of the state after it, in which two models may differ without a violation.
ChangedField = Literal["result", "log", "book", "entries", "walks"]

#: The costs of an operation in a model: flushes, unnecessary flushes, reserving calls, allocations that may
#: fail.
ModelCostKind = Literal["flushes", "needless", "reservations", "allocations"]
COST_KINDS: tuple[ModelCostKind, ...] = get_args(ModelCostKind)

#: Those, and what is measured on kernels: executed instructions, and interrupts of other processors.
CostKind = Literal[ModelCostKind, "instructions", "interrupts"]

#: A review in one word, and its outcome.
ReviewVerdict = Literal["clean", "broken", "undecided"]
_OUTCOMES: dict[ReviewVerdict, Outcome] = {
    "clean": Outcome.AS_EXPECTED,
    "broken": Outcome.DISCOVERY,
    "undecided": Outcome.UNDECIDED,
}


class Broken(msgspec.Struct, frozen=True):
    """A property that one model violates and the other satisfies.

    :param name: its name
    :param form: the evidence: operations one after the other, or concurrent
    :param happens: the failure
    :param noticed: who would notice
    :param where: the mappings
    :param seconds: the running time of the review when it was found, in seconds
    :param text: the shortest program; null if no program makes the schedule
    :param schedule: for a schedule: its turns
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
    """A property that both models violate.

    :param name: its name
    :param happens: the failure
    :param states: the number of states
    """

    name: str = msgspec.field(name="property")
    happens: str = msgspec.field(name="says")
    states: Count


class OperationCost(msgspec.Struct, frozen=True):
    """The costs of one kind of operation in all sequences, or of one operation that is measured.

    :param kind: the kind of cost
    :param operation: the word for the operation; its title if it is measured
    :param base: the number for the base
    :param design: the number for the design
    :param more: the number of operations that cost more in the design
    :param fewer: the number of operations that cost less
    :param program: operations, one per line, of which the last cost more, or less if no operation cost more;
        if it is measured, the last is the one
    :param functions: of instructions: the kernel functions in which the design executes more, or fewer if
        negative, the largest difference first
    """

    kind: CostKind = msgspec.field(name="what")
    operation: str
    base: Count
    design: Count
    more: Count
    fewer: Count
    program: str = ""
    functions: dict[str, int] = {}

    @property
    def differs(self) -> bool:
        """True unless it is measured and equal, or nearly so."""
        return bool(self.more or self.fewer)

    @property
    def is_measured(self) -> bool:
        """True for the last operation of a program on two kernels, not for a sum."""
        return self.kind not in COST_KINDS


class Change(msgspec.Struct, frozen=True):
    """An operation whose result, output or resulting state differs, without a violation.

    :param operation: the word for the operation
    :param field: ``result`` or ``log``; of the state: the ``book``, the ``entries`` of tasks, or the pages
        that ``walks`` take for ordinary ones
    :param base: the result or output of the base, or its pages by cache mode
    :param design: the same for the design
    :param times: the number of sequences
    :param program: the first operations that show it, one per line; the last one differs
    """

    operation: str
    field: ChangedField
    base: str
    design: str
    times: Count
    program: str


class ReviewStage(msgspec.Struct, frozen=True):
    """A stage of questions.

    :param name: its subject
    :param core: whether the review is incomplete without it
    :param asked: the number of pieces that were finished; one that was cut may have compared states
    :param planned: the number of pieces in total
    """

    name: str
    core: bool
    asked: Count
    planned: Count


class ReviewResult(Result, frozen=True, kw_only=True, tag="pfnlab-review/1"):
    """The review of a design.

    :param design: the model with the design
    :param base: the model it is compared with
    :param verdict: ``broken`` if the design newly violates a property, ``undecided`` if the core was cut
    :param broken: properties newly violated by the design
    :param repaired: properties that the base violates and the design does not
    :param same: properties that both violate
    :param costs: the operations whose costs differ; if they are measured, all
    :param unmeasured: what was not measured, and why, one line each
    :param bytes_per_vma: the size of a tracker's data in every VMA, in bytes, for base and design; null for
        kernels, whose policies are unknown
    :param changes: differences in results, output or observed state
    :param differs: the number of states and pairs in which the two differ, by kind of mapping
    :param cut: the stages that were not completed
    :param stages: the stages of the review
    :param states: the number of states compared in sequences
    :param schedules: the number of pairs of concurrent operations searched on both
    :param left_out: operations that the model has no rule for, with the number left out
    :param seconds: the duration of the review in seconds
    """

    design: str
    base: str
    broken: tuple[Broken, ...]
    repaired: tuple[Broken, ...]
    same: tuple[SameViolation, ...]
    costs: tuple[OperationCost, ...] = msgspec.field(name="cost")
    unmeasured: tuple[str, ...] = ()
    bytes_per_vma: tuple[int, int] | None
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
        """True if the core stages were completed."""
        return all(stage.asked == stage.planned for stage in self.stages if stage.core)

    @property
    def is_unchanged(self) -> bool:
        """True if the two behaved the same in everything tried, at the same cost."""
        same_size = self.bytes_per_vma is None or len(set(self.bytes_per_vma)) == 1
        costly = any(cost.differs for cost in self.costs)
        return same_size and not (self.broken or self.repaired or costly or self.changes)

    @property
    def outcome(self) -> Outcome:
        """A newly violated property counts even if the core was cut."""
        return _OUTCOMES[self.verdict]
