"""Confirmation of the model's counterexamples on real machines."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from pfnlab.base.result import Outcome
from pfnlab.checker.check import CheckResult, PropertyResult
from pfnlab.checker.races.race import control, still_read
from pfnlab.checker.scopes.race_judges import told_free
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Accel
from pfnlab.programs.runs.named_machines import name_machine, name_machines, open_machine, side_by_side
from pfnlab.programs.runs.observation import Run

#: Possible results of a counterexample on a real machine, as reported.
SAME, DIFFERENT = "shows the same", "DIFFERS from the model"


def confirm(checked: CheckResult, specs: Sequence[str], accel: Accel = Accel.TCG) -> CheckResult:
    """Run every counterexample on real machines; record for each whether it shows the same as the model.

    A race for a frame is run twice: as is, and with the kernel's flush forcibly skipped.
    """
    if not specs:
        return checked
    counterexamples = [(answer, answer.program) for answer in checked.answers if answer.program is not None]
    statements: dict[str, dict[str, str]] = {answer.name: {} for answer, _ in counterexamples}
    programs = list({program.ops: program for _, program in counterexamples}.values())
    controls = [control(program) for answer, program in counterexamples if _of_frame(answer)]
    model_runs = open_machine(name_machine(checked.machine)).run(programs)
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
                word = _READS[read]
                statements[answer.name][f"{spec}, its flush skipped by force"] = word
    return msgspec.structs.replace(
        checked,
        answers=tuple(
            msgspec.structs.replace(answer, confirmed=statements[answer.name])
            if answer.name in statements
            else answer
            for answer in checked.answers
        ),
    )


_READS = {
    True: "STILL READS the device",
    False: "no longer reads the device",
    None: "has no read that a rule covers: the order of calls shows it",
}


def _of_frame(answer: PropertyResult) -> bool:
    """True if the counterexample is a race for a frame that can still be read."""
    return answer.name == told_free.name


class Confirmation(NamedTuple):
    """The result of comparing a machine with what another machine found, also as text."""

    outcome: Outcome
    says: str


AS_FOUND = Confirmation(Outcome.AS_EXPECTED, SAME)


def comparison(program: Program, model: Run, kernel: Run) -> Confirmation:
    """Compare *kernel* with *model* for *program*: the same, an alarm, or the fields that differ."""
    fields = sorted({difference.field for difference in differences([model, kernel])})
    if kernel.alarm is not None:
        return Confirmation(Outcome.DISCOVERY, f"alarm: {kernel.alarm.title}")
    if fields:
        return Confirmation(Outcome.DISCOVERY, f"{DIFFERENT} in {', '.join(fields)}")
    return AS_FOUND if kernel.unfinished is None else Confirmation(Outcome.UNDECIDED, kernel.unfinished)
