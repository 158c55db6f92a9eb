"""Answers of a packaged model as the base of reviews: kept in a folder, one file for each ground and pair.

The name of the folder is a digest of the model and of all sources that answers follow from. A file that is
damaged, or of another form, counts as missing, and is made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.files import write_whole
from pfnlab.checker.review.judged import ASKED, STUCK, SeenState, StepCosts, StepVerdict
from pfnlab.checker.review.tried_kernel import KeptSteps, KnownStep, KnownSteps
from pfnlab.kernel.policies.boot import has_own
from pfnlab.programs.model.model_machine import ModelMachine

#: The wings that a model's answers follow from.
_WINGS = ("base", "kernel", "programs", "checker")
_PACKAGE = Path(__file__).parents[2]

#: The first bytes of a file, followed by a digest of the rest.
_FORM = b"pfnlab-kept-base/1\n"
_DIGEST_BYTES = 16

_Content = TypeVar("_Content")


class KeptPair(msgspec.Struct, frozen=True, array_like=True):
    """The result of a pair's schedules on one model.

    :param lengths: the violated properties, each with the length of its shortest schedule
    :param unmodelled: the number of turns without a rule, by message
    :param undecided: why there are no schedules: the setup has no rule
    :param cut: whether a limit ended the search; such a result is never kept
    """

    lengths: dict[str, int] = {}
    unmodelled: dict[str, int] = {}
    undecided: str | None = None
    cut: bool = False


class _Step(msgspec.Struct, frozen=True, array_like=True):
    # A known step; numbers stand for states, contents and uses that many steps have in common.
    before: int
    operation: int
    after: int | None
    unknown: str
    result: str
    broken: tuple[str, ...]
    log: tuple[str, ...]
    costs: StepCosts
    seen: int
    facts: tuple[str, ...]
    used: int
    has_verdict: bool


class _Ground(msgspec.Struct, frozen=True, array_like=True):
    begin: bytes
    states: list[bytes]
    seen: list[SeenState]
    used: list[tuple[str, ...]]
    steps: list[_Step]


class KeptBase:
    """The answers of one base; several processes may use the folder at the same time.

    :param folder: the folder for all bases, which need not exist
    :param base: a model without user-defined policies
    :param walkers: the places whose walkers are judged; all if empty
    """

    def __init__(self, folder: Path, base: ModelMachine, walkers: Sequence[str]) -> None:
        words = (sources_digest(), repr(base.profile), *walkers)
        self.folder = folder / _digest("\0".join(words).encode()).hexdigest()

    def steps(self, ground: int) -> KeptSteps:
        """The known steps of the sequences on a ground."""
        kept = self._read(f"ground-{ground}", _Ground)
        if kept is None:
            return KeptSteps()
        try:
            return KeptSteps(_known_steps(kept), kept.begin)
        except IndexError:
            return KeptSteps()

    def keep_steps(self, ground: int, steps: KnownSteps, begin: bytes | None) -> None:
        """Keep the steps on a ground, and those that other processes have kept since."""
        if begin is not None:
            self._write(f"ground-{ground}", _packed(self.steps(ground).steps | steps, begin))

    def pair(self, name: str) -> KeptPair | None:
        """The result of a pair, by its name in words; None if unknown."""
        return self._read(_pair_file(name), KeptPair)

    def keep_pair(self, name: str, found: KeptPair) -> None:
        """Keep the result of a complete search of a pair."""
        if not found.cut:
            self._write(_pair_file(name), found)

    def _read(self, name: str, form: type[_Content]) -> _Content | None:
        with suppress(OSError, msgspec.MsgspecError, ValueError):
            content = (self.folder / name).read_bytes()
            head, rest = content[: len(_FORM)], content[len(_FORM) :]
            if head == _FORM and rest[:_DIGEST_BYTES] == _digest(rest[_DIGEST_BYTES:]).digest():
                return msgspec.msgpack.decode(rest[_DIGEST_BYTES:], type=form)
        return None

    def _write(self, name: str, content: object) -> None:
        rest = msgspec.msgpack.encode(content)
        # Without it, a review only takes longer.
        with suppress(OSError, Misuse):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            write_whole(self.folder / name, _FORM + _digest(rest).digest() + rest, private=True)


def kept_base(folder: Path | None, base: ModelMachine, walkers: Sequence[str]) -> KeptBase | None:
    """The kept answers of *base*; None if nothing is kept: without *folder*, or for a user's policy."""
    return None if folder is None or has_own(base.profile) else KeptBase(folder, base, walkers)


@cache
def sources_digest() -> str:
    """A digest of all files of the package that a model's answers follow from."""
    digest = _digest(b"")
    for wing in _WINGS:
        for path in sorted((_PACKAGE / wing).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                content = path.read_bytes()
                digest.update(f"{path.relative_to(_PACKAGE)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _digest(content: bytes) -> hashlib.blake2b:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES)


def _pair_file(name: str) -> str:
    return f"pair-{_digest(name.encode()).hexdigest()}"


def _known_steps(kept: _Ground) -> KnownSteps:
    steps: KnownSteps = {}
    broken_sets: dict[tuple[str, ...], frozenset[str]] = {}
    used = [frozenset(names) for names in kept.used]
    for step in kept.steps:
        verdict = None
        if step.has_verdict:
            broken = broken_sets.setdefault(step.broken, frozenset(step.broken))
            verdict = StepVerdict(step.result, broken, step.log, step.costs, kept.seen[step.seen])
        after = None if step.after is None else kept.states[step.after]
        known = KnownStep(verdict, step.unknown, step.facts, after, used[step.used])
        steps[kept.states[step.before], step.operation] = known
    return steps


def _packed(steps: KnownSteps, begin: bytes) -> _Ground:
    states, seen, used = _Numbers[bytes](), _Numbers[SeenState](), _Numbers[frozenset[str]]()
    rows = []
    for (before, operation), step in steps.items():
        verdict = step.verdict
        row = _Step(
            states.of(before),
            operation,
            None if step.after is None else states.of(step.after),
            step.unknown,
            "" if verdict is None else verdict.result,
            () if verdict is None else _in_order(verdict),
            () if verdict is None else verdict.log,
            StepCosts(0, 0, 0, 0) if verdict is None else verdict.costs,
            0 if verdict is None else seen.of(verdict.seen),
            step.facts,
            used.of(step.used),
            verdict is not None,
        )
        rows.append(row)
    return _Ground(begin, [*states], [*seen], [tuple(sorted(names)) for names in used], rows)


def _in_order(verdict: StepVerdict) -> tuple[str, ...]:
    """The violated properties in the order in which they are judged."""
    if verdict.result == STUCK:
        return tuple(verdict.broken)
    return tuple(question.name for question in ASKED if question.name in verdict.broken)


class _Numbers(dict[_Content, int]):
    # A number for each value that occurs, in order.

    def of(self, value: _Content) -> int:
        return self.setdefault(value, len(self))
