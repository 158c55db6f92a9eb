"""Break one rule of the model after the other, let the fuzzer look for it, and write what it found.

Each broken model is compared with the model as it is, of the same series; that is compared with the kernel
itself by ``tests/lab``, so what differs from it differs from the kernel. ``tests/hunt/fuzz/test_mutants.py``
asks real kernels about some of them.
"""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec
from mutant import Mutant
from mutants import EQUIVALENT, MUTANTS
from mutated import MutatedModel

from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import HuntState
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run

#: The fuzzer's seed, and how many programs it may take.
SEED, PROGRAMS = 1, 500

#: The goals: found, and not more operations than this.
FOUND, OPERATIONS = 0.95, 6

BROKEN = "model:broken"

COLUMNS = ("broken rule", "where", "series", "after programs", "operations", "smallest program", "signature")

#: So many programs are run before anybody looks, which changes nothing but the time it takes.
_SOME = 20


class Remembering:
    """The unbroken model of a series, which every mutant of it asks about the same programs."""

    def __init__(self, series: str) -> None:
        self._model, self._runs = ModelMachine(series), dict[bytes, Run]()

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run a program."""
        return [self._one(program) for program in programs]

    def _one(self, program: Program) -> Run:
        key = msgspec.json.encode(program)
        if key not in self._runs:
            (self._runs[key],) = self._model.run([program])
        return self._runs[key]


unbroken = cache(Remembering)


class Verdict(NamedTuple):
    """How a mutant fared.

    :param after: how many programs it took; 0 when it was not found
    :param smallest: the lines of the smallest program that shows it
    :param program: that program
    """

    mutant: Mutant
    after: int
    signature: str = ""
    smallest: tuple[str, ...] = ()
    program: Program | None = None


def look_for(mutant: Mutant) -> Verdict:
    """Let the fuzzer compare *mutant* with the model of its series."""
    with MutatedModel(mutant) as broken:
        machines: dict[str, Machine] = {f"model:{mutant.series}": unbroken(mutant.series), BROKEN: broken}
        state = HuntState(list(machines), SEED, Vocabulary(driver=True, vfio=True))
        hunt = Hunt(machines, state, repeats=1)
        for some in range(_SOME, PROGRAMS + _SOME, _SOME):
            hunt.run(min(some, PROGRAMS), most=1)
    if not hunt.found:
        return Verdict(mutant, 0)
    found = hunt.found[0]
    (known,) = state.findings.values()
    shape = f"{found.signature.kind} {found.signature.op} {found.signature.field}: {found.signature.shape}"
    return Verdict(mutant, known.first, shape, tuple(op_lines(found.program)), found.program)


def report(verdicts: list[Verdict]) -> str:
    """The page: how many were found, and those that were not."""
    found = [one for one in verdicts if one.after]
    small = [one for one in found if len(one.smallest) <= OPERATIONS]
    parts = Counter(one.mutant.file.rpartition("/")[0] for one in verdicts)
    spread = ", ".join(f"{count} in {part}/" for part, count in sorted(parts.items()))
    operations = sorted(len(one.smallest) for one in found)
    programs = sorted(one.after for one in found)
    lines = [
        "# What the fuzzer finds when a rule is broken",
        "",
        f"{len(verdicts)} times one condition of the model is flipped, widened or dropped ({spread}), and",
        f"`pfnlab fuzz` looks for it: seed {SEED}, `--driver --vfio`, at most {PROGRAMS} programs.",
        "The broken model is compared with the unbroken one of its series",
        "and that equals the kernel as far as `tests/lab` compares it;",
        "`tests/hunt/fuzz/test_mutants.py` runs some on a kernel.",
        "",
        f"- found: {len(found)} of {len(verdicts)} ({len(found) / len(verdicts):.0%}), half of them within",
        f"  {programs[len(programs) // 2]} programs",
        f"- shrunk to at most {OPERATIONS} operations: {len(small)} of {len(found)}, half of them to at most",
        f"  {operations[len(operations) // 2]}",
        "",
        "[mutation-report.csv](mutation-report.csv) has a row for each: the broken rule, its file and",
        "series, after how many programs it was found, and the smallest program with its signature.",
        "",
        "```console synopsis",
        "grep mprotect docs/evidence/mutation-report.csv",
        "```",
        "",
        "## Not found",
        "",
        "| broken rule | where | series |",
        "| --- | --- | --- |",
        *(
            f"| {one.mutant.breaks} | `{one.mutant.file}` | {one.mutant.series} |"
            for one in verdicts
            if not one.after
        ),
    ]
    lines += ["", "## Equivalent", "", "No program can tell these from the model; they are not counted.", ""]
    lines += ["| change | where | why |", "| --- | --- | --- |"]
    lines += [f"| {one.breaks} | `{one.file}` | {why} |" for one, why in EQUIVALENT]
    lines += ["", "Generated by `make mutation-report`; do not edit."]
    return "\n".join(lines) + "\n"


def data(verdicts: list[Verdict]) -> str:
    """Every verdict, as CSV; lines of a program are separated by semicolons."""
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(COLUMNS)
    for one in verdicts:
        operations = len(one.smallest) if one.after else ""
        program = "; ".join(one.smallest)
        place = (one.mutant.breaks, one.mutant.file, one.mutant.series)
        rows.writerow((*place, one.after or "not found", operations, program, one.signature))
    return written.getvalue()


def main(path: Path, workers: int = 2) -> int:
    """Write the page to *path*, and the verdicts next to it as CSV; 1 when a goal is missed."""
    with ThreadPoolExecutor(workers) as pool:
        verdicts = []
        for one in pool.map(look_for, MUTANTS):
            verdicts.append(one)
            print(f"{one.after:>4} {len(one.smallest)} {one.mutant.breaks}", file=sys.stderr, flush=True)
    path.write_text(report(verdicts), encoding="utf-8")
    path.with_suffix(".csv").write_text(data(verdicts), encoding="utf-8")
    found = [one for one in verdicts if one.after]
    small = [one for one in found if len(one.smallest) <= OPERATIONS]
    goal = len(verdicts) * FOUND
    return 0 if min(len(found), len(small)) >= goal else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
