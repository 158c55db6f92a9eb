"""Programs of the catalogue as a shard: each on some machines side by side, a verdict each."""

from __future__ import annotations

import msgspec

from pfnlab.base.units import number_of
from pfnlab.campaign.shard import ShardResults
from pfnlab.campaign.store.rows import StoredResult
from pfnlab.checker.judging.judge import judged_runs
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.runs.compare import Verdict
from pfnlab.programs.runs.look import look_named
from pfnlab.programs.runs.named_machines import name_machines


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
    look = look_named(work.look) if work.look else None
    found = judged_runs(name_machines(work.machines), list(programs.values()), look)
    results = tuple(_verdict(work, name, verdict) for name, (_, verdict) in zip(programs, found, strict=True))
    kernels = {run.machine: run.kernel for runs, _ in found for run in runs}
    return ShardResults(results=results, kernels=kernels, programs=len(programs) * len(work.machines))


def _verdict(work: CatalogueWork, name: str, verdict: Verdict) -> StoredResult:
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
