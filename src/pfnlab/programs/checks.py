"""What a program may say: the static meaning of devices, areas, tasks and ranges.

A :class:`Scope` is told of every header, operation and expectation in order and knows what names mean
at that point. It judges values, not text, so the text and the JSON form obey the same rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pfnlab.errors import ProgramError
from pfnlab.programs.held import Schedule, check_prefixes
from pfnlab.programs.names import Names, Wrong, article, forwards
from pfnlab.programs.ops import (
    ADVICE,
    LOWMEM_VIAS,
    MAIN_TASK,
    PCI_VIAS,
    RANGE_WALKERS,
    STORING_WALKERS,
    Area,
    Device,
    Exec,
    Exit,
    Expect,
    Fork,
    Ioremap,
    Iounmap,
    Kill,
    Look,
    Madvise,
    MemoryDisable,
    MemoryEnable,
    Mincore,
    Mlock,
    Mlockall,
    Mmap,
    Mprotect,
    Mremap,
    Mseal,
    Msync,
    Munlock,
    Munmap,
    Op,
    ProcessVmReadv,
    Program,
    Read,
    ReadMemtypeList,
    Release,
    ReleaseMemRegion,
    RemapFilePages,
    RemapPfnRange,
    RequestMemRegion,
    Span,
    Status,
    Thread,
    UnmapMappingRange,
    VfioClose,
    Walk,
    Write,
    ZapVmaPtes,
)
from pfnlab.programs.words import (
    ANON,
    KINDS,
    MAX_DEVICES,
    MAX_EXPECTS,
    MAX_LEAKED,
    MAX_LOWMEM_PAGES,
    MAX_OPS,
    MAX_PAGES,
    MAX_TASKS,
    MAX_TITLE,
    MAX_VALUE,
    MODES,
    PROTS,
    SERIES,
    did_you_mean,
    page_count,
    quoted,
)


class Scope(Names):
    """The judge of a program, told of its lines in order."""

    def __init__(self) -> None:
        super().__init__()
        self._schedule = Schedule(self)
        self._ops = 0
        self._expects = 0

    def text(self, keyword: str, text: str) -> None:
        """A title or question: one line of printable text."""
        if len(text) > MAX_TITLE:
            raise Wrong(f"`{keyword}` takes at most {MAX_TITLE} characters: shorten it", keyword)
        if text != " ".join(text.split()) or not text.isprintable():
            raise Wrong(f"`{keyword}` takes one line of printable text", keyword)
        if text.startswith(":"):
            raise Wrong(f"write the text straight after `{keyword}`, without `:`", keyword)
        if keyword == "asks" and text and not text.endswith("?"):
            raise Wrong("`asks` is a question: end it with `?`", keyword)

    def device(self, device: Device) -> None:
        """Declare *device*."""
        self.new_name(device.name, "device", "name")
        if device.name in self.devices:
            raise Wrong(f"there is a device `{device.name}` already: choose another name", "name")
        if len(self.devices) == MAX_DEVICES:
            raise Wrong(f"a program has at most {MAX_DEVICES} devices", "name")
        if device.kind not in KINDS:
            near = did_you_mean(device.kind, KINDS)
            raise Wrong(f"unknown kind of device {quoted(device.kind)}{near}", "kind")
        if device.pages < 1:
            raise Wrong("a device holds at least one page: write `1 page`", "pages")
        if device.kind == "lowmem" and device.pages > MAX_LOWMEM_PAGES:
            raise Wrong(f"a lowmem device is at most {MAX_LOWMEM_PAGES} pages", "pages")
        if device.pages > MAX_PAGES:
            raise Wrong("a device is at most 4 TiB: write `4 TiB` or less", "pages")
        self.devices[device.name] = device

    def area(self, area: Area) -> None:
        """Declare *area*."""
        self.new_name(area.name, "area", "name")
        if area.name in self.extents:
            raise Wrong(f"area `{area.name}` is declared already: choose another name", "name")
        if area.pages < 1:
            raise Wrong("an area holds at least one page: write `1 page`", "pages")
        if area.pages > MAX_PAGES:
            raise Wrong("an area is at most 4 TiB: write `4 TiB` or less", "pages")
        self.grow(area.name, area.pages)

    def op(self, op: Op) -> None:
        """Judge *op* and let it take effect on names."""
        if not self.devices:
            raise Wrong("no device yet: write `device  bar: pci, 16 pages` above the first operation", "verb")
        self._ops += 1
        if self._ops > MAX_OPS:
            raise Wrong(f"a program has at most {MAX_OPS} operations: split it", "verb")
        check_prefixes(op)
        if not isinstance(op.call, Release):  # which nobody does: whoever acts here may be held or gone
            self.acting(op.task)
        self._schedule.op(op)
        self._JUDGES[type(op.call)](self, op.call)
        self._lives(op)

    def _lives(self, op: Op) -> None:
        """Let *op* take effect on tasks."""
        if isinstance(op.call, Fork):
            self.born(op.call.child, op.call.child)
        elif isinstance(op.call, Thread):
            self.born(op.call.child, op.task)
        elif isinstance(op.call, (Exit, Kill)):
            self.gone(op.task, "exit" if isinstance(op.call, Exit) else "kill")
        elif isinstance(op.call, Exec) and len(self.threads(op.task)) > 1:
            ends = "exec ends the other threads of its process, which is not modelled"
            raise Wrong(f"{ends}: write `c = fork`, then `c: exec`", "verb")

    def expect(self, expect: Expect) -> None:
        """Judge an expectation."""
        self._schedule.end("first")
        self._expects += 1
        if self._expects > MAX_EXPECTS:
            raise Wrong(f"a program has at most {MAX_EXPECTS} expectations", "first")
        last = expect.first if expect.last is None else expect.last
        for series, part in ((expect.first, "first"), (last, "last")):
            if not SERIES.fullmatch(series):
                raise Wrong(f"{quoted(series)} is no kernel series: write one as `6.12`", part)
        if _series(last) < _series(expect.first):
            raise Wrong(f"the range runs backwards: write `{last}..{expect.first}`", "first")
        if len(expect.leaked) > MAX_LEAKED:
            raise Wrong(f"an expectation lists at most {MAX_LEAKED} entries", "leaked")
        for number, leaked in enumerate(expect.leaked):
            part = f"leaked{number}"
            if leaked.span.name not in self.devices:
                near = did_you_mean(leaked.span.name, self.devices)
                raise Wrong(f"there is no device {quoted(leaked.span.name)}{near}", part)
            forwards(leaked.span, part)
            if leaked.mode not in MODES:
                near = did_you_mean(leaked.mode, MODES)
                raise Wrong(f"unknown cache mode {quoted(leaked.mode)}{near}", part)

    def end(self) -> None:
        """The program is complete."""
        if not self.devices:
            raise Wrong("no device: write `device  bar: pci, 16 pages` in the header", "end")
        if not self._ops:
            raise Wrong("no operation: write at least one, as `a = mmap bar[0:16] wc shared rw`", "end")
        self._schedule.end("end")

    # Operations.

    def _mmap(self, call: Mmap) -> None:
        source = call.source
        if source.name == ANON:
            if source.start != 0:
                right = Span(ANON, 0, max(source.pages, 1))
                raise Wrong(f"anonymous memory has no pages to choose from: write {right}", "source")
            if call.via != ANON:
                raise Wrong("anonymous memory takes no via: leave the word out", "via")
        else:
            self._device_via(source, call.via)
            self._driver(call)
        forwards(source, "source")
        if source.pages > MAX_PAGES:
            raise Wrong("one mapping is at most 4 TiB: map fewer pages", "source")
        _prot(call.prot)
        if call.over is not None:
            if call.name is not None:
                raise Wrong(
                    f"a mapping over other pages takes no name: leave out `{call.name} =` or `over`", "name"
                )
            self.over(call.over, source.pages)
        elif call.name is None:
            raise Wrong(
                "a mapping needs a name or `over`: write `a = mmap ...` or `mmap ... over a[0:4]`", "verb"
            )
        else:
            self.bind(call.name, source.pages)

    def _driver(self, call: Mmap) -> None:
        """How the driver maps belongs to its own via, and a part lies inside the mapping."""
        if (call.driver is None) == (call.via == "driver"):
            raise Wrong("`driver` says how it maps, others do not: write `driver remap wc`", "via")
        if call.driver is None:
            return
        if (call.driver.part is None) == (call.driver.how == "part"):
            raise Wrong("`part` and only it names pages: write part[2:4]", "driver")
        if call.driver.part is not None:
            part = Span("part", *call.driver.part)
            forwards(part, "driver")
            if part.end > call.source.pages:
                raise Wrong(f"the mapping is {call.source.pages} pages: write a smaller part", "driver")
        if not call.shared and call.driver.how in ("fault", "fault_prot"):
            raise Wrong("a private mapping filled on fault stops the kernel: write `shared`", "sharing")

    def _pci(self, name: str) -> Device:
        device = self.devices.get(name)
        if device is None or device.kind != "pci":
            near = did_you_mean(name, [one for one, what in self.devices.items() if what.kind == "pci"])
            raise Wrong(f"there is no pci device {quoted(name)}{near}", "source")
        return device

    def _vfio(self, call: MemoryDisable | MemoryEnable | VfioClose) -> None:
        """What is done to a device as a whole is done to the one BAR of a guest."""
        self._alone(self._pci(call.device).name)

    def _alone(self, device: str) -> None:
        others = [name for name, one in self.devices.items() if one.kind == "pci" and name != device]
        if others:
            raise Wrong(
                f"vfio takes {device} as a whole, which {others[0]} would be part of: declare one pci device",
                "source",
            )

    def _on_device(self, call: UnmapMappingRange | RequestMemRegion | Ioremap) -> None:
        device = self._pci(call.span.name)
        forwards(call.span, "source")
        if call.span.end > device.pages:
            pages = device.pages
            raise Wrong(f"{device.name} is {pages} pages: write {device.name}[0:{pages}] at most", "source")

    def _device_via(self, source: Span, via: str) -> None:
        device = self.devices.get(source.name)
        if device is None:
            if source.name in self.extents:
                raise Wrong(f"{source.name} is an area: mmap takes pages of a device or anon", "source")
            near = did_you_mean(source.name, (*self.devices, ANON))
            raise Wrong(f"there is no device {quoted(source.name)}{near}", "source")
        vias = PCI_VIAS if device.kind == "pci" else LOWMEM_VIAS
        if via not in vias:
            raise Wrong(
                f"{device.name} is {article(device.kind)} device and cannot be mapped by `{via}`"
                f": write one of {', '.join(vias)}",
                "via",
            )
        if via == "vfio":
            self._alone(device.name)

    def _mremap(self, call: Mremap) -> None:
        self.pages(call.span, "span", empty=True)
        if call.pages < 0:
            raise Wrong("a size is not negative: write `1 page` or more", "pages")
        if call.pages > MAX_PAGES:
            raise Wrong("one mapping is at most 4 TiB: write `4 TiB` or less", "pages")
        if call.name is None and call.over is None:
            if call.fixed:
                raise Wrong(
                    "`fixed` needs a destination: write `b = mremap ... fixed` or `... fixed over b[0:4]`",
                    "fixed",
                )
            return
        if not call.fixed:
            raise Wrong("a destination needs the word `fixed`: write it after the page count", "verb")
        if call.pages == 0:
            raise Wrong("nothing can be moved as 0 pages: write `1 page` or more", "pages")
        if call.over is not None:
            if call.name is not None:
                raise Wrong(f"two destinations: leave out `{call.name} =` or `over`", "name")
            self.over(call.over, call.pages)
        elif call.name is not None:
            self.bind(call.name, call.pages)

    def _range(
        self, call: Munmap | Mlock | Munlock | Msync | Mseal | Mincore | ZapVmaPtes | RemapPfnRange
    ) -> None:
        self.pages(call.span, "span")

    def _mprotect(self, call: Mprotect) -> None:
        self.pages(call.span, "span")
        _prot(call.prot)

    def _madvise(self, call: Madvise) -> None:
        self.pages(call.span, "span")
        if call.advice not in ADVICE:
            raise Wrong(f"unknown advice {quoted(call.advice)}{did_you_mean(call.advice, ADVICE)}", "advice")

    def _access(self, call: Read | Write | ProcessVmReadv | Walk) -> None:
        self.pages(call.span, "span")
        verb = {Read: "read", Write: "write"}.get(type(call), "process_vm_readv")
        verb = call.walker if isinstance(call, Walk) else verb
        if call.span.pages != 1:
            raise Wrong(f"{verb} takes one page: write {call.span.name}[{call.span.start}]", "span")
        value = call.value if isinstance(call, Write | Walk) else None
        if value is not None and not 0 <= value <= MAX_VALUE:
            raise Wrong("a store is 32 bits wide: write 0 to 0xffffffff", "value")

    def _walk(self, call: Walk) -> None:
        if (call.value is None) == (call.walker in STORING_WALKERS):
            right = f"`{call.walker} {call.span}{' 7' * (call.value is None)}`"
            raise Wrong(f"{', '.join(STORING_WALKERS)} store a value, others none: write {right}", "value")
        if call.walker in RANGE_WALKERS:
            self.pages(call.span, "span")
        else:
            self._access(call)

    def _remap_file_pages(self, call: RemapFilePages) -> None:
        self.pages(call.span, "span")
        self._device_via(call.source, call.via)
        if call.source.pages != call.span.pages:
            right = Span(call.source.name, call.source.start, call.source.start + call.span.pages)
            raise Wrong(f"{call.span} is {page_count(call.span.pages)}: write {right}", "source")

    def _birth(self, call: Fork | Thread) -> None:
        if call.child in self.tasks and call.child != MAIN_TASK:
            raise Wrong(f"there is a task `{call.child}` already: choose another name", "name")
        self.new_name(call.child, "task", "name")
        if len(self.tasks) == MAX_TASKS:
            raise Wrong(f"a program has at most {MAX_TASKS} tasks", "name")

    def _plain(self, call: object) -> None:
        """An operation without operands can always be."""

    _JUDGES: dict[type, Callable[[Any, Any], None]] = {  # noqa: RUF012 (a table, never changed)
        Mmap: _mmap,
        Munmap: _range,
        Mremap: _mremap,
        Mlock: _range,
        Munlock: _range,
        Mlockall: _plain,
        Msync: _range,
        Mseal: _range,
        Mprotect: _mprotect,
        Madvise: _madvise,
        Read: _access,
        Write: _access,
        Fork: _birth,
        Thread: _birth,
        Exec: _plain,
        Exit: _plain,
        Kill: _plain,
        Look: _plain,
        Mincore: _range,
        Walk: _walk,
        RemapFilePages: _remap_file_pages,
        Status: _plain,
        ProcessVmReadv: _access,
        ZapVmaPtes: _range,
        RemapPfnRange: _range,
        UnmapMappingRange: _on_device,
        RequestMemRegion: _on_device,
        ReleaseMemRegion: _plain,
        Ioremap: _on_device,
        Iounmap: _plain,
        MemoryDisable: _vfio,
        MemoryEnable: _vfio,
        VfioClose: _vfio,
        ReadMemtypeList: _plain,
        Release: _plain,
    }


def _prot(prot: str) -> None:
    """Refuse anything but ``none`` or letters of ``rwx`` in that order."""
    if prot in PROTS:
        return
    if prot and not prot.strip("rwx"):
        right = "".join(letter for letter in "rwx" if letter in prot)
        raise Wrong(f"write protection letters once and in the order rwx: `{right}`", "prot")
    raise Wrong(f"{quoted(prot)} is no protection: write `none` or letters of `rwx`", "prot")


def _series(series: str) -> tuple[int, ...]:
    return tuple(int(part) for part in series.split("."))


def check_program(program: Program, source: str = "<program>") -> None:
    """Judge a whole program that did not come from text.

    :raises ProgramError: naming the header, operation or expectation by its number
    """
    scope = Scope()
    place = "title"
    try:
        scope.text("title", program.title)
        place = "asks"
        scope.text("asks", program.asks)
        for number, device in enumerate(program.devices, 1):
            place = f"device {number}"
            scope.device(device)
        for number, area in enumerate(program.areas, 1):
            place = f"area {number}"
            scope.area(area)
        for number, op in enumerate(program.ops, 1):
            place = f"operation {number}"
            scope.op(op)
        for number, expect in enumerate(program.expects, 1):
            place = f"expectation {number}"
            scope.expect(expect)
        place = "program"
        scope.end()
    except Wrong as wrong:
        raise ProgramError(f"{place}: {wrong.message}", source=source) from None
