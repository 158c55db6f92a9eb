"""Programs that hold a processor: their operations begun, waited for and told, one step each.

Up to the operation that is held, and behind ``release``, steps are those of any program. In between the
held processor stands still; an operation of another task is begun and comes back, or waits for what the
held one has. After each the whole machine stands, and only its memory is looked at: the agent could wait
for the same locks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from pfnlab.errors import LostGuest, Misuse, TimedOut, Undecided
from pfnlab.lab.running.placement import Placement
from pfnlab.lab.running.replies import read_result
from pfnlab.lab.running.stepwise import Ask, Stage
from pfnlab.lab.steering.cast import Answer, Cast, GuestPort
from pfnlab.lab.steering.functions import Functions
from pfnlab.lab.steering.hold import HeldCpu, HoldPoint, NotReached, hold
from pfnlab.lab.steering.points import Caller, Place
from pfnlab.lab.steering.steering import Steering
from pfnlab.lab.steering.waits import Obstacle
from pfnlab.lens.errors import LensError
from pfnlab.lens.state import LensState, ptes_seen
from pfnlab.programs.lang.ops import Fork, Op, Program, Release
from pfnlab.programs.lang.printer import op_text
from pfnlab.programs.runs.observation import BUSY, HELD, NOT_HELD, WAITS, Step
from pfnlab.units import PAGE_SHIFT

#: What each thing to wait for is called in observations; whatever else a task waits for says nothing.
NEED_NAMES = {
    Obstacle.CPU: "IPI",
    Obstacle.MMAP_LOCK: "mmap_lock",
    Obstacle.I_MMAP: "i_mmap_rwsem",
    Obstacle.PAGE_TABLE: "page_table_lock",
    Obstacle.BOOK: "memtype_lock",
}

# Seconds until an operation has come by its place or is done, and until all are done after a release.
_LIMIT = 10.0
# How long the agent waits at a time for an operation that may stop the machine.
_SLICE = 0.05
# A look at memory that something was changing when it was stopped is repeated after so long.
_MOMENT = 0.01
_LOOKS = 5
_ESRCH = Answer(3)
_OK = Answer(0)


class Noise(Undecided):
    """
    Somebody waited for something of the stopped machine's own: the program should be repeated.

    A processor may be stopped with a lock of the scheduler, or be needed by the kernel's own work.
    """


@dataclass(frozen=True)
class Note:
    """
    What a schedule says of one step, besides what was answered and seen.

    :param alone: only memory was looked at, because a processor is held
    :param result: instead of the answer's, and *value* with it
    :param not_held: a processor was to be held, and nobody came by
    :param flushes: TLB flushes of the program's address spaces; None for a fork that is done, whose task
        copied pages of its own
    """

    alone: bool = False
    result: str | None = None
    value: str | None = None
    not_held: bool = False
    flushes: int | None = None


def with_notes(steps: Sequence[Step], states: Sequence[LensState], notes: Sequence[Note]) -> list[Step]:
    """The *steps* of a schedule as its *notes* have them, and as memory shows those that nobody else saw."""
    noted = list(steps)
    for number, (step, state, note) in enumerate(zip(steps, states, notes, strict=False)):
        if note.result is not None:
            step = msgspec.structs.replace(step, result=note.result, value=note.value)
        if note.not_held:
            value = NOT_HELD if step.value is None else f"{step.value}, {NOT_HELD}"
            step = msgspec.structs.replace(step, value=value)
        if note.alone:
            ptes = None if step.ptes is None else ptes_seen(state)
            step = msgspec.structs.replace(
                step, book=state.book, vmas=None, ptes=ptes, flushes=note.flushes, events=None
            )
        noted[number] = step
    return noted


def flushes_between(before: LensState, after: LensState) -> int:
    """How often address spaces were flushed between two looks; one that is new has not been."""
    known = {task.task: task.tlb_gen for task in before.tasks}
    return sum(max(0, task.tlb_gen - known.get(task.task, task.tlb_gen)) for task in after.tasks)


def ending(op: Op, result: str, value: int | str | None) -> str:
    """What became of one operation, as the value of ``release`` has it."""
    return " ".join([op.task, result, *([] if value is None else [str(value)])])


class Schedule:
    """
    One program that holds processors, on its way through :func:`pfnlab.lab.running.stepwise.ask_stepwise`.

    :param look: what memory shows now
    :param ordinary: asks for an operation while nothing is held
    """

    def __init__(
        self,
        guest: GuestPort,
        steering: Steering,
        functions: Functions,
        program: Program,
        placement: Placement,
        look: Callable[[Stage], LensState],
        ordinary: Ask,
    ) -> None:
        self._guest = guest
        self._steering = steering
        self._functions = functions
        self._ops = program.ops
        self._placement = placement
        self._look = look
        self._ordinary = ordinary
        self._held: HeldCpu[None] | None = None
        self._cast = Cast(guest, joins=())
        #: What is not finished: the operation that is held, then those that wait.
        self._open: list[tuple[Op, int]] = []
        self._before = LensState((), (), ())
        self._note = Note()
        #: One for each step so far.
        self.notes: list[Note] = []

    def ask(self, text: str, stage: Stage) -> str:
        """The reply to one small request, as the agent gives it."""
        if stage.preparing and self._held is not None:
            return self._prepare(text, stage)
        if stage.preparing or not stage.begun:
            return self._ordinary(text, stage)
        self._note = Note()
        op = self._ops[stage.done] if stage.done < len(self._ops) else None
        if self._held is None:
            return self._hold(text, stage, op) if op and op.hold else self._ordinary(text, stage)
        if op is None or op.hold is not None:
            raise Misuse("a processor is held already: write `release` first")
        if isinstance(op.call, Release):
            return self._release(text, stage)
        try:
            return self._attempt(text, stage, op)
        except TimedOut as late:
            raise Noise(f"`{op_text(op)}`: {late}") from late

    def look(self, stage: Stage) -> LensState:
        """What memory shows after a step; while a processor is held, the whole machine stands."""
        state = self._sight(stage)
        if self._note.alone:
            forked = self._note.result is None and isinstance(self._ops[stage.done - 1].call, Fork)
            if not forked:
                self._note = replace(self._note, flushes=flushes_between(self._before, state))
            self._before = state
        self.notes.append(self._note)
        return state

    def close(self) -> None:
        """Let a processor that is still held go on."""
        if self._held is not None:
            held, self._held = self._held, None
            held.release()

    def _hold(self, text: str, stage: Stage, op: Op) -> str:
        # Begin an operation and stop its processor on the way.
        assert op.hold is not None
        slot, words = _operations(text)[0]
        pid = stage.pids.get(slot)
        function = self._functions.known(op.hold.function)
        if pid is None or function is None:
            self._note = Note(not_held=True)
            return self._ordinary(text, stage)
        forced = self._functions.forced(op, pid)
        head = [line for line in text.splitlines() if line.partition(" ")[0] in ("program", "name")]
        self._cast = Cast(self._guest, joins=head)
        self._cast.pids.update(stage.pids)
        self._steering.stub.interrupt()
        self._before = self._sight(stage)
        begun = _Begun(self._cast, slot, words)
        place = Place(function, op.hold.nth, op.hold.at_return)
        at = HoldPoint(
            place,
            Caller(pid=pid),
            () if forced is None else (forced,),
            partial(self._of_the_program, function),
        )
        try:
            held = hold(self._steering, at, begun, _LIMIT, grace=0.0)
        except NotReached:
            begun.enough = True
            if begun.answer is None:
                raise LostGuest(
                    f"`{op_text(op)}` neither came by `{place}` nor ended within {_LIMIT:g} s"
                ) from None
            self._note = Note(not_held=True)
            return self._observed(text, stage, begun.answer)
        self._held = held
        begun.enough = True
        try:
            # The agent still waits for it.
            held.others(held.result)
        except TimedOut as late:
            raise Noise(f"`{op_text(op)}`: {late}") from late
        self._open = [(op, slot)]
        return self._seen(stage, Note(alone=True, result=HELD))

    # What works on one VMA counts where that is the program's: a fork copies those of the process itself too.
    def _of_the_program(self, function: str, registers: dict[str, int]) -> bool:
        address = self._functions.works_at(function, registers)
        if address is None:
            return True
        page = address >> PAGE_SHIFT
        return self._placement.places.area_span(page, page + 1) is not None

    def _attempt(self, text: str, stage: Stage, op: Op) -> str:
        # Begin an operation while a processor is held.
        assert self._held is not None
        slot, words = _operations(text)[0]
        if any(slot == busy for _, busy in self._open):
            return self._seen(stage, Note(alone=True, result=BUSY))
        if slot not in stage.pids:
            return self._seen(stage, Note(alone=True), _ESRCH)
        outcome = self._held.attempt(self._cast, slot, *words)
        if outcome.answer is not None:
            return self._seen(stage, Note(alone=True), outcome.answer)
        wait = outcome.wait
        need = NEED_NAMES.get(wait.need) if wait is not None else None
        if wait is None or need is None:
            inside = ", ".join(wait.functions[:6]) if wait is not None and wait.functions else "no function"
            raise Noise(
                f"`{op_text(op)}` does not end and waits for nothing that is known: it is in {inside}"
            )
        self._open.append((op, slot))
        return self._seen(stage, Note(alone=True, result=WAITS, value=need))

    def _release(self, text: str, stage: Stage) -> str:
        # Let the processor go on, and wait for everybody.
        self.close()
        until = time.monotonic() + _LIMIT
        told = []
        for op, slot in self._open:
            answer = self._cast.collect(slot, max(0.0, until - time.monotonic()))
            if answer is None:
                raise LostGuest(f"`{op_text(op)}` was not done {_LIMIT:g} s after the release")
            try:
                result, value = read_result(op, answer.reply, self._placement)
            except ValueError as why:
                raise LostGuest(f"`{op_text(op)}` {why}") from None
            told.append(ending(op, result, value))
        self._open = []
        self._note = Note(result="ok", value="; ".join(told))
        return self._observed(text, stage, _OK)

    def _prepare(self, text: str, stage: Stage) -> str:
        # What goes around an operation while a processor is held.
        held, cast = self._held, self._cast
        assert held is not None
        for slot, words in _operations(text):
            if slot in stage.pids:
                held.others(lambda slot=slot, words=words: cast.do(slot, *words))  # type: ignore[misc]
        return "".join(
            [
                "program 1\nbefore\n",
                *(f"step {n}\nr 0 0\n" for n, _ in enumerate(_operations(text))),
                "done 1\n",
            ]
        )

    def _seen(self, stage: Stage, note: Note, answer: Answer = _OK) -> str:
        # The reply to a step nobody in the guest looks at.
        self._note = note
        lines = ["program 1", "before", "step 0", *self._told(stage, answer), "done 1", ""]
        return "\n".join(lines)

    def _observed(self, text: str, stage: Stage, answer: Answer) -> str:
        # The reply to a step that has been answered, with what the agent sees now.
        lines = [
            f"op {line.split()[1]} nop" if line.startswith("op ") else line for line in text.splitlines()
        ]
        reply = self._guest.request("\n".join([*lines, ""]), _LIMIT).split("\n")
        at = next((at for at, line in enumerate(reply) if line.startswith("r ")), None)
        if at is not None:
            reply[at : at + 1] = self._told(stage, answer)
        return "\n".join(reply)

    def _told(self, stage: Stage, answer: Answer) -> list[str]:
        # The answer, what the kernel said meanwhile, and the tasks that are new.
        heard = [f"k {line}" for line in self._cast.heard]
        self._cast.heard.clear()
        new = self._cast.pids.items() - stage.pids.items()
        return [f"r {' '.join(answer.reply)}", *heard, *(f"pid {slot} {pid}" for slot, pid in sorted(new))]

    def _sight(self, stage: Stage) -> LensState:
        # What stands in the middle of a change would stand there for ever.
        for _ in range(_LOOKS - 1):
            try:
                return self._look(stage)
            except LensError:
                if self._held is not None:
                    self._held.others(lambda: time.sleep(_MOMENT))
                else:
                    self._steering.go()
                    time.sleep(_MOMENT)
                    self._steering.stub.interrupt()
        return self._look(stage)


class _Begun:
    # Begins an operation and waits for it in small portions, until it is done or that is enough.
    def __init__(self, cast: Cast, slot: int, words: Sequence[str]) -> None:
        self._cast, self._slot, self._words = cast, slot, words
        self.answer: Answer | None = None
        self.enough = False

    def __call__(self) -> None:
        self._cast.begin(self._slot, *self._words)
        until = time.monotonic() + _LIMIT
        while self.answer is None and not self.enough and time.monotonic() < until:
            self.answer = self._cast.collect(self._slot, _SLICE)


# Slot and words of every operation in a request.
def _operations(text: str) -> list[tuple[int, list[str]]]:
    found = []
    for line in text.splitlines():
        if line.startswith("op "):
            _, slot, *words = line.split(" ")
            found.append((int(slot), words))
    return found
