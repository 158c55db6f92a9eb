"""The static rules of a program: the meaning of devices, areas, tasks and ranges.

A :class:`ProgramValidity` is given every header, operation and expectation in order and knows the meaning of
names at that point. It judges values, not text, so the text and the JSON form obey the same rules.
"""

from __future__ import annotations

from pfnlab.base.errors import ProgramError
from pfnlab.kernel.policies.releases import is_series, series_of, version_key
from pfnlab.programs.lang.call_validity import CallValidity
from pfnlab.programs.lang.names import Wrong, article, forwards
from pfnlab.programs.lang.ops import (
    END_KINDS,
    ONLY_KINDS,
    Area,
    Device,
    Exec,
    Exit,
    Expect,
    Fork,
    Kill,
    Op,
    Program,
    Release,
    Thread,
)
from pfnlab.programs.lang.process_ops import ProcessMrelease
from pfnlab.programs.lang.schedule_validity import ScheduleValidity, check_prefixes
from pfnlab.programs.lang.words import (
    KERNEL,
    KINDS,
    MAX_DEVICES,
    MAX_EXPECTS,
    MAX_LEAKED,
    MAX_OPS,
    MAX_PAGES,
    MAX_TITLE,
    MODES,
    MOST_PAGES,
    did_you_mean,
    quoted,
)


class ProgramValidity(CallValidity):
    """The judge of a program, given its lines in order."""

    def __init__(self) -> None:
        super().__init__()
        self._schedule = ScheduleValidity(self)
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
            hint = did_you_mean(device.kind, KINDS)
            raise Wrong(f"unknown kind of device {quoted(device.kind)}{hint}", "kind")
        if device.pages < 1:
            raise Wrong("a device holds at least one page: write `1 page`", "pages")
        most = MOST_PAGES.get(device.kind)
        if most is not None and device.pages > most:
            raise Wrong(f"{article(device.kind)} device is at most {most} pages", "pages")
        twin = next((other for other in self.devices.values() if other.kind == device.kind), None)
        if device.kind in ONLY_KINDS and twin is not None:
            raise Wrong(f"{twin.name} is the {device.kind} device of the machine: declare one", "kind")
        other_end = next((other for other in self.devices.values() if other.kind in END_KINDS), None)
        if device.kind in END_KINDS and other_end is not None:
            raise Wrong(
                f"{other_end.name} is the {other_end.kind} device, and a machine has one end: declare one",
                "kind",
            )
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
        if not isinstance(op.call, Release):  # which is no task's: the task may be held or ended
            self.check_alive(op.task)
        self._schedule.op(op)
        self.call(op.call)
        self._update_tasks(op)

    def _update_tasks(self, op: Op) -> None:
        """Let *op* take effect on tasks."""
        if isinstance(op.call, Fork):
            self.add_task(op.call.child, op.call.child)
        elif isinstance(op.call, Thread):
            self.add_task(op.call.child, op.task)
        elif isinstance(op.call, (Exit, Kill)):
            self.end_process(op.task, "exit" if isinstance(op.call, Exit) else "kill")
        elif isinstance(op.call, ProcessMrelease) and op.call.killed:
            self.end_process(op.call.victim, "kill")
        elif isinstance(op.call, Exec) and len(self.threads(op.task)) > 1:
            problem = "exec ends the other threads of its process, which is not modelled"
            raise Wrong(f"{problem}: write `c = fork`, then `c: exec`", "verb")

    def expect(self, expect: Expect) -> None:
        """Judge an expectation."""
        self._schedule.end("first")
        self._expects += 1
        if self._expects > MAX_EXPECTS:
            raise Wrong(f"a program has at most {MAX_EXPECTS} expectations", "first")
        first, last = expect.first, expect.first if expect.last is None else expect.last
        for kernel, part in ((first, "first"), (last, "last")):
            if not KERNEL.fullmatch(kernel):
                raise Wrong(f"{quoted(kernel)} is no kernel: write a series as `6.12`, or `6.12.23`", part)
        if not (is_series(first) and is_series(last)) and series_of(first) != series_of(last):
            raise Wrong(f"versions of a range are of one series: write `{first}..`, up to its end", "last")
        if is_series(first) != is_series(last):
            raise Wrong(f"a range has two series or two versions: write `{series_of(first)}`", "last")
        if version_key(last) < version_key(first):
            raise Wrong(f"the range runs backwards: write `{last}..{first}`", "first")
        if len(expect.leaked) > MAX_LEAKED:
            raise Wrong(f"an expectation lists at most {MAX_LEAKED} entries", "leaked")
        for number, leaked in enumerate(expect.leaked):
            part = f"leaked{number}"
            if leaked.span.name not in self.devices:
                hint = did_you_mean(leaked.span.name, self.devices)
                raise Wrong(f"there is no device {quoted(leaked.span.name)}{hint}", part)
            forwards(leaked.span, part)
            if leaked.mode not in MODES:
                hint = did_you_mean(leaked.mode, MODES)
                raise Wrong(f"unknown cache mode {quoted(leaked.mode)}{hint}", part)

    def end(self) -> None:
        """The program is complete."""
        if not self.devices:
            raise Wrong("no device: write `device  bar: pci, 16 pages` in the header", "end")
        if not self._ops:
            raise Wrong("no operation: write at least one, as `a = mmap bar[0:16] wc shared rw`", "end")
        self._schedule.end("end")


def check_program(program: Program, source: str = "<program>") -> None:
    """Judge a whole program that did not come from text.

    :raises ProgramError: naming the header, operation or expectation by its number
    """
    scope = ProgramValidity()
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
