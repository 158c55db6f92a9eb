"""The judge of schedules: the prefixes of an operation, and the operations while processors are held."""

from __future__ import annotations

from pfnlab.programs.lang.device_ops import SlotCall
from pfnlab.programs.lang.names import Names, Wrong
from pfnlab.programs.lang.ops import MAIN_TASK, Exec, Exit, Fork, Kill, Look, Op, Release, Thread
from pfnlab.programs.lang.printer import call_text
from pfnlab.programs.lang.process_ops import ProcessMrelease
from pfnlab.programs.lang.shapes import word_of
from pfnlab.programs.lang.words import FUNCTION, MAX_NTH, PREFIXES, quoted

#: Operations that cannot be held: they end a task or its program, start a thread, or do nothing.
_NEVER_HELD = Exit | Kill | Exec | Thread | Look | Release

#: Operations that start a thread, or change which devices are there: not while one is held.
_NOT_WHILE_HELD = Thread | SlotCall


#: How many processors are held at a time.
MAX_HELD = 2


class ScheduleValidity:
    """The processors that are held, while the operations of a program are judged in order.

    :param names: the meaning of the names at the operation
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        #: The tasks whose processors are held, in the order in which they were, each with its operation.
        self._held: dict[str, str] = {}
        #: Tasks that were forked since one is held.
        self._newborn: set[str] = set()

    def op(self, op: Op) -> None:
        """Judge *op* and let it take effect on the held processors."""
        if isinstance(op.call, ProcessMrelease) and op.call.killed:
            self._killed(op)
        if isinstance(op.call, Release):
            self._release(op, op.call.held)
        elif self._held:
            self._while_held(op)
        if op.hold is not None:
            self._held[op.task] = call_text(op.call, self._names.mapped)
        if self._held and isinstance(op.call, Fork):
            self._newborn.add(op.call.child)

    def end(self, part: str) -> None:
        """Refuse the end of the operations while a processor is held."""
        for task, call in self._held.items():
            release = f"release {task}" if len(self._held) > 1 else "release"
            raise Wrong(f"`{task}` still stands in `{call}`: write `{release}` as the last operation", part)

    def _release(self, op: Op, task: str | None) -> None:
        if op.task != MAIN_TASK:
            raise Wrong("release is nobody's: write `release` alone", "task")
        if not self._held:
            raise Wrong("nothing is held here: write `hold unmap_vmas: munmap a` above", "verb")
        names = " or ".join(f"`release {held}`" for held in self._held)
        # Who goes on first is what such a program asks, so its text says it.
        if task is None and len(self._held) > 1:
            raise Wrong(f"{len(self._held)} processors are held: write {names}", "verb")
        if task is not None and task not in self._held:
            raise Wrong(f"task `{task}` is not held here: write {names}", "held")
        self._held.pop(next(iter(self._held)) if task is None else task)
        if not self._held:
            self._newborn.clear()

    def _killed(self, op: Op) -> None:
        """A process is killed and not waited for, so something has to keep it from its end."""
        assert isinstance(op.call, ProcessMrelease)
        victim = op.call.victim
        if not self._held:
            raise Wrong(
                "nothing keeps a killed process from its end: write `hold unmap_vmas: ...` above", "killed"
            )
        if victim not in self._names.alive():
            return
        if op.task in self._names.threads(victim):
            raise Wrong(f"`{victim}` is of the process that would kill it: let another one act", "task")

    def _while_held(self, op: Op) -> None:
        elsewhere = "write it above the `hold` or below `release`"
        if op.task in self._held:
            problem = f"task `{op.task}` stands in `{self._held[op.task]}` until `release`"
            raise Wrong(f"{problem}: let another task act", "task")
        if op.hold is not None and len(self._held) == MAX_HELD:
            first = next(iter(self._held))
            raise Wrong(f"{MAX_HELD} processors are held at a time: write `release {first}` above", "hold")
        if op.task in self._newborn:
            problem = f"task `{op.task}` is forked while a processor is held and acts after `release` only"
            raise Wrong(f"{problem}: let another task act", "task")
        threads = self._names.threads(op.task) if isinstance(op.call, Exit | Kill) else ()
        for task, call in self._held.items():
            if task in threads:
                problem = f"task `{task}` of this process stands in `{call}` until `release`"
                raise Wrong(f"{problem}: let another process end", "verb")
        if isinstance(op.call, _NOT_WHILE_HELD):
            verb = word_of(type(op.call))
            raise Wrong(f"no {verb} while a processor is held: {elsewhere}", "verb")
        for prefix, forced in (("fail", op.fail), ("skip", op.skip)):
            if forced is not None:
                raise Wrong(f"no `{prefix}` while a processor is held: {elsewhere}", prefix)


def check_prefixes(op: Op) -> None:
    """Refuse prefixes that name no function or no call, or do not go with each other or the operation."""
    for prefix, forced in (("fail", op.fail), ("skip", op.skip), ("hold", op.hold)):
        if forced is None:
            continue
        _function(forced.function, prefix, "function")
        if not 1 <= forced.nth <= MAX_NTH:
            raise Wrong(f"calls count from 1 to {MAX_NTH}: write 1 for the first", f"{prefix} nth")
        if op.fail is not None and prefix != "fail":
            raise Wrong(f"`fail` stands alone: leave out `fail` or `{prefix}`", prefix)
    if op.fail is not None and op.fail.inside is not None:
        _function(op.fail.inside, "fail", "inside")
    if op.hold is None:
        return
    example = PREFIXES["hold"]
    if isinstance(op.call, SlotCall):
        raise Wrong(f"no `hold` in {word_of(type(op.call))}: write {example}", "hold")
    if isinstance(op.call, _NEVER_HELD):
        raise Wrong(f"`hold` takes an operation that comes back to its task: write {example}", "hold")


def _function(name: str, prefix: str, field: str) -> None:
    # `return` would be a name by its letters; in C and in a hold it is none.
    if name == "return" or not FUNCTION.fullmatch(name):
        example = "__pte_alloc" if prefix == "fail" else "unmap_vmas"
        raise Wrong(f"{quoted(name)} is no kernel function: write one as {example}", f"{prefix} {field}")
