"""Effects of a program's earlier operations that the state after a step does not show."""

import re
from collections.abc import Iterator, Sequence

from pfnlab.programs.lang import device_ops
from pfnlab.programs.lang.ops import MAIN_TASK, Call, Fork, Mmap, Mremap, Op, Program, Release, Thread
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import HELD, MOVED, WAITS, Run, Step, is_under_way, standings

#: Calls that map pages for the driver itself.
_Mapping = device_ops.Ioremap | device_ops.Memremap | device_ops.IoMappingCreateWc | device_ops.MemremapPages

#: Calls that reserve or map pages for the driver, each with the call that undoes the most recent one of its
#: kind.
_KEEP: dict[type, type] = {
    device_ops.Ioremap: device_ops.Iounmap,
    device_ops.Memremap: device_ops.Memunmap,
    device_ops.IoMappingCreateWc: device_ops.IoMappingFree,
    device_ops.MemremapPages: device_ops.MemunmapPages,
}


class History:
    """The claims, driver mappings and devices of one program.

    :ivar claims: device pages that a driver has claimed
    :ivar bound: devices to which the guest driver is bound
    :ivar removed: devices that the kernel no longer has
    :ivar moved: whether the device's BAR is at its second address
    :ivar moved_away: whether mremap has moved something to an address chosen by the kernel
    :ivar opened: devices through which vfio-pci has mapped something
    :ivar changes: the number of changes to any of these
    """

    def __init__(self) -> None:
        self.claims: list[Span] = []
        self._disabled: set[str] = set()
        self._asleep: set[str] = set()
        self.bound: set[str] = set()
        self.removed: set[str] = set()
        self.opened: set[str] = set()
        self.moved = self.moved_away = False
        self.changes = 0
        self._hows: list[tuple[Span, str]] = []
        self._processes: dict[str, str] = {}
        self._kept: dict[type, list[Span]] = {undo: [] for undo in _KEEP.values()}
        self._booked: list[Span] = []
        #: Operations that are held or waiting, by task.
        self._pending: dict[str, Call] = {}

    @property
    def kept(self) -> list[Span]:
        """The device pages that a driver has mapped or reserved for itself, listed once per mapping or
        reservation.
        """
        return [span for spans in self._kept.values() for span in spans] + self._booked

    @property
    def off(self) -> set[str]:
        """The devices that are asleep or have their memory switched off."""
        return self._disabled | self._asleep

    def hows_of(self, span: Span) -> set[str]:
        """The methods by which the guest driver mapped any of these device pages."""
        return {how for filled, how in self._hows if filled.meets(span)}

    def process(self, task: str) -> str:
        """The task that stands for the address space of *task*: for a thread, its process."""
        return self._processes.get(task, task)

    @property
    def booked(self) -> list[Span]:
        """The device pages that a driver has reserved for itself and not freed."""
        return list(self._booked)

    @property
    def requests(self) -> list[Span]:
        """The device pages that held or waiting operations ask the driver to map or reserve."""
        return [
            call.span
            for call in self._pending.values()
            if isinstance(call, _Mapping | device_ops.ArchIoReserveMemtypeWc)
        ]

    def follow(self, op: Op, step: Step, steps: Sequence[Step] = ()) -> None:
        """Record *op*, which led to *step*. It takes effect when it returns, which may be at a later release.

        :param steps: the steps before and after it, if observed
        """
        if step.result in (HELD, WAITS):
            self._pending[op.task] = op.call
        elif isinstance(op.call, Release):
            for task, result in standings(step).items():
                call = None if is_under_way(result) else self._pending.pop(task, None)
                if call is not None and result.partition(" ")[0] == "ok":
                    self.done(call, task, steps)
        elif step.result == "ok":
            self.done(op.call, op.task, steps)

    def done(self, call: Call, task: str = MAIN_TASK, steps: Sequence[Step] = ()) -> None:
        """Record that *call* of *task* has succeeded."""
        match call:
            case device_ops.RequestMemRegion(span=span):
                self.claims.append(span)
            case device_ops.ReleaseMemRegion():
                self.claims.clear()
            case device_ops.MemoryDisable(device=device):
                self._disabled.add(device)
            case device_ops.MemoryEnable(device=device):
                self._disabled.discard(device)
            case device_ops.D3(device=device):
                self._asleep.add(device)
            case device_ops.D0(device=device) | device_ops.VfioReset(device=device):
                self._asleep.discard(device)
            case device_ops.Bind(device=device):
                self.bound.add(device)
            case device_ops.Unbind(device=device):
                self.bound.discard(device)
            case device_ops.Remove(device=device) | device_ops.Unplug(device=device):
                self.removed.add(device)
                self.bound.discard(device)
            case (
                device_ops.Rescan(device=device)
                | device_ops.RescanMoved(device=device)
                | device_ops.Plug(device=device)
            ):
                if device in self.removed:
                    self.moved = isinstance(call, device_ops.RescanMoved)
                self.removed.discard(device)
            case device_ops.ArchIoReserveMemtypeWc(span=span):
                self._booked.append(span)
            case device_ops.ArchIoFreeMemtypeWc(span=span):
                self._free(span, steps)
            case Thread(child=child):
                self._processes[child] = self.process(task)
            case Fork(child=child):
                self._processes.pop(child, None)
            case Mmap(via="vfio", source=source):
                self.opened.add(source.name)
            case Mmap(driver=driver, source=source) if driver is not None:
                self._hows.append((source, driver.how))
            case _ if isinstance(call, _Mapping):
                self._kept[_KEEP[type(call)]].append(call.span)
            case _ if self._kept.get(type(call)):
                self._kept[type(call)].pop()
            case _:
                return
        self.changes += 1

    def _free(self, span: Span, steps: Sequence[Step]) -> None:
        """Record that a driver has freed *span*: a range that it reserved, or part of one."""
        if span in self._booked:
            self._booked.remove(span)
            return
        whole = next((one for one in self._booked if one.contains(span)), None)
        if whole is None:
            return
        before, after = (_count(step, whole) for step in steps) if len(steps) == 2 else (None, None)
        if before is not None and before == after:
            # The book cannot free part of a range: the whole range stays reserved.
            return
        if after is not None:
            self._booked.remove(whole)
        # If this was not observed, either is possible.
        rests = (Span(span.name, whole.start, span.start), Span(span.name, span.end, whole.end))
        self._booked += [rest for rest in rests if rest.start < rest.end]


def _count(step: Step, span: Span) -> int | None:
    """The number of book entries equal to *span*, or None if the book was not observed."""
    return None if step.book is None else sum(entry.span == span for entry in step.book)


def kept_after(program: Program, run: Run) -> Iterator[list[Span]]:
    """:attr:`History.kept` after each step of *run*; a held operation already keeps the pages it requests.

    Until its end, a program with vfio-pci keeps all entries: vfio-pci maps its device for itself as long as
    it is open, which the program does not mention.
    """
    history = History()
    for number, step in enumerate(run.steps):
        if number < len(program.ops):
            history.follow(program.ops[number], step, run.steps[number - 1 : number + 1] if number else ())
        if program.needs.vfio and step.op != "end":
            yield [entry.span for entry in step.book or ()]
        else:
            yield [*history.kept, *history.requests]


def has_moved(op: Op, step: Step) -> bool:
    """True if *op*, or an operation it released, has moved something to an address the kernel chose."""
    words = re.split(r"[ ,;]+", step.value) if isinstance(step.value, str) else []
    unplaced = isinstance(op.call, Mremap) and op.call.name is None and op.call.over is None
    return MOVED in words and (isinstance(op.call, Release) or unplaced)
