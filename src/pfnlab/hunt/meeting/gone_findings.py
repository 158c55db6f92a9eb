"""The filed findings that a kernel no longer shows.

The finding's program is run and the kernel is judged on its own, without a model. Results from kernels in the
same series are stored with the finding when it is filed: their golden, or the output of ``pfnlab run``.

Findings may be private, so each is reported only by its identifier, which is its folder's name. Only a clone
has any findings.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pfnlab.base.files import MOST_RECORDED, Missing, read_text
from pfnlab.base.units import number_of
from pfnlab.checker.judging.judge import violations
from pfnlab.hunt.fuzz.filing import PROGRAM
from pfnlab.kernel.policies.releases import series_of
from pfnlab.programs.lang.library_list import library_folder
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.golden import golden_path, read_golden
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine, looking_at
from pfnlab.programs.runs.observation import Run

#: Stands for any alarm among the property names.
_ALARM = "alarm"

#: The line that ``pfnlab run`` prints for a kernel that violates a property.
_VIOLATED = re.compile(r"^violates (\w+) in ", re.MULTILINE)


class FiledFinding(NamedTuple):
    """A finding's program, with its results on kernels in one series.

    :ivar name: its identifier
    :ivar look: the observation level used for those kernels
    :ivar broken: the properties violated there, or the word for an alarm
    """

    name: str
    program: Program
    look: LookLevel
    broken: frozenset[str]


def findings_folder() -> Path:
    """The folder for findings in a clone, which may not exist."""
    return library_folder().parent / "evidence" / "findings"


def filed_findings(folder: Path, series: str) -> list[FiledFinding]:
    """The findings in *folder* that kernels in *series* showed.

    :raises Misuse: if a program or golden cannot be read
    """
    found = []
    for path in sorted(folder.glob(f"*/{PROGRAM}")):
        program, golden = load_program(path), read_golden(golden_path(path))
        look, broken = golden.look if golden else LookLevel.MEMORY, _printed(path.parent, series)
        for seen in golden.observations if golden else ():
            version = next((one for one in seen.versions if series_of(one) == series), None)
            if version is not None:
                broken |= _broken(program, Run(f"qemu:{version}", "", steps=seen.steps, look=look))
        if broken:
            found.append(FiledFinding(path.parent.name, program, look, frozenset(broken)))
    return found


def gone_findings(
    machine: Machine, version: str, folder: Path, say: Callable[[str], None]
) -> tuple[str, ...]:
    """Findings in *folder*, by name, that kernels in the series showed and kernel *version* does not.

    Findings with programs that the kernel cannot answer are not included.
    """
    findings = filed_findings(folder, series_of(version))
    if findings:
        say(f"filed findings: {number_of(len(findings), 'program')}")
    gone = []
    for look in dict.fromkeys(finding.look for finding in findings):
        asked = [finding for finding in findings if finding.look is look]
        for finding, run in zip(asked, _runs(machine, asked, look), strict=True):
            if run.unfinished is None and not finding.broken & _broken(finding.program, run):
                gone.append(finding.name)
    return tuple(sorted(gone))


def _runs(machine: Machine, findings: Sequence[FiledFinding], look: LookLevel) -> list[Run]:
    with looking_at((machine,), look):
        return machine.run([finding.program for finding in findings])


def _broken(program: Program, run: Run) -> set[str]:
    alarms = set() if run.alarm is None else {_ALARM}
    return alarms | {violation.name for violation in violations(program, run)}


def _printed(folder: Path, series: str) -> set[str]:
    """The properties that kernels in *series* violated, according to stored ``pfnlab run`` output."""
    broken: set[str] = set()
    for name in (f"alarm-{series}.txt", f"observed-{series}.txt"):
        try:
            text = read_text(folder / name, "output", MOST_RECORDED)
        except Missing:
            continue
        broken |= {*_VIOLATED.findall(text), *([_ALARM] if name.startswith(_ALARM) else [])}
    return broken
