"""The rules for single operations: their ranges, devices, modes and destinations, given the lines above."""

from typing import Any, assert_never

from pfnlab.base.spelling import did_you_mean
from pfnlab.base.units import PAGE_SIZE
from pfnlab.programs.lang import ops, walk_ops, words
from pfnlab.programs.lang.areas import SHOWING, VVAR, areas_showing
from pfnlab.programs.lang.device_ops import SHARED_ONLY, UnmapMappingRange
from pfnlab.programs.lang.fields import Ending, Field, Flag, Shape, Word
from pfnlab.programs.lang.names import DeviceValidity, Wrong, forwards
from pfnlab.programs.lang.span import Span


class CallValidity(DeviceValidity):
    """Checks single operations; :class:`~pfnlab.programs.lang.names.Names` records what they do to names."""

    def __init__(self) -> None:
        super().__init__()
        self._showing: list[ops.Call] = []
        #: Areas that are stored to, and areas where bytes in more than one page are moved.
        self._stored: set[str] = set()
        self._crossed: set[str] = set()

    def call(self, call: ops.Call) -> None:
        """Refuse an operation that breaks a rule; otherwise apply its effect on areas."""
        if words.is_by_hand(call):
            self._by_hand(call)
        else:
            for name, field in zip(call.__struct_fields__, words.ROWS[type(call)].fields, strict=True):
                self._field(call, name, field, getattr(call, name))
        self._harmless(call)

    def _by_hand(self, call: words.ByHand) -> None:
        """Check an operation that is not in the table."""
        match call:
            case ops.Mmap():
                self._mmap(call)
            case ops.Mremap():
                self._mremap(call)
            case ops.Fork() | ops.Thread():
                self._birth(call)
            case walk_ops.Walk():
                self._walk(call)
            case walk_ops.ProcessVmReadv():
                self._access("process_vm_readv", call.span)
                self._bytes("process_vm_readv", call.bytes, None)
            case ops.RemapFilePages():
                self._remap_file_pages(call)
            case UnmapMappingRange():
                self._unmap_mapping_range(call)
            case _:
                assert_never(call)

    def _field(self, call: ops.Call, name: str, field: Field, value: Any) -> None:
        """Check the field *name* of an operation in the table."""
        match field:
            case Shape.RANGE:
                self.pages(value, "span")
            case Shape.ACCESS:
                self._access(words.word_of(type(call)), value)
            case Shape.DEVICE_PAGES:
                self._on_device(value)
            case Shape.MEMORY:
                self._on_memory(value)
            case Shape.OWN_PAGES:
                self._own_pages(value)
            case Shape.SECTIONS:
                self._sections(words.word_of(type(call)), value)
            case Shape.DEVICE:
                self._device(call, value)
            case Shape.PROT:
                _prot(value)
            case Shape.VALUE:
                _value(value)
            case Shape.ROOM:
                if value is not None and not 0 <= value <= words.MAX_PAGES:
                    raise Wrong("a limit leaves at most 4 TiB: write `+0 pages` to `+4 TiB`", name)
            case Shape.ANY_TASK:
                self.check_known(value, name)
            case Shape.TASK:
                self.check_alive(value, name)
            case Word():
                if value not in field.numbers:
                    near = did_you_mean(value, field.numbers)
                    raise Wrong(f"unknown {field.says} {words.quoted(value)}{near}", name)
            case Ending() | Flag() | Shape.HELD:
                pass
            case _:
                assert_never(field)

    def _harmless(self, call: ops.Call) -> None:
        """Check that no store hits the kernel's own pages, and no access leaves physical address space."""
        if isinstance(call, SHOWING):
            self._showing.append(call)
        elif isinstance(call, ops.Write | walk_ops.Walk | walk_ops.ProcessVmReadv):
            part = None if isinstance(call, ops.Write) else call.bytes
            if isinstance(call, ops.Write) or (
                isinstance(call, walk_ops.Walk) and call.walker in walk_ops.STORING_WALKERS
            ):
                self._stored.add(call.span.name)
            if part is not None and part.offset + part.length > PAGE_SIZE:
                self._crossed.add(call.span.name)
        else:
            return
        own = {device.name for device in self.devices.values() if device.kind == "isa"}
        last = {device.name for device in self.devices.values() if device.kind in ops.END_KINDS}
        part_name = "span" if not isinstance(call, ops.Mmap) else "over" if call.over is not None else "name"
        for area in sorted(areas_showing(self._showing, own, shared=True) & self._stored):
            raise Wrong(
                f"a store to {area} may reach pages of {min(own)}, which are the kernel's own: "
                f"store to another area, or map {min(own)} private",
                part_name,
            )
        for area in sorted(areas_showing(self._showing, last) & self._crossed):
            raise Wrong(
                f"there is no memory after the last page of {min(last)}, which {area} may show: "
                "move bytes of one page",
                part_name,
            )

    def _mmap(self, call: ops.Mmap) -> None:
        source = call.source
        if source.name in words.NO_DEVICE:
            kind = words.KIND_OF_MEMORY[source.name]
            if source.start != 0:
                right = Span(source.name, 0, max(source.pages, 1))
                raise Wrong(f"{kind} has no pages to choose from: write {right}", "source")
            if call.via != source.name:
                raise Wrong(f"{kind} takes no via: leave the word out", "via")
            if source.name == words.PERF and source.pages > words.MAX_PERF_PAGES:
                raise Wrong(
                    f"{kind} is at most {words.MAX_PERF_PAGES} pages: write {words.PERF}[0:5]", "source"
                )
        else:
            self._device_via(source, call.via)
            self._driver(call)
        forwards(source, "source")
        if source.pages > words.MAX_PAGES:
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

    def _driver(self, call: ops.Mmap) -> None:
        """Check that the driver's way of mapping fits the interface, and a part is inside the mapping."""
        if (call.driver is None) == (call.via == "driver"):
            raise Wrong("only `driver` takes a way to map, and needs one: write `driver remap wc`", "via")
        if call.driver is None:
            return
        if (call.driver.part is None) == (call.driver.how == "part"):
            raise Wrong("only `part` takes pages, and needs them: write part[2:4]", "driver")
        if call.driver.part is not None:
            part = Span("part", *call.driver.part)
            forwards(part, "driver")
            if part.end > call.source.pages:
                raise Wrong(
                    f"the mapping is {words.page_count(call.source.pages)}: write a smaller part", "driver"
                )
        device = self.devices[call.source.name]
        if call.driver.how == "fault_moved" and not moves_inside(device, call.source):
            whole = device.pages // 8 * 8
            right = f"map pages of the first {whole}" if whole else "write `fault`"
            raise Wrong(f"faults insert frames four pages away, of a pci device: {right}", "driver")
        if not call.shared and call.driver.how in SHARED_ONLY:
            raise Wrong("a private mapping filled on fault stops the kernel: write `shared`", "sharing")

    def _mremap(self, call: ops.Mremap) -> None:
        if call.span.name == VVAR:
            self._vvar(call)
        else:
            self.pages(call.span, "span", empty=True)
        if call.pages < 0:
            raise Wrong("a size is not negative: write `1 page` or more", "pages")
        if call.pages > words.MAX_PAGES:
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

    def _vvar(self, call: ops.Mremap) -> None:
        """Check that the clock pages are only moved to an area; where they start out is up to the kernel."""
        forwards(call.span, "span", empty=True)
        if call.span.end > words.VVAR_PAGES:
            raise Wrong(
                f"{VVAR} is {words.page_count(words.VVAR_PAGES)}: write {VVAR}[0:{words.VVAR_PAGES}] at most",
                "span",
            )
        if call.name is None and call.over is None:
            raise Wrong(f"{VVAR} can only be moved to an area: write {words.VVAR_MOVED}", "verb")

    def _access(self, verb: str, span: Span) -> None:
        self.pages(span, "span")
        if span.pages != 1:
            raise Wrong(f"{verb} takes one page: write {span.name}[{span.start}]", "span")

    def _bytes(self, verb: str, part: walk_ops.ByteRange | None, first: int | None) -> None:
        """Check that the bytes start in the named page, and that a guest can report them."""
        if part is None:
            return
        if not 0 <= part.offset < PAGE_SIZE:
            raise Wrong(
                f"bytes begin in the page that is named: write `at 0` to `at {PAGE_SIZE - 1}`", "bytes"
            )
        if not 0 < part.length <= walk_ops.MAX_BYTES_MOVED:
            raise Wrong(f"{verb} moves 1 to {walk_ops.MAX_BYTES_MOVED} bytes: write as many", "length")
        if first is not None and not 0 <= first <= 0xFF:
            raise Wrong("the first byte is 8 bits wide, and the others ascend: write 0 to 0xff", "value")

    def _walk(self, call: walk_ops.Walk) -> None:
        if (call.value is None) == (call.walker in walk_ops.STORING_WALKERS):
            right = f"`{call.walker} {call.span}{' 7' * (call.value is None)}`"
            raise Wrong(
                f"{', '.join(walk_ops.STORING_WALKERS)} store a value, others none: write {right}", "value"
            )
        if call.bytes is not None and call.walker not in walk_ops.BYTE_WALKERS:
            raise Wrong(
                f"{', '.join(walk_ops.BYTE_WALKERS)} take bytes, {call.walker} does not: leave them out",
                "bytes",
            )
        if call.node is not None and call.walker != "move_pages":
            raise Wrong(f"move_pages takes a node, {call.walker} does not: leave it out", "node")
        if call.walker in walk_ops.RANGE_WALKERS:
            self.pages(call.span, "span")
        else:
            self._access(call.walker, call.span)
            self._bytes(call.walker, call.bytes, call.value)
            if call.value is not None:
                _value(call.value)

    def _remap_file_pages(self, call: ops.RemapFilePages) -> None:
        self.pages(call.span, "span")
        self._device_via(call.source, call.via)
        device = self.devices[call.source.name]
        if device.kind in ops.END_KINDS and call.source.end > device.pages:
            raise Wrong(
                f"there is nothing behind {device.name}: write {device.name}[0:{device.pages}] at most",
                "source",
            )
        if call.source.pages != call.span.pages:
            right = Span(call.source.name, call.source.start, call.source.start + call.span.pages)
            raise Wrong(f"{call.span} is {words.page_count(call.span.pages)}: write {right}", "source")

    def _birth(self, call: ops.Fork | ops.Thread) -> None:
        if call.child in self.tasks and call.child != ops.MAIN_TASK:
            raise Wrong(f"there is a task `{call.child}` already: choose another name", "name")
        self.new_name(call.child, "task", "name")
        if len(self.tasks) == words.MAX_TASKS:
            raise Wrong(f"a program has at most {words.MAX_TASKS} tasks", "name")


def moves_inside(device: ops.Device, span: Span) -> bool:
    """True if `fault_moved` for *span* inserts only frames of *device*, from the other half of each eight."""
    return device.kind == "pci" and span.end <= device.pages // 8 * 8


def _value(value: int) -> None:
    if not 0 <= value <= words.MAX_VALUE:
        raise Wrong("a store is 32 bits wide: write 0 to 0xffffffff", "value")


def _prot(prot: str) -> None:
    """Refuse anything but ``none`` or letters from ``rwx`` in that order."""
    if prot in words.PROTS:
        return
    if prot and not prot.strip("rwx"):
        right = "".join(letter for letter in "rwx" if letter in prot)
        raise Wrong(f"write protection letters once and in the order rwx: `{right}`", "prot")
    raise Wrong(f"{words.quoted(prot)} is not a protection: write `none` or letters of `rwx`", "prot")
