"""Groups findings by cause: causes found in smaller programs are masked, and whatever remains is a new cause.

A finding is a signature with the smallest program that shows it. One kernel bug produces many findings: it
shows in several fields, at several operations, and in later effects. Findings are processed by program size,
smallest first. Each starts a new cause unless it belongs to an existing one. A difference's *effect* is its
field and its shape, regardless of the operation. A finding belongs to a cause

1. if it **follows** from it: with the cause masked, nothing of the finding remains. Masking removes every
   program in which an effect of the cause occurred before the finding or in the same step. If this removes
   every program that showed the finding, including the smallest, the finding was never seen without the
   cause. Fields that are not state (``log``, ``value``, ``flushes``, ``events``) cannot change later state,
   so they mask no difference in state;
2. or if it **has the same effect under the same conditions**: its effect is one of the cause's effects, or
   of those that followed from it, and both appear and disappear together when the mappings of the two
   smallest programs are varied in the same way (:mod:`pfnlab.hunt.fuzz.variations`): twice the pages,
   another cache mode, private instead of shared, populated or not. A variation in which the operation has
   another result on the first machine is ignored. For example, a reference that only a VMA of one page
   fails to take is missing after fork and after mremap, and present in both with two pages: one cause. If
   one is missing with two pages too, there are two causes.

No program distinguishes two causes that have the same effect under the same conditions; the second one
appears when the first is fixed. A cause is named by its smallest program, and causes are listed in order of
program size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from pfnlab.hunt.fuzz.signature import (
    LOOKING,
    STATE_FIELDS,
    Signature,
    kernel_violations,
    placed_signatures,
    signature_between,
)
from pfnlab.hunt.fuzz.variations import VARIATIONS
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Reason, Run, undecided
from pfnlab.programs.runs.violation import Violation

#: Observation levels, most detailed first: the most detailed one shows a cause at the step where it occurs.
MOST_TELLING = (LookLevel.MEMORY, LookLevel.PROC, LookLevel.END)

#: Fields that describe the kernel's state; other fields cannot affect them.
_STATE = frozenset({*STATE_FIELDS, "direct_map", "result"})

#: Cache modes, as named in the memtype list (the `book`) and in page-table entries.
_MODE = re.compile(r"(?<![\w-])(?:wc|uc-|uc|wb|wt|wp)(?![\w-])", re.IGNORECASE)

#: The maximum number of effect sets kept per finding, and of effects that follow the finding.
_MOST = 64

#: For each of :data:`.variations.VARIATIONS`, whether it still shows a finding; None if it is not a valid
#: program, or its operation has a different result on the first machine.
Conditions = tuple[bool | None, ...]


class Effect(msgspec.Struct, frozen=True, order=True):
    """A difference without its operation.

    :param kind: the kind as in a signature, except for leftovers at the end
    :param shape: the shape as in a signature, with one word for all cache modes; for a result, the answer of
        the last machine
    """

    kind: str
    field: str
    sides: tuple[tuple[str, ...], ...]
    shape: str


class Evidence(msgspec.Struct):
    """The evidence about a finding from programs that showed it.

    :ivar before: the distinct sets of effects that occurred before it or in its step, across all programs
    :ivar behind: the effects that followed in programs where it came first, including those in its step if
        its step in the smallest program has them too
    """

    before: list[list[Effect]] = msgspec.field(default_factory=list)
    behind: list[Effect] = msgspec.field(default_factory=list)

    def add(self, other: Evidence) -> None:
        """Add another program's evidence."""
        for effects in other.before:
            if effects not in self.before and len(self.before) < _MOST:
                self.before.append(effects)
        if len(self.behind) < _MOST:
            self.behind = sorted({*self.behind, *other.behind})[:_MOST]


class Found(msgspec.Struct, frozen=True):
    """The data about a finding that determines its cause.

    :param program: the smallest program that shows it; None if not available
    """

    key: str
    signature: Signature
    program: Program | None
    evidence: Evidence

    @property
    def size(self) -> tuple[int, int, int, str]:
        """The sort key of a finding: operations in the program, length of its text, earlier effects, key.

        Within one program, findings preceded by fewer other effects come first.
        """
        if self.program is None:
            return (1 << 30, 0, 0, self.key)
        behind = min((len(effects) for effects in self.evidence.before), default=0)
        # Leave out the title, which names the origin.
        text = format_program(msgspec.structs.replace(self.program, title="", asks=""))
        return (len(self.program.ops), len(text), behind, self.key)


class Cause(msgspec.Struct, frozen=True):
    """Findings that share a cause.

    :param keys: the keys of their signatures, starting with that of the smallest program
    """

    keys: tuple[str, ...]

    @property
    def first(self) -> str:
        """The finding with the smallest program, which names the cause."""
        return self.keys[0]


def effect_of(signature: Signature) -> Effect:
    """The effect of a difference."""
    kind = "difference" if signature.kind == "leftover" else signature.kind
    shape = _MODE.sub("MODE", signature.shape)
    if signature.field in ("result", "value"):
        # Ignore the first machine's answer, which depends on the arguments.
        shape = shape.rpartition(" / ")[2]
    return Effect(kind, signature.field, signature.sides, shape)


def sightings(
    program: Program, runs: Sequence[Run], *, agreed: bool = True, smallest: bool = False
) -> dict[Signature, Evidence]:
    """The evidence for every finding in *runs* of *program*; empty if only the end was observed.

    :param smallest: whether the program is the smallest that shows a finding, in which case the effects in
        the same step belong to the finding
    """
    return evidence_of(program, runs, placed_signatures(program, runs, agreed=agreed), smallest=smallest)


def evidence_of(
    program: Program,
    runs: Sequence[Run],
    placed: Sequence[tuple[int | None, Signature]],
    *,
    smallest: bool = False,
) -> dict[Signature, Evidence]:
    """The evidence from :func:`sightings` for findings that are already known."""
    if not placed or any(run.look is LookLevel.END for run in runs):
        return {}
    effects = _effects(program, runs, placed)
    first = min((step for step, _ in effects), default=0)
    independent = {(_number(step), effect_of(signature)) for step, signature in placed}
    following = {effect for step, effect in effects if (step, effect) not in independent}
    found: dict[Signature, Evidence] = {}
    for place, signature in placed:
        step, own = _number(place), effect_of(signature)
        before = {effect for other, effect in effects if other <= step and effect != own}
        behind = set(following) if step == first else set[Effect]()
        if smallest:
            behind |= {effect for other, effect in effects if other == step}
        evidence = Evidence([sorted(before)], sorted(behind)[:_MOST])
        found.setdefault(signature, evidence).add(evidence)
    return found


def causes_of(found: Iterable[Found], conditions: Callable[[Found], Conditions]) -> list[Cause]:
    """Group findings by cause, sorted by program size, smallest first.

    :param conditions: returns the variations of a finding's program that still show it; called at most once
        per finding, and only if effects are equal
    """
    asked: dict[str, Conditions] = {}

    def weighed(finding: Found) -> Conditions:
        if finding.key not in asked:
            asked[finding.key] = conditions(finding)
        return asked[finding.key]

    groups = [_Group([finding]) for finding in sorted(found, key=lambda finding: finding.size)]
    merged = True
    while merged:
        merged = False
        for group in groups[1:]:
            before = groups[: groups.index(group)]
            into = next((other for other in before if _is_one(other, group, weighed)), None)
            if into is not None:
                into.members += group.members
                groups.remove(group)
                merged = True
    return [
        Cause(tuple(finding.key for finding in sorted(group.members, key=lambda finding: finding.size)))
        for group in groups
    ]


class _Group:
    """Findings grouped under one cause so far; the first has the smallest program."""

    def __init__(self, members: list[Found]) -> None:
        self.members = members

    @property
    def own(self) -> set[Effect]:
        """The effects of the findings themselves."""
        return {effect_of(finding.signature) for finding in self.members}

    @property
    def effects(self) -> set[Effect]:
        """The effects of the findings and those that followed from them."""
        return self.own | {effect for finding in self.members for effect in finding.evidence.behind}


def _is_one(first: _Group, second: _Group, conditions: Callable[[Found], Conditions]) -> bool:
    """True if two groups have the same cause; the first must have the smaller program."""
    if LOOKING in (first.members[0].signature.kind, second.members[0].signature.kind):
        return False
    if _follows(second.members[0], first.own) or _follows(first.members[0], second.own):
        return True
    if not (second.own & first.effects or first.own & second.effects):
        return False
    return _agree(conditions(first.members[0]), conditions(second.members[0]))


def _follows(finding: Found, own: set[Effect]) -> bool:
    """True if nothing of *finding* remains when the effects *own* are masked."""
    state = finding.signature.field in _STATE
    # Only a state field can lead to a difference in state.
    masks = {effect for effect in own if not (state and effect.field) or effect.field in _STATE}
    before = finding.evidence.before
    return bool(before) and all(masks & set(effects) for effects in before)


def _agree(first: Conditions, second: Conditions) -> bool:
    """True if two findings show under the same variations, with at least one decided for both."""
    pairs = [(left, right) for left, right in zip(first, second, strict=True) if None not in (left, right)]
    return bool(pairs) and all(left == right for left, right in pairs)


def _effects(
    program: Program, runs: Sequence[Run], placed: Sequence[tuple[int | None, Signature]]
) -> list[tuple[int, Effect]]:
    """Every effect with its step; an alarm before the first step gets step -1."""
    all_of = [(one.step, signature_between(program, runs, one)) for one in differences(runs)]
    all_of += [(_number(step), signature) for step, signature in placed]
    return [(step, effect_of(signature)) for step, signature in all_of]


def _number(step: int | None) -> int:
    return -1 if step is None else step


class Grouping:
    """The causes of findings on one set of machines.

    :param ask: runs a program on all machines, in new guests if requested; returns None if they have no
        answer
    """

    def __init__(self, ask: Callable[[Program, bool], Sequence[Run] | None], *, agreed: bool = True) -> None:
        self._ask = ask
        self._agreed = agreed

    def evidence(self, program: Program, signature: Signature) -> Evidence:
        """The evidence from a finding's smallest program, observed as closely as possible.

        If the finding does not show at this level, every difference counts as earlier.
        """
        runs = self._ask(program, _needs_boot(signature))
        if runs is None:
            return Evidence()
        placed = placed_signatures(program, runs, agreed=self._agreed)
        seen = evidence_of(program, runs, placed, smallest=True)
        if signature in seen or not seen:
            return seen.get(signature, Evidence())
        return Evidence([sorted({effect for _, effect in _effects(program, runs, placed)})])

    def causes(self, found: Iterable[Found]) -> list[Cause]:
        """The causes of *found*, sorted by program size, smallest first."""
        return causes_of(found, self._conditions)

    def _conditions(self, finding: Found) -> Conditions:
        """The variations of the finding's program that show a difference in the finding's field.

        A finding without a field is compared by its kind.
        """
        program, signature = finding.program, finding.signature
        fresh = _needs_boot(signature)
        runs = self._ask(program, fresh) if program is not None else None
        if program is None or runs is None:
            return (None,) * len(VARIATIONS)
        placed = placed_signatures(program, runs, agreed=self._agreed)
        step = next((step for step, other in placed if other == signature), None)
        usual = _calls_in(runs[0], step)

        def shows(varied: Program | None) -> bool | None:
            runs = self._ask(varied, fresh) if varied is not None else None
            # If the operation has a different result on the first machine, the variation says nothing about
            # the other one.
            if varied is None or runs is None or _calls_in(runs[0], step) != usual:
                return None
            return any(
                other.field == signature.field and (bool(other.field) or other.kind == signature.kind)
                for _, other in placed_signatures(varied, runs, agreed=self._agreed)
            )

        return tuple(shows(vary(program)) for vary in VARIATIONS)


def _calls_in(run: Run, step: int | None) -> tuple[str, frozenset[str]] | None:
    """A step's result and the kinds of kernel calls in it; None if the step is missing."""
    if step is None or not 0 <= step < len(run.steps):
        return None
    seen = run.steps[step]
    return seen.result, frozenset(event.partition(" ")[0] for event in seen.events or ())


def _needs_boot(signature: Signature) -> bool:
    """True if the finding may not show in a guest that has run other programs."""
    return signature.kind == "alarm"


@dataclass(frozen=True)
class Weighed:
    """A program's runs, one per machine, and their evaluation.

    :param reason: why they are undecided, or why nothing is predicted; None if they are decided
    :param judged: whether all runs are from kernels, each judged on its own
    :param broken: the properties that kernels violate in them, known or not
    """

    runs: Sequence[Run]
    reason: Reason | None
    signatures: tuple[Signature, ...] = ()
    sightings: Mapping[Signature, Evidence] = field(default_factory=dict)
    judged: bool = False
    broken: Sequence[Violation] = ()


def weigh(program: Program, runs: Sequence[Run], *, agreed: bool = True) -> Weighed:
    """Evaluate *runs* of *program*."""
    reason = undecided(runs)
    if reason is not None:
        return Weighed(runs, reason)
    broken = kernel_violations(program, runs) if agreed else []
    placed = placed_signatures(program, runs, agreed=agreed, broken=broken)
    signatures = tuple(dict.fromkeys(signature for _, signature in placed))
    return Weighed(runs, None, signatures, evidence_of(program, runs, placed), broken=broken)
