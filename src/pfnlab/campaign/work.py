"""The work of shards, by task. This module does not write to the store."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from pfnlab.base.errors import Defect, Misuse
from pfnlab.base.files import MOST_RECORDED, read_bytes
from pfnlab.base.result import other_fields
from pfnlab.base.units import number_of
from pfnlab.campaign.fuzz_work import FuzzWork, SweepWork, fuzz_shard
from pfnlab.campaign.review_work import ReviewWork, review_shard
from pfnlab.campaign.shard import ShardResults
from pfnlab.campaign.store.rows import Shard, StoredResult
from pfnlab.checker.check import VIOLATED, CheckResult, PropertyResult
from pfnlab.checker.check_all import check_all
from pfnlab.checker.judging.judge import judged_runs
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.properties import questions, verdict_words
from pfnlab.checker.scopes.scope import load_scope, read_scope
from pfnlab.hunt.meeting.explain import ShownDifference
from pfnlab.hunt.meeting.holding import PROGRAMS, SEED, KernelDifference, Programs
from pfnlab.hunt.meeting.kernel_meeting import meet_named, named_kernel
from pfnlab.kernel.policies.known_kernels import programs_in
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import model_of
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.look import look_named
from pfnlab.programs.runs.named_machines import files_named, name_machine, name_machines


class CatalogueWork(msgspec.Struct, frozen=True, kw_only=True):
    """The work of a shard with programs from the catalogue.

    :param look: as for ``pfnlab run``; empty for the default
    """

    machines: tuple[str, ...]
    programs: dict[str, str]
    look: str = ""


def catalogue_shard(work: CatalogueWork) -> ShardResults:
    """Run every program on every machine, and judge the runs."""
    programs = {name: load_text(text, name) for name, text in work.programs.items()}
    look = look_named(work.look) if work.look else None
    found = judged_runs(name_machines(work.machines), programs, look)
    results = tuple(_judged(work, result) for result in found)
    kernels = {run.machine: run.kernel for result in found for run in result.runs}
    return ShardResults(results=results, kernels=kernels, programs=len(programs) * len(work.machines))


def _judged(work: CatalogueWork, result: RunResult) -> StoredResult:
    unexpected = [expectation for expectation in result.expectations if expectation.holds is False]
    fields = sorted({difference.field for difference in result.differences})
    if result.alarms:
        word, says = "alarm", result.alarms[0][1].title
    elif unexpected:
        word = "unexpected"
        says = f"{number_of(len(unexpected), 'expectation')} of the program failed"
    elif result.lost:
        word, says = "lost", f"lost: {', '.join(result.lost)}"
    elif fields:
        word, says = "differs", f"in {', '.join(fields)}"
    elif result.undecided:
        word, says = "undecided", f"undecided: {', '.join(result.undecided)}"
    else:
        word, says = "agrees", "as expected"
    return StoredResult(
        kind="verdict",
        task="catalogue",
        machines=work.machines,
        verdict=word,
        subject=result.name,
        program=work.programs[result.name],
        says=says,
        detail={
            "groups": [list(group) for group in result.groups],
            "fields": fields,
            "unexpected": [expectation.machine for expectation in unexpected],
        },
    )


#: The fields of a check and of its answers that are columns in the store, separate rows, or not stored.
_OF_RUN = ("made", "machine", "scope", "answers", "growth", "seconds")
_OF_VERDICT = ("name", "asks", "verdict", "text", "confirmed")


class CheckWork(msgspec.Struct, frozen=True, kw_only=True):
    """The work of a shard with a search.

    :param scope: its name, or the name of its file
    :param text: the content of that file; empty for a built-in scope
    :param properties: the properties to check; empty for all that the scope supports
    :param depth: overrides the scope's depth, as in ``pfnlab check``
    :param states: the maximum number of states
    """

    machine: str
    scope: str
    text: str = ""
    properties: tuple[str, ...] = ()
    depth: int | None = None
    states: int | None = None


def check_shard(work: CheckWork) -> ShardResults:
    """Search, and return the verdicts."""
    scope = read_scope(work.text, work.scope) if work.text else load_scope(work.scope)
    asked = questions(list(work.properties), scope)
    limits = Exhaustive(depth=work.depth, states=work.states)
    (checked,) = check_all([model_of(name_machine(work.machine))], scope, asked, limits, jobs=1)
    kernel = checked.machine.removeprefix("model:")
    return ShardResults(results=check_results(work, checked), kernels={work.machine: kernel})


def check_results(work: CheckWork, checked: CheckResult) -> tuple[StoredResult, ...]:
    """A search's results for the store: the run, and one verdict per property."""
    search = StoredResult(
        kind="run",
        task="check",
        machines=(work.machine,),
        verdict="complete" if checked.complete else "undecided",
        scope=work.scope,
        subject="search",
        says=f"{number_of(checked.states, 'state')}, {number_of(checked.transitions, 'step')}",
        detail=msgspec.to_builtins({"work": work, **other_fields(checked, _OF_RUN)}),
    )
    return (search, *(_answered(work, checked, answer) for answer in checked.answers))


def _answered(work: CheckWork, checked: CheckResult, answer: PropertyResult) -> StoredResult:
    detail = {**other_fields(answer, _OF_VERDICT), "depth": checked.depth, "ended": checked.ended}
    unreached = answer.kind == "sometimes" and answer.verdict == VIOLATED
    says = verdict_words(answer.name, answer.asks, violated=answer.verdict == VIOLATED)
    return StoredResult(
        kind="verdict",
        task="check",
        machines=(work.machine,),
        verdict=answer.verdict,
        scope=work.scope,
        subject=answer.name,
        program=answer.text or "",
        says=f"never reached: {answer.asks}" if unreached else says,
        detail=msgspec.to_builtins(detail),
    )


class MeetWork(msgspec.Struct, frozen=True, kw_only=True):
    """The work of a shard that compares a kernel with its model.

    :param kernel: a version, a bzImage, or the name of a locally built kernel
    :param profile: the version of the model, if not the kernel's; empty for the kernel's
    """

    kernel: str
    profile: str = ""
    programs: int = PROGRAMS
    seed: int = SEED


def meet_shard(work: MeetWork) -> ShardResults:
    """Compare the kernel; a difference that cannot be reproduced decides nothing."""
    named = named_kernel(work.kernel)
    met = meet_named(named, Programs.of(None, work.programs, work.seed), profile=work.profile or None)
    result, programs = met.result, programs_in(met.result.held)
    model, kernel = (machine.partition(":")[2] for machine in result.machines)
    run = StoredResult(
        kind="run",
        task="meet",
        machines=result.machines,
        verdict="differs" if result.differences else "undecided" if result.unstable else "agrees",
        subject=kernel,
        says=f"{number_of(programs, 'program')}, {number_of(len(result.differences), 'difference')}",
        detail={"work": msgspec.to_builtins(work), "held": msgspec.to_builtins(result.held)},
    )
    found = StoredResult(kind="difference", task="meet", machines=result.machines, verdict="unstable")
    results = [
        run,
        *(_differing(found, *both) for both in zip(met.differences, result.differences, strict=True)),
    ]
    results += [replace(found, says=unstable) for unstable in result.unstable]
    kernels = dict(zip(result.machines, (model, named.words), strict=True))
    return ShardResults(results=tuple(results), kernels=kernels, seed=work.seed, programs=programs)


def _differing(found: StoredResult, difference: KernelDifference, shown: ShownDifference) -> StoredResult:
    return replace(
        found,
        verdict="differs",
        subject=difference.signature.key,
        program=shown.program,
        says=shown.says,
        detail={
            "signature": msgspec.to_builtins(difference.signature),
            "explanations": [list(explanation.changes) for explanation in shown.explanations],
        },
    )


#: For each task, the structure of its work, and its function.
TASKS: dict[str, tuple[type[Any], Callable[[Any], ShardResults]]] = {
    "fuzz": (FuzzWork, fuzz_shard),
    "check": (CheckWork, check_shard),
    "catalogue": (CatalogueWork, catalogue_shard),
    "meet": (MeetWork, meet_shard),
    "sweep": (SweepWork, fuzz_shard),
    "review": (ReviewWork, review_shard),
}

#: The key, in a shard's work, for the digests of the files that its machines depend on.
FILES = "files"


def perform(shard: Shard) -> ShardResults:
    """Carry out *shard* in this process.

    :raises Defect: if there is no function for its task
    :raises Misuse: if a file that it names has changed
    """
    if shard.task not in TASKS:
        raise Defect(f"there is no task {shard.task!r}")
    files, work = work_of(shard.task, shard.work)
    for name, digest in files.items():
        if file_digest(Path(name)) != digest:
            raise Misuse(f"{name} has changed since the campaign started: start a new campaign")
    return TASKS[shard.task][1](work)


def work_of(task: str, content: Mapping[str, Any]) -> tuple[dict[str, str], Any]:
    """The work of a shard with a task in :data:`TASKS`, and the digests of the files it depends on.

    :raises msgspec.ValidationError: if *content* is not work for that task
    """
    work = dict(content)
    files = msgspec.convert(work.pop(FILES, {}), dict[str, str])
    return files, msgspec.convert(work, TASKS[task][0])


def files_of(machines: Iterable[str]) -> dict[str, str]:
    """A digest of every file that the names of *machines* contain: policies, configurations, kernels."""
    return {name: file_digest(Path(name)) for name in sorted(files_named(machines))}


def file_digest(path: Path) -> str:
    """The SHA-256 of the file at *path*.

    :raises Unreadable: if it cannot be read
    """
    return hashlib.sha256(read_bytes(path, "file", MOST_RECORDED)).hexdigest()
