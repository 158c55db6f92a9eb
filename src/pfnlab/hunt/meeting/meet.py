"""Compares a kernel with its model, or two kernels, and explains the differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec.structs import replace

from pfnlab.base.errors import Discovery, Misuse
from pfnlab.base.progress import UNCOUNTED, PartCount
from pfnlab.base.result import ALWAYS, Count, Made, Outcome, Result, other_fields
from pfnlab.checker.check import check
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.hunt.fuzz.signature import UNCOMPARABLE
from pfnlab.hunt.meeting.explain import Explanation, ShownDifference, explanations, explanations_between
from pfnlab.hunt.meeting.gone_findings import gone_findings
from pfnlab.hunt.meeting.holding import Doubles, KernelDifference, Pair, Programs, hold_all
from pfnlab.hunt.meeting.titles import titles_about, titles_between
from pfnlab.kernel.mm.configuration import DISTRIBUTION, Configuration
from pfnlab.kernel.policies.changes import changes_between, description_of, source_of
from pfnlab.kernel.policies.known_kernels import HeldCount, KnownKernel, nearest, programs_in, steps_in
from pfnlab.kernel.policies.releases import RELEASES, is_version, series_of, version_key
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine, ObservableMachine, RebootableMachine, run_telling
from pfnlab.programs.runs.observation import Run

#: The model changes that explain two runs of a program.
Explain = Callable[[Program, Sequence[Run]], list[Explanation]]


class ExplainedDifference(msgspec.Struct, frozen=True):
    """A difference, with any explanations found for it."""

    difference: KernelDifference
    explanations: tuple[Explanation, ...]


class Meeting(msgspec.Struct, frozen=True):
    """The result of a comparison.

    :param against: the version of the first machine, which is a model or the other kernel
    :param held: the number of programs compared, by kind
    :param causes: the differences by cause, as indices into ``found``; the shortest program first
    :param titles: commits of stable releases between the two that touch the area
    :param verdicts: properties of ``check`` whose verdict the explanations change, each in words
    :param unstable: differences that could not be reproduced, each in words
    :param since: the version after which the titles begin, or None
    :param gone: filed findings that kernels of the series showed, and this one does not, by identifier
    """

    machines: tuple[str, str]
    against: str
    version: str
    held: dict[str, HeldCount]
    found: tuple[ExplainedDifference, ...] = ()
    titles: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    unstable: tuple[str, ...] = ()
    since: str | None = None
    causes: tuple[tuple[int, ...], ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """True if there was any difference, even once."""
        return bool(self.found or self.unstable)

    @property
    def unexplained(self) -> int:
        """The number of differences without an explanation, except those that could not be reproduced."""
        return sum(not explained.explanations for explained in self.found)

    @property
    def programs(self) -> int:
        """The number of programs that both machines ran."""
        return programs_in(self.held)

    @property
    def steps(self) -> int:
        """The number of steps compared; steps with an order are included."""
        return steps_in(self.held)


class MeetingResult(Result, frozen=True, kw_only=True, tag="pfnlab-meeting/1"):
    """The comparison of a kernel with its model, or of two kernels.

    :param machines: the two that were compared
    :param kernels: package and version of each machine that is a kernel
    :param held: the programs compared, by kind
    :param differences: every difference between them
    :param causes: the differences of each cause, as indices into differences
    :param commits: for each cause, the titles that concern its functions, the best match first
    :param unexplained: the number of differences that no change of the model explains
    :param unstable: differences that could not be reproduced
    :param since: the version after which titles begin; null if there is none
    :param titles: commits of stable releases between the two that touch the area
    :param verdicts: properties whose verdict changes between the two
    :param gone: filed findings that kernels of its series showed, and this one does not, by identifier
    :param models: the changes between the models of two kernels, with their sources; null if one of the two
        is a model
    """

    machines: tuple[str, str]
    kernels: tuple[str, ...]
    held: dict[str, HeldCount]
    differences: tuple[ShownDifference, ...]
    causes: tuple[tuple[Count, ...], ...]
    commits: Annotated[tuple[tuple[str, ...], ...], ALWAYS] = ()
    unexplained: Count
    unstable: tuple[str, ...]
    since: str | None
    titles: tuple[str, ...]
    verdicts: tuple[str, ...]
    gone: Annotated[tuple[str, ...], ALWAYS] = ()
    models: Annotated[tuple[str, ...] | None, ALWAYS] = None

    @classmethod
    def of(cls, meeting: Meeting, kernels: Sequence[str]) -> MeetingResult:
        """The result of a comparison.

        :param kernels: package and version of each kernel, in the order of the machines that are kernels
        """
        models = None
        if meeting.machines[0].startswith("qemu:"):
            changes = changes_between(meeting.against, meeting.version)
            models = [f"{change}: {source_of(change, meeting.version)}" for change in changes]
        return cls(
            made=Made.now(),
            kernels=tuple(kernels),
            differences=tuple(ShownDifference.of(one.difference, one.explanations) for one in meeting.found),
            commits=tuple(_commits(meeting, cause) for cause in meeting.causes),
            unexplained=meeting.unexplained,
            models=None if models is None else tuple(models),
            **other_fields(meeting, ("against", "version", "found")),
        )

    @property
    def outcome(self) -> Outcome:
        """A difference is a discovery; one that could not be reproduced decides nothing."""
        if self.differences:
            return Outcome.DISCOVERY
        return Outcome.UNDECIDED if self.unstable else Outcome.AS_EXPECTED


def model_version(version: str) -> str:
    """The version whose model a kernel is compared with: its own, if its series has a profile.

    :raises Misuse: if no known kernel is similar
    """
    if not is_version(version):
        raise Misuse(f"{version!r} is not a kernel version: name the model with --profile VERSION")
    if series_of(version) in RELEASES:
        return version
    neighbour = nearest(version)
    if neighbour is None:
        raise Misuse(f"no kernel older than {version} is known: give --profile VERSION")
    return neighbour


def meet(
    machine: Machine,
    version: str,
    programs: Programs,
    *,
    profile: str | None = None,
    configuration: Configuration = DISTRIBUTION,
    changelog: str | None = None,
    since: str | None = None,
    findings: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
    counted: PartCount = UNCOUNTED,
) -> Meeting:
    """Compare a kernel with the model of its exact version.

    :param profile: the version of the model, if it differs
    :param since: the kernel before it in its series, after which titles begin
    :param findings: the folder of filed findings whose programs also run; None for none
    """
    model = profile or model_version(version)

    def explain(program: Program, runs: Sequence[Run]) -> list[Explanation]:
        return explanations(model, program, runs[1])

    modelled = ModelMachine(model, configuration=configuration)
    machines = {f"model:{model}": modelled, f"qemu:{version}": machine}
    pair = Pair(machines, say, _doubles(model, explain), counted)
    meeting = _meeting(pair, (model, version), programs, explain)
    explained = (one.explanations[0] for one in meeting.found if one.explanations)
    first = (change for explanation in explained for change in explanation.changes)
    return replace(
        meeting,
        titles=titles_between(changelog or "", since, version) if since else (),
        verdicts=tuple(verdicts(model, list(dict.fromkeys(first)))),
        since=since,
        gone=() if findings is None else gone_findings(machine, version, findings, say),
    )


def diff(
    machines: Mapping[str, Machine],
    versions: tuple[str, str],
    programs: Programs,
    *,
    changelog: str | None = None,
    say: Callable[[str], None] = lambda line: None,
    counted: PartCount = UNCOUNTED,
) -> Meeting:
    """Compare two kernels."""
    models = model_version(versions[0]), model_version(versions[1])
    first_model = ModelMachine(models[0])

    def explain(program: Program, runs: Sequence[Run]) -> list[Explanation]:
        return explanations_between(*models, program, runs[1])

    comparables = {name: Comparable(machine, first_model) for name, machine in machines.items()}
    pair = Pair(comparables, say, _doubles(models[0], explain), counted)
    older, newer = sorted(versions, key=version_key)
    return replace(
        _meeting(pair, versions, programs, explain),
        titles=titles_between(changelog or "", older, newer),
        verdicts=tuple(verdicts(models[0], changes_between(*models))),
        since=older,
    )


def _meeting(pair: Pair, versions: tuple[str, str], programs: Programs, explain: Explain) -> Meeting:
    """The comparison of a pair, with the explanations of each difference."""
    counts = hold_all(pair, programs)
    explained = tuple(
        ExplainedDifference(difference, tuple(explain(difference.program, difference.runs)))
        for difference in pair.differences
    )
    first, second = pair.machines
    return Meeting(
        *((first, second), *versions, counts, explained),
        unstable=tuple(pair.unstable),
        causes=_causes(pair, explained),
    )


def _causes(pair: Pair, found: Sequence[ExplainedDifference]) -> tuple[tuple[int, ...], ...]:
    """The differences of *pair* by cause; differences that the same model change explains share a cause."""
    places = {explained.difference.signature: place for place, explained in enumerate(found)}
    causes: list[list[int]] = []
    for members in pair.causes():
        cause = [places[difference.signature] for difference in members]
        changes = _changes_of(found[cause[0]])
        same = next((other for other in causes if changes and _changes_of(found[other[0]]) & changes), None)
        if same is None:
            causes.append(cause)
        else:
            same += cause
    return tuple(tuple(cause) for cause in causes)


def _commits(meeting: Meeting, cause: Sequence[int]) -> tuple[str, ...]:
    """The titles of *meeting* that concern the explanation of the shortest program of a cause."""
    explained = meeting.found[cause[0]].explanations
    changes = dict.fromkeys(change for explanation in explained for change in explanation.changes)
    return titles_about(meeting.titles, "; ".join(map(description_of, changes)))


def _changes_of(explained: ExplainedDifference) -> set[tuple[str, ...]]:
    return {explanation.changes for explanation in explained.explanations}


def _doubles(version: str, explain: Explain) -> Doubles:
    """The model of *version*, and the same model with the first change that explains a difference."""

    def doubles(program: Program, runs: Sequence[Run]) -> tuple[Machine, Machine] | None:
        for explanation in explain(program, runs):
            look, configuration = runs[1].look, runs[1].configuration
            changed = ",".join((version, *explanation.changes))
            return ModelMachine(version, look, configuration), ModelMachine(changed, look, configuration)
        return None

    return doubles


class Comparable:
    """A kernel, protected from programs that no kernel survives or whose outcome depends on the machine.

    If one of the two is a model, it refuses such programs itself.

    :param model: identifies such programs
    """

    def __init__(self, machine: Machine, model: Machine) -> None:
        self._machine, self._model = machine, model

    @property
    def look(self) -> LookLevel:
        """The observation level of the kernel."""
        return self._machine.look if isinstance(self._machine, ObservableMachine) else LookLevel.PROC

    @look.setter
    def look(self, look: LookLevel) -> None:
        for machine in (self._machine, self._model):
            if isinstance(machine, ObservableMachine):
                machine.look = look

    @property
    def sees_memory(self) -> bool:
        """True if the kernel's memory can be observed."""
        return isinstance(self._machine, ObservableMachine) and self._machine.sees_memory

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run for each program; for a program withheld from the kernel, the model's refusal."""
        return self.run_telling(programs, lambda index, run: None)

    def run_telling(
        self,
        programs: Sequence[Program],
        on_done: Callable[[int, Run], None],
        looks: Sequence[LookLevel] | None = None,
    ) -> list[Run]:
        """Like :meth:`run`, with a callback for every run.

        :param on_done: called with index and run as soon as a program is done, in any order
        :param looks: how each program is observed; as the kernel is if None
        """
        looks = looks or [self.look] * len(programs)
        runs = dict(enumerate(run_telling(self._model, programs, lambda index, run: None, looks)))
        asked = [at for at, run in runs.items() if run.undecided is None or run.why not in UNCOMPARABLE]
        for at in runs.keys() - set(asked):
            on_done(at, runs[at])
        if asked:
            answers = run_telling(
                self._machine,
                [programs[at] for at in asked],
                lambda at, run: on_done(asked[at], run),
                [looks[at] for at in asked],
            )
            runs.update(zip(asked, answers, strict=True))
        return [runs[at] for at in range(len(programs))]

    def reboot(self) -> None:
        """Run later programs in fresh guests."""
        if isinstance(self._machine, RebootableMachine):
            self._machine.reboot()


def kernel_before(version: str, others: Iterable[str]) -> str | None:
    """The newest of *others* that is of the same series as *version* and older, or None."""
    at = version_key(version)
    older_versions = [
        other for other in others if series_of(other) == series_of(version) and version_key(other) < at
    ]
    return max(older_versions, key=version_key, default=None)


def known_kernel(meeting: Meeting, kernel: KernelImage, suite: str) -> KnownKernel:
    """The record of a kernel that was compared.

    :raises Discovery: if it differs from its model, so it is not recorded as known
    """
    if meeting.found:
        raise Discovery(
            f"{meeting.version} differs from its model and does not become known: add to a switch the point "
            "release that backported the change, until they agree"
        )
    if meeting.unstable:
        raise Discovery(
            f"{meeting.version} differed once from its model, without explanation, and is not recorded as "
            "known: meet it again"
        )
    return KnownKernel(
        version=kernel.upstream,
        package=kernel.package,
        package_version=kernel.version,
        release=kernel.release,
        sha256=kernel.sha256,
        suite=suite,
        met=datetime.now(UTC).date().isoformat(),
        held=meeting.held,
        titles=meeting.titles,
    )


def verdicts(version: str, changes: Sequence[str]) -> list[str]:
    """The properties of scope ``small`` whose verdict *changes* of a model alter, in words."""
    if not changes:
        return []
    scope = load_scope("small")
    properties = questions([], scope)
    before, after = (
        {answer.name: answer.verdict for answer in check(ModelMachine(spec), scope, properties).answers}
        for spec in (version, ",".join((version, *changes)))
    )
    return [
        f"{name}: {before[name]} on model:{version}, {after[name]} with {', '.join(changes)}"
        for name in before
        if before[name] != after[name]
    ]
