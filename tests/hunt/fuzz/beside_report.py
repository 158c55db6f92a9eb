"""Hunt for the defects of ``mutants_beside.py`` with and without the model, and write what found each.

``beside_report.py [--write]`` prints the table, or puts it into ``docs/evidence/planted-defects.md``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mutants_beside import BESIDE, BesideMutant
from mutated import MutatedModel

from pfnlab.checker.judging.judge import violations
from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import HuntState
from pfnlab.hunt.fuzz.letters import Cells
from pfnlab.hunt.sweep.swept_cells import cells_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.machine import Machine

#: The seed, and how many programs a hunt may take.
SEED, PROGRAMS = 60, 600

#: So many defects have to be named by the judge alone.
ALONE = 6

_SOME = 25

PAGE = Path(__file__).parents[3] / "docs" / "evidence" / "planted-defects.md"
BEGIN, END = "<!-- beside: `make mutation-report` -->\n", "<!-- end of beside -->\n"


class Named(NamedTuple):
    """What named a defect.

    :param compared: programs until it differed from the model; 0 if it did not
    :param judged: programs until a judge without a model named it; 0 if none did
    """

    defect: BesideMutant
    compared: int = 0
    signature: str = ""
    smallest: tuple[str, ...] = ()
    judged: int = 0
    name: str = ""


def look_for(defect: BesideMutant) -> Named:
    """Hunt for a defect by comparison, and judge its runs alone."""
    whole: Machine = ModelMachine(defect.mutant.series)
    with MutatedModel(defect.mutant) as broken:
        machines = {f"model:{defect.mutant.series}": whole, "model:broken": broken}
        cells = Cells.named(defect.scope, ":") if defect.scope else None
        state = HuntState(list(machines), SEED, defect.vocabulary, cells=cells)
        hunt = Hunt(machines, state, repeats=1)
        count = PROGRAMS if cells is None else cells.count
        for some in range(_SOME, count + _SOME, _SOME):
            hunt.run(min(some, count), most=1)
        judged, name = _judged(defect, whole, broken)
    if not hunt.found:
        return Named(defect, judged=judged, name=name)
    found = hunt.found[0]
    (known, *_) = state.findings.values()
    shape = f"{found.signature.kind} {found.signature.op} {found.signature.field}: {found.signature.shape}"
    return Named(defect, known.first, shape, tuple(op_lines(found.program)), judged, name)


def _judged(defect: BesideMutant, whole: Machine, broken: MutatedModel) -> tuple[int, str]:
    """The programs until the judge names a property that the unbroken model satisfies, and the property."""
    for index, program in enumerate(_programs(defect)):
        (run,) = broken.run([program])
        found = violations(program, run, defect.mutant.series) if run.unfinished is None else []
        unknown = [one for one in found if not one.known]
        if unknown:
            usual = {one.name for one in violations(program, whole.run([program])[0], defect.mutant.series)}
            names = [one.name for one in unknown if one.name not in usual]
            if names:
                return index + 1, names[0]
    return 0, ""


def _programs(defect: BesideMutant) -> Iterator[Program]:
    if defect.scope:
        yield from (cell.program for cell in cells_of(defect.scope))
    else:
        yield from (draw(SEED, index, defect.vocabulary) for index in range(PROGRAMS))


def table(named: list[Named]) -> str:
    """The page's table."""
    rows = [
        "| it is not true that | where | options | programs | named by | judge alone | smallest program |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in named:
        mutant = one.defect.mutant
        alone = f"`{one.name}`, {one.judged:,}" if one.judged else "-"
        words = one.defect.options or (f"--enumerate {one.defect.scope}",)
        options = "<br>".join(f"`{word}`" for word in words)
        shown = "<br>".join(f"`{line}`" for line in one.smallest)
        rows.append(
            f"| {mutant.breaks} | `{mutant.file}` | {options} | {one.compared:,} | {one.signature} "
            f"| {alone} | {shown} |"
        )
    compared, judged = sum(bool(one.compared) for one in named), sum(bool(one.judged) for one in named)
    head = f"{compared} of {len(named)} were found by comparison, {judged} by the judge alone.\n\n"
    return head + "\n".join(rows) + "\n"


if __name__ == "__main__":
    found = []
    for defect in BESIDE:
        found.append(look_for(defect))
        print(found[-1][1:], flush=True)
    text = table(found)
    print(text)
    if "--write" in sys.argv:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(before + BEGIN + "\n" + text + "\n" + END + rest.partition(END)[2], encoding="utf-8")
