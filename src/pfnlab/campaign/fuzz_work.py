"""Hunts as shards, with random programs or cells; what :mod:`pfnlab.hunt.fuzz` finds becomes results."""

from collections import Counter

import msgspec

from pfnlab.base.result import Outcome
from pfnlab.base.units import number_of
from pfnlab.campaign.known_findings import shows
from pfnlab.campaign.shard import ShardResults
from pfnlab.campaign.store.rows import StoredResult
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.filing import Folder, FoundDifference, KnownFinding, program_text
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState
from pfnlab.hunt.fuzz.letters import Cells
from pfnlab.hunt.fuzz.rounds import IN_MEMORY, MIXED, Looks, looking_named, opened
from pfnlab.hunt.fuzz.signature import VIOLATION
from pfnlab.programs.runs.named_machines import name_machines

#: A run's verdict, by its outcome.
_VERDICTS = {Outcome.AS_EXPECTED: "agrees", Outcome.DISCOVERY: "differs", Outcome.UNDECIDED: "undecided"}

#: A finding's verdict, by the kind of its signature; for kinds not listed it is ``differs``.
_KINDS = {"alarm": "alarm", "lost": "lost", VIOLATION: "violated"}


class FuzzWork(msgspec.Struct, frozen=True, kw_only=True):
    """The work of a shard with random programs.

    :param look: as for ``pfnlab fuzz``; empty for the default
    :param known: findings that are counted, but neither minimized nor reported
    :param again: instead of random programs, run those of *known*
    """

    machines: tuple[str, ...]
    seed: int
    programs: int
    vocabulary: Vocabulary = Vocabulary()
    look: str = ""
    known: tuple[KnownFinding, ...] = ()
    again: bool = False

    def state(self, looking: Looks) -> HuntState:
        """The state in which the shard's hunt starts."""
        return HuntState(list(self.machines), self.seed, self.vocabulary, looking=looking)


class SweepWork(msgspec.Struct, frozen=True, kw_only=True):
    """The work of a shard with a scope's cells.

    :param cells: the digest of the programs for all cells in the scope
    :param first: the first cell; *end* is the number after the last
    :param look: as for ``pfnlab fuzz --enumerate``; empty for the default
    """

    machines: tuple[str, ...]
    scope: str
    cells: str
    first: int
    end: int
    look: str = ""

    def state(self, looking: Looks) -> HuntState:
        """The state in which the shard's hunt starts."""
        cells = Cells(self.scope, self.cells, self.first, self.end)
        return HuntState(list(self.machines), 0, Vocabulary(), looking=looking, cells=cells)


def fuzz_shard(work: FuzzWork | SweepWork) -> ShardResults:
    """Run the programs on all machines, and minimize those that differ."""
    drawn = work if isinstance(work, FuzzWork) else None
    usual = IN_MEMORY if drawn is None else MIXED
    known = () if drawn is None else drawn.known
    looking = looking_named(work.look) if work.look else None
    with opened(name_machines(work.machines), looking, usual=usual) as lab:
        state = work.state(lab.looking)
        hunt = Hunt(lab.machines, state, Folder(before=[finding.on(work.machines) for finding in known]))
        if drawn is not None and drawn.again:
            return _again(drawn, {finding.name: shows(finding, hunt.machines) for finding in known})
        hunt.run(None if drawn is None else drawn.programs)
    task = "sweep" if drawn is None else "fuzz"
    return ShardResults(
        results=(
            _run_result(task, work, state, _known_met(hunt)),
            *(difference_of(task, work.machines, found) for found in hunt.found),
            *unstable_of(task, work.machines, state),
        ),
        kernels=dict(sorted(state.kernels.items())),
        seed=None if drawn is None else drawn.seed,
        programs=state.next,
    )


def _again(work: FuzzWork, shown: dict[str, bool | None]) -> ShardResults:
    """The results of a shard that has run the programs of known findings."""
    counts = [sum(one is word for one in shown.values()) for word in (True, False, None)]
    says = "{}: {} shown, {} not shown, {} undecided".format(number_of(len(shown), "known finding"), *counts)
    run = StoredResult(
        kind="run",
        task="fuzz",
        machines=work.machines,
        verdict="differs" if counts[0] else "undecided" if counts[2] else "agrees",
        subject="known findings",
        says=says,
        detail={"again": shown},
    )
    return ShardResults(results=(run,), kernels={}, programs=len(shown))


def _known_met(hunt: Hunt) -> dict[str, int]:
    """The number of programs that showed each known finding, by name."""
    new = {found.signature.key for found in hunt.found}
    met = Counter[str]()
    for key, finding in hunt.state.findings.items():
        if key not in new:
            met[finding.folder] += finding.met
    return dict(sorted(met.items()))


def _run_result(
    task: str, work: FuzzWork | SweepWork, state: HuntState, known_met: dict[str, int]
) -> StoredResult:
    result = FuzzResult.of(state)
    cells, asked = state.cells, msgspec.to_builtins(work)
    return StoredResult(
        kind="run",
        task=task,
        machines=work.machines,
        verdict=_VERDICTS[result.outcome],
        scope="" if cells is None else cells.scope,
        subject=f"seed {state.seed}" if cells is None else f"cells {cells.first}:{cells.end}",
        says=result.headline,
        detail={
            # The known findings are in the shard's work.
            "work": {key: value for key, value in asked.items() if key not in ("known", "again")},
            "compared": state.compared,
            "undecided": state.undecided,
            "judged": state.judged,
            "alarming": state.alarming,
            "known": msgspec.to_builtins(result.known),
            "different": state.different,
            "found": {
                key: {"met": finding.met, "first": finding.first, "minimal": finding.minimal}
                for key, finding in sorted(state.findings.items())
            },
            "reasons": dict(sorted(state.reasons.items())),
            **({"known_findings": known_met} if known_met else {}),
            **({} if cells is None else {"letters": cells.letters}),
        },
    )


def unstable_of(task: str, machines: tuple[str, ...], state: HuntState) -> list[StoredResult]:
    """The differences that could not be reproduced, as results of *task*."""
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
        # Leave out the program that showed it first: another shard that started from another program
        # gets the same result.
        detail={
            "signature": msgspec.to_builtins(signature),
            **({"with_it": msgspec.to_builtins(found.with_it)} if found.with_it else {}),
        },
    )
