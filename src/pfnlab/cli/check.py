"""``pfnlab check``: every sequence of operations of a scope, every property, a verdict each."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pfnlab.checker.check import CheckResult, PropertyResult, check, depth_of
from pfnlab.checker.differ import compare
from pfnlab.checker.kernel.properties import Question, questions
from pfnlab.checker.kernel.scope import RaceScope, Scope, load_scope
from pfnlab.checker.limits import UNLIMITED, CheckLimits
from pfnlab.checker.races.race import control, still_read
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.forecast import line as forecast_line
from pfnlab.document.parts.check import differ_part, part
from pfnlab.document.terminal import terminal
from pfnlab.errors import Misuse
from pfnlab.lab.machines import (
    model_text,
    name_machine,
    name_machines,
    newest_series,
    side_by_side,
    with_policies,
)
from pfnlab.lab.vm.accel import Accel
from pfnlab.policies import SEAM_OF
from pfnlab.processes import in_order, processors
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.programs.runs.compare import judge
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run
from pfnlab.progress import Work, working
from pfnlab.report.table import render
from pfnlab.result import Outcome
from pfnlab.units import number_of

#: The statements of a real machine about a counterexample.
SAME, DIFFERENT = "shows the same", "DIFFERS from the model"


class CheckRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of the command line.

    :param confirm: machines that run every counterexample
    :param save: a folder for counterexamples
    :param watch: say which branches of policies were never taken
    :param policies: files with policies of the user's own, in place of every model's
    :param differ: two policies or models to be told apart, instead of a check
    :param accel: the accelerator of the guests of confirming machines
    :param profile: the series that confirming kernels of the user's own should behave like
    :param jobs: processes that work at a time; None for as many as there are processors
    :param cluster: the address of a scheduler whose workers search, in place of this host
    """

    on: list[str]
    scope: str = "standard"
    properties: list[str] = []
    limits: CheckLimits = UNLIMITED
    confirm: list[str] = []
    save: Path | None = None
    as_json: bool = False
    differ: tuple[str, str] | None = None
    policies: tuple[str, ...] = ()
    watch: bool = False
    accel: Accel = Accel.TCG
    profile: str | None = None
    jobs: int | None = None
    cluster: str | None = None


def check_machines(request: CheckRequest) -> int:
    """Check, confirm, print; the exit code."""
    scope = load_scope(request.scope)
    if request.differ is not None:
        return tell_apart(request, scope, request.differ)
    chosen_questions = questions(request.properties, scope)
    machines = [_model(spec) for spec in _specs(request)]
    name_machines(request.confirm, request.profile)
    outcomes = []
    for at, checked in enumerate(_all_checked(machines, scope, chosen_questions, request)):
        confirmed = confirm(checked, request.confirm, request.accel)
        if request.as_json:
            print(confirmed.as_json())
        else:
            print("\n" * bool(at) + terminal(part(confirmed)))
        if request.save is not None:
            save(checked, request.save)
        outcomes.append(checked.outcome)
    return Outcome.of_all(outcomes).value


def _specs(request: CheckRequest) -> list[str]:
    return with_policies(request.on or [f"model:{newest_series()}"], request.policies)


def _all_checked(
    machines: list[ModelMachine],
    scope: Scope | RaceScope,
    chosen_questions: list[Question],
    request: CheckRequest,
) -> list[CheckResult]:
    """One check a machine; several run side by side, without a progress line."""
    if request.cluster is not None:
        return _all_on_cluster(request.cluster, machines, scope, chosen_questions, request)
    processes = request.jobs or processors()
    if len(machines) == 1:
        return [_check(machines[0], scope, chosen_questions, request, processes)]

    def checked(machine: ModelMachine) -> CheckResult:
        return check(machine, scope, chosen_questions, request.limits, watch=request.watch)

    with working(f"checking {number_of(len(machines), 'model')}", len(machines)) as work:
        return list(
            in_order(
                checked,
                machines,
                processes,
                named=lambda machine: f"model:{machine.spec}",
                done=work.advance,
            )
        )


def _check(
    machine: ModelMachine,
    scope: Scope | RaceScope,
    chosen_questions: list[Question],
    request: CheckRequest,
    jobs: int,
) -> CheckResult:
    with working(f"checking model:{machine.spec}") as work:
        return check(
            *(machine, scope, chosen_questions, request.limits),
            progress=partial(_show, work, depth_of(scope, request.limits)),
            watch=request.watch,
            jobs=jobs,
            counted=work,
        )


def _all_on_cluster(
    address: str,
    machines: list[ModelMachine],
    scope: Scope | RaceScope,
    chosen_questions: list[Question],
    request: CheckRequest,
) -> list[CheckResult]:
    """One check a machine, one after the other: each has the whole cluster."""
    # Most searches need none of it.
    from pfnlab.cluster.checking import check_on_cluster, limits_on_cluster
    from pfnlab.cluster.connection import connected

    if request.jobs is not None:
        raise Misuse("--cluster does not go with --jobs: leave one out")
    for machine in machines:
        limits_on_cluster(machine, scope, request.limits, watch=request.watch)
    found = []
    with connected(address) as client:
        for machine in machines:
            with working(f"checking model:{machine.spec}") as work:
                found.append(
                    check_on_cluster(
                        *(client, machine, scope, chosen_questions, request.limits),
                        progress=partial(_show, work, depth_of(scope, request.limits)),
                    )
                )
    return found


def _show(work: Work, depth: int | None, exploration: Exploration[Any]) -> None:
    work.show(forecast_line(exploration, depth))


def tell_apart(request: CheckRequest, scope: Scope | RaceScope, differ: tuple[str, str]) -> int:
    """Print the shortest program on which two policies differ, and its runs on both; the exit code."""
    if request.cluster is not None:
        raise Misuse("--cluster does not go with --differ: leave one out")
    if isinstance(scope, RaceScope):
        raise Misuse(f"--differ compares operations one after the other: scope {scope.name} has races")
    base = _specs(request)[0]
    machines = [_model(_replaced(base, policy)) for policy in differ]
    limits = request.limits
    flushes = any(policy.startswith("flushes/") for policy in differ)
    first, second = machines
    result = compare(first, second, scope, depth=limits.depth, seconds=limits.seconds, flushes=flushes)
    if request.as_json:
        print(result.as_json())
    else:
        print(terminal(differ_part(result)))
        if (program := result.program) is not None:
            runs = [machine.run([program])[0] for machine in machines]
            verdict = judge(program, runs, {})
            print(f"\n{render(program, runs, verdict, width=120).plain}", end="")
    if request.save is not None and result.text is not None:
        _write(request.save / "differ.pfn", result.text)
    return result.outcome.value


def _replaced(base: str, policy: str) -> str:
    """The name of the machine *base* with a policy as ``trackers/vm_pat``; *policy* where it is a machine."""
    seam, _, name = policy.partition("/")
    if policy.startswith("model:"):
        return policy
    if policy.endswith(".py"):
        return with_policies([base], [policy])[0]
    if seam not in SEAM_OF or not name:
        forms = "trackers/NAME, flushes/NAME, walkers/NAME, FILE.py or model:..."
        raise Misuse(f"{policy!r} names no policy: write {forms}")
    return f"{base},{SEAM_OF[seam]}={name}"


def _model(spec: str) -> ModelMachine:
    named = name_machine(spec)
    if named.kind != "model":
        raise Misuse(f"{spec} cannot be searched: check takes models, and --confirm {spec} asks a kernel")
    return ModelMachine(model_text(named.rest))


def confirm(checked: CheckResult, specs: list[str], accel: Accel = Accel.TCG) -> CheckResult:
    """Run every counterexample on real machines; the result with whether each shows the same as the model.

    A race for a frame is run as it is, and once more with the kernel's flush left out by force.
    """
    if not specs:
        return checked
    counterexamples = [(answer, answer.program) for answer in checked.answers if answer.program is not None]
    statements: dict[str, dict[str, str]] = {answer.name: {} for answer, _ in counterexamples}
    programs = list({program.ops: program for _, program in counterexamples}.values())
    controls = [control(program) for answer, program in counterexamples if _of_frame(answer)]
    model_runs = _model(checked.machine).run(programs)
    all_runs = side_by_side(name_machines(specs), [*programs, *controls], LookLevel.PROC, accel)
    for at, spec in enumerate(specs):
        runs = [of_program[at] for of_program in all_runs]
        words = {}
        for program, model, kernel in zip(programs, model_runs, runs, strict=False):
            words[program.ops] = comparison(program, model, kernel).says
        forced = iter(runs[len(programs) :])
        for answer, program in counterexamples:
            statements[answer.name][spec] = words[program.ops]
            if _of_frame(answer):
                read = still_read(program, next(forced))
                word = "STILL READS the device" if read else "does not read the device any more"
                statements[answer.name][f"{spec}, its flush left out by force"] = word
    return msgspec.structs.replace(
        checked,
        answers=tuple(
            msgspec.structs.replace(answer, confirmed=statements[answer.name])
            if answer.name in statements
            else answer
            for answer in checked.answers
        ),
    )


def _of_frame(answer: PropertyResult) -> bool:
    """True where its counterexample is a race for a frame that somebody may still read."""
    return answer.name == "told_free"


class Compared(NamedTuple):
    """The outcome of a comparison of a machine with a finding on another, also in words."""

    outcome: Outcome
    says: str


#: It shows the same.
AS_FOUND = Compared(Outcome.AS_EXPECTED, SAME)


def comparison(program: Program, model: Run, kernel: Run) -> Compared:
    """Compare *kernel* with *model* for *program*: the same, an alarm, or the fields that differ."""
    verdict = judge(program, [model, kernel], {})
    fields = sorted({difference.field for difference in verdict.differences})
    if kernel.alarm is not None:
        return Compared(Outcome.DISCOVERY, f"alarm: {kernel.alarm.title}")
    if fields:
        return Compared(Outcome.DISCOVERY, f"{DIFFERENT} in {', '.join(fields)}")
    return AS_FOUND if kernel.unfinished is None else Compared(Outcome.UNDECIDED, kernel.unfinished)


def save(checked: CheckResult, folder: Path) -> None:
    """Write every counterexample as a program of its own."""
    for answer in checked.answers:
        if answer.text is not None:
            _write(folder / f"{answer.name}.pfn", answer.text)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as trouble:
        raise Misuse(f"{path} cannot be written: {trouble}") from trouble
    print(f"{path} written", file=sys.stderr)
