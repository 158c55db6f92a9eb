"""A task on an interactive machine, and the operations it can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

from pfnlab.api.methods import Operations
from pfnlab.api.step import MappedPages, StepSeen, Where
from pfnlab.base.errors import Misuse
from pfnlab.programs.lang.device_ops import DriverHow, DriverMap
from pfnlab.programs.lang.forced import Fail, Hold, Skip
from pfnlab.programs.lang.ops import MAIN_TASK, Call, Fork, ForkRefusal, Mmap, Mremap, Op, Thread, Via
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import NO_DEVICE


class Acting(Operations, ABC):
    """A task that does operations; the kernel can be forced to fail, to skip a call or to stop."""

    #: Its name in the program, and what its prefix forces the kernel to do in the next operation.
    _task: str = MAIN_TASK
    _prefixes: Mapping[str, Fail | Skip | Hold] = MappingProxyType({})

    @abstractmethod
    def _op(self, op: Op) -> StepSeen:
        """Do *op* on the machine."""

    @abstractmethod
    def _span(self, where: Where) -> Span:
        """The pages that *where* refers to."""

    @abstractmethod
    def _free_name(self, letters: str) -> str:
        """A name made from one of *letters* that the program does not use yet."""

    def _do(self, call: Call) -> StepSeen:
        forced: dict[str, Any] = {**self._prefixes}
        return self._op(Op(call, self._task, **forced))

    def mmap(
        self,
        source: Where,
        via: Via | None = None,
        prot: str = "rw",
        *,
        shared: bool = True,
        populate: bool = False,
        locked: bool = False,
        name: str | None = None,
        over: Where | None = None,
        driver: DriverMap | str | None = None,
    ) -> MappedPages:
        """mmap(2) of device pages; without *via*, of ``"anon[0:4]"`` or ``"perf[0:5]"``.

        :param via: the interface to map it through, e.g. ``"wc"``, ``"uc"`` or ``"devmem"``;
            optional with *driver*
        :param prot: ``"none"`` or some of the letters ``rwx``
        :param name: its name in the program; by default the next free letter
        :param over: map with MAP_FIXED over these pages, which keep their name
        :param driver: how the guest driver maps it, as written in a program: ``"remap wc"``, ``"part[2:4]"``
        :returns: its pages, which can be sliced: ``a[4:8]``; ``.seen`` is the observation
        """
        pages = self._span(source)
        if via is None:
            own = next((own for own in NO_DEVICE if own == pages.name), None)
            via = own if driver is None else "driver"
        if via is None:
            raise Misuse(f'say through what {source} is mapped: write mmap("{source}", "wc")')
        target = None if over is None else self._span(over)
        if target is None and name is None:
            name = self._free_name("abcdefghijklmnopqrstuvwxyz")
        # The printer writes the text unchanged, and the reader parses it.
        how = DriverMap(cast("DriverHow", driver)) if isinstance(driver, str) else driver
        call = Mmap(name, pages, via, shared, prot, populate, locked, target, how)
        return _mapped(target or Span(name or "", 0, pages.pages), self._do(call))

    def mremap(
        self,
        span: Where,
        pages: int,
        *,
        maymove: bool = False,
        fixed: bool = False,
        dontunmap: bool = False,
        name: str | None = None,
        over: Where | None = None,
    ) -> MappedPages:
        """mremap(2): resize *span* to *pages*; the flags are passed on unchanged.

        :param name: the area to move to; by default, if *fixed* is set without *over*, the next free letter
        :param over: an exact destination instead of the start of an area
        :returns: the pages at the destination if the call succeeded and had one, otherwise the original pages
        """
        old = self._span(span)
        target = None if over is None else self._span(over)
        if fixed and target is None and name is None:
            name = self._free_name("abcdefghijklmnopqrstuvwxyz")
        seen = self._do(Mremap(old, pages, maymove, fixed, dontunmap, name, target))
        moved = target or (None if name is None else Span(name, 0, pages))
        return _mapped(moved or Span(old.name, old.start, old.start + pages), seen)

    def fork(self, name: str | None = None, *, refused: ForkRefusal | None = None) -> LiveTask:
        """fork(2); the child then has its own operations: ``c = m.fork(); c.munmap(a)``.

        :param name: the child's name in the program
        :param refused: make the fork fail for a reason outside memory management
        :returns: the child; ``.seen`` is the observation, which shows whether the child exists
        """
        child = name or self._free_name("c")
        seen = self._do(Fork(child, refused))
        return self._born(child, seen)

    def thread(self, name: str | None = None) -> LiveTask:
        """pthread_create(3): add a thread to the task's process, in the same address space."""
        child = name or self._free_name("t")
        return self._born(child, self._do(Thread(child)))

    def _born(self, name: str, seen: StepSeen) -> LiveTask:
        task = LiveTask(self, name)
        task.seen = seen
        return task

    def fail(self, function: str, nth: int = 1, *, inside: str | None = None) -> Forced:
        """Make the kernel fail in the task's next operation: ``m.fail("__pte_alloc").fork()``.

        :param nth: which call of *function* fails, counted from 1
        :param inside: count only within the first call of this function
        """
        return Forced(self, {"fail": Fail(function, nth, inside)})

    def skip(self, function: str, nth: int = 1) -> Forced:
        """Skip a call in the task's next operation: ``m.skip("flush_tlb_mm_range").munmap(a)``."""
        return Forced(self, {"skip": Skip(function, nth)})

    def hold(self, function: str, nth: int = 1, *, at_return: bool = False) -> Forced:
        """Stop the processor inside the task's next operation: ``m.hold("unmap_vmas").munmap(a)``.

        Other tasks continue until ``m.release()``. One of them may be held too; each is then released by
        name, e.g. ``m.release("main")``.
        """
        return Forced(self, {"hold": Hold(function, nth, at_return)})


class LiveTask(Acting):
    """A task on a machine: ``c = m.fork()``.

    :ivar name: its name in the program
    :ivar seen: the observation after it was created; None for the task that every program starts with
    """

    def __init__(self, actor: Acting, name: str) -> None:
        self._actor = actor
        self._task = self.name = name
        self.seen: StepSeen | None = None

    def _op(self, op: Op) -> StepSeen:
        return self._actor._op(op)

    def _span(self, where: Where) -> Span:
        return self._actor._span(where)

    def _free_name(self, letters: str) -> str:
        return self._actor._free_name(letters)

    def __repr__(self) -> str:
        failed = "" if self.seen is None or self.seen.ok else f" {self.seen.result}"
        return f"task {self.name}{failed}"


class Forced(LiveTask):
    """A task whose next operation makes the kernel fail, skip a call or stop."""

    def __init__(self, actor: Acting, prefixes: Mapping[str, Any]) -> None:
        super().__init__(actor, actor._task)
        self._prefixes = {**actor._prefixes, **prefixes}

    def __repr__(self) -> str:
        named = ((word, self._prefixes.get(word)) for word in ("fail", "skip", "hold"))
        forced = ", ".join(f"{word} {what.function} {what.nth}" for word, what in named if what is not None)
        return f"task {self.name}, {forced}"


def _mapped(span: Span, seen: StepSeen) -> MappedPages:
    return MappedPages(span.name, span.start, span.end, seen)
