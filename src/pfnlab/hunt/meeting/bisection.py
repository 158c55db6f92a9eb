"""Runs a bisection as requested: finds the target, the two ends, and the candidates between them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pfnlab.base.errors import MissingTool, Misuse, Undecided
from pfnlab.base.result import Made
from pfnlab.checker.check import check
from pfnlab.checker.judging.run_properties import RUN_PROPERTIES
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.hunt.meeting.bisect import (
    BisectOver,
    BisectResult,
    BisectTarget,
    BisectWord,
    CandidateTests,
    RunOn,
    bisect_rules,
    boundary,
    in_line,
    property_target,
    sign_target,
    versions_between,
)
from pfnlab.hunt.meeting.bug_run import not_shown, program_file
from pfnlab.kernel.bugs.here import bug_called
from pfnlab.kernel.bugs.kernel_name import version_named
from pfnlab.kernel.policies.changes import changes_between
from pfnlab.kernel.policies.profiles import exact
from pfnlab.lab.building.built import remove_built
from pfnlab.lab.building.tree_commits import TreeCommits
from pfnlab.lab.images.cache import AnswerCache
from pfnlab.lab.images.kernel_offers import available_offers
from pfnlab.programs.lang.library import load_found, only_path
from pfnlab.programs.lang.load import program_hash
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.golden import golden_look
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.named_machines import NamedMachine, fetch_missing, name_machine, side_by_side
from pfnlab.programs.runs.observation import Run

#: The number of runs per candidate, for programs that hold processors and for others.
_REPEAT_HELD, _REPEAT = 3, 1

#: The scope to search for a program that violates a property.
_SCOPE = "small"


class BisectOptions(NamedTuple):
    """The options of a bisection.

    :ivar tree: a git tree; the ends are then commits in it
    :ivar repeat: the number of runs per candidate; None for three if processors are held, otherwise one
    :ivar afresh: ignore cached answers
    :ivar configuration: the configuration for kernels to build
    :ivar jobs: the number of concurrent build commands
    :ivar series: the series whose model to use for a tree
    """

    tree: Path | None = None
    repeat: int | None = None
    afresh: bool = False
    configuration: tuple[str, ...] = ()
    jobs: int | None = None
    series: str | None = None


class _Aim(NamedTuple):
    """The target of a bisection.

    :ivar label: the name that the user gave it
    :ivar prop: the property that a bad machine violates; empty if the program's sign is used
    """

    label: str
    program: Program
    look: LookLevel
    prop: str = ""

    def target(self, good: Run, bad: Run) -> BisectTarget:
        """The difference between the two ends; Misuse if they behave the same."""
        if self.prop:
            return property_target(self.prop, self.program, good, bad)
        return sign_target(self.label, good, bad)

    def on_kernel(self, name: str, times: int) -> Sequence[Run]:
        """The runs of the program on a kernel."""
        runs = side_by_side([name_machine(f"qemu:{name}")], [self.program] * times, self.look)
        return [run for (run,) in runs]

    def on_model(self, machine: str, times: int) -> Sequence[Run]:
        """The run of the program on a model, which is always the same."""
        return ModelMachine(machine.removeprefix("model:"), self.look).run([self.program])


def bisected(
    name: str, good: str, bad: str, options: BisectOptions, say: Callable[[str], None]
) -> BisectResult:
    """Find the boundary between a good and a bad end.

    :param name: a program, a property, or a bug by its number
    :param good: a version or ``model:VERSION`` for the model, ``qemu:VERSION`` for available kernels, or a
        commit in the tree; *bad* takes the same forms
    :raises Misuse: if an end or the target does not exist, or the ends behave the same
    :raises Undecided: if an end cannot be run
    """
    if options.tree is not None:
        return _in_tree(_aim(name, None), options.tree, good, bad, options, say)
    ends = _end(good), _end(bad)
    if ends[0].kind != ends[1].kind:
        raise Misuse(f"{good} and {bad} are a model and a kernel: name two of one kind")
    versions = _version(ends[0]), _version(ends[1])
    aim = _aim(name, versions[1])
    if ends[0].kind == "model":
        return _of_models(aim, versions)
    return _of_kernels(aim, ends, versions, options, say)


def _of_models(aim: _Aim, versions: tuple[str, str]) -> BisectResult:
    good, bad = map(exact, versions)
    changes = changes_between(good, bad)
    if not changes:
        raise Misuse(f"the models of {good} and {bad} have the same rules: name two that differ")
    ends = f"model:{good}", f"model:{bad}"
    (first,), (second,) = (aim.on_model(end, 1) for end in ends)
    tests = CandidateTests(aim.target(first, second), aim.on_model)
    rules = bisect_rules(versions, tests)
    return _result(aim, tests, "rules", ends, ends, unasked=len(changes), rules=rules)


def _of_kernels(
    aim: _Aim,
    ends: tuple[NamedMachine, NamedMachine],
    versions: tuple[str, str],
    options: BisectOptions,
    say: Callable[[str], None],
) -> BisectResult:
    def run_on(version: str, times: int) -> Sequence[Run]:
        try:
            return aim.on_kernel(version, times)
        except Undecided as reason:
            say(str(reason))
            return ()

    fetch_missing(ends)
    ((good, bad),) = side_by_side(ends, [aim.program], aim.look)
    line = versions_between(*versions, [offer.version for offer in available_offers()])
    tests = _candidate_tests(aim, (good, bad), run_on, (good.kernel, bad.kernel), options, say)
    found = boundary((line[0], line[-1]), "bad", in_line(line), tests)
    adjacent = found.earlier[-1], found.later
    rules = bisect_rules(adjacent, CandidateTests(tests.target, aim.on_model))
    left = [version for version in line if version in found.left]
    named = ends[0].spec, ends[1].spec
    return _result(aim, tests, "versions", named, adjacent, left, unasked=max(len(line) - 2, 0), rules=rules)


def _in_tree(
    aim: _Aim, folder: Path, good: str, bad: str, options: BisectOptions, say: Callable[[str], None]
) -> BisectResult:
    tree = TreeCommits(folder)
    ends = tree.named(good), tree.named(bad)
    new_word: BisectWord = "bad" if tree.comes_before(*ends) else "good"
    older, newer = ends if new_word == "bad" else ends[::-1]
    if not tree.comes_before(older, newer):
        raise Misuse(f"neither of {good} and {bad} comes before the other: name two commits of one line")

    def run_on(commit: str, times: int) -> Sequence[Run]:
        try:
            kernel = tree.build(commit, options.configuration, options.jobs, options.series, say)
        except (MissingTool, Undecided) as reason:
            say(f"{commit[:12]} is passed over: {reason}")
            return ()
        try:
            return aim.on_kernel(kernel.name, times)
        finally:
            remove_built(kernel.name)

    def between(later: str, earlier: Sequence[str]) -> Sequence[str]:
        return tree.by_halves(later, earlier)[:-1]

    runs = [run_on(commit, 1) for commit in ends]
    if not all(runs):
        raise Undecided("an end of the bisection cannot be run: name a commit that builds and boots")
    tests = _candidate_tests(aim, (runs[0][0], runs[1][0]), run_on, ends, options, say)
    total = len(between(newer, [older]))
    found = boundary((older, newer), new_word, between, tests)
    before = next((one for one in reversed(found.earlier) if tree.comes_before(one, found.later)), older)
    sides = [f"{commit} {tree.title(commit)}" for commit in (before, found.later)]
    first, second = sides if new_word == "bad" else sides[::-1]
    return _result(aim, tests, "commits", (good, bad), (first, second), found.left, unasked=total)


def _result(
    aim: _Aim,
    tests: CandidateTests,
    over: BisectOver,
    ends: tuple[str, str],
    adjacent: tuple[str, str],
    left: Sequence[str] = (),
    **more: Any,
) -> BisectResult:
    """The result of a search over candidates: its ends, and the two adjacent candidates at the boundary."""
    return BisectResult(
        made=Made.now(),
        sought=aim.label,
        program=format_program(aim.program),
        says=tests.target.says,
        over=over,
        good=ends[0],
        bad=ends[1],
        tried=tuple(tests.tried),
        last_good=adjacent[0],
        first_bad=adjacent[1],
        left=tuple(left),
        **more,
    )


def _candidate_tests(
    aim: _Aim,
    runs: tuple[Run, Run],
    run_on: RunOn,
    ends: tuple[str, str],
    options: BisectOptions,
    say: Callable[[str], None],
) -> CandidateTests:
    """Tests for slow candidates: each answer is reported, and kept for later searches with the same ends.

    :param runs: those of the good and the bad end
    """
    target = aim.target(*runs)
    repeat = options.repeat or (_REPEAT_HELD if aim.program.needs.held else _REPEAT)
    kept = AnswerCache(program_hash(aim.program), target.says, *ends, str(repeat), afresh=options.afresh)
    return CandidateTests(target, run_on, repeat, kept, say)


def _end(text: str) -> NamedMachine:
    """The machine of an end; a version means its model (Misuse if it is neither a machine nor a version)."""
    return name_machine(text if ":" in text else f"model:{version_named(text)}")


def _version(end: NamedMachine) -> str:
    """The version of an end (Misuse if it is the user's own kernel, or a model with changes)."""
    if end.series is None or end.built or "," in end.spec or (end.kind == "qemu" and not end.stock):
        raise Misuse(f"{end.spec} is not an available version: bisect your own tree with --tree")
    return end.series


def _aim(name: str, bad: str | None) -> _Aim:
    """The program with that name or for that bug, or one that violates a property on the model of *bad*.

    :raises Misuse: if *name* is not a program, a bug or a property, or the property holds there
    """
    if name in RUN_PROPERTIES:
        if bad is None:
            raise Misuse(f"{name} is a property: in a tree name a program that breaks it")
        return _Aim(name, _breaking(name, bad), LookLevel.PROC, name)
    if name[:1].isupper():
        bug = bug_called(name)
        if not bug.shown:
            raise not_shown(bug)
        path = program_file(bug.shown[0].program)
    else:
        path = only_path(name)
    return _Aim(name, load_found(path), golden_look(path) or LookLevel.PROC)


def _breaking(prop: str, version: str) -> Program:
    """The shortest program that violates a property on the model of *version*."""
    scope = load_scope(_SCOPE)
    (answer,) = check(ModelMachine(version), scope, questions([prop], scope)).answers
    if answer.program is None:
        raise Misuse(
            f"no program of scope {_SCOPE} violates {prop} on model:{exact(version)}: name a program"
        )
    return answer.program
