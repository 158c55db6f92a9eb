"""Runs the programs of findings known before a hunt again: which of them still show?"""

from collections.abc import Sequence

from pfnlab.base.errors import Misuse
from pfnlab.hunt.fuzz.asked_machines import AskedMachines
from pfnlab.hunt.fuzz.filing import KnownFinding
from pfnlab.hunt.fuzz.signature import LOST, placed_by_itself, signatures_of
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.machine import RebootableMachine
from pfnlab.programs.runs.observation import Run


def shows(finding: KnownFinding, machines: AskedMachines) -> bool | None:
    """True if the program of *finding* shows it on *machines*, at any level; None if none gave an answer.

    A message printed once per boot needs a fresh boot, so only that decides that a finding does not show.
    """
    program, wanted = load_text(finding.program, finding.name), finding.keys(machines.names)
    by_itself = machines.kernels and all(signature.by_itself for signature in finding.signatures)
    names = machines.kernels if by_itself else machines.names
    kinds = {signature.kind for signature in finding.signatures}
    answered = False
    for level, opened in machines.at.items():
        for fresh in (False, True):
            for machine in opened.values():
                if fresh and isinstance(machine, RebootableMachine):
                    machine.reboot()
            try:
                runs = machines.runs(program, level, names)
            except Misuse:
                break
            if any(_is_unanswered(run, lost=LOST in kinds) for run in runs):
                break
            if wanted & _shown(program, runs):
                return True
            answered |= fresh
    return False if answered else None


def _is_unanswered(run: Run, *, lost: bool) -> bool:
    return run.undecided is not None or (not lost and run.alarm is None and run.lost is not None)


def _shown(program: Program, runs: Sequence[Run]) -> set[str]:
    kernels = [run for run in runs if not run.machine.startswith("model:")]
    by_itself = (signature for _, signature in placed_by_itself(program, kernels))
    return {signature.key for signature in (*signatures_of(program, runs), *by_itself)}
