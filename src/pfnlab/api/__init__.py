"""The members of `import pfnlab`: machines to try operations on, programs, runs, checks and their results.

``docs/api.md`` lists the stable part. ``pfnlab`` itself imports a name from here when it is first used.
"""

from pfnlab.api.acting import Forced, LiveTask
from pfnlab.api.check_report import CheckReport, check
from pfnlab.api.live import LiveMachine, machine
from pfnlab.api.runs import Differences, RunReport, diff, load, run, save
from pfnlab.api.step import MappedPages, Pages, StepSeen
from pfnlab.base.errors import Misuse, PfnlabError, ProgramError, Undecided
from pfnlab.programs.lang.ops import Program

__all__ = [
    "CheckReport",
    "Differences",
    "Forced",
    "LiveMachine",
    "LiveTask",
    "MappedPages",
    "Misuse",
    "Pages",
    "PfnlabError",
    "Program",
    "ProgramError",
    "RunReport",
    "StepSeen",
    "Undecided",
    "check",
    "diff",
    "load",
    "machine",
    "run",
    "save",
]
