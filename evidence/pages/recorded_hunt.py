"""Recorded hunts, as stored for a page: counts only, because findings may be private.

``python evidence/tools/record_hunt.py RESULT.json...`` makes them from ``pfnlab fuzz --json`` output.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.hunt_state import FuzzResult

FOLDER = Path(__file__).parent / "hunts"


class RecordedHunt(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A hunt on one kernel, as stored for the page.

    :param name: the kernel's name, ``qemu:7.3``
    :param kernel: the exact kernel
    :param drawn: how its programs were drawn, as command options: ``--driver --leaves``, or ""
    :param seed: the random seed of its programs
    :param programs: how many were run
    :param compared: programs that were compared because the model has a rule for them
    :param undecided: all other programs
    :param judged: undecided programs that the kernel ran and that were judged
    :param alarming: judged programs in which the judges found something
    :param differences: compared programs in which model and kernel differ or the judges found something
    :param findings: signatures of these, including *known* ones
    :param unstable: differences that did not recur
    """

    name: str
    drawn: str
    seed: int
    kernel: str
    programs: int
    compared: int
    undecided: int
    judged: int
    alarming: int
    differences: int
    findings: int
    known: int
    unstable: int

    @property
    def file(self) -> Path:
        """The file for the record: one per kernel, kind of program and seed."""
        kind = self.drawn.replace("--", "").replace(" ", "-") or "plain"
        return FOLDER / f"{self.name.removeprefix('qemu:')}-{kind}-{self.seed}.json"


def recorded(result: FuzzResult) -> RecordedHunt:
    """Return the part of *result* that is stored for a page.

    :raises ValueError: if it compares no kernel or several, or if its programs are enumerated
    """
    kernels = [name for name in result.machines if not name.startswith("model:")]
    if len(kernels) != 1 or result.cells is not None:
        raise ValueError(
            f"a hunt of one kernel, of random programs, is recorded, not of {', '.join(result.machines)}"
        )
    drawn = [name for name in Vocabulary.__struct_fields__ if getattr(result.vocabulary, name)]
    return RecordedHunt(
        name=kernels[0],
        drawn=" ".join(f"--{name}" for name in drawn),
        seed=result.seed,
        kernel=result.kernels[kernels[0]],
        programs=result.programs,
        compared=result.compared,
        undecided=result.undecided,
        judged=result.judged,
        alarming=result.alarming,
        differences=result.differences,
        findings=len(result.findings),
        known=sum(finding.known for finding in result.findings.values()),
        unstable=len(result.unstable),
    )


def recorded_hunts() -> list[RecordedHunt]:
    """Return the recorded hunts, by kernel and kind of program."""
    return sorted(msgspec.json.decode(file.read_bytes(), type=RecordedHunt) for file in FOLDER.glob("*.json"))
