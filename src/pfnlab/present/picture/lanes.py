"""Events in the lanes of a race: boxes, spans and lifetimes by row, without coordinates."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from pfnlab.checker.judging.judge import violations
from pfnlab.checker.scopes.race_judges import told_free
from pfnlab.present.picture.scene import step_result
from pfnlab.programs.lang.device_ops import UnmapMappingRange
from pfnlab.programs.lang.ops import MAIN_TASK, Fork, Program, Read, Release, Thread, Write
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import (
    BUSY,
    HELD,
    WAITS,
    CachedTranslations,
    Run,
    is_under_way,
    standings,
)


class LaneBox(msgspec.Struct, frozen=True):
    """The result of an operation, in its task's lane; *stale* if it used a stale translation."""

    row: int
    task: str
    words: str
    says: str
    stale: bool = False


class LaneSpan(msgspec.Struct, frozen=True):
    """A task that is held, or waits, from one row to another.

    :param reason: the function it is held in, or the lock or interrupt that it is waiting for
    :param holder: the task held at that time, which this task is waiting for
    """

    first: int
    last: int
    task: str
    reason: str
    holder: str = ""


class LaneLife(msgspec.Struct, frozen=True):
    """A translation cached by a processor.

    :param last: the row in which it is dropped, or the number of rows
    :param stale: the rows in which the page tables say otherwise: from the first up to but not
        including the second
    """

    first: int
    last: int
    task: str
    span: Span
    mode: str
    slot: int
    stale: tuple[int, int] | None


class LaneViolation(msgspec.Struct, frozen=True):
    """A property that is violated in a row."""

    row: int
    task: str
    name: str
    says: str


class Lanes(msgspec.Struct, frozen=True):
    """A machine's run, arranged in lanes."""

    machine: str
    tasks: tuple[str, ...]
    boxes: tuple[LaneBox, ...]
    held: tuple[LaneSpan, ...]
    waits: tuple[LaneSpan, ...]
    lives: tuple[LaneLife, ...]
    violations: tuple[LaneViolation, ...]


def lanes_of(program: Program, run: Run, tasks: Sequence[str]) -> Lanes:
    """Return the lanes of one run, with *tasks* from left to right."""
    return Lanes(
        run.machine,
        tuple(tasks),
        tuple(box for box in _boxes(program, run) if box.task in tasks),
        tuple(_spans(program, run, HELD)),
        tuple(_spans(program, run, WAITS)),
        tuple(_lives(run)),
        tuple(
            LaneViolation(found.step, run.steps[found.step].task, found.name, found.says)
            for found in violations(program, run)
            # A model shows this as soon as the driver is told, before the page is reached.
            if not (run.tlbs and found.name == told_free.name)
        )
        + tuple(_violations(program, run)),
    )


def lane_tasks(program: Program, runs: Sequence[Run]) -> list[str]:
    """Return the tasks that do or cache anything, in the order in which the program creates them."""
    found = {step.task for run in runs for step in run.steps if step.op != "end"}
    found |= {seen.task for run in runs for tlbs in run.tlbs for seen in tlbs}
    made = [MAIN_TASK, *(op.call.child for op in program.ops if isinstance(op.call, Fork | Thread))]
    return list(dict.fromkeys([*(task for task in made if task in found), *sorted(found)]))


def _boxes(program: Program, run: Run) -> Iterator[LaneBox]:
    for row, step in enumerate(run.steps):
        released = standings(step) if _releases(program, row) else {}
        for task, result in released.items():
            yield LaneBox(row, task, _short(result), f"{task} continues: {result}")
        if not released and step.op != "end":
            words = step_result(step)
            yield LaneBox(
                row, step.task, _short(words), f"{step.op}: {words}", _through_stale(program, run, row)
            )


def _short(result: str) -> str:
    """Return a result in one word: the number that was read, the signal, or its name."""
    words = result.split()
    if words[0] == "ok" and len(words) > 1 and words[1].lstrip("-").isdigit():
        return f"= {words[1]}"
    if words[0] in (WAITS, BUSY, HELD):
        return words[0]
    return next((word for word in words if word.startswith("SIG")), words[0])


def _releases(program: Program, row: int) -> bool:
    return row < len(program.ops) and isinstance(program.ops[row].call, Release)


def _through_stale(program: Program, run: Run, row: int) -> bool:
    call = program.ops[row].call if row < len(program.ops) else None
    step = run.steps[row]
    if not isinstance(call, Read | Write) or step.result != "ok" or row >= len(run.tlbs):
        return False
    return any(
        seen.stale and seen.task == step.task and seen.span.start <= call.span.start < seen.span.end
        for seen in run.tlbs[row]
        if seen.span.name == call.span.name
    )


def _spans(program: Program, run: Run, stop: str) -> Iterator[LaneSpan]:
    """Yield spans from the row in which a task stops to the release that lets it continue, or to the end.

    :param stop: ``HELD`` or ``WAITS``
    """
    rows = list(_stopped(program, run))
    for row, (before, now) in enumerate(pairwise([{}, *rows])):
        held = [task for task, result in now.items() if _word(result) == HELD]
        for task, result in now.items():
            if _word(result) != stop or before.get(task) == result:
                continue
            later = range(row + 1, len(rows))
            last = next((at for at in later if _word(rows[at].get(task, "")) != stop), len(rows) - 1)
            if stop == HELD:
                yield LaneSpan(row, last, task, _hold_of(program, row, task))
            else:
                # If two tasks are held, the wait could be for either.
                holder = held[0] if len(held) == 1 else ""
                yield LaneSpan(row, last, task, result.partition(" ")[2] or "something", holder)


def _stopped(program: Program, run: Run) -> Iterator[dict[str, str]]:
    """Yield the tasks that are held or waiting after each row, with their results."""
    now: dict[str, str] = {}
    for row, step in enumerate(run.steps):
        if _releases(program, row):
            now = {task: result for task, result in standings(step).items() if is_under_way(result)}
        elif is_under_way(step.result):
            now = now | {step.task: f"{step.result} {step.value or ''}".rstrip()}
        yield now


def _word(result: str) -> str:
    return result.partition(" ")[0]


def _hold_of(program: Program, row: int, task: str) -> str:
    """Return the function that *task* is held in, as set by its last operation with a hold up to *row*."""
    holds = (op.hold for op in reversed(program.ops[: row + 1]) if op.task == task and op.hold is not None)
    hold = next(holds, None)
    return hold.function if hold is not None else ""


def _lives(run: Run) -> Iterator[LaneLife]:
    """Yield the lifetimes of cached translations, identified by their first page."""
    open_: dict[tuple[str, str, int], tuple[int, CachedTranslations, list[int]]] = {}
    slots: dict[str, dict[int, tuple[str, str, int]]] = {}
    for row in range(len(run.tlbs) + 1):
        seen = (
            {}
            if row == len(run.tlbs)
            else {(one.task, one.span.name, one.span.start): one for one in run.tlbs[row]}
        )
        for key in [key for key in open_ if key not in seen]:
            first, one, stale = open_.pop(key)
            own = slots[key[0]]
            slot = next(slot for slot, holder in own.items() if holder == key)
            del own[slot]
            mode = one.table_entry.mode
            yield LaneLife(
                first, row, one.task, one.span, mode, slot, (stale[0], stale[-1] + 1) if stale else None
            )  # fmt: skip
        for key, one in seen.items():
            if key not in open_:
                own = slots.setdefault(key[0], {})
                slot = next(slot for slot in range(len(seen) + len(own) + 1) if slot not in own)
                own[slot] = key
                open_[key] = (row, one, [])
            if one.stale:
                open_[key][2].append(row)


def _violations(program: Program, run: Run) -> Iterator[LaneViolation]:
    """Yield the rows where a driver is told that its pages are unreachable, but a processor reaches them."""
    for row, (step, tlbs) in enumerate(zip(run.steps, run.tlbs, strict=False)):
        call = program.ops[row].call if row < len(program.ops) else None
        if not isinstance(call, UnmapMappingRange) or step.result != "ok":
            continue
        reached = [
            seen for seen in tlbs if seen.stale and seen.target is not None and seen.target.meets(call.span)
        ]
        if reached:
            says = ", ".join(f"{seen.task}'s processor still reaches {seen.target}" for seen in reached)
            yield LaneViolation(row, step.task, "told free", says)
