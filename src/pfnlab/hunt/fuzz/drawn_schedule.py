"""The schedule at the end of a random program: held processors, and operations that run in the meantime."""

from collections.abc import Sequence

import msgspec

from pfnlab.hunt.fuzz.call_kinds import NEVER_HELD, RESET_KINDS, TABLES
from pfnlab.hunt.fuzz.conditions import HELD
from pfnlab.hunt.fuzz.drawn_program import DrawnProgram
from pfnlab.programs.cases.operation_kinds import FUNCTIONS, PLACES
from pfnlab.programs.lang.forced import Hold
from pfnlab.programs.lang.ops import MAIN_TASK, Exec, Exit, Kill, Op, Release, Thread
from pfnlab.programs.lang.process_ops import ProcessMrelease, Setrlimit
from pfnlab.programs.lang.words import HOLD_FUNCTIONS

#: The probability that another process ends or executes a program while a processor is held.
_ENDS = 0.2

#: The probability that the held task is in a single-threaded process, which another process could kill.
_ALONE = 0.2

#: The probability that a killed task is reaped a second time.
_REAPED_AGAIN = 0.3

#: Limits that count the mappings newly created by a thread or an exec.
OF_OWN_MEMORY = frozenset({"as", "data"})

#: The probability that a second task is held too, and that each is then held at a function its operation
#: passes through.
_TWO_HELD, _LIKELY_PLACE = 0.2, 0.9


def add_schedule(drawing: DrawnProgram) -> None:
    """Add one held operation, up to three operations by other tasks in the meantime, and the release.

    The held task is usually in a process with a second thread, otherwise in one that may be killed while
    held. Sometimes a second task is held, too; either may then be released first.
    """
    _Schedule(drawing).add()


class _Schedule:
    """A schedule under construction."""

    def __init__(self, drawing: DrawnProgram) -> None:
        self._drawing, self._random = drawing, drawing.random
        left_out = {*NEVER_HELD, "vfio_close", "process_mrelease"}
        self._kinds = {kind: 1.0 for kind in drawing.weights if kind not in left_out}
        self._functions: Sequence[str] = HOLD_FUNCTIONS
        if drawing.vfio and drawing.random.random() < 0.5:
            # Faults and memory-enable bit changes, which share a lock.
            locked = (*TABLES.vfio_locked, *(kind for kind in RESET_KINDS if kind in drawing.weights))
            self._kinds, self._functions = dict.fromkeys(locked, 1.0), FUNCTIONS["vfio"]

    def add(self) -> None:
        drawing, draw = self._drawing, self._random
        most = draw.choices((2, 3, 4), (6, 1, 1))[0]
        while len(drawing.tasks) > most:
            drawing.add(Op(Exit(), drawing.tasks[-1]))
        if len(drawing.tasks) > 1 and draw.random() < _ALONE:
            self._of_a_process_that_may_die()
        else:
            self._of_a_process_with_threads()

    def _of_a_process_with_threads(self) -> None:
        drawing, draw = self._drawing, self._random
        task = drawing.tasks[0]
        self._thread(task)
        held, two = [task], draw.random() < _TWO_HELD
        if two and len(drawing.tasks) < 3:
            self._thread(draw.choice(drawing.tasks))
        self._hold(task, likely=two)
        if two:
            held.append(draw.choice([name for name in drawing.tasks if name != task]))
            self._hold(held[1], likely=two)
        self._beside(held, draw.randrange(two, 4))
        if two:
            draw.shuffle(held)
            drawing.add(Op(Release(held.pop()), MAIN_TASK))
            self._beside(held, draw.randrange(3))
        drawing.add(Op(Release(), MAIN_TASK))

    def _of_a_process_that_may_die(self) -> None:
        drawing, draw = self._drawing, self._random
        victim = draw.choice(drawing.tasks[1:])
        # Private pages, which can be taken from it, and the range it is unmapping at the time.
        for kind in ("mmap anon", "write", "mmap"):
            drawing.add(Op(drawing.call(kind), victim))
            drawing.places.stays = kind != "write"
        drawing.places.all = True
        hold = Hold(draw.choice(FUNCTIONS["always"]), 1, draw.random() < 0.2)
        drawing.add(Op(drawing.call("munmap"), victim, hold=hold))
        drawing.places.stays = drawing.places.all = False
        self._beside([victim], draw.randrange(3))
        killer = draw.choice([task for task in drawing.tasks if task != victim] or [victim])
        if killer != victim:
            drawing.add(Op(ProcessMrelease(victim, killed=True), killer))
            if draw.random() < _REAPED_AGAIN:
                drawing.add(Op(ProcessMrelease(victim), killer))
            self._beside([victim], draw.randrange(3))
        drawing.add(Op(Release(), MAIN_TASK))

    def _thread(self, task: str) -> None:
        """Draw a thread in the process of *task*, after lifting memory limits, which no rule covers."""
        drawing = self._drawing
        for resource in sorted(drawing.limits[drawing.process_of[task]] & OF_OWN_MEMORY):
            drawing.add(Op(Setrlimit(resource, None), task))
        drawing.add(Op(Thread(f"t{drawing.born + 1}"), task))

    def _hold(self, task: str, *, likely: bool) -> None:
        """Draw an operation for *task* that is held."""
        drawing, draw, kinds = self._drawing, self._random, self._kinds
        if likely and draw.random() < _LIKELY_PLACE:
            kinds = {kind: weight for kind, weight in kinds.items() if kind in PLACES} or kinds
        kind = drawing.weighted(kinds, {HELD})
        functions = PLACES.get(kind, self._functions) if likely else self._functions
        held = Op(drawing.call(kind), task)
        hold = Hold(draw.choice(functions), draw.choice((1, 1, 1, 2)), draw.random() < 0.2)
        drawing.add(msgspec.structs.replace(held, hold=hold))

    def _beside(self, held: Sequence[str], number: int) -> None:
        """Draw operations for the tasks that are not held."""
        drawing, draw = self._drawing, self._random
        processes = {drawing.process_of[task] for task in held}
        for _ in range(number):
            others = [name for name in drawing.tasks if name not in held]
            if not others:
                return
            task = draw.choice(others)
            process = drawing.process_of[task]
            alone = sum(drawing.process_of[name] == process for name in drawing.tasks) == 1
            if process not in processes and alone and draw.random() < _ENDS:
                limited = drawing.limits[process] & OF_OWN_MEMORY
                drawing.add(Op(draw.choice((Exit(), Kill()) if limited else (Exit(), Kill(), Exec())), task))
                continue
            kind = drawing.weighted(self._kinds, drawing.conditions.anywhere())
            drawing.add(Op(drawing.call(kind), task))
