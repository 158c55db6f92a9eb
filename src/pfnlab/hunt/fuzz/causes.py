"""Groups findings by cause: findings with a common effect, and those that never come without another.

One kernel bug produces many findings: it shows in several fields, at several operations, and in later
effects. The *effect* of a finding is its field and its shape, regardless of the operation, unless the
operation's own answer differs. Its *signs* are the effects that its smallest program shows up to the
finding's step. Two findings have the same cause if the effect of one is among the signs of the other. Fields
that are not state (``log``, ``value``, ``flushes``, ``events``) cannot change later state, so they are no
signs of a difference in state.

Causes that no program distinguishes are one; the second one appears when the first is fixed. A cause is named
by its smallest program, and causes are listed in order of program size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Annotated, Any

import msgspec
from msgspec.structs import replace

from pfnlab.base.errors import Misuse
from pfnlab.base.result import ALWAYS, Count
from pfnlab.hunt.fuzz.signature import STATE_FIELDS, Signature, placed_signatures, signature_between
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine, RebootableMachine
from pfnlab.programs.runs.observation import Run, undecided

#: Fields that describe the kernel's state; other fields cannot affect them.
_STATE = frozenset({*STATE_FIELDS, "direct_map", "result"})

#: Cache modes, as named in the memtype list (the `book`) and in page-table entries.
_MODE = re.compile(r"(?<![\w-])(?:wc|uc-|uc|wb|wt|wp)(?![\w-])", re.IGNORECASE)


class HuntFinding(msgspec.Struct):
    """A finding of a hunt.

    :param folder: the folder in which it is filed
    :param met: the number of programs that showed it
    :param first: the number of programs compared up to and including the first that showed it
    :param operations: the number of operations in the smallest program that shows it
    :param says: the signature in words
    :param minimal: whether every smaller program was tried
    :param with_it: keys of the other signatures in the same step of its smallest program, which follow from
        it
    :param program: the smallest program that shows it, as text; null if only a folder is known, which has
        none
    :param known: whether it was filed when the hunt began
    :param signature: the signature; null in results from early versions
    :param signs: the effects that its smallest program shows up to its step, from which its cause is derived
    """

    folder: str
    met: Count
    first: Count
    operations: Count
    says: str
    minimal: bool
    with_it: Annotated[list[str], ALWAYS] = msgspec.field(default_factory=list)
    program: Annotated[str | None, ALWAYS] = None
    known: Annotated[bool, ALWAYS] = False
    signature: Annotated[Signature | None, ALWAYS] = None
    signs: Annotated[list[Signature], ALWAYS] = msgspec.field(default_factory=list)

    @classmethod
    def of(
        cls, signature: Signature, program: Program | None, with_it: Iterable[Signature], **other: Any
    ) -> HuntFinding:
        """A finding with *program* as the smallest; *other* are further fields."""
        fields: dict[str, Any] = {"folder": "", "met": 0, "first": 0, "minimal": True, **other}
        return cls(
            operations=0 if program is None else len(program.ops),
            says=str(signature),
            with_it=[one.key for one in with_it],
            program=None if program is None else format_program(program),
            signature=signature,
            **fields,
        )


class FindingCause(msgspec.Struct, frozen=True):
    """Findings of one cause.

    :param finding: the signature that represents the cause
    :param findings: the signatures of all its findings
    """

    finding: str
    findings: tuple[str, ...]


def effect_of(signature: Signature) -> Signature:
    """The effect of a difference: its signature without the operation, with one word for all cache modes.

    Entries of the memtype list are the same whether observed at the end or before. Of different answers of an
    operation, only the last machine's counts, because the first one's depends on the arguments.
    """
    kind = "difference" if signature.kind == "leftover" else signature.kind
    shape = _MODE.sub("MODE", signature.shape)
    if signature.field in ("result", "value"):
        return replace(signature, kind=kind, shape=shape.rpartition(" / ")[2])
    return replace(signature, kind=kind, op="", shape=shape)


def signs_of(
    program: Program,
    signature: Signature,
    machines: Iterable[Machine],
    ask: Callable[[Program], Sequence[Run]],
    *,
    agreed: bool = True,
) -> list[Signature]:
    """The effects of a finding's smallest program, up to and including the finding's step.

    If the finding does not show there, because it was found at another observation level, all effects count.
    Runs without an answer, or of which only the end was observed, have no signs.

    :param ask: runs a program on all *machines*
    """
    if signature.kind == "alarm":
        # It may not show in a guest that has run other programs.
        for machine in machines:
            if isinstance(machine, RebootableMachine):
                machine.reboot()
    try:
        runs = ask(program)
    except Misuse:
        return []
    if undecided(runs) or any(run.look is LookLevel.END for run in runs):
        return []
    placed = placed_signatures(program, runs, agreed=agreed)
    effects = [(one.step, signature_between(program, runs, one)) for one in differences(runs)]
    effects += [(_number(step), other) for step, other in placed]
    last = min((_number(step) for step, other in placed if other == signature), default=len(program.ops))
    return sorted({effect_of(other) for step, other in effects if step <= last})


def _number(step: int | None) -> int:
    """The number of a step; an alarm before the first one precedes all."""
    return -1 if step is None else step


def causes_of(found: Mapping[str, HuntFinding]) -> tuple[FindingCause, ...]:
    """Group findings, by key, by cause; findings and causes are sorted by program size, smallest first."""

    def size(key: str) -> tuple[bool, int, int, int, str]:
        # Within one program, findings preceded by fewer other effects come first.
        one = found[key]
        operations = (one.program or "").rpartition("\n\n")[2]
        return one.program is None, one.operations, len(operations), len(one.signs), key

    of = {key: one.signature for key, one in found.items()}
    effects = {key: None if signature is None else effect_of(signature) for key, signature in of.items()}
    signs = {key: {effects[key], *one.signs} for key, one in found.items()}

    def is_behind(key: str, other: str) -> bool:
        """True if the effect of *other* is the finding's own effect or one of its signs."""
        signature, effect = of[key], effects[other]
        if signature is None or effect is None:
            return False
        # Only a state field can lead to a difference in state.
        return (effect.field in ("", *_STATE) or signature.field not in _STATE) and effect in signs[key]

    groups: list[list[str]] = []
    for key in sorted(found, key=size):
        same = [
            group
            for group in groups
            if any(is_behind(key, other) or is_behind(other, key) for other in group)
        ]
        merged = sorted((key, *chain.from_iterable(same)), key=size)
        groups = [*(group for group in groups if group not in same), merged]
    return tuple(
        FindingCause(group[0], tuple(group)) for group in sorted(groups, key=lambda one: size(one[0]))
    )
