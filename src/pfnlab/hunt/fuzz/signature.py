"""The signature of a difference, which is independent of the program around it.

A signature describes one difference between a program's runs: the first, or a later one that does not follow
from an earlier one. It has five parts: the kind of finding, the field that differs, the kind of operation,
the groups of machines with equal values, and the shape of these values. The shape is the values without
numbers and names: ``a[4:8]`` and ``b[0:1]`` have the same shape, while a missing flag and a missing VMA have
different ones. Two differences with equal signatures count as the same. For alarms and violations, which a
single kernel can show on its own, the machines are ignored.

A difference may follow from an earlier one: machines that differed once may diverge further for that reason
alone. So after a difference, a step counts only if the machines were in the same state before it:

1. ``log``, ``value``, ``flushes`` and ``events`` are not state: all later steps count.
2. After a difference in state no step counts, until a step in which all machines were observed in the same
   state: later steps count.
3. After a difference in the result, the state shows whether the operation did the same, if all its effects
   are in the state. Effects of a store, a claim or a missing task are invisible: no later step counts. Nor
   does a step in a schedule whose operations had other results or values: it is another schedule.

All fields in a step count, because only a smaller program can tell which difference in a step came first.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec
from msgspec.structs import replace

from pfnlab.base.errors import Why
from pfnlab.checker.judging.judge import violations
from pfnlab.hunt.fuzz.call_kinds import KINDS, kind_of
from pfnlab.hunt.fuzz.value_shape import lost_shape, plain, shape
from pfnlab.programs.lang.ops import Op, Program
from pfnlab.programs.lang.walk_ops import STORING_WALKERS, Walk
from pfnlab.programs.model.model_machine import END
from pfnlab.programs.runs.compare import Difference, common_events, comparable, differences, spent_messages
from pfnlab.programs.runs.kmsg import once_message
from pfnlab.programs.runs.observation import Run
from pfnlab.programs.runs.violation import Violation

#: Log lines that no rule explains, unless the model predicts them.
ALARMS = ("WARNING", "BUG", "Oops", "kernel BUG", "general protection")

#: The kind for a property that a kernel violates for no known reason.
VIOLATION = "violation"

#: The kind for a machine whose guest did not run to the end.
LOST = "lost"

#: Before the first operation.
START = "start"

#: The reasons that make kernels incomparable: none continues, or each has a different answer.
UNCOMPARABLE = frozenset({Why.NO_END, Why.MACHINE_DECIDES})

#: The reasons that come from the model: it has no rule, or there is no answer.
MODELS_OWN = UNCOMPARABLE | {Why.NO_RULE}

#: The reasons why a model has no answer although kernels continue.
KERNELS_GO_ON = MODELS_OWN - {Why.NO_END}


class Signature(msgspec.Struct, frozen=True, order=True):
    """A difference without the program that shows it.

    :param kind: ``difference``; ``violation`` for a property that kernels violate for no known reason;
        ``alarm`` for an alarm of a kernel and for log lines of :data:`ALARMS` that no model predicts;
        ``leftover`` for entries of the memtype list (the book)
        after every task has ended; ``lost`` for a machine whose guest did not run to the end
    :param field: the field of the step; empty if a kernel raised an alarm or a machine was lost
    :param op: the kind of operation; ``end`` is the end of all tasks, ``start`` is before the first
    :param sides: the groups of machines with equal values; for an alarm, the machines that raised it
    :param shape: these values, without numbers and names; or an alarm's kind and title, or a property's name
    """

    kind: str
    field: str
    op: str
    sides: tuple[tuple[str, ...], ...]
    shape: str

    @property
    def key(self) -> str:
        """A short name; a finding that a kernel shows on its own has the same name for all kernels."""
        named = replace(self, sides=()) if self.by_itself else self
        return hashlib.sha256(msgspec.json.encode(named)).hexdigest()[:12]

    @property
    def by_itself(self) -> bool:
        """True if a kernel shows it on its own, so that it is the same finding on every kernel."""
        return self.kind == VIOLATION or self.raises_alarm

    @property
    def raises_alarm(self) -> bool:
        """True if it is a kernel alarm, after which the guest is no longer reliable."""
        return self.kind == "alarm" and not self.field

    def on(self, machines: Sequence[str]) -> "Signature":
        """The same finding on other machines, e.g. another kernel of the series and its model.

        :param machines: the last model among them replaces other models, the last kernel other kernels
        """
        named = {machine.partition(":")[0]: machine for machine in machines}

        def other(machine: str) -> str:
            return machine if machine in machines else named.get(machine.partition(":")[0], machine)

        return replace(self, sides=tuple(tuple(map(other, side)) for side in self.sides))

    def __str__(self) -> str:
        sides = " | ".join(", ".join(side) for side in self.sides)
        return " ".join(part for part in (self.kind, self.op, self.field, f"({sides}): {self.shape}") if part)


#: The fields that make up the state after a step.
STATE_FIELDS = ("book", "vmas", "tracked", "prots", "ptes")

#: The fields without which the state is unknown.
_SEEN = ("book", "vmas", "ptes")


def own_differences(program: Program, runs: Sequence[Run]) -> tuple[list[Difference], bool]:
    """The differences between *runs* of *program* that do not follow from an earlier one, in step order, and
    whether differences after the last step would count too.
    """
    by_step = {step: list(found) for step, found in groupby(differences(runs), key=lambda found: found.step)}
    own: list[Difference] = []
    equal, ended = True, False
    for step in range(max((len(run.steps) for run in runs), default=0)):
        found = by_step.get(step, [])
        fields = {difference.field for difference in found}
        if equal:
            own += found
        ended = ended or _hides(program, step, fields)
        if ended or fields & set(STATE_FIELDS):
            equal = False
        elif _is_seen(runs, step):
            equal = True
        elif "result" in fields:
            equal = False
    return own, equal


def _hides(program: Program, step: int, fields: set[str]) -> bool:
    """True if machines may diverge although they are later observed in the same state."""
    if program.needs.held:
        return bool(fields & {"result", "value"})
    return "result" in fields and not (step < len(program.ops) and _all_seen(program.ops[step]))


def _all_seen(op: Op) -> bool:
    stores = isinstance(op.call, Walk) and op.call.walker in STORING_WALKERS
    kind = KINDS.get(kind_of(op.call))
    return kind is not None and kind.seen and not stores


def _is_seen(runs: Sequence[Run], step: int) -> bool:
    return all(
        step < len(run.steps) and all(getattr(run.steps[step], field) is not None for field in _SEEN)
        for run in runs
    )


def signature_of(program: Program, runs: Sequence[Run], *, agreed: bool = True) -> Signature | None:
    """The signature of the first finding in the runs of *program*, or None.

    :param agreed: whether faults that all machines share are findings too: a warning that all of them print,
        unless a model was run, and a property that kernels violate for no known reason
    """
    return next(iter(signatures_of(program, runs, agreed=agreed)), None)


def signatures_of(
    program: Program, runs: Sequence[Run], *, agreed: bool = True, broken: Sequence[Violation] | None = None
) -> list[Signature]:
    """The distinct signatures of all findings in the runs of *program* that do not follow from others.

    An alarm comes first, followed only by differences that happened before it; for other findings see
    :func:`own_differences`.

    :param broken: the result of :func:`kernel_violations`; None to compute it
    """
    placed = placed_signatures(program, runs, agreed=agreed, broken=broken)
    return list(dict.fromkeys(signature for _, signature in placed))


def placed_by_itself(
    program: Program, runs: Sequence[Run], broken: Sequence[Violation] | None = None
) -> list[tuple[int | None, Signature]]:
    """The signatures of findings that each kernel shows on its own, without a comparison, each with its step.

    A log line is a finding only if a property says so. A lost guest is not a finding, because an operation
    without a rule may wait for ever.

    :param broken: the result of :func:`kernel_violations`; None to compute it
    """
    found: list[tuple[int | None, Signature]] = []
    for run in runs:
        own = None if broken is None else [one for one in broken if one.machine == run.machine]
        placed = placed_signatures(program, [run], broken=own, alarms=False)
        found += [(step, signature) for step, signature in placed if signature.by_itself]
    return found


def in_same_step(program: Program, runs: Sequence[Run], signature: Signature) -> tuple[Signature, ...]:
    """The other signatures in the steps where *runs* show *signature*.

    If no smaller program shows *signature*, either they follow from it or it follows from them.
    """
    placed = placed_signatures(program, runs, alarms=False)
    steps = {step for step, other in placed if other == signature}
    return tuple(dict.fromkeys(other for step, other in placed if step in steps and other != signature))


def placed_signatures(
    program: Program,
    runs: Sequence[Run],
    *,
    agreed: bool = True,
    alarms: bool = True,
    broken: Sequence[Violation] | None = None,
) -> list[tuple[int | None, Signature]]:
    """The signatures from :func:`signatures_of`, each with its step; None before the first.

    :param alarms: whether alarms in logs that all machines share are findings too, if *agreed*
    """
    own, equal = own_differences(program, runs)
    found: list[tuple[int | None, Signature]] = []
    raised = _raised(program, runs)
    violated: list[tuple[int | None, Signature]] = []
    if agreed:
        violated = _violated(program, kernel_violations(program, runs) if broken is None else broken)
    for difference in own:
        if raised is None or (raised[0] is not None and difference.step < raised[0]):
            found.append((difference.step, signature_between(program, runs, difference)))
    if raised is not None:
        return [raised, *found, *violated]
    if equal:
        lost = [run for run in runs if run.lost is not None]
        found += [(len(run.steps), _of_lost(program, runs, run)) for run in lost[:1]]
    return (found or (_alarms(program, runs) if agreed and alarms else [])) + violated


def _violated(program: Program, violated: Sequence[Violation]) -> list[tuple[int | None, Signature]]:
    """The properties that kernels violate for no known reason, whether or not machines differ."""
    broken: dict[tuple[int, str], list[str]] = {}
    for violation in violated:
        if violation.unknown:
            broken.setdefault((violation.step, violation.name), []).append(violation.machine)
    return [
        (step, Signature(VIOLATION, "", _op_kind(program, step), (tuple(machines),), name))
        for (step, name), machines in broken.items()
    ]


def kernel_violations(program: Program, runs: Sequence[Run]) -> list[Violation]:
    """The properties that the kernels among *runs* violate, known or not."""
    kernels = (run for run in runs if not run.machine.startswith("model:"))
    return [violation for run in kernels for violation in violations(program, run)]


def _of_lost(program: Program, runs: Sequence[Run], run: Run) -> Signature:
    others = tuple(other_run.machine for other_run in runs if other_run.lost is None)
    op = _op_kind(program, len(run.steps))
    return Signature(LOST, "", op, ((run.machine,), others), lost_shape(run.lost or ""))


def without_once(run: Run) -> Run:
    """*run* without the log lines that print once per boot."""
    steps = (
        replace(step, log=tuple(line for line in step.log if once_message(line) is None))
        for step in run.steps
    )
    return replace(run, steps=tuple(steps))


def rests_on_spent(signature: Signature, runs: Sequence[Run]) -> bool:
    """True if *runs* could not show *signature* because its once-per-boot line had already been printed."""
    return any(plain(message) in signature.shape for message in spent_messages(runs))


def _raised(program: Program, runs: Sequence[Run]) -> tuple[int | None, Signature] | None:
    """The first alarm that counts on its own, with the machines whose kernels raised it, and its step."""
    for run in runs:
        alarm = run.alarm
        if alarm is not None:
            same = [other.machine for other in runs if other.alarm and other.alarm.title == alarm.title]
            op = START if alarm.step is None else _op_kind(program, alarm.step)
            signature = Signature("alarm", "", op, (tuple(same),), f"{alarm.kind}: {alarm.title}")
            return alarm.step, signature
    return None


def signature_between(program: Program, runs: Sequence[Run], difference: Difference) -> Signature:
    """The signature of one difference between *runs*."""
    runs = common_events(runs)
    at, spent_lines = difference.step, spent_messages(runs)
    present = [run for run in runs if at < len(run.steps)]
    values = {run.machine: comparable(run.steps[at], difference.field, spent_lines) for run in present}
    sides = _sides(present, at, difference.field, spent_lines)
    first, second = (values[side[0]] for side in sides[:2])
    kind = "difference"
    if difference.field == "log" and _alarms_more(first, second, modelled=sides[0][0].startswith("model:")):
        kind = "alarm"
    elif difference.field == "book" and difference.op == END:
        kind = "leftover"
    return Signature(
        kind, difference.field, _op_kind(program, at), sides, shape(difference.field, first, second)
    )


def _alarms_more(first: tuple[str, ...], second: tuple[str, ...], *, modelled: bool) -> bool:
    """True if one of the two logs has more alarms, not counting those that only a model predicts."""
    more = Counter(second) - Counter(first)
    if not modelled:
        more += Counter(first) - Counter(second)
    return any(line.startswith(ALARMS) for line in more)


def _alarms(program: Program, runs: Sequence[Run]) -> list[tuple[int | None, Signature]]:
    """Log lines that need an explanation; none if a model was run, which could explain them."""
    if any(run.machine.startswith("model:") for run in runs):
        return []
    sides = (tuple(run.machine for run in runs),)
    return [
        (at, Signature("alarm", "log", _op_kind(program, at), sides, plain(line)))
        for run in runs
        for at, step in enumerate(run.steps)
        for line in step.log
        if line.startswith(ALARMS)
    ]


def _sides(runs: Sequence[Run], at: int, field: str, spent: frozenset[str]) -> tuple[tuple[str, ...], ...]:
    """The machines, grouped by equal values of one field; machines without a value are left out."""
    groups: list[tuple[Any, list[str]]] = []
    for run in runs:
        value = comparable(run.steps[at], field, spent)
        if value is None and field not in ("result", "value"):
            continue
        for group_value, names in groups:
            if group_value == value:
                names.append(run.machine)
                break
        else:
            groups.append((value, [run.machine]))
    return tuple(tuple(names) for _, names in groups)


def _op_kind(program: Program, at: int) -> str:
    return kind_of(program.ops[at].call) if at < len(program.ops) else END
