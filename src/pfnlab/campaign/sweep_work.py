"""Cells of a sweep as a shard: :mod:`pfnlab.hunt.sweep`, whose findings become results."""

from __future__ import annotations

import msgspec

from pfnlab.campaign.fuzz_work import FUZZED, difference_of, unstable_of
from pfnlab.campaign.shard import ShardResults
from pfnlab.campaign.store.rows import StoredResult
from pfnlab.hunt.fuzz.rounds import looking_named, opened
from pfnlab.hunt.sweep.sweep_result import SweepResult
from pfnlab.hunt.sweep.sweep_state import begun
from pfnlab.hunt.sweep.sweeping import USUAL, run_sweep
from pfnlab.programs.runs.named_machines import name_machines


class SweepWork(msgspec.Struct, frozen=True, kw_only=True):
    """The work of a shard with cells of a scope.

    :param machines: those that are compared
    :param cells: the digest of the programs of all cells of the scope
    :param first: the first cell; *end*: that behind the last
    :param look: as for ``pfnlab sweep``; empty for the usual one
    """

    machines: tuple[str, ...]
    scope: str
    cells: str
    first: int
    end: int
    look: str = ""


def sweep_shard(work: SweepWork) -> ShardResults:
    """Run the cells on all machines, and make what they differ in smaller."""
    named = name_machines(work.machines)
    with opened(named, looking_named(work.look) if work.look else None, usual=USUAL) as lab:
        state = begun(list(work.machines), work.scope, work.first, work.end, lab.looking)
        hunt = run_sweep(state, lab)
    result = SweepResult.of(state)
    run = StoredResult(
        kind="run",
        task="sweep",
        machines=work.machines,
        verdict=FUZZED[result.outcome],
        scope=work.scope,
        subject=f"cells {work.first}:{work.end}",
        says=result.headline,
        detail={
            "work": msgspec.to_builtins(work),
            "compared": result.compared,
            "undecided": result.undecided,
            "not_runnable": result.not_runnable,
            "alarming": result.alarming,
            "different": result.differences,
            "letters": state.letters,
            "known": msgspec.to_builtins(result.known),
            "found": {key: finding.met for key, finding in sorted(result.findings.items())},
            "reasons": result.reasons,
        },
    )
    differences = (difference_of("sweep", work.machines, found) for found in hunt.found)
    unstable = unstable_of("sweep", work.machines, state)
    return ShardResults(
        results=(run, *differences, *unstable),
        kernels=dict(sorted(state.kernels.items())),
        programs=state.next,
    )
