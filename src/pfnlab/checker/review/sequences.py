"""Review sequences: a ground, one or two operations, and the end of the program, on design and base.

Both perform the same operations. A review reports properties that, at the same step, one violates and the
other satisfies.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

import msgspec

from pfnlab.base.errors import Undecided
from pfnlab.checker.review.grounds import ground
from pfnlab.checker.review.judged import (
    END,
    STUCK,
    JudgedKernel,
    KnownStates,
    StepVerdict,
    newly_broken,
)
from pfnlab.checker.review.parted import Parted
from pfnlab.checker.review.review_result import COST_KINDS, ChangedField
from pfnlab.checker.review.reviewed_models import ReviewedModels
from pfnlab.checker.review.tried_kernel import KeptSteps, SteppedKernel
from pfnlab.kernel.policies.boot import has_own
from pfnlab.programs.lang.ops import Op
from pfnlab.programs.model.model_machine import ModelMachine

_RANGE = re.compile(r"\[mem [^]]*\]")


class Sequel(msgspec.Struct, frozen=True):
    """Operations after a ground's setup."""

    ground: int
    ops: tuple[Op, ...]


class PieceAnswer(Parted[Sequel], omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """The answer to one piece of a review; its ways are those of sequences.

    :param piece: the index of the piece in the plan
    :param done: false if time ran out first
    :param broken_pairs: violations by the design alone in pairs, each with the length of its shortest
        schedule
    :param repaired_pairs: the same for the base
    """

    piece: int = 0
    done: bool = True
    broken_pairs: dict[str, int] = msgspec.field(default_factory=dict)
    repaired_pairs: dict[str, int] = msgspec.field(default_factory=dict)


#: The parts of a state to compare; each is compared until it differs.
_SEEN: tuple[ChangedField, ...] = ("book", "entries", "walks")


class SideBySideModels:
    """Design and base on one ground."""

    def __init__(self, models: ReviewedModels, number: int) -> None:
        self._ground, self._number = ground(number), number
        everything = self._ground.program_of(
            [op for part in (*self._ground.firsts, *self._ground.seconds) for op in part], "", ""
        )
        self._machines, self._walkers = (models.base, models.design), models.walkers
        numbers: dict[Op, int] = {}
        by_identity = {id(op): numbers.setdefault(op, len(numbers)) for op in everything.ops}
        kept = KeptSteps() if models.kept is None else models.kept.steps(number)
        self._kept, self._steps_kept = models.kept, len(kept.steps)
        states = [kept.states, kept.states if models.judged_alike else {}]

        def booting(machine: ModelMachine, judged: KnownStates) -> Callable[[], JudgedKernel]:
            return lambda: JudgedKernel(machine, everything, self._walkers, judged)

        base, design = map(booting, self._machines, states)
        shared = None if models.steps_apart is None else (kept.steps, models.steps_apart)
        self._base = SteppedKernel(
            base, by_identity, kept.steps, kept.begin, notes=not has_own(models.base.profile)
        )
        self._kernels = self._base, SteppedKernel(design, by_identity, {}, shared=shared)
        self.answer = PieceAnswer()
        self._violated: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        self._apart: frozenset[str] = frozenset()
        #: True if, on the path to this state, one of the two refused an operation that the other performed.
        self._refused = False
        #: The states from which every operation was tried, with the violations on the way there.
        self._tried: set[object] = set()

    def try_all(self, pairs: bool, deadline: float) -> bool:
        """Try every operation and, if *pairs* is set, every second one after it; return False if time ran
        out.
        """
        complete = self._try_all(pairs, deadline)
        if self._kept is not None and len(self._base.steps) > self._steps_kept:
            self._kept.keep_steps(self._number, self._base.steps, self._base.begin)
        return complete

    def _try_all(self, pairs: bool, deadline: float) -> bool:
        try:
            for op in self._ground.program.ops:
                if not self._both(op, ()):
                    return True
        except Undecided as unknown:
            self._without_rule(unknown)
            return True
        self._is_new()
        return self._branch(self._ground.firsts, (), 2 if pairs else 1, deadline)

    def _branch(
        self, parts: Sequence[tuple[Op, ...]], before: tuple[Op, ...], more: int, deadline: float
    ) -> bool:
        before_it = self._violated, self._apart, self._refused
        for kernel in self._kernels:
            kernel.branch()
        for part in parts:
            if time.monotonic() > deadline:
                return False
            complete = self._try(part, before, more, deadline)
            for kernel in self._kernels:
                kernel.go_back()
            self._violated, self._apart, self._refused = before_it
            if not complete:
                return False
        for kernel in self._kernels:
            kernel.leave()
        return True

    def _try(self, part: tuple[Op, ...], before: tuple[Op, ...], more: int, deadline: float) -> bool:
        ops = before
        try:
            for op in part:
                ops = (*ops, op)
                if not self._both(op, ops):
                    return True
        except Undecided as unknown:
            self._without_rule(unknown)
            return True
        if more > 1 and self._is_new() and not self._branch(self._ground.seconds, ops, more - 1, deadline):
            return False
        try:
            self._both(None, ops)
        except Undecided as unknown:
            self._without_rule(unknown)
        return True

    def _is_new(self) -> bool:
        """True if nothing has been tried from this joint state yet; from now on it counts as tried."""
        states = [kernel.state for kernel in self._kernels]
        key = (*states, self._violated, self._apart, self._refused)
        if None not in states and key in self._tried:
            return False
        self._tried.add(key)
        return True

    def _both(self, op: Op | None, ops: tuple[Op, ...]) -> bool:
        """Perform *op* on both and compare; return False if it never returns on one."""
        base, design = (kernel.step(op) for kernel in self._kernels)
        found, way = self.answer, Sequel(self._number, ops)
        found.asked += 1
        base_before, design_before = self._violated
        self._refused |= "ok" in (base.result, design.result) and base.result != design.result
        for name in design.broken - design_before - base_before - base.broken:
            self._broken(found.broken, name, way, *reversed(self._machines))
        for name in base.broken - base_before - design_before - design.broken:
            self._broken(found.repaired, name, way, *self._machines)
        for name in base.broken & design.broken:
            found.both[name] = found.both.get(name, 0) + 1
        self._violated = (base_before | base.broken, design_before | design.broken)
        word = END if op is None else str(type(op.call).__struct_config__.tag)
        found.differing += base != design
        if base.result != design.result:
            found.change((word, "result", base.result, design.result), way)
        if base.log != design.log:
            found.change((word, "log", last_message(base.log), last_message(design.log)), way)
        if base.seen != design.seen and STUCK not in (base.result, design.result):
            self._seen(base, design, word, way)
        for kind, one, other in zip(COST_KINDS, base.costs, design.costs, strict=True):
            if one or other:
                found.cost((kind, word), one, other, way)
        return STUCK not in (base.result, design.result)

    def _broken(
        self, ways: dict[str, Sequel], name: str, way: Sequel, machine: ModelMachine, other: ModelMachine
    ) -> None:
        """Keep a path on which *machine* violates a property that *other* satisfies, if it is shorter than
        before.
        """
        if name in ways and len(ways[name].ops) <= len(way.ops):
            return
        program = self._ground.program_of(way.ops, "", "")
        if not self._refused or newly_broken(name, machine, other, program, self._walkers):
            ways[name] = way

    def _seen(self, base: StepVerdict, design: StepVerdict, word: str, way: Sequel) -> None:
        """Count the parts of the state that differ now but did not before."""
        for part in _SEEN:
            if part not in self._apart and getattr(base.seen, part) != getattr(design.seen, part):
                self._apart |= {part}
                words = base.seen.words(part), design.seen.words(part)
                if words[0] == words[1]:
                    words = words[0], f"{words[0]}, others"
                self.answer.change((word, part, *words), way)

    def _without_rule(self, unknown: Undecided) -> None:
        reasons = self.answer.unmodelled
        reasons[str(unknown)] = reasons.get(str(unknown), 0) + 1


def last_message(log: Sequence[str]) -> str:
    """The last message, without its range; empty for an empty log."""
    return _RANGE.sub("[mem ...]", log[-1]) if log else ""
