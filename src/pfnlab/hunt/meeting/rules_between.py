"""Compares the rules of two kernels through their models: the visible effects of each change."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from pfnlab.base.processes import in_order
from pfnlab.base.result import ALWAYS, Count, Made, Outcome, Result, Text
from pfnlab.hunt.meeting.bisect import ChangedRule, least
from pfnlab.hunt.meeting.holding import Programs
from pfnlab.hunt.meeting.sign import USER_FIELDS, answer_in, sign_of
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.policies.changes import changes_between, field_of, programs_of
from pfnlab.kernel.policies.known_kernels import known_titles
from pfnlab.kernel.policies.profiles import described, exact
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run


class RecordingProfile(Profile):
    """A profile that records which of its fields are read; an unread field cannot affect a run.

    :ivar fields_read: the fields read since the set was last cleared
    """

    fields_read: set[str]

    @classmethod
    def of(cls, profile: Profile) -> RecordingProfile:
        """The same rules as *profile*."""
        recording = object.__new__(cls)
        # The profile is frozen, so this is the only way to set its fields.
        vars(recording).update(vars(profile), fields_read=set())
        return recording

    def __getattribute__(self, name: str) -> Any:
        fields = object.__getattribute__(self, "__dict__")
        if name in fields and name != "fields_read":
            fields["fields_read"].add(name)
        return object.__getattribute__(self, name)


def run_with_rules(machine: ModelMachine, program: Program) -> tuple[Run, frozenset[str]]:
    """The run of *program*, and the profile fields that it read.

    A run that reads none of the changed fields is the same with and without the changes.
    """
    recording = copy.copy(machine)
    profile = recording.profile = RecordingProfile.of(machine.profile)
    (run,) = recording.run([program])
    return run, frozenset(profile.fields_read)


#: The number of programs to try for a change without a visible effect, shortest first.
_MOST_TRIED = 20

#: The number of programs to try for a change that is one of several reasons and may show only with the
#: others.
_FIRST = 3

#: The number of programs per piece of work.
_PIECE = 32


class SeenChange(msgspec.Struct, frozen=True):
    """The first step of a program that differs.

    :param step: its number, from 1
    :param op: the operation
    :param field: result, value, log, book, or an internal field of the kernel
    :param first: the lines of the first kernel, or without the rule
    :param second: the lines of the second kernel, or with the rule
    """

    step: Count
    op: Text
    field: Text
    first: tuple[str, ...]
    second: tuple[str, ...]

    @property
    def by_user(self) -> bool:
        """True if it is visible to user space."""
        return self.field in USER_FIELDS


class RuleChange(ChangedRule, frozen=True, kw_only=True):
    """One rule that differs.

    :param by_user: whether its effect in a program is visible to user space
    :param program: the shortest program that shows it; null if none does
    :param seen: the difference in that program; null if none shows it
    :param others: further programs with a visible difference that needs this rule
    """

    by_user: bool
    program: str | None
    seen: SeenChange | None
    others: tuple[str, ...]


class ProgramChange(msgspec.Struct, frozen=True, kw_only=True):
    """A program with a difference visible to user space.

    :param program: its name
    :param asks: its question
    :param seen: the first visible difference
    :param rules: the change that suffices for it, or all the changes that it needs
    """

    program: Text
    asks: str
    seen: SeenChange
    rules: tuple[str, ...]


class RulesBetween(Result, frozen=True, kw_only=True, tag="pfnlab-rules/1"):
    """The rules of two kernels compared by their models.

    :param versions: the two versions
    :param profiles: each in words, and how far it is known
    :param changes: the rules that differ, those with visible effects first
    :param programs: the programs with a visible difference, the shortest first
    :param asked: number of programs that ran on both models
    :param inside: the programs that differ only in counters, entries, flushes and the order of calls
    :param undecided: the programs for which one of the models has no rule
    :param titles: commits of the stable series between the two that touch the area, as far as its kernels are
        known
    """

    versions: tuple[Text, Text]
    profiles: tuple[Text, Text]
    changes: tuple[RuleChange, ...]
    programs: tuple[ProgramChange, ...]
    asked: Count
    inside: Annotated[tuple[str, ...], ALWAYS] = ()
    undecided: Annotated[tuple[str, ...], ALWAYS] = ()
    titles: Annotated[tuple[str, ...], ALWAYS] = ()

    @property
    def outcome(self) -> Outcome:
        """A program that differs is a discovery."""
        return Outcome.DISCOVERY if self.programs or self.inside else Outcome.AS_EXPECTED


class _ComparedProgram(msgspec.Struct, frozen=True):
    """A program run on both models.

    :param seen: the first difference, visible fields first; None if nothing differs
    :param reasons: the change that suffices for a visible difference, or all the changes that it needs
    :param rules: the changed rules that its runs read
    """

    program: str
    seen: SeenChange | None
    reasons: tuple[str, ...]
    rules: tuple[str, ...]


def rules_between(versions: tuple[str, str], programs: Programs, *, jobs: int | None = None) -> RulesBetween:
    """Compare the rules of two versions, and the runs of *programs* on their models.

    :param versions: series or exact versions, as in a machine's name
    :param programs: the programs in a folder, each at the observation level of its golden; no random ones
    :param jobs: number of concurrent processes; None for the number of processors
    :raises Misuse: if a version has no profile
    """
    pair = _Pair(versions, programs)
    litmus = programs.litmus
    by_size = sorted(litmus if pair.changes else (), key=lambda name: (len(litmus[name].ops), name))
    pieces = [by_size[at : at + _PIECE] for at in range(0, len(by_size), _PIECE)]
    compared = [one for several in in_order(pair.compare, pieces, jobs) for one in several]
    decided = [one for one in compared if one is not None]
    changes = in_order(lambda change: _change(pair, decided, change), pair.changes, jobs)
    seen = [(one, one.seen) for one in decided if one.seen is not None]
    return RulesBetween(
        made=Made.now(),
        versions=(exact(versions[0]), exact(versions[1])),
        profiles=(described(versions[0]), described(versions[1])),
        changes=tuple(sorted(changes, key=lambda one: (not one.by_user, one.program is None))),
        programs=tuple(
            ProgramChange(program=one.program, asks=litmus[one.program].asks, seen=found, rules=one.reasons)
            for one, found in seen
            if found.by_user
        ),
        asked=len(decided),
        inside=tuple(one.program for one, found in seen if not found.by_user),
        undecided=tuple(name for name, one in zip(by_size, compared, strict=True) if one is None),
        titles=known_titles(exact(versions[0]), exact(versions[1])),
    )


class _Pair:
    """The models of two versions, and the first model with some of the changes that lead to the second."""

    def __init__(self, versions: tuple[str, str], programs: Programs) -> None:
        for version in versions:
            # This rejects a version without a profile.
            ModelMachine(version)
        self.versions = versions
        self.programs = programs
        self.changes = changes_between(*versions)

    def compare(self, names: Sequence[str]) -> list[_ComparedProgram | None]:
        """Run each program on both models; None if one of them has no rule for it."""
        return [self._compared(name) for name in names]

    def _compared(self, name: str) -> _ComparedProgram | None:
        program = self.programs.litmus[name]
        (first, fields), (second, more) = (
            run_with_rules(self._model(name, version), program) for version in self.versions
        )
        if first.unfinished is not None or second.unfinished is not None:
            return None
        seen = first_change((first, second))
        rules = tuple(change for change in self.changes if field_of(change) in fields | more)

        def suffice(some: Sequence[str]) -> bool:
            return not differences((self.changed(name, some), second), USER_FIELDS)

        reasons = least(rules, suffice) if seen is not None and seen.by_user else ()
        return _ComparedProgram(name, seen, tuple(reasons), rules)

    def changed(self, name: str, changes: Sequence[str]) -> Run:
        """A program's run on the first model with some of the changes."""
        (run,) = self._model(name, ",".join((self.versions[0], *changes))).run([self.programs.litmus[name]])
        return run

    def _model(self, name: str, spec: str) -> ModelMachine:
        return ModelMachine(spec, self.programs.looks.get(name, LookLevel.PROC))


def first_change(runs: tuple[Run, Run]) -> SeenChange | None:
    """The first field in which two runs diverge; None if they do not differ."""
    sign = sign_of(*runs)
    if not sign:
        return None
    found = sign[0]
    first, second = (answer_in(run, found.step, found.field) or () for run in runs)
    return SeenChange(found.step + 1, found.op, found.field, first, second)


def _change(pair: _Pair, compared: Sequence[_ComparedProgram], change: str) -> RuleChange:
    """A change with the shortest program that shows it."""
    showing = [one.program for one in compared if change in one.reasons]
    known = [name for name in programs_of(change) if name in pair.programs.litmus]
    shortest = [one.program for one in compared if one.seen is not None and change in one.rules][:_MOST_TRIED]
    program, seen = _shortest_program(
        pair, change, list(dict.fromkeys((*showing[:_FIRST], *known, *shortest)))
    )
    return RuleChange.of(
        *(change, pair.versions[1]),
        by_user=bool(showing),
        program=program,
        seen=seen,
        others=tuple(name for name in showing if name != program),
    )


def _shortest_program(
    pair: _Pair, change: str, names: Sequence[str]
) -> tuple[str, SeenChange] | tuple[None, None]:
    """The first program that shows a change, and its effect, visible fields first.

    The change is tried on the first model, then on the second.
    """
    others = [other for other in pair.changes if other != change]
    for name in names:
        for rest in ((), others):
            runs = pair.changed(name, rest), pair.changed(name, (*rest, change))
            if any(run.unfinished is not None for run in runs):
                continue
            seen = first_change(runs)
            if seen is not None:
                return name, seen
    return None, None
