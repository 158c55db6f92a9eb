"""Findings of one cause: a cause is what is left when the causes of smaller programs are masked.

A finding is a signature with the smallest program that shows it. One mistake in a kernel makes many of them:
it shows in several fields, at several operations, and in what follows from it. Findings are taken by the size
of their programs, the smallest first; each begins a cause of its own, unless it belongs to one that is there.
The *effect* of a difference is its field and its shape, whatever the operation. A finding belongs to a cause

1. if it **follows** from it: with the cause masked, nothing of the finding is left. Masked are all programs
   in which an effect of the cause came before the finding or in the same step. If every program that showed
   the finding, the smallest one too, is masked, then nobody has seen it without the cause. What is no state
   (``log``, ``value``, ``flushes``, ``events``) leads to no other state, so it masks no difference of one;
2. or if it **does the same under the same conditions**: its effect is one of the cause's, or of those that
   came behind it, and both stay and go together when the mappings of the two smallest programs are changed
   in the same way (:mod:`pfnlab.hunt.fuzz.variations`): twice the pages, another cache mode, private for
   shared, filled or not. A variation with which the operation goes another way on the first machine too tells
   nothing. A reference that only a VMA of one page does not take is missing after fork and after mremap, and
   neither is with two pages: one cause. Where one is missing at two pages too, they are two.

No program distinguishes two causes that have the same effect under the same conditions; when one is mended,
the other is left. A cause is named by its smallest program, and causes are listed in that order.
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

#: Levels of looking, the one that shows most first: a cause is seen where it strikes and nowhere else.
MOST_TELLING = (LookLevel.MEMORY, LookLevel.PROC, LookLevel.END)

#: Fields that tell what state a kernel is in; other fields lead to no difference in them.
_STATE = frozenset({*STATE_FIELDS, "direct_map", "result"})

#: Cache modes as the book and as entries name them.
_MODE = re.compile(r"(?<![\w-])(?:wc|uc-|uc|wb|wt|wp)(?![\w-])", re.IGNORECASE)

#: The most sets of effects that are kept of one finding, and the most effects behind it.
_MOST = 64

#: Whether each of :data:`.variations.VARIATIONS` shows a finding still; None where it is no
#: program, or its operation goes another way on the first machine too.
Conditions = tuple[bool | None, ...]


class Effect(msgspec.Struct, frozen=True, order=True):
    """A difference without its operation.

    :param kind: as of a signature, but for what is left at the end
    :param shape: as of a signature, with one word for all cache modes; of a result what the last machine says
    """

    kind: str
    field: str
    sides: tuple[tuple[str, ...], ...]
    shape: str


class Evidence(msgspec.Struct):
    """The knowledge of a finding from the programs that showed it.

    :ivar before: the effects that came before it or in its step; each set once, of all programs
    :ivar behind: the effects that followed from it in programs in which it came first; those in its step
        where they are in that of its smallest program
    """

    before: list[list[Effect]] = msgspec.field(default_factory=list)
    behind: list[Effect] = msgspec.field(default_factory=list)

    def add(self, other: Evidence) -> None:
        """Take over what another program showed."""
        for effects in other.before:
            if effects not in self.before and len(self.before) < _MOST:
                self.before.append(effects)
        if len(self.behind) < _MOST:
            self.behind = sorted({*self.behind, *other.behind})[:_MOST]


class Found(msgspec.Struct, frozen=True):
    """A finding as far as its cause depends on it.

    :param program: the smallest program that shows it; None where it is not here
    """

    key: str
    signature: Signature
    program: Program | None
    evidence: Evidence

    @property
    def size(self) -> tuple[int, int, int, str]:
        """By which findings are put in order: operations, the length of the text; of one program, what comes
        behind the least in it; for a tie the key.
        """
        if self.program is None:
            return (1 << 30, 0, 0, self.key)
        behind = min((len(effects) for effects in self.evidence.before), default=0)
        # Its title says where it came from.
        text = format_program(msgspec.structs.replace(self.program, title="", asks=""))
        return (len(self.program.ops), len(text), behind, self.key)


class Cause(msgspec.Struct, frozen=True):
    """Findings of one cause.

    :param keys: those of their signatures, that of the smallest program first
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
        # What the first machine answers depends on the arguments.
        shape = shape.rpartition(" / ")[2]
    return Effect(kind, signature.field, signature.sides, shape)


def sightings(
    program: Program, runs: Sequence[Run], *, agreed: bool = True, smallest: bool = False
) -> dict[Signature, Evidence]:
    """The evidence of each finding in *runs* of *program*; none where only the end was looked at.

    :param smallest: it is the smallest program of a finding, so that what is in its step belongs to it
    """
    return evidence_of(program, runs, placed_signatures(program, runs, agreed=agreed), smallest=smallest)


def evidence_of(
    program: Program,
    runs: Sequence[Run],
    placed: Sequence[tuple[int | None, Signature]],
    *,
    smallest: bool = False,
) -> dict[Signature, Evidence]:
    """:func:`sightings`, where the findings are known."""
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
    """The causes of findings, that with the smallest program first.

    :param conditions: under which variations of its program a finding still shows; asked of each finding once
        at most, and only where effects are the same
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
    """Findings that have one cause so far, the first one's."""

    def __init__(self, members: list[Found]) -> None:
        self.members = members

    @property
    def own(self) -> set[Effect]:
        """The effects of the findings themselves."""
        return {effect_of(finding.signature) for finding in self.members}

    @property
    def effects(self) -> set[Effect]:
        """Those, and what came behind them."""
        return self.own | {effect for finding in self.members for effect in finding.evidence.behind}


def _is_one(first: _Group, second: _Group, conditions: Callable[[Found], Conditions]) -> bool:
    """True where two groups have one cause; the first has the smaller program."""
    if LOOKING in (first.members[0].signature.kind, second.members[0].signature.kind):
        return False
    if _follows(second.members[0], first.own) or _follows(first.members[0], second.own):
        return True
    if not (second.own & first.effects or first.own & second.effects):
        return False
    return _agree(conditions(first.members[0]), conditions(second.members[0]))


def _follows(finding: Found, own: set[Effect]) -> bool:
    """True where nothing is left of *finding* when the effects *own* are masked."""
    state = finding.signature.field in _STATE
    # To a difference of the state no other field leads.
    masks = {effect for effect in own if not (state and effect.field) or effect.field in _STATE}
    before = finding.evidence.before
    return bool(before) and all(masks & set(effects) for effects in before)


def _agree(first: Conditions, second: Conditions) -> bool:
    """True where two findings show under the same variations, as far as both can be told; one at least."""
    pairs = [(left, right) for left, right in zip(first, second, strict=True) if None not in (left, right)]
    return bool(pairs) and all(left == right for left, right in pairs)


def _effects(
    program: Program, runs: Sequence[Run], placed: Sequence[tuple[int | None, Signature]]
) -> list[tuple[int, Effect]]:
    """Every effect with its step, that of an alarm before the first step with -1."""
    all_of = [(one.step, signature_between(program, runs, one)) for one in differences(runs)]
    all_of += [(_number(step), signature) for step, signature in placed]
    return [(step, effect_of(signature)) for step, signature in all_of]


def _number(step: int | None) -> int:
    return -1 if step is None else step


class Grouping:
    """The causes of findings on one set of machines.

    :param ask: the runs of a program on all of them, in new guests where it is asked so; None where they have
        no answer
    """

    def __init__(self, ask: Callable[[Program, bool], Sequence[Run] | None], *, agreed: bool = True) -> None:
        self._ask = ask
        self._agreed = agreed

    def evidence(self, program: Program, signature: Signature) -> Evidence:
        """The evidence of the smallest program of a finding, looked at as closely as possible.

        Where it does not show so, all that differs came before it.
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
        """The causes of *found*, that with the smallest program first."""
        return causes_of(found, self._conditions)

    def _conditions(self, finding: Found) -> Conditions:
        """The variations of its program under which a difference in the finding's field shows.

        Where it has no field, one of its kind.
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
            # An operation that goes another way on the first machine says nothing of the other.
            if varied is None or runs is None or _calls_in(runs[0], step) != usual:
                return None
            return any(
                other.field == signature.field and (bool(other.field) or other.kind == signature.kind)
                for _, other in placed_signatures(varied, runs, agreed=self._agreed)
            )

        return tuple(shows(vary(program)) for vary in VARIATIONS)


def _calls_in(run: Run, step: int | None) -> tuple[str, frozenset[str]] | None:
    """The result of a step and the kinds of kernel calls in it; None where there is no such step."""
    if step is None or not 0 <= step < len(run.steps):
        return None
    seen = run.steps[step]
    return seen.result, frozenset(event.partition(" ")[0] for event in seen.events or ())


def _needs_boot(signature: Signature) -> bool:
    """True where a guest in which something else has run may not show it any more."""
    return signature.kind == "alarm"


@dataclass(frozen=True)
class Weighed:
    """The runs of a program, one a machine, and what they tell.

    :param reason: why they tell nothing, or not what to expect; None where they do
    :param judged: they are of kernels alone, each judged by itself
    :param broken: the properties that kernels break in them, known or not
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
