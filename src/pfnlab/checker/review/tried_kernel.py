"""One model on a ground: only the steps are run whose verdict is not known.

A step is known by the state before it. Models that differ in policies alone have the steps in common that use
nothing in which they differ. A kernel is booted when the first unknown step needs it, and is then brought to
the state from which that step begins.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from pfnlab.base.errors import Undecided
from pfnlab.checker.review.judged import (
    STATE_BYTES,
    JudgedKernel,
    JudgedState,
    KnownStates,
    StateDigest,
    StepVerdict,
    state_of,
)
from pfnlab.checker.scopes.mark import Mark
from pfnlab.checker.scopes.policies_apart import ANY_POLICY, policies_of
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.programs.lang.ops import Op

#: A state and its process numbers, which messages may name; None for a state without a value.
StateKey = bytes | None


class KnownStep(NamedTuple):
    """The effect of a step, and its verdict.

    :param verdict: None if the model has no rule for it
    :param unknown: then the reason
    :param facts: the effects that the state after it does not show
    :param after: the state after it
    :param used: what it uses of policies (:func:`~pfnlab.checker.scopes.policies_apart.policies_apart`)
    """

    verdict: StepVerdict | None
    unknown: str
    facts: tuple[str, ...]
    after: StateKey
    used: frozenset[str]


#: The known steps of one model on one ground, by the state before and the number of the operation.
KnownSteps = dict[tuple[bytes, int], KnownStep]

#: The number of the last step, in which every task exits.
END_NUMBER = -1

_ANY = frozenset((ANY_POLICY,))


class KeptSteps:
    """The knowledge of a model on a ground: its steps, its state after boot, and its judged states."""

    def __init__(self, steps: KnownSteps | None = None, begin: StateKey = None) -> None:
        self.steps: KnownSteps = {} if steps is None else steps
        self.begin = begin
        self.states: KnownStates = {}
        for step in self.steps.values():
            if step.after is not None and step.verdict is not None:
                judged = JudgedState(step.verdict.broken, step.verdict.seen)
                self.states[step.after[:STATE_BYTES], step.facts] = judged


class _Branch:
    """A state to return to: the operations up to there, and the kernel's mark, if it was there."""

    def __init__(self, length: int, state: StateKey) -> None:
        self.length, self.state = length, state
        self.mark: Mark | None = None


class SteppedKernel:
    """A model whose steps are tried from one state after another.

    :param boot: boots its kernel
    :param numbers: the number of each operation, by identity
    :param steps: the steps known so far, to which new ones are added
    :param begin: the state after boot, if known
    :param shared: the steps of another model, and in what it differs
    :param notes: whether to note what steps use of policies, so that another model can share them
    """

    def __init__(
        self,
        boot: Callable[[], JudgedKernel],
        numbers: Mapping[int, int],
        steps: KnownSteps,
        begin: StateKey = None,
        shared: tuple[KnownSteps, frozenset[str]] | None = None,
        *,
        notes: bool = False,
    ) -> None:
        self._notes, self._noted = notes, False
        self._useds: dict[frozenset[str], frozenset[str]] = {}
        self._boot, self._numbers, self.steps, self._shared = boot, numbers, steps, shared
        self._kernel: JudgedKernel | None = None
        self._path: list[Op | None] = []
        #: How many operations of the path the kernel has performed.
        self._at = 0
        self._branches: list[_Branch] = []
        if begin is None:
            begin = _key(self._booted().kernel, state_of(self._booted().kernel))
        self.begin = self._state = begin

    @property
    def state(self) -> StateDigest:
        """The state after the last step; None if it has no value."""
        return None if self._state is None else self._state[:STATE_BYTES]

    def branch(self) -> None:
        """Try several ways from this state: :meth:`go_back` returns to it."""
        self._branches.append(_Branch(len(self._path), self._state))

    def go_back(self) -> None:
        """Return to the last branch."""
        branch = self._branches[-1]
        if self._at > branch.length:
            assert branch.mark is not None
            branch.mark.restore()
            self._at = branch.length
        del self._path[branch.length :]
        self._state = branch.state

    def leave(self) -> None:
        """Forget the last branch, at whose state this is."""
        self._branches.pop()

    def step(self, op: Op | None) -> StepVerdict:
        """Perform *op*; if it is None, let every task exit.

        :raises Undecided: if the model has no rule for it
        """
        number = END_NUMBER if op is None else self._numbers[id(op)]
        step = self._known(number)
        if step is None:
            step = self._run(op)
            if self._state is not None:
                self.steps[self._state, number] = step
        self._path.append(op)
        self._state = step.after
        if step.verdict is None:
            raise Undecided(step.unknown)
        return step.verdict

    def _known(self, number: int) -> KnownStep | None:
        if self._state is None:
            return None
        key = self._state, number
        step = self.steps.get(key)
        if step is None and self._shared is not None:
            steps, apart = self._shared
            step = steps.get(key)
            if step is not None and step.used & apart:
                return None
        return step

    def _run(self, op: Op | None) -> KnownStep:
        judged = self._booted()
        while self._at < len(self._path):
            self._mark()
            judged.run(self._path[self._at])
            self._at += 1
        self._mark()
        self._at += 1
        _USED.clear()
        try:
            verdict = judged.step(op)
        except Undecided as unknown:
            return KnownStep(None, str(unknown), (), None, self._used())
        return KnownStep(verdict, "", judged.facts, _key(judged.kernel, judged.state), self._used())

    def _used(self) -> frozenset[str]:
        used = frozenset(_USED) if self._noted else _ANY
        return self._useds.setdefault(used, used)

    def _booted(self) -> JudgedKernel:
        if self._kernel is None:
            self._kernel = self._boot()
            self._noted = self._notes and note_uses(self._kernel.kernel)
        return self._kernel

    def _mark(self) -> None:
        """Mark the kernel's state, if a branch returns to it."""
        for branch in self._branches:
            if branch.length == self._at and branch.mark is None:
                branch.mark = self._booted().mark()


def _key(kernel: Kernel, state: StateDigest) -> StateKey:
    if state is None:
        return None
    return state + marshal.dumps((kernel.next_pid, *(task.pid for task in kernel.tasks.values())), 2)


#: What has been used of noted policies, as ``SEAM.ATTRIBUTE``.
_USED: set[str] = set()


def note_uses(kernel: Kernel) -> bool:
    """Let the policies of *kernel* note what is used of them; return False if they cannot."""
    for seam, policy in policies_of(kernel):
        kind: Any = type(policy)
        try:
            policy.__class__ = _noted(kind, seam)
        except TypeError:
            return False
    return True


@cache
def _noted(kind: type, seam: str) -> type:
    """*kind* with a note of each use."""

    def __getattribute__(self: object, name: str) -> object:
        if name[:2] != "__":
            _USED.add(f"{seam}.{name}")
        return read(self, name)

    read = object.__getattribute__
    members = {"__getattribute__": __getattribute__, "__slots__": (), "__module__": kind.__module__}
    return type(kind.__name__, (kind,), members)
