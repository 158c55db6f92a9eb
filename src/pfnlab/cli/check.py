"""``pfnlab check``: every sequence of operations of a scope, every property, a verdict each."""

from __future__ import annotations

import json
import sys
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from pfnlab.checker.check import UNDECIDED, VIOLATED, CheckLimits, CheckResult, check
from pfnlab.checker.differ import compare
from pfnlab.checker.kernel.properties import Question, questions
from pfnlab.checker.kernel.scope import RaceScope, Scope, load_scope
from pfnlab.checker.races.race import control, still_read
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.forecast import line as forecast_line
from pfnlab.checker.search.shards import side_by_side
from pfnlab.cli.machines import fetch_missing, name_machine, open_machine, run_on, say, with_policies
from pfnlab.cli.policies import newest_series
from pfnlab.errors import Misuse
from pfnlab.lab.vm.accel import Accel
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.programs.runs.compare import judge
from pfnlab.programs.runs.observation import Run
from pfnlab.report.check import check_lines, check_object, differ_lines, differ_object, program_text
from pfnlab.report.table import render

#: What a real machine says of a counterexample.
SAME, DIFFERENT = "shows the same", "DIFFERS from the model"


class CheckRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asked for.

    :param confirm: machines that run every counterexample
    :param save: a folder for counterexamples
    :param watch: say which branches of policies were never taken
    :param policies: files with policies of the user's own, in place of every model's
    :param differ: two policies or models to be told apart, instead of a check
    :param accel: what guests of confirming machines have
    """

    on: list[str]
    scope: str = "standard"
    properties: list[str] = []
    limits: CheckLimits = CheckLimits()
    confirm: list[str] = []
    save: Path | None = None
    as_json: bool = False
    differ: tuple[str, str] | None = None
    policies: tuple[str, ...] = ()
    watch: bool = False
    accel: Accel = Accel.TCG


def check_machines(request: CheckRequest) -> int:
    """Check, confirm, print; the exit code."""
    scope = load_scope(request.scope)
    if request.differ is not None:
        return tell_apart(request, scope, request.differ)
    asked = questions(request.properties, scope)
    machines = [_model(spec) for spec in _specs(request)]
    for spec in request.confirm:
        name_machine(spec)
    code = 0
    for at, checked in enumerate(_all_checked(machines, scope, asked, request)):
        confirmed = confirm(checked, request.confirm, request.accel)
        if request.as_json:
            print(json.dumps(check_object(checked, confirmed), ensure_ascii=False))
        else:
            print("\n" * bool(at) + "\n".join(check_lines(checked, confirmed)))
        if request.save is not None:
            save(checked, request.save)
        code = max(code, _code(checked), key=(0, 3, 1).index)
    return code


def _specs(request: CheckRequest) -> list[str]:
    return with_policies(request.on or [f"model:{newest_series()}"], request.policies)


def _all_checked(
    machines: list[ModelMachine], scope: Scope | RaceScope, asked: list[Question], request: CheckRequest
) -> list[CheckResult]:
    """One check a machine; several run side by side, without a progress line."""
    if len(machines) == 1:
        return [_check(machines[0], scope, asked, request)]
    jobs = [
        partial(check, machine, scope, asked, request.limits, watch=request.watch) for machine in machines
    ]
    return [checked for _, checked in sorted(side_by_side(jobs), key=itemgetter(0))]


def _check(
    machine: ModelMachine, scope: Scope | RaceScope, asked: list[Question], request: CheckRequest
) -> CheckResult:
    told = sys.stderr.isatty()
    progress = _progress if told else None
    checked = check(machine, scope, asked, request.limits, progress=progress, watch=request.watch)
    if told:
        print("\r\x1b[K", end="", file=sys.stderr)
    return checked


def _progress(found: Exploration[Any]) -> None:
    print(f"\r\x1b[K{forecast_line(found)}", end="", file=sys.stderr, flush=True)


def tell_apart(request: CheckRequest, scope: Scope | RaceScope, differ: tuple[str, str]) -> int:
    """The shortest program on which two policies differ, and what both do with it; the exit code."""
    if isinstance(scope, RaceScope):
        raise Misuse(f"--differ compares operations one after the other: scope {scope.name} has races")
    base = _specs(request)[0]
    machines = [_model(_replaced(base, policy)) for policy in differ]
    limits = request.limits
    flushes = any(policy.startswith("flushes/") for policy in differ)
    one, other = machines
    found = compare(one, other, scope, depth=limits.depth, seconds=limits.seconds, flushes=flushes)
    if request.as_json:
        print(json.dumps(differ_object(machines, scope, found), ensure_ascii=False))
    else:
        print("\n".join(differ_lines(machines, scope, found)))
        if found.difference is not None:
            program = found.difference.program
            runs = [machine.run([program])[0] for machine in machines]
            verdict = judge(program, runs, {})
            print(render(program, runs, verdict, width=120).plain, end="")
    if request.save is not None and found.difference is not None:
        _write(request.save / "differ.pfn", found.difference.program)
    return 1 if found.difference is not None else 0 if found.complete else 3


def _replaced(base: str, policy: str) -> str:
    """The name of the machine *base* with a policy as ``trackers/vm_pat``; *policy* where it is a machine."""
    seam, _, name = policy.partition("/")
    words = {"trackers": "tracker", "flushes": "flush", "walkers": "walker"}
    if policy.startswith("model:"):
        return policy
    if policy.endswith(".py"):
        return with_policies([base], [policy])[0]
    if seam not in words or not name:
        forms = "trackers/NAME, flushes/NAME, walkers/NAME, FILE.py or model:..."
        raise Misuse(f"{policy!r} names no policy: write {forms}")
    return f"{base},{words[seam]}={name}"


def _code(checked: CheckResult) -> int:
    if checked.answered(VIOLATED):
        return 1
    return 3 if checked.answered(UNDECIDED) or not checked.complete else 0


def _model(spec: str) -> ModelMachine:
    named = name_machine(spec)
    if named.kind != "model":
        raise Misuse(f"{spec} cannot be searched: check takes models, and --confirm {spec} asks a kernel")
    return ModelMachine(named.rest)


def confirm(checked: CheckResult, specs: list[str], accel: Accel = Accel.TCG) -> dict[str, dict[str, str]]:
    """Run every counterexample on real machines; whether they show what the model says, by property.

    A race is run as it is, and once more with the kernel's flush left out by force.
    """
    if not specs:
        return {}
    found = [(one, one.program) for one in checked.answers if one.program is not None]
    said: dict[str, dict[str, str]] = {one.name: {} for one, _ in found}
    programs = list({program.ops: program for _, program in found}.values())
    controls = [control(program) for one, program in found if one.schedule]
    predicted = open_machine(checked.machine).run(programs)
    named = [name_machine(spec) for spec in specs]
    fetch_missing(named, say)
    for one in named:
        seen = run_on(one, open_machine(one.spec, accel=accel), [*programs, *controls])
        words = {}
        for program, model, kernel in zip(programs, predicted, seen, strict=False):
            words[program.ops] = comparison(program, model, kernel)
        forced = iter(seen[len(programs) :])
        for answer, program in found:
            said[answer.name][one.spec] = words[program.ops]
            if answer.schedule:
                read = still_read(program, next(forced))
                word = "STILL READS the device" if read else "does not read the device any more"
                said[answer.name][f"{one.spec}, its flush left out by force"] = word
    return said


def comparison(program: Program, model: Run, kernel: Run) -> str:
    """Whether *kernel* shows of *program* what *model* says, or where it does not."""
    verdict = judge(program, [model, kernel], {})
    fields = sorted({difference.field for difference in verdict.differences})
    if fields:
        return f"{DIFFERENT} in {', '.join(fields)}"
    return f"lost: {kernel.lost}" if kernel.lost else SAME


def save(checked: CheckResult, folder: Path) -> None:
    """Write every counterexample as a program of its own."""
    for answer in checked.answers:
        if answer.program is not None:
            _write(folder / f"{answer.name}.pfn", answer.program)


def _write(path: Path, program: Program) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(program_text(program), encoding="utf-8")
    except OSError as trouble:
        raise Misuse(f"{path} cannot be written: {trouble}") from trouble
    print(f"{path} written", file=sys.stderr)
