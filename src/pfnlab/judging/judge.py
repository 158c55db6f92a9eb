"""Every step of a run, checked for the properties."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from pfnlab.checker.kernel.moment import Moment
from pfnlab.checker.kernel.properties import (
    claimed_free,
    claimed_unmapped,
    counters,
    direct_map,
    direct_map_back,
    freed_once,
    memory_off,
    no_leak,
    no_loss,
    no_warning,
    one_mode,
    removed_unmapped,
)
from pfnlab.errors import Misuse
from pfnlab.judging.entries import (
    entries_inside,
    flushed,
    fork_whole,
    leaves_fit,
    looks_only,
    reached,
    told,
)
from pfnlab.judging.history import History, is_unplaced
from pfnlab.judging.known import known
from pfnlab.judging.run_causes import Causes
from pfnlab.judging.seen import Layout, SeenMoment
from pfnlab.mm.profile import Profile
from pfnlab.policies.known_kernels import version_of_release
from pfnlab.policies.patched import patched_kernels
from pfnlab.policies.profiles import profile_of
from pfnlab.policies.releases import is_version, upstream
from pfnlab.policies.seams import with_policy
from pfnlab.programs.lang.device_ops import UnmapMappingRange
from pfnlab.programs.lang.ops import Fork, Op, Program, Release
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import FIELDS, Verdict, judge
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import HELD, MOVED, MemorySeen, Run, Step
from pfnlab.programs.runs.violation import Violation


class Asked(NamedTuple):
    """A property that is asked of an observed kernel after every step."""

    name: str
    asks: str
    judge: Callable[[Moment], bool | None]


def _asked(judge: Callable[[Moment], bool | None]) -> Asked:
    return Asked(judge.__name__, " ".join((judge.__doc__ or "").split()).rstrip("."), judge)


#: The properties of a state that `check` asks of modelled kernels too.
ASKED: tuple[Asked, ...] = tuple(
    map(
        _asked,
        (
            no_leak,
            no_loss,
            freed_once,
            one_mode,
            direct_map,
            direct_map_back,
            memory_off,
            removed_unmapped,
            claimed_unmapped,
            claimed_free,
            no_warning,
            counters,
        ),
    )
)


#: Those of an operation, and of page-table entries, with the sentence for each.
SEEN: dict[str, str] = {
    "entries_inside": "Every entry lies in a VMA and maps the frames that its offset names",
    "leaves_fit": "A leaf of 2 MiB or 1 GiB lies in one VMA",
    "told_free": "Nothing maps what was taken out of every mapping",
    "reached": "Memory is reached through an entry that is there and allows it",
    "flushed": "No entry that a processor may remember is removed without a flush",
    "fork_whole": "A fork that fails leaves mappings and reservations as they were",
    "looks_only": "A look changes nothing",
}


def sentence_of(name: str) -> str:
    """The sentence of the property *name*; empty for one that only a kernel's memory shows."""
    return SEEN.get(name) or next((asked.asks for asked in ASKED if asked.name == name), "")


#: Properties of an operation, not of a state: each time counts.
_EVENTS = {"freed_once", "no_warning", "told_free", "reached", "flushed", "fork_whole", "looks_only"}


def violations(program: Program, run: Run, series: str | None = None) -> list[Violation]:
    """
    The properties that *run* breaks; those of a state where they begin to be broken.

    A step is judged where somebody looked at VMAs and entries, and no processor was held in it. What only
    memory shows is judged where the run has it.

    :param series: of the kernel, by which known violations are explained; when None, as the run says
    """
    broken = list(_judged(program, run))
    profile = _profile(run, series) if broken else None
    return [
        Violation(
            *(run.machine, name, step, run.steps[step].op, says),
            known(Causes(program, run.steps, step, profile), name),
        )
        for name, step, says in broken
    ]


def judged(
    program: Program,
    runs: Sequence[Run],
    series: Mapping[str, str | None],
    fields: tuple[str, ...] = FIELDS,
) -> Verdict:
    """The verdict on one program's runs, with the properties that each of them breaks.

    :param series: the kernel series of every machine by name, None where it is unknown
    :param fields: of observations, those that are compared
    """
    broken = (violation for run in runs for violation in violations(program, run, series[run.machine]))
    return msgspec.structs.replace(judge(program, runs, series, fields), violations=tuple(broken))


def _profile(run: Run, series: str | None) -> Profile | None:
    """The rules that the machine of *run* is said to have, policies among them; None where nobody knows."""
    kind, _, spec = run.machine.partition(":")
    try:
        if kind == "model":
            return ModelMachine(spec, configuration=run.configuration).profile
        version = series or _version(run)
        if version is None:
            return None
        patched = patched_kernels().get(spec)
        profile = profile_of(version)
        return with_policy(profile, *patched.policy.split("=")) if patched is not None else profile
    except Misuse:
        # It was recorded under a name that is none here.
        return None


def _version(run: Run) -> str | None:
    """The version that a run says: in the name of its machine, or its kernel's release; None for neither."""
    name = run.machine.partition(":")[2].partition(",")[0]
    for version in (name, upstream(name), version_of_release(run.kernel.rpartition(" ")[2])):
        if is_version(version):
            return version
    return None


def _judged(program: Program, run: Run) -> Iterator[tuple[str, int, str]]:
    layout, history = Layout(program, run.configuration), History()
    lasting: set[str] = set()
    before: int | None = None
    held = False
    for number, step in enumerate(run.steps):
        op = program.ops[number] if number < len(program.ops) else None
        if op is not None and step.result == "ok":
            history.done(op.call, op.task, run.steps[number - 1 : number + 1] if number else ())
            history.moved_away |= step.value == MOVED and is_unplaced(op.call)
        held = step.result == HELD or (held and not (op is not None and isinstance(op.call, Release)))
        memory = _memory(run, number)
        broken: dict[str, str] = {}
        if held or step.vmas is None or step.ptes is None:
            moment = SeenMoment(msgspec.structs.replace(step, vmas=(), ptes=(), book=()), history, layout)
            asked = [asked for asked in ASKED if asked.name in _EVENTS]
        else:
            moment, asked = SeenMoment(step, history, layout), list(ASKED)
            earlier = None if before is None else (run.steps[before], _memory(run, before))
            for name, text in _structure(layout, history, step, memory, op, earlier, run.look):
                broken.setdefault(name, text)
        for question in asked:
            if question.judge(moment) is False:
                broken.setdefault(question.name, question.asks)
        before = None if held or step.vmas is None or step.ptes is None else number
        for name, text in broken.items():
            if name not in lasting or name in _EVENTS:
                yield name, number, text
        lasting = set(broken)


def _memory(run: Run, number: int) -> MemorySeen | None:
    # Of a run that was lost the last step may have none.
    return run.memory[number] if number < len(run.memory) else None


def _structure(
    layout: Layout,
    history: History,
    step: Step,
    memory: MemorySeen | None,
    op: Op | None,
    earlier: tuple[Step, MemorySeen | None] | None,
    look: LookLevel,
) -> Iterator[tuple[str, str]]:
    """Name and sentence of what page-table entries, and structures in memory, show to be wrong."""
    found: list[tuple[str, Iterator[str]]] = [
        ("entries_inside", entries_inside(step, layout, history)),
        ("leaves_fit", leaves_fit(step, layout)),
    ]
    if op is not None:
        found.append(("reached", reached(step, op, history.process(op.task), look)))
        if isinstance(op.call, UnmapMappingRange) and not op.call.keep_cows and step.result == "ok":
            found.append(("told_free", told(step, op.call.span)))
    if earlier is not None:
        before, memory_before = earlier
        if memory is not None and memory_before is not None:
            found.append(("flushed", flushed(before, step, (memory_before.tlb_gens, memory.tlb_gens))))
        if op is not None and op.hold is None:
            found.append(("looks_only", looks_only(before, step, op)))
        if op is not None and isinstance(op.call, Fork) and step.result != "ok":
            found.append(("fork_whole", fork_whole(before, step, op)))
    for name, texts in found:
        yield from ((name, text) for text in texts)
    for fault in memory.faults if memory is not None else ():
        # Entries that the kernel placed outside of the program's areas are not seen.
        if fault.name != "counts_left" or not history.moved_away:
            yield fault.name, fault.says
