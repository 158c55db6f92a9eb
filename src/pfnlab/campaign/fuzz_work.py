"""Random programs as a shard: a hunt of :mod:`pfnlab.hunt.fuzz`, whose findings become results."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pfnlab.base.result import Outcome
from pfnlab.campaign.shard import ShardResults
from pfnlab.campaign.store.rows import StoredResult
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.filing import FoundDifference, program_text
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState
from pfnlab.hunt.fuzz.rounds import looking_named, opened
from pfnlab.hunt.fuzz.signature import VIOLATION
from pfnlab.programs.runs.named_machines import name_machines
from pfnlab.programs.runs.observation import Run

#: The verdict of a run by its outcome.
FUZZED = {Outcome.AS_EXPECTED: "agrees", Outcome.DISCOVERY: "differs", Outcome.UNDECIDED: "undecided"}

#: The verdict of a finding by the kind of its signature; every other is ``differs``.
_KINDS = {"alarm": "alarm", "lost": "lost", VIOLATION: "violated"}


class FuzzWork(msgspec.Struct, frozen=True, kw_only=True):
    """The work of a shard with random programs.

    :param look: as for ``pfnlab fuzz``; empty for the usual one
    :param coverage: whether the branches of the model lead the drawing
    """

    machines: tuple[str, ...]
    seed: int
    programs: int
    vocabulary: Vocabulary = Vocabulary()
    look: str = ""
    coverage: bool = False


def fuzz_shard(work: FuzzWork) -> ShardResults:
    """Run the programs on all machines, and make what they differ in smaller."""
    named = name_machines(work.machines)
    kernels: dict[str, str] = {}

    def note(runs: Sequence[Run]) -> None:
        kernels.update({run.machine: run.kernel for run in runs})

    with opened(named, looking_named(work.look) if work.look else None) as lab:
        state = HuntState(list(work.machines), work.seed, work.vocabulary, looking=lab.looking)
        hunt = Hunt(
            lab.machines,
            state,
            watched=work.coverage,
            on_compared=note,
            predicting=lab.predicting,
            # The shards of a campaign do not know each other, so causes are weighed where all are together.
            grouped=False,
        )
        hunt.run(work.programs)
    results = [
        _run_result(work, state),
        *(difference_of("fuzz", work.machines, found) for found in hunt.found),
        *unstable_of("fuzz", work.machines, state),
    ]
    return ShardResults(
        results=tuple(results), kernels=dict(sorted(kernels.items())), seed=work.seed, programs=state.next
    )


def _run_result(work: FuzzWork, state: HuntState) -> StoredResult:
    result = FuzzResult.of(state, watched=False)
    return StoredResult(
        kind="run",
        task="fuzz",
        machines=work.machines,
        verdict=FUZZED[result.outcome],
        subject=f"seed {work.seed}",
        says=result.headline,
        detail={
            "work": msgspec.to_builtins(work),
            "compared": state.compared,
            "undecided": state.undecided,
            "judged": state.judged,
            "alarming": state.alarming,
            "known": msgspec.to_builtins(dict(sorted(state.known.items()))),
            "different": state.different,
            "found": {
                key: {"met": finding.met, "first": finding.first, "minimal": finding.minimal}
                for key, finding in sorted(state.findings.items())
            },
            "reasons": dict(sorted(state.reasons.items())),
        },
    )


def unstable_of(task: str, machines: tuple[str, ...], state: HuntState) -> list[StoredResult]:
    """The differences that did not show again, as results of *task*."""
    return [
        StoredResult(
            kind="difference",
            task=task,
            machines=machines,
            verdict="unstable",
            subject=unstable.program,
            says=unstable.says,
            detail={"shown": unstable.shown, "runs": unstable.runs},
        )
        for unstable in state.unstable
    ]


def difference_of(task: str, machines: tuple[str, ...], found: FoundDifference) -> StoredResult:
    """A finding as a result of *task*."""
    signature = found.signature
    return StoredResult(
        kind="difference",
        task=task,
        machines=machines,
        verdict=_KINDS.get(signature.kind, "differs"),
        subject=signature.key,
        program=program_text(found),
        says=str(signature),
        # Nothing of the program that showed it first: another shard, which met another, has the same result.
        detail={"signature": msgspec.to_builtins(signature)},
    )
