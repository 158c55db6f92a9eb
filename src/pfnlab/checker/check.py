"""One check: a model, a scope and properties, and the verdict of the search on each property."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from pfnlab.base.errors import PolicyError
from pfnlab.base.progress import UNCOUNTED, PartCount
from pfnlab.base.result import Count, Made, Outcome, Result
from pfnlab.checker.judging.judge import violations
from pfnlab.checker.limits import UNLIMITED, CheckLimits, Exhaustive, Walks
from pfnlab.checker.races import schedules
from pfnlab.checker.races.race import RaceModel, race_properties
from pfnlab.checker.replay import path_text
from pfnlab.checker.scopes.domain import KernelModel, without_rule
from pfnlab.checker.scopes.properties import properties, questions
from pfnlab.checker.scopes.question import Question
from pfnlab.checker.scopes.scope import RaceScope, Scope
from pfnlab.checker.search.exploration import Exploration, Property
from pfnlab.checker.search.explore import SearchOptions
from pfnlab.checker.search.local_owners import explore_side_by_side
from pfnlab.checker.search.path import Path
from pfnlab.checker.search.random_walks import simulate
from pfnlab.kernel.policies.boot import has_own
from pfnlab.kernel.policies.releases import RELEASES
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Expect, Program
from pfnlab.programs.lang.problems import program_text
from pfnlab.programs.lang.shorter import shrunk
from pfnlab.programs.model.model_machine import ModelMachine

#: The length in steps of one random walk through schedules.
_WALK = 60

#: The verdict on a property that was still open when the search was cut off.
PropertyVerdict = Literal["holds", "violated", "undecided"]

HOLDS: PropertyVerdict = "holds"
VIOLATED: PropertyVerdict = "violated"
UNDECIDED: PropertyVerdict = "undecided"


class PropertyResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result for one property.

    :param name: its name, as passed to ``--property``
    :param kind: ``always``: it has to hold; ``sometimes``: it has to be reached
    :param asks: the property as a sentence
    :param verdict: a ``sometimes`` property holds if it was reached, and is violated if it never was; it is
        undecided if the search was cut off before that was known
    :param arose: the number of states to which it applies; with 0, the verdict means nothing
    :param path: the path to the deciding state, e.g. ``0/3/1``
    :param schedule: of a race: the turns, each with its task and function
    :param replay: the path in the form that ``pfnlab replay`` accepts
    :param text: the same as the text of a program; for a race, one with a held task, if one held task
        suffices
    :param confirmed: the result of the program on each machine of ``--confirm``
    """

    name: str
    kind: Literal["always", "sometimes"]
    asks: str
    verdict: PropertyVerdict
    arose: Count
    path: str | None
    schedule: tuple[str, ...]
    replay: str | None = None
    text: str | None = field(name="program")
    confirmed: dict[str, str] | UnsetType = UNSET

    @property
    def program(self) -> Program | None:
        """The counterexample."""
        return None if self.text is None else load_text(self.text, "counterexample")

    @property
    def vacuous(self) -> bool:
        """True if it holds only because it never applied."""
        return self.verdict == HOLDS and self.kind == "always" and not self.arose

    @property
    def word(self) -> str:
        """The verdict in one word."""
        if self.kind == "sometimes":
            return {HOLDS: "reached", VIOLATED: "NEVER"}.get(self.verdict, self.verdict)
        if self.vacuous:
            return "never asked"
        return self.verdict.upper() if self.verdict == VIOLATED else self.verdict

    @property
    def length(self) -> int | None:
        """The length of its counterexample in turns or operations; None if it has none."""
        if self.verdict != VIOLATED:
            return None
        return len(self.schedule) or (len(self.program.ops) if self.program is not None else 0)


class CheckResult(Result, frozen=True, kw_only=True, tag="pfnlab-check/1"):
    """The result of checking one model.

    :param machine: the model that was searched, as named by the user
    :param scope: the name or file of the scope
    :param states: distinct states
    :param transitions: steps taken between states
    :param depth: the bound on the number of consecutive operations; for races, of turns
    :param complete: whether every state within the bound was visited
    :param cut: the parts left out, each with a reason
    :param answers: every property that was checked, with its verdict
    :param fired: how often each kind of operation had each result, e.g.
        ``{"munmap": {"ok": 12, "EPERM": 1}}``
    :param growth: the number of new states after each number of operations; empty if not counted
    :param ended: whether there are no other states: if so, verdicts hold after any number of operations
    :param seconds: the duration of the search in seconds
    """

    machine: str
    scope: str
    states: Annotated[int, Meta(ge=1)]
    transitions: Count
    depth: Count
    complete: bool
    cut: tuple[str, ...]
    answers: tuple[PropertyResult, ...] = field(name="properties")
    fired: dict[str, dict[str, int]]
    growth: tuple[Count, ...]
    ended: bool = False
    seconds: float

    @property
    def rate(self) -> float:
        """Distinct states per second."""
        return self.states / self.seconds if self.seconds else 0.0

    @property
    def outcome(self) -> Outcome:
        """A violation counts even if the search was cut off; a check that asked nothing is undecided."""
        if self.answered(VIOLATED):
            return Outcome.DISCOVERY
        undecided = self.answered(UNDECIDED) or not self.complete or self.asked_nothing
        return Outcome.UNDECIDED if undecided else Outcome.AS_EXPECTED

    @property
    def asked_nothing(self) -> bool:
        """True if every property holds only because it never applied."""
        return bool(self.answers) and all(answer.vacuous for answer in self.answers)

    def answered(self, verdict: PropertyVerdict) -> list[PropertyResult]:
        """The properties with that verdict."""
        return [answer for answer in self.answers if answer.verdict == verdict]


#: The fields that text, reports and rows format specially; a further field is shown by name.
SHOWN_APART = (
    *("made", "machine", "scope", "states", "transitions", "depth", "complete", "cut", "answers", "fired"),
    *("growth", "ended", "seconds"),
)


#: Searches a model elsewhere, with the same result as :func:`pfnlab.checker.search.explore.explore`.
RemoteSearch = Callable[
    [KernelModel, Sequence[Property[Any]], Sequence[Question], int | None], Exploration[Any]
]


def depth_of(scope: Scope | RaceScope, limits: CheckLimits) -> int | None:
    """The maximum number of consecutive operations; None for sequences of any length."""
    if limits.depth is None:
        return scope.depth if isinstance(scope, Scope) else None
    return limits.depth or None


def check(
    machine: ModelMachine,
    scope: Scope | RaceScope,
    selection: Sequence[Question] | None = None,
    limits: CheckLimits = UNLIMITED,
    *,
    progress: Callable[[Exploration[Any]], None] | None = None,
    jobs: int = 1,
    elsewhere: RemoteSearch | None = None,
    counted: PartCount = UNCOUNTED,
) -> CheckResult:
    """Try every sequence of the scope's operations on *machine*, and judge every state by the properties in
    *selection*.

    For a race scope, try every schedule of its operations.

    :param selection: the properties; None for all that apply to the scope
    :param jobs: the number of processes that try operations or races in parallel
    :param elsewhere: searches a model of sequences in place of this process
    :param counted: counts random walks
    """
    selection = questions(scope=scope) if selection is None else selection
    model: KernelModel | RaceModel
    predicates: list[Property[Any]]
    if isinstance(scope, RaceScope):
        model, predicates, depth = RaceModel(machine, scope), list(race_properties(selection)), limits.depth
    else:
        model = KernelModel(machine, scope)
        predicates = list(properties(model, selection))
        depth = depth_of(scope, limits)
    if isinstance(limits, Walks):
        counted.expect(limits.count)
        found = simulate(
            model,
            predicates,
            seed=limits.seed,
            walks=limits.count,
            length=depth or _WALK,
            seconds=limits.seconds,
            done=counted.advance,
        )
    elif elsewhere is not None and isinstance(model, KernelModel):
        found = elsewhere(model, predicates, selection, depth)
    else:
        found = _explored(model, predicates, depth, limits, progress, jobs)
    cut = (*found.passed, *without_rule(model.unmodelled))
    # Before counterexamples are rerun.
    fired = _fired(model)
    answers = tuple(_answer(model, found, question, complete=not cut) for question in selection)
    return CheckResult(
        made=Made.now(),
        machine=f"model:{machine.spec}",
        scope=scope.name,
        states=found.states,
        transitions=found.transitions,
        depth=found.depth if depth is None else depth,
        complete=not cut,
        cut=cut,
        answers=answers,
        fired=fired,
        growth=tuple(found.growth),
        ended=not found.cut and not cut and not isinstance(scope, RaceScope),
        seconds=round(found.seconds, 3),
    )


def _explored(
    model: KernelModel | RaceModel,
    predicates: list[Property[Any]],
    depth: int | None,
    limits: Exhaustive,
    progress: Callable[[Exploration[Any]], None] | None,
    jobs: int,
) -> Exploration[Any]:
    options: SearchOptions = {"states": limits.states, "seconds": limits.seconds, "progress": progress}
    if isinstance(model, RaceModel) and not limits.whole_ways:
        return schedules.search(model, predicates, jobs=jobs, **options)
    options["depth"] = depth
    jobs = 1 if isinstance(model, RaceModel) else jobs
    return explore_side_by_side(model, predicates, jobs=jobs, **options)


def _answer(
    model: KernelModel | RaceModel, found: Exploration[Any], question: Question, *, complete: bool
) -> PropertyResult:
    path = found.discoveries.get(question.name)
    always = question.kind == "always"
    verdict: PropertyVerdict
    if path is not None:
        verdict = VIOLATED if always else HOLDS
    elif not complete:
        verdict = UNDECIDED
    else:
        verdict = HOLDS if always else VIOLATED
    program = None
    # An initial state has no program.
    if path is not None and always and path.actions:
        program = counterexample(model, path, question)
    arose = found.premises[question.name] if always else int(path is not None)
    if question.occasion is not None and not question.occasion(model.outcomes):
        arose = 0
    way = path.encode() if path is not None else None
    schedule: tuple[str, ...] = ()
    if path is not None and always and isinstance(model, RaceModel):
        schedule = tuple(map(str, path.actions))
    replay = None
    if path is not None and path.actions:
        source = model.scope.source or model.scope.name
        replay = path_text(f"model:{model.machine.spec}", source, question.name, path)
    return PropertyResult(
        name=question.name,
        kind=question.kind,
        asks=question.asks,
        verdict=verdict,
        arose=arose,
        path=way,
        schedule=schedule,
        replay=replay,
        text=None if program is None else program_text(program),
    )


def counterexample(model: KernelModel | RaceModel, path: Path[Any], question: Question) -> Program | None:
    """The program that violates a property, shrunk unless it comes from a race; None for a race without one.

    The program expects correct behaviour, so it fails on a machine with the same fault.
    """
    title = f"{question.name} on model:{model.machine.spec}"
    asks = f"Can it happen that {question.happens}?" if question.happens else ""
    program: Program | None
    if isinstance(model, RaceModel):
        program = model.program(path, question, title, asks)
    else:
        program = shrunk(
            model.program(path, title, asks), lambda candidate: model.breaks(candidate.ops, question.judge)
        )
    return None if program is None else expecting(program, model.machine, question.name)


def expecting(program: Program, machine: ModelMachine, name: str) -> Program:
    """*program*, expecting property *name* to hold on every kernel.

    Not every property is judged on runs, and none while a processor is held. If *name* is not judged, the
    program expects the properties that the run on *machine* violates, if any.
    """
    try:
        (run,) = machine.run([program])
    except Exception as trouble:
        # A user's design may fail in places the search did not reach, e.g. when a task exits. A stock design
        # must not.
        if not (isinstance(trouble, PolicyError) or has_own(machine.profile)):
            raise
        return program
    broken = {violation.name for violation in violations(program, run)}
    kept = [name] if name in broken else sorted(broken)
    expects = tuple(Expect(RELEASES[0], None, keeps=one) for one in kept)
    return msgspec.structs.replace(program, expects=expects)


def _fired(model: KernelModel | RaceModel) -> dict[str, dict[str, int]]:
    fired: dict[str, dict[str, int]] = {}
    for (kind, result), count in sorted(model.outcomes.items()):
        fired.setdefault(kind, {})[result] = count
    return fired
