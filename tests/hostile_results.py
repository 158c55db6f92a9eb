"""Results whose texts try to become more than text, for tests of formats."""

from __future__ import annotations

import msgspec
from middle_runs import PROGRAM, careful, cut, forgetful

from pfnlab.programs.runs.compare import judge
from pfnlab.programs.runs.observation import Run
from pfnlab.report.run_result import RunResult

#: A name that closes what it stands in, opens a tag, and moves a terminal's cursor.
HOSTILE = "x]]> <script>alert(1)</script> \x1b[2J\x00 # | `code` [link](http://evil) \ud800\n1..9"


def result(name: str, *runs: Run) -> RunResult:
    """The result of these runs."""
    return RunResult(name, PROGRAM, runs, judge(PROGRAM, runs, {}))


def agreeing(name: str = "same") -> RunResult:
    """Two machines that see the same."""
    return result(name, careful(), msgspec.structs.replace(careful(), machine="qemu:again"))


def differing(name: str = "middle") -> RunResult:
    """Two that do not."""
    return result(name, forgetful(), careful())


def lost(name: str = "cut") -> RunResult:
    """One that was lost on the way."""
    return result(name, cut(careful(), 2))


def undecided(name: str = "no rule") -> RunResult:
    """One whose machine has no answer."""
    return result(name, msgspec.structs.replace(careful(), steps=(), undecided="the model has no rule"))


def hostile() -> RunResult:
    """A difference between machines of hostile names, in a program of one."""
    program = msgspec.structs.replace(PROGRAM, title=HOSTILE, asks=HOSTILE)
    runs = [
        msgspec.structs.replace(run, machine=f"{HOSTILE} {run.machine}") for run in (forgetful(), careful())
    ]
    return RunResult(HOSTILE, program, tuple(runs), judge(program, runs, {}))
