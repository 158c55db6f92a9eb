"""Programs of the catalogue as a shard: each on some machines side by side, a verdict each."""

from __future__ import annotations

import msgspec

from pfnlab.campaign.shard import ShardResults
from pfnlab.lab.running.named_machines import name_machines, side_by_side
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.compare import Verdict, judge
from pfnlab.programs.runs.look import look_named
from pfnlab.store.rows import StoredResult
from pfnlab.units import number_of


class CatalogueWork(msgspec.Struct, frozen=True, kw_only=True):
    """The work of a shard with programs of the catalogue.

    :param programs: the programs by name, as text
    :param look: as for ``pfnlab run``; empty for the usual one
    """

    machines: tuple[str, ...]
    programs: dict[str, str]
    look: str = ""


def catalogue_shard(work: CatalogueWork) -> ShardResults:
    """Run every program on every machine, and judge."""
    programs = {name: load_text(text, name) for name, text in work.programs.items()}
    named = name_machines(work.machines)
    all_runs = side_by_side(named, list(programs.values()), look_named(work.look) if work.look else None)
    series = {machine.spec: machine.series for machine in named}
    results = []
    for (name, program), runs in zip(programs.items(), all_runs, strict=True):
        results.append(_verdict(work, name, program, judge(program, runs, series)))
    kernels = {run.machine: run.kernel for runs in all_runs for run in runs}
    return ShardResults(results=tuple(results), kernels=kernels, programs=len(programs) * len(named))


def _verdict(work: CatalogueWork, name: str, program: Program, verdict: Verdict) -> StoredResult:
    unexpected = [expectation for expectation in verdict.expectations if expectation.holds is False]
    fields = sorted({difference.field for difference in verdict.differences})
    if verdict.alarms:
        word, says = "alarm", verdict.alarms[0].alarm.title
    elif unexpected:
        word = "unexpected"
        says = f"{number_of(len(unexpected), 'expectation')} of the program failed"
    elif verdict.lost:
        word, says = "lost", f"lost: {', '.join(verdict.lost)}"
    elif fields:
        word, says = "differs", f"in {', '.join(fields)}"
    elif verdict.undecided:
        word, says = "undecided", f"undecided: {', '.join(verdict.undecided)}"
    else:
        word, says = "agrees", "as expected"
    return StoredResult(
        kind="verdict",
        task="catalogue",
        machines=work.machines,
        verdict=word,
        subject=name,
        program=work.programs[name],
        says=says,
        detail={
            "groups": [list(group) for group in verdict.groups],
            "fields": fields,
            "unexpected": [expectation.machine for expectation in unexpected],
        },
    )
