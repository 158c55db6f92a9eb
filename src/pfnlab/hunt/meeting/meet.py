"""Compares a kernel with its model, or two kernels, and explains the differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, NamedTuple

from msgspec.structs import replace

from pfnlab.base.errors import Discovery, Misuse
from pfnlab.base.progress import UNCOUNTED, PartCount
from pfnlab.base.result import ALWAYS, Count, Made, Outcome, Result
from pfnlab.checker.check import check
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.hunt.fuzz.investigation import Doubles
from pfnlab.hunt.fuzz.signature import UNCOMPARABLE
from pfnlab.hunt.meeting.explain import Explanation, ShownDifference, explanations, explanations_between
from pfnlab.hunt.meeting.holding import KernelDifference, Pair, Programs, hold_all
from pfnlab.hunt.meeting.titles import titles_about, titles_between
from pfnlab.kernel.mm.configuration import DISTRIBUTION, Configuration
from pfnlab.kernel.policies.changes import changes_between, description_of, source_of
from pfnlab.kernel.policies.known_kernels import HeldCount, KnownKernel, nearest
from pfnlab.kernel.policies.releases import RELEASES, is_version, series_of, version_key
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine, ObservableMachine, RebootableMachine, run_telling
from pfnlab.programs.runs.observation import Run

#: The model changes that explain two runs of a program.
Explain = Callable[[Program, Sequence[Run]], list[Explanation]]


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
    models: Annotated[tuple[str, ...] | None, ALWAYS] = None

    @property
    def outcome(self) -> Outcome:
        """A difference is a discovery; one that could not be reproduced decides nothing."""
        if self.differences:
            return Outcome.DISCOVERY
        return Outcome.UNDECIDED if self.unstable else Outcome.AS_EXPECTED


class Met(NamedTuple):
    """A comparison, with the runs that showed its differences.

    :ivar differences: those of *result*, in the same order
    """

    result: MeetingResult
    differences: tuple[KernelDifference, ...]


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
    kernels: Sequence[str] = (),
    profile: str | None = None,
    configuration: Configuration = DISTRIBUTION,
    changelog: str | None = None,
    since: str | None = None,
    say: Callable[[str], None] = lambda line: None,
    counted: PartCount = UNCOUNTED,
) -> Met:
    """Compare a kernel with the model of its exact version.

    :param kernels: its package and version
    :param profile: the version of the model, if it differs
    :param since: the kernel before it in its series, after which titles begin
    """
    model = profile or model_version(version)

    def explain(program: Program, runs: Sequence[Run]) -> list[Explanation]:
        return explanations(model, program, runs[1])

    modelled = ModelMachine(model, configuration=configuration)
    pair = Pair(
        *({f"model:{model}": modelled, f"qemu:{version}": machine}, say, _doubles(model, explain), counted)
    )
    titles = titles_between(changelog or "", since, version) if since else ()
    met = _met(pair, programs, explain, kernels, titles, since)
    explained = [one.explanations[0].changes for one in met.result.differences if one.explanations]
    changed = tuple(verdicts(model, list(dict.fromkeys(chain.from_iterable(explained)))))
    return met._replace(result=replace(met.result, verdicts=changed))


def diff(
    machines: Mapping[str, Machine],
    versions: tuple[str, str],
    programs: Programs,
    *,
    kernels: Sequence[str] = (),
    changelog: str | None = None,
    say: Callable[[str], None] = lambda line: None,
    counted: PartCount = UNCOUNTED,
) -> Met:
    """Compare two kernels.

    :param kernels: package and version of each
    """
    models = model_version(versions[0]), model_version(versions[1])
    first_model = ModelMachine(models[0])

    def explain(program: Program, runs: Sequence[Run]) -> list[Explanation]:
        return explanations_between(*models, program, runs[1])

    comparables = {name: Comparable(machine, first_model) for name, machine in machines.items()}
    pair = Pair(comparables, say, _doubles(models[0], explain), counted)
    older, newer = sorted(versions, key=version_key)
    met = _met(pair, programs, explain, kernels, titles_between(changelog or "", older, newer), older)
    rules = tuple(f"{change}: {source_of(change, versions[1])}" for change in changes_between(*versions))
    changed = tuple(verdicts(models[0], changes_between(*models)))
    return met._replace(result=replace(met.result, verdicts=changed, models=rules))


def _met(
    pair: Pair,
    programs: Programs,
    explain: Explain,
    kernels: Sequence[str],
    titles: tuple[str, ...],
    since: str | None,
) -> Met:
    """The comparison of a pair, with the explanations of each difference."""
    held = hold_all(pair, programs)
    found = tuple(pair.differences)
    shown = tuple(ShownDifference.of(one, explain(one.program, one.runs)) for one in found)
    causes = _causes(pair, shown)
    first, second = pair.machines
    result = MeetingResult(
        made=Made.now(),
        machines=(first, second),
        kernels=tuple(kernels),
        held=held,
        differences=shown,
        causes=causes,
        commits=tuple(_commits(titles, shown[cause[0]]) for cause in causes),
        unexplained=sum(not one.explanations for one in shown),
        unstable=tuple(pair.unstable),
        since=since,
        titles=titles,
        verdicts=(),
    )
    return Met(result, found)


def _causes(pair: Pair, shown: Sequence[ShownDifference]) -> tuple[tuple[int, ...], ...]:
    """The differences of *pair* by cause; differences that the same model change explains share a cause."""
    places = {difference.signature: place for place, difference in enumerate(pair.differences)}
    changes = [{explanation.changes for explanation in one.explanations} for one in shown]
    causes: list[list[int]] = []
    for members in pair.causes():
        cause = [places[difference.signature] for difference in members]
        same = next((other for other in causes if changes[other[0]] & changes[cause[0]]), None)
        if same is None:
            causes.append(cause)
        else:
            same += cause
    return tuple(tuple(cause) for cause in causes)


def _commits(titles: Sequence[str], shown: ShownDifference) -> tuple[str, ...]:
    """The *titles* that concern the explanations of a difference."""
    changes = dict.fromkeys(change for explanation in shown.explanations for change in explanation.changes)
    return titles_about(titles, "; ".join(map(description_of, changes)))


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


def known_kernel(result: MeetingResult, version: str, kernel: KernelImage, suite: str) -> KnownKernel:
    """The record of a kernel that was compared.

    :raises Discovery: if it differs from its model, so it is not recorded as known
    """
    if result.differences:
        raise Discovery(
            f"{version} differs from its model and does not become known: add to a switch the point "
            "release that backported the change, until they agree"
        )
    if result.unstable:
        raise Discovery(
            f"{version} differed once from its model, without explanation, and is not recorded as "
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
        held=result.held,
        titles=result.titles,
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
