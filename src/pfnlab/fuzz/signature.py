"""Which difference it is: what stays the same when the program around it becomes smaller.

A signature is made of the first difference of a program's runs and says five things: what kind of finding it
is, in which field machines differ, at which kind of operation, which machines side together, and the shape of
what each saw. The shape is the values without numbers and without names: ``a[4:8]`` and ``b[0:1]`` have one
shape, a flag that is missing and a VMA that is missing have two. Two differences with equal signatures are
the same one.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from pfnlab.fuzz.kinds import kind_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.machine import END
from pfnlab.programs.runs.compare import Difference, comparable, differences, spent_messages
from pfnlab.programs.runs.observation import BookEntry, PteSeen, Run, VmaSeen

#: Log lines no rule of a program explains, unless the model predicts them.
ALARMS = ("WARNING", "BUG", "Oops", "kernel BUG", "general protection")

#: How a model says of a program that no kernel goes on after it, or that what it shows is the machine's.
UNCOMPARABLE = (
    "the kernel stops with BUG",
    "the fault repeats for ever",
    "the processor's batch decides",
    "where ",
)

#: How a model says that it has no answer: it has no rule, or there is none.
MODELS_OWN = ("the model ", *UNCOMPARABLE)

#: Reasons for which a machine does not answer, that say nothing about the kernel.
NOT_OURS = (
    *("no headers for ", "no vfio-pci", "a held processor is seen in the guest's memory only"),
    "there is no call of ",
    *MODELS_OWN,
)

_RANGE = re.compile(r"\b\w+\[\d+(?::\d+)?\]|\b\w+:(?=\w+\[)")
_NUMBER = re.compile(r"\b(0x)?[0-9a-f]*\d[0-9a-f]*\b")
_TASK = re.compile(r"(x86/PAT: )\S+ ")


class Signature(msgspec.Struct, frozen=True):
    """What a difference is, apart from the program that shows it.

    :param kind: ``difference``; ``alarm`` for log lines of :data:`ALARMS`, ``leftover`` for the book when
        every task is gone, ``lost`` for a machine that did not finish
    :param field: in which field of a step, empty where a machine was lost
    :param op: the kind of operation; ``end`` is the end of all tasks
    :param sides: the machines that saw the same, side by side
    :param shape: what they saw, without numbers and names
    """

    kind: str
    field: str
    op: str
    sides: tuple[tuple[str, ...], ...]
    shape: str

    @property
    def key(self) -> str:
        """A short name for it."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]

    def __str__(self) -> str:
        sides = " | ".join(", ".join(side) for side in self.sides)
        return " ".join(part for part in (self.kind, self.op, self.field, f"({sides}): {self.shape}") if part)


def signature_of(program: Program, runs: Sequence[Run], *, alarms: bool = True) -> Signature | None:
    """The signature of what is wrong with the runs of *program*, None where nothing is.

    :param alarms: a warning that all machines print is wrong too, unless a model was asked
    """
    found = differences(runs)
    if found:
        return _of_difference(program, runs, found[0])
    for run in runs:
        if run.lost is not None and not run.lost.startswith(NOT_OURS):
            others = tuple(one.machine for one in runs if one.lost is None)
            op = _op_kind(program, len(run.steps))
            return Signature("lost", "", op, ((run.machine,), others), _plain(run.lost))
    return _alarm(program, runs) if alarms else None


def undecided(runs: Sequence[Run]) -> str | None:
    """Why a program's runs say nothing: a machine lacks something, or a rule. None where all answered."""
    return next((run.lost for run in runs if run.lost is not None and run.lost.startswith(NOT_OURS)), None)


def _of_difference(program: Program, runs: Sequence[Run], found: Difference) -> Signature:
    at, spent = found.step, spent_messages(runs)
    present = [run for run in runs if at < len(run.steps)]
    seen = {run.machine: comparable(run.steps[at], found.field, spent) for run in present}
    sides = _sides(present, at, found.field, spent)
    first, second = (seen[side[0]] for side in sides[:2])
    kind = "difference"
    if found.field == "log" and any(line.startswith(ALARMS) for line in (*first, *second)):
        kind = "alarm"
    elif found.field == "book" and found.op == END:
        kind = "leftover"
    return Signature(kind, found.field, _op_kind(program, at), sides, shape(found.field, first, second))


def _alarm(program: Program, runs: Sequence[Run]) -> Signature | None:
    """Log lines that need an explanation, where no model was asked that could give one."""
    if any(run.machine.startswith("model:") for run in runs):
        return None
    for run in runs:
        for at, step in enumerate(run.steps):
            lines = [line for line in step.log if line.startswith(ALARMS)]
            if lines:
                op = _op_kind(program, at)
                return Signature("alarm", "log", op, (tuple(run.machine for run in runs),), _plain(lines[0]))
    return None


def _sides(runs: Sequence[Run], at: int, field: str, spent: frozenset[str]) -> tuple[tuple[str, ...], ...]:
    """The machines in groups that saw the same in one field, those that could not look left out."""
    groups: list[tuple[Any, list[str]]] = []
    for run in runs:
        value = comparable(run.steps[at], field, spent)
        if value is None and field not in ("result", "value"):
            continue
        for other, names in groups:
            if other == value:
                names.append(run.machine)
                break
        else:
            groups.append((value, [run.machine]))
    return tuple(tuple(names) for _, names in groups)


def _op_kind(program: Program, at: int) -> str:
    return kind_of(program.ops[at].call) if at < len(program.ops) else END


def shape(field: str, first: Any, second: Any) -> str:
    """How two values of *field* differ, in words without numbers and names."""
    if field == "flushes":
        return "fewer" if first < second else "more"
    if field == "events":
        return _order(first, second)
    if not isinstance(first, tuple) or not isinstance(second, tuple):
        return f"{_plain(first)} / {_plain(second)}"
    if field in ("vmas", "ptes"):
        return _by_place(first, second)
    one, other = Counter(map(_element, first)), Counter(map(_element, second))
    if one == other:
        return "other pages" if Counter(first) != Counter(second) else "other order"
    return f"{_listed(one - other)} / {_listed(other - one)}"


def _order(first: tuple[str, ...], second: tuple[str, ...]) -> str:
    """The first two events that are not the same."""
    for one, other in zip((*first, "end"), (*second, "end"), strict=False):
        if one != other:
            words = _plain(one), _plain(other)
            return " / ".join(words) if words[0] != words[1] else f"{words[0]} elsewhere"
    return "end / more"


def _by_place(first: tuple[Any, ...], second: tuple[Any, ...]) -> str:
    """What differs between VMAs or entries at the same place; else that the places differ."""
    one = {(seen.task, seen.span): seen for seen in first}
    other = {(seen.task, seen.span): seen for seen in second}
    words: set[str] = set()
    for place in one.keys() & other.keys():
        words |= _attributes(one[place], other[place])
    if words:
        return ", ".join(sorted(words))
    left = {_element(one[place]) for place in one.keys() - other.keys()}
    right = {_element(other[place]) for place in other.keys() - one.keys()}
    if left and right:
        return "other pages"
    return f"{'; '.join(sorted(left)) or '-'} / {'; '.join(sorted(right)) or '-'}"


def _attributes(one: Any, other: Any) -> set[str]:
    words = set()
    for name in one.__struct_fields__:
        here, there = getattr(one, name), getattr(other, name)
        if here == there:
            continue
        if isinstance(here, str) and isinstance(there, str):
            lost, new = set(here.split()) - set(there.split()), set(there.split()) - set(here.split())
            changes = [*(f"-{word}" for word in sorted(lost)), *(f"+{word}" for word in sorted(new))]
            words.add(f"{name} {' '.join(changes)}")
        elif isinstance(here, int) and isinstance(there, int):
            words.add(f"{name} {'less' if there < here else 'more'}")
        else:
            words.add(name)
    return words


def _element(value: Any) -> str:
    """One element of a field without place and numbers."""
    if isinstance(value, BookEntry):
        return value.mode
    if isinstance(value, VmaSeen):
        return f"{value.perms} {value.file}"
    if isinstance(value, PteSeen):
        return value.entry
    return _plain(value)


def _listed(found: Counter[str]) -> str:
    return "; ".join(sorted(found)) or "-"


def _plain(value: Any) -> str:
    """A value without numbers, ranges and tasks."""
    text = _TASK.sub(r"\1", str(value))
    return _NUMBER.sub("N", _RANGE.sub("PAGES", text))
