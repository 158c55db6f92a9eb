"""``pfnlab replay``: a counterexample or a finding once more, and whether it still shows the same."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from pfnlab.checker.check import VIOLATED, CheckResult
from pfnlab.checker.replay import (
    TAG,
    Differs,
    JudgedStep,
    ProgramReplay,
    Replay,
    ReplayResult,
    check_same,
    read_path,
)
from pfnlab.errors import Misuse, Undecided
from pfnlab.files import MOST_RECORDED, read_bytes, read_text
from pfnlab.fuzz.filing import DATA, PROGRAM, read_data
from pfnlab.fuzz.rounds import changed_by_looking
from pfnlab.fuzz.signature import LOST, Signature, signatures_of
from pfnlab.inert import one_line, visible
from pfnlab.lab.running.confirm import AS_FOUND, Compared, comparison
from pfnlab.lab.running.named_machines import (
    Named,
    name_machine,
    name_machines,
    newest_series,
    open_machine,
    side_by_side,
)
from pfnlab.lab.vm.accel import Accel
from pfnlab.policies.own import files_in
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run
from pfnlab.result import Made, Outcome

#: The beginning of a path of any version.
_PATH = "pfnlab path "


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of the command line.

    :param what: a file or folder, or the words of a path
    :param on: machines instead of the one that was recorded
    :param trust: run policies that only a file names
    :param profile: the series that kernels of the user's own should behave like
    """

    what: list[str]
    on: list[str]
    as_json: bool = False
    accel: Accel = Accel.TCG
    trust: bool = False
    profile: str | None = None

    def check_asked(self, machine: str, source: str) -> None:
        """Refuse a policy file that the user has not asked for.

        :param machine: one that is to be made because the file *source* names it
        :raises Misuse: it would run such a policy
        """
        asked_files = {file for spec in self.on for file in files_in(spec)}
        for file in files_in(machine):
            if not self.trust and file not in asked_files:
                raise Misuse(f"{source} names {file}, which would be run: read that policy, then say --trust")


def replay(request: ReplayRequest) -> int:
    """Replay, print; 0 where everything shows the same, 1 where something does not, 3 where a guest was lost.

    :raises Misuse: there is no such file, or it records nothing that could be replayed
    """
    text = " ".join(request.what)
    file = Path(text)
    # What is too long for the name of a file is none.
    if text.startswith(_PATH):
        outcomes = _replay_case(_of_path(text), request)
    elif os.path.isdir(file):
        outcomes = [_finding(FiledFinding(file), request)]
    elif os.path.isfile(file.parent / DATA):
        outcomes = [_finding(FiledFinding(file.parent), request)]
    elif os.path.isfile(file):
        outcomes = [each for case in _cases(file, request) for each in _replay_case(case, request)]
    else:
        raise Misuse(f"there is no file {text!r}; a path begins with `{TAG}`")
    return Outcome.of_all(outcomes).value


class Case(NamedTuple):
    """One counterexample to be replayed.

    :param machine: the one it was found on
    :param schedule: the turns of a race that were written beside it
    :param source: the file it comes from; empty for the command line
    """

    recorded: Replay | ProgramReplay
    machine: str
    schedule: tuple[str, ...] = ()
    source: str = ""


def _cases(file: Path, request: ReplayRequest) -> list[Case]:
    """The counterexamples in a file that check wrote."""
    content = read_bytes(file, "counterexample", MOST_RECORDED)
    if content.lstrip()[:1] == b"{" and CheckResult.form().encode() in content:
        return _of_check(read_text(file, "counterexample", MOST_RECORDED), str(file), request)
    saved = ProgramReplay(load_program(file))
    return [Case(saved, saved.machine, source=str(file))]


def _of_path(text: str) -> Case:
    path = read_path(text)
    return Case(Replay(path), path.machine)


def _of_check(text: str, source: str, request: ReplayRequest) -> list[Case]:
    """The counterexamples in the output of ``check --json``."""
    # Only here: it imports what draws.
    from pfnlab.document.json_text import json_values

    try:
        checked = [msgspec.convert(value, CheckResult) for _, value in json_values(text, source)]
    except msgspec.ValidationError as trouble:
        raise Misuse(f"{source} is not what `check --json` prints: {one_line(str(trouble))}") from None
    answers = [answer for content in checked for answer in content.answers]
    recordings = [
        (answer.replay, answer.schedule)
        for answer in answers
        if answer.kind == "always" and answer.verdict == VIOLATED and answer.replay is not None
    ]
    if not recordings:
        raise Misuse(f"{source} records no counterexample: nothing was violated")
    paths = [(read_path(path), schedule) for path, schedule in recordings]
    for path, _ in paths:
        # Its steps are found again on the machine it was found on, even to replay it on another.
        request.check_asked(path.machine, source)
    return [Case(Replay(path), path.machine, schedule, source) for path, schedule in paths]


class FiledFinding:
    """A finding: a program, the machines that differ, how they are looked at, and the difference's signature.

    :raises Misuse: the folder holds none
    """

    def __init__(self, folder: Path) -> None:
        self.data = read_data(folder)
        self.source = str(folder / DATA)
        self.program = load_program(folder / PROGRAM)
        self.title = f"finding {folder.name}: {self.data.signatures[0]}"


def _replay_case(case: Case, request: ReplayRequest) -> list[Outcome]:
    """Replay a case on every machine; an outcome each."""
    outcomes = []
    specs = request.on or [case.machine]
    for named in name_machines(specs, request.profile):
        spec = named.spec
        steps: list[JudgedStep] = []
        verdict = AS_FOUND
        model = named.kind == "model"
        # A kernel is compared with the machine it was found on.
        if case.source and not (model and request.on):
            request.check_asked(case.machine, case.source)
        try:
            if model:
                for step in case.recorded.on(spec):
                    steps.append(step)
                _same_schedule(case.schedule, steps)
                check_same(case.recorded.question, steps)
            else:
                verdict = _on_kernel(case.recorded.program, case.machine, spec, request.accel)
        except Differs as difference:
            verdict = _otherwise(str(difference))
        _print(case.recorded.title, spec, steps, verdict, request.as_json)
        outcomes.append(verdict.outcome)
    return outcomes


def _same_schedule(schedule: Sequence[str], steps: Sequence[JudgedStep]) -> None:
    for number, (recorded, step) in enumerate(zip(schedule, steps, strict=False), 1):
        if recorded != step.step:
            raise Differs(number, f"`{recorded}` was recorded, and it is `{step.step}`")
    if schedule and len(schedule) != len(steps):
        raise Differs(min(len(schedule), len(steps)) + 1, f"{len(schedule)} turns were recorded")


def _otherwise(says: str) -> Compared:
    return Compared(Outcome.DISCOVERY, f"shows something else: {says}")


def _on_kernel(program: Program | None, machine: str, spec: str, accel: Accel) -> Compared:
    """Compare a kernel with the model that the program was found on."""
    if program is None:
        raise Misuse(f"{spec} goes through no schedule: replay the program that `check --save` keeps")
    ((model, kernel),) = side_by_side(name_machines([machine, spec]), [program], LookLevel.PROC, accel)
    return comparison(program, model, kernel)


def _finding(finding: FiledFinding, request: ReplayRequest) -> Outcome:
    if not request.on:
        for spec in finding.data.machines:
            request.check_asked(spec, finding.source)
    machines = name_machines(request.on or finding.data.machines, request.profile)
    looks = finding.data.looks
    all_runs = side_by_side(machines, [finding.program] * len(looks), looks, request.accel)
    runs_by_level = dict(zip(looks, all_runs, strict=True))
    runs = [run for level_runs in runs_by_level.values() for run in level_runs]
    is_lost = finding.data.signatures[0].kind == LOST
    for run in runs:
        found = run.undecided or (not is_lost and run.alarm is None and run.lost)
        if found:
            raise Undecided(found.says, found.kind)
    if len(looks) > 1:
        signatures = _by_looking(finding.program, machines, runs_by_level)
    else:
        signatures = signatures_of(finding.program, runs)
    verdict = AS_FOUND
    if not signatures:
        verdict = _otherwise("the machines do the same")
    elif not set(signatures) & set(finding.data.signatures):
        verdict = _otherwise(str(signatures[0]))
    steps = [JudgedStep(line, "") for line in op_lines(finding.program)]
    _print(finding.title, " and ".join(machine.spec for machine in machines), steps, verdict, request.as_json)
    return verdict.outcome


def _by_looking(
    program: Program, machines: Sequence[Named], runs: Mapping[LookLevel, Sequence[Run]]
) -> list[Signature]:
    """The changes by looking that the models of *machines* do not explain."""
    found = []
    for number, machine in enumerate(machines):
        own = {look: level_runs[number] for look, level_runs in runs.items()}
        model = name_machine(machine.model or f"model:{newest_series()}")
        predicted = {look: open_machine(model, look=look).run([program])[0] for look in runs}
        found += [signature for _, signature in changed_by_looking(program, own, predicted)]
    return found


def _print(title: str, machine: str, steps: Sequence[JudgedStep], verdict: Compared, as_json: bool) -> None:
    if as_json:
        same = verdict.outcome is Outcome.AS_EXPECTED
        result = ReplayResult(
            made=Made.now(), title=title, machine=machine, steps=tuple(steps), same=same, verdict=verdict.says
        )
        print(result.as_json())
        return
    # A file may come from anybody, and names machines and programs.
    print(one_line(f"{machine}, {title}"))
    width = max((len(step.step) for step in steps), default=0)
    for number, step in enumerate(steps, 1):
        print(visible(f"{number:3}  {step.step:<{width}}  {step.word}".rstrip()))
    print(one_line(verdict.says))
