"""Replays a counterexample or finding, to check whether it still shows the same behaviour."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from pfnlab.base.errors import Misuse, Undecided, Why
from pfnlab.base.files import MOST_RECORDED, read_bytes, read_text
from pfnlab.base.inert import one_line, shell_line
from pfnlab.base.json_text import json_values
from pfnlab.base.result import Made, Outcome
from pfnlab.checker import replay
from pfnlab.checker.check import VIOLATED, CheckResult
from pfnlab.checker.judging.judge import violations
from pfnlab.checker.judging.run_properties import RUN_PROPERTIES
from pfnlab.checker.scopes.question import Question
from pfnlab.hunt.fuzz.filing import DATA, PROGRAM, read_data
from pfnlab.hunt.fuzz.signature import LOST, signatures_of
from pfnlab.kernel.policies.own import files_in
from pfnlab.lab.running.confirm import AS_FOUND, Confirmation, comparison
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.runs import named_machines
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Accel

#: The start of a path, in any version.
_PATH = "pfnlab path "


class Case(NamedTuple):
    """A counterexample to replay.

    :param schedule: its turns, if they were recorded
    :param source: the file that contains it; empty for the command line
    """

    recorded: replay.Replay | replay.ProgramReplay
    machine: str
    schedule: tuple[str, ...] = ()
    source: str = ""


class Replaying(NamedTuple):
    """The machines of a replay.

    :param on: machines to use instead of the recorded ones; empty for the recorded ones
    :param trust: whether to run policies named only in a file
    :param profile: the series that the user's own kernels are expected to behave like
    """

    on: Sequence[str] = ()
    accel: Accel = Accel.TCG
    trust: bool = False
    profile: str | None = None

    def results(self, what: Sequence[str]) -> Iterator[replay.ReplayResult]:
        """Replay all recorded cases, each on every machine.

        :param what: a file, the folder of a finding, or the words of a path
        :raises Misuse: if there is no such file, or it contains nothing to replay
        :raises Undecided: if a machine of a finding gave no answer
        """
        text = " ".join(what)
        file = Path(text)
        # Text that is too long for a file name is not a file.
        if text.startswith(_PATH):
            # The shell has removed the quotes around its words.
            path = replay.read_path(text if len(what) == 1 else shell_line(what))
            yield from self._replays(Case(replay.Replay(path), path.machine))
        elif os.path.isdir(file):
            yield self._finding(file)
        elif os.path.isfile(file.parent / DATA):
            yield self._finding(file.parent)
        elif os.path.isfile(file):
            for case in self._cases(file):
                yield from self._replays(case)
        else:
            raise Misuse(f"there is no file {text!r}; a path begins with `{replay.TAG}`")

    def _check_asked(self, machine: str, source: str) -> None:
        """Reject a policy file that the user has not named (Misuse), since the replay would run it."""
        asked_files = {file for spec in self.on for file in files_in(spec)}
        for file in files_in(machine):
            if not self.trust and file not in asked_files:
                raise Misuse(f"{source} names {file}, which would be run: read that policy, then say --trust")

    def _cases(self, file: Path) -> list[Case]:
        """The counterexamples in a file written by check."""
        content = read_bytes(file, "counterexample", MOST_RECORDED)
        if content.lstrip()[:1] == b"{" and CheckResult.form().encode() in content:
            return self._of_check(read_text(file, "counterexample", MOST_RECORDED), str(file))
        program = load_program(file)
        with _said_of(str(file)):
            saved = replay.ProgramReplay(program)
        return [Case(saved, saved.machine, source=str(file))]

    def _of_check(self, text: str, source: str) -> list[Case]:
        """The counterexamples in the output of ``check --json``."""
        try:
            checked = [msgspec.convert(value, CheckResult) for _, value in json_values(text, source)]
        except msgspec.ValidationError as trouble:
            raise Misuse(f"{source} is not what `check --json` prints: {one_line(str(trouble))}") from None
        recordings = [
            (answer.replay, answer.schedule)
            for content in checked
            for answer in content.answered(VIOLATED)
            if answer.kind == "always" and answer.replay is not None
        ]
        if not recordings:
            raise Misuse(f"{source} records no counterexample: nothing was violated")
        with _said_of(source):
            paths = [(replay.read_path(path), schedule) for path, schedule in recordings]
        for path, _ in paths:
            # Its steps are first found on the original machine, even if it is replayed on another.
            self._check_asked(path.machine, source)
        with _said_of(source):
            return [Case(replay.Replay(path), path.machine, schedule, source) for path, schedule in paths]

    def _replays(self, case: Case) -> Iterator[replay.ReplayResult]:
        """Replay a case on every machine."""
        with _said_of("" if self.on else case.source):
            machines = named_machines.name_machines(self.on or [case.machine], self.profile)
        for named in machines:
            spec = named.spec
            steps: list[replay.JudgedStep] = []
            model = named.kind == "model"
            # A kernel is compared with the machine where the case was found.
            if case.source and not (model and self.on):
                self._check_asked(case.machine, case.source)
            try:
                if model:
                    for step in case.recorded.on(spec):
                        steps.append(step)
                    _same_schedule(case.schedule, steps)
                    verdict = _on_model(case.recorded.question, spec, steps)
                else:
                    verdict = self._on_kernel(case, named)
            except replay.ReplayDifference as difference:
                name = case.recorded.question.name
                says = f"{spec} cannot be judged by {name}: {difference}"
                verdict = Confirmation(Outcome.DISCOVERY, says)
            yield _result(case.recorded.title, spec, steps, verdict)

    def _on_kernel(self, case: Case, named: named_machines.NamedMachine) -> Confirmation:
        """Judge a kernel by the property, and compare it with the model where the program was found."""
        program, question, spec = case.recorded.program, case.recorded.question, named.spec
        if program is None:
            raise Misuse(f"{spec} cannot follow a schedule: replay the program that `check --save` keeps")
        ((model, kernel),) = named_machines.side_by_side(
            named_machines.name_machines([case.machine, spec]), [program], LookLevel.PROC, self.accel
        )
        compared = comparison(program, model, kernel)
        broken = [one for one in violations(program, kernel, named.series) if one.name == question.name]
        as_model = f"; it agrees with {case.machine}" if compared == AS_FOUND else f"; it {compared.says}"
        if broken:
            says = f"{spec} violates {question.name} in step {broken[0].step + 1}{as_model}"
        elif kernel.unfinished is not None:
            says = f"{spec} cannot be judged by {question.name}: {compared.says}"
        elif question.name not in RUN_PROPERTIES or program.needs.held:
            says = f"{spec} cannot be judged by {question.name}, which only a model shows{as_model}"
        else:
            says = f"{spec} keeps {question.name}{as_model}"
        return Confirmation(compared.outcome, says)

    def _finding(self, folder: Path) -> replay.ReplayResult:
        data, program = read_data(folder), load_program(folder / PROGRAM)
        if len(data.looks) > 1:
            raise Misuse(f"{folder} compares ways to look, which is no longer a finding: run its {PROGRAM}")
        if not self.on:
            for spec in data.machines:
                self._check_asked(spec, str(folder / DATA))
        with _said_of("" if self.on else str(folder / DATA)):
            machines = named_machines.name_machines(self.on or data.machines, self.profile)
        (runs,) = named_machines.side_by_side(machines, [program], data.looks[0], self.accel)
        is_lost = data.signatures[0].kind == LOST
        for run in runs:
            if run.undecided is not None:
                raise Undecided(run.undecided, run.why)
            if run.lost is not None and run.alarm is None and not is_lost:
                raise Undecided(run.lost, Why.GUEST)
        signatures = signatures_of(program, runs)
        verdict = Confirmation(Outcome.AS_EXPECTED, "the machines differ as recorded")
        if not signatures:
            verdict = Confirmation(Outcome.DISCOVERY, "the machines no longer differ")
        elif not {one.key for one in signatures} & {one.key for one in data.signatures}:
            verdict = Confirmation(Outcome.DISCOVERY, f"the machines differ in another way: {signatures[0]}")
        steps = [replay.JudgedStep(line, "") for line in op_lines(program)]
        specs = " and ".join(machine.spec for machine in machines)
        return _result(f"finding {folder.name}: {data.signatures[0]}", specs, steps, verdict)


@contextmanager
def _said_of(source: str) -> Iterator[None]:
    """A context that names *source* in its error messages; empty for the command line."""
    try:
        yield
    except Misuse as refused:
        if not source:
            raise
        raise Misuse(f"{source}: {one_line(str(refused))}") from None


def _same_schedule(schedule: Sequence[str], steps: Sequence[replay.JudgedStep]) -> None:
    for number, (recorded, step) in enumerate(zip(schedule, steps, strict=False), 1):
        if recorded != step.step:
            raise replay.ReplayDifference(number, f"`{recorded}` was recorded, and it is `{step.step}`")
    if schedule and len(schedule) != len(steps):
        raise replay.ReplayDifference(
            min(len(schedule), len(steps)) + 1, f"{len(schedule)} turns were recorded"
        )


def _on_model(question: Question, spec: str, steps: Sequence[replay.JudgedStep]) -> Confirmation:
    """The verdict on a model that has taken every step."""
    says = replay.judgement(question, spec, steps)
    try:
        replay.check_same(question, steps)
    except replay.ReplayDifference as difference:
        return Confirmation(Outcome.DISCOVERY, f"{says}, unlike the recording: {difference}")
    return Confirmation(Outcome.AS_EXPECTED, f"{says}, as recorded")


def _result(
    title: str, machine: str, steps: Sequence[replay.JudgedStep], verdict: Confirmation
) -> replay.ReplayResult:
    return replay.ReplayResult(
        made=Made.now(),
        title=title,
        machine=machine,
        steps=tuple(steps),
        same=verdict.outcome is Outcome.AS_EXPECTED,
        verdict=verdict.says,
        decided=verdict.outcome is not Outcome.UNDECIDED,
    )
