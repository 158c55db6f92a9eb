"""The static rules for programs and their schedules: devices, areas, tasks, ranges and held processors.

A :class:`ProgramValidity` is given every header, operation and expectation in order, and knows
what names mean at each point. It checks values rather than text, so the text form and the JSON
form follow the same rules.
"""

from pfnlab.base.errors import ProgramError
from pfnlab.base.spelling import did_you_mean
from pfnlab.kernel.policies.releases import is_series, series_of, version_key
from pfnlab.programs.lang import ops, words
from pfnlab.programs.lang.call_validity import CallValidity
from pfnlab.programs.lang.device_ops import SlotCall
from pfnlab.programs.lang.names import Names, Wrong, article, forwards
from pfnlab.programs.lang.printer import call_text
from pfnlab.programs.lang.process_ops import ProcessMrelease

#: Operations that cannot be held: they end or replace a task's program, start a thread, or do nothing.
_NEVER_HELD = ops.Exit | ops.Kill | ops.Exec | ops.Thread | ops.Look | ops.Release

#: Operations that start a thread or add or remove devices; not allowed while a processor is held.
_NOT_WHILE_HELD = ops.Thread | SlotCall


#: The largest number of processors that can be held at a time.
MAX_HELD = 2


class ScheduleValidity:
    """The held processors while a program's operations are checked in order.

    :param names: what names mean at this operation
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        #: The tasks whose processors are held, in the order in which they stopped, each with its operation.
        self._held: dict[str, str] = {}
        #: Tasks forked while a processor was held.
        self._newborn: set[str] = set()

    def op(self, op: ops.Op) -> None:
        """Check *op*, and apply its effect on the held processors."""
        if isinstance(op.call, ProcessMrelease) and op.call.killed:
            self._killed(op)
        if isinstance(op.call, ops.Release):
            self._release(op, op.call.held)
        elif self._held:
            self._while_held(op)
        if op.hold is not None:
            self._held[op.task] = call_text(op.call, self._names.mapped)
        if self._held and isinstance(op.call, ops.Fork):
            self._newborn.add(op.call.child)

    def end(self, part: str) -> None:
        """Refuse to end the operations while a processor is held."""
        for task, call in self._held.items():
            release = f"release {task}" if len(self._held) > 1 else "release"
            raise Wrong(f"`{task}` is still held in `{call}`: write `{release}` as the last operation", part)

    def _release(self, op: ops.Op, task: str | None) -> None:
        if op.task != ops.MAIN_TASK:
            raise Wrong("release takes no task before it: write `release` alone", "task")
        if not self._held:
            raise Wrong("nothing is held here: write `hold unmap_vmas: munmap a` above", "verb")
        names = " or ".join(f"`release {held}`" for held in self._held)
        # The order of resumption is the whole point of such a program, so its text must state it.
        if task is None and len(self._held) > 1:
            raise Wrong(f"{len(self._held)} processors are held: write {names}", "verb")
        if task is not None and task not in self._held:
            raise Wrong(f"task `{task}` is not held here: write {names}", "held")
        self._held.pop(next(iter(self._held)) if task is None else task)
        if not self._held:
            self._newborn.clear()

    def _killed(self, op: ops.Op) -> None:
        """Check that something keeps a process that is killed but not waited for from exiting."""
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

    def _while_held(self, op: ops.Op) -> None:
        elsewhere = "write it above the `hold` or below `release`"
        if op.task in self._held:
            problem = f"task `{op.task}` is held in `{self._held[op.task]}` until `release`"
            raise Wrong(f"{problem}: let another task act", "task")
        if op.hold is not None and len(self._held) == MAX_HELD:
            first = next(iter(self._held))
            raise Wrong(f"{MAX_HELD} processors are held at a time: write `release {first}` above", "hold")
        if op.task in self._newborn:
            problem = f"task `{op.task}` is forked while a processor is held and acts after `release` only"
            raise Wrong(f"{problem}: let another task act", "task")
        threads = self._names.threads(op.task) if isinstance(op.call, ops.Exit | ops.Kill) else ()
        for task, call in self._held.items():
            if task in threads:
                problem = f"task `{task}` of this process is held in `{call}` until `release`"
                raise Wrong(f"{problem}: let another process end", "verb")
        if isinstance(op.call, _NOT_WHILE_HELD):
            verb = words.word_of(type(op.call))
            raise Wrong(f"no {verb} while a processor is held: {elsewhere}", "verb")
        for prefix, forced in (("fail", op.fail), ("skip", op.skip)):
            if forced is not None:
                raise Wrong(f"no `{prefix}` while a processor is held: {elsewhere}", prefix)


def check_prefixes(op: ops.Op) -> None:
    """Refuse prefixes that lack a function or a call, or clash with each other or with the operation."""
    for prefix, forced in (("fail", op.fail), ("skip", op.skip), ("hold", op.hold)):
        if forced is None:
            continue
        _function(forced.function, prefix, "function")
        if not 1 <= forced.nth <= words.MAX_NTH:
            raise Wrong(f"calls count from 1 to {words.MAX_NTH}: write 1 for the first", f"{prefix} nth")
        if op.fail is not None and prefix != "fail":
            raise Wrong(f"`fail` stands alone: leave out `fail` or `{prefix}`", prefix)
    if op.fail is not None and op.fail.inside is not None:
        _function(op.fail.inside, "fail", "inside")
    if op.hold is None:
        return
    example = words.PREFIXES["hold"]
    if isinstance(op.call, SlotCall):
        raise Wrong(f"no `hold` in {words.word_of(type(op.call))}: write {example}", "hold")
    if isinstance(op.call, _NEVER_HELD):
        raise Wrong(f"`hold` takes an operation that comes back to its task: write {example}", "hold")


def _function(name: str, prefix: str, field: str) -> None:
    # `return` looks like a name, but is not one in C or in a hold.
    if name == "return" or not words.FUNCTION.fullmatch(name):
        example = "__pte_alloc" if prefix == "fail" else "unmap_vmas"
        raise Wrong(
            f"{words.quoted(name)} is not a kernel function: write one, e.g. {example}", f"{prefix} {field}"
        )


class ProgramValidity(CallValidity):
    """The checker for a program, which is given its lines in order."""

    def __init__(self) -> None:
        super().__init__()
        self._schedule = ScheduleValidity(self)
        self._ops = 0
        self._expects = 0

    def text(self, keyword: str, text: str) -> None:
        """Check a title or question: a single line of printable text."""
        if len(text) > words.MAX_TITLE:
            raise Wrong(f"`{keyword}` takes at most {words.MAX_TITLE} characters: shorten it", keyword)
        if text != " ".join(text.split()) or not text.isprintable():
            raise Wrong(f"`{keyword}` takes one line of printable text", keyword)
        if text.startswith(":"):
            raise Wrong(f"write the text straight after `{keyword}`, without `:`", keyword)
        if keyword == "asks" and text and not text.endswith("?"):
            raise Wrong("`asks` is a question: end it with `?`", keyword)

    def device(self, device: ops.Device) -> None:
        """Declare *device*."""
        self.new_name(device.name, "device", "name")
        if device.name in self.devices:
            raise Wrong(f"there is a device `{device.name}` already: choose another name", "name")
        if len(self.devices) == words.MAX_DEVICES:
            raise Wrong(f"a program has at most {words.MAX_DEVICES} devices", "name")
        if device.kind not in words.KINDS:
            hint = did_you_mean(device.kind, words.KINDS)
            raise Wrong(f"unknown kind of device {words.quoted(device.kind)}{hint}", "kind")
        if device.pages < 1:
            raise Wrong("a device holds at least one page: write `1 page`", "pages")
        most = words.MOST_PAGES.get(device.kind)
        if most is not None and device.pages > most:
            raise Wrong(f"{article(device.kind)} device is at most {most} pages", "pages")
        twin = next((other for other in self.devices.values() if other.kind == device.kind), None)
        if device.kind in ops.ONLY_KINDS and twin is not None:
            raise Wrong(f"{twin.name} is the {device.kind} device of the machine: declare one", "kind")
        other_end = next((other for other in self.devices.values() if other.kind in ops.END_KINDS), None)
        if device.kind in ops.END_KINDS and other_end is not None:
            raise Wrong(
                f"{other_end.name} is the {other_end.kind} device, and a machine has one end: declare one",
                "kind",
            )
        if device.pages > words.MAX_PAGES:
            raise Wrong("a device is at most 4 TiB: write `4 TiB` or less", "pages")
        self.devices[device.name] = device

    def area(self, area: ops.Area) -> None:
        """Declare *area*."""
        self.new_name(area.name, "area", "name")
        if area.name in self.extents:
            raise Wrong(f"area `{area.name}` is declared already: choose another name", "name")
        if area.pages < 1:
            raise Wrong("an area holds at least one page: write `1 page`", "pages")
        if area.pages > words.MAX_PAGES:
            raise Wrong("an area is at most 4 TiB: write `4 TiB` or less", "pages")
        self.grow(area.name, area.pages)

    def op(self, op: ops.Op) -> None:
        """Check *op*, and apply its effect on names."""
        if not self.devices:
            raise Wrong("no device yet: write `device  bar: pci, 16 pages` above the first operation", "verb")
        self._ops += 1
        if self._ops > words.MAX_OPS:
            raise Wrong(f"a program has at most {words.MAX_OPS} operations: split it", "verb")
        check_prefixes(op)
        if not isinstance(op.call, ops.Release):  # a release belongs to no task
            self.check_alive(op.task)
        self._schedule.op(op)
        self.call(op.call)
        self._update_tasks(op)

    def _update_tasks(self, op: ops.Op) -> None:
        """Apply *op*'s effect on tasks."""
        if isinstance(op.call, ops.Fork):
            self.add_task(op.call.child, op.call.child)
        elif isinstance(op.call, ops.Thread):
            self.add_task(op.call.child, op.task)
        elif isinstance(op.call, (ops.Exit, ops.Kill)):
            self.end_process(op.task, "exit" if isinstance(op.call, ops.Exit) else "kill")
        elif isinstance(op.call, ProcessMrelease) and op.call.killed:
            self.end_process(op.call.victim, "kill")
        elif isinstance(op.call, ops.Exec) and len(self.threads(op.task)) > 1:
            problem = "exec ends the other threads of its process, which is not modelled"
            raise Wrong(f"{problem}: write `c = fork`, then `c: exec`", "verb")

    def expect(self, expect: ops.Expect) -> None:
        """Check an expectation."""
        self._schedule.end("first")
        self._expects += 1
        if self._expects > words.MAX_EXPECTS:
            raise Wrong(f"a program has at most {words.MAX_EXPECTS} expectations", "first")
        first, last = expect.first, expect.first if expect.last is None else expect.last
        for kernel, part in ((first, "first"), (last, "last")):
            if not words.KERNEL.fullmatch(kernel):
                raise Wrong(
                    f"{words.quoted(kernel)} is not a kernel: write a series, e.g. `6.12`, or `6.12.23`", part
                )
        if not (is_series(first) and is_series(last)) and series_of(first) != series_of(last):
            raise Wrong(f"versions of a range are of one series: write `{first}..`, up to its end", "last")
        if is_series(first) != is_series(last):
            raise Wrong(f"a range has two series or two versions: write `{series_of(first)}`", "last")
        if version_key(last) < version_key(first):
            raise Wrong(f"the range runs backwards: write `{last}..{first}`", "first")
        if expect.keeps and not words.PROPERTY.fullmatch(expect.keeps):
            raise Wrong(
                f"{words.quoted(expect.keeps)} is not a property: write e.g. `keeps no_leak`", "keeps"
            )
        if expect.keeps and expect.leaked:
            raise Wrong("an expectation is about entries or about a property: write two lines", "leaked")
        if len(expect.leaked) > words.MAX_LEAKED:
            raise Wrong(f"an expectation lists at most {words.MAX_LEAKED} entries", "leaked")
        for number, leaked in enumerate(expect.leaked):
            part = f"leaked{number}"
            if leaked.span.name not in self.devices:
                hint = did_you_mean(leaked.span.name, self.devices)
                raise Wrong(f"there is no device {words.quoted(leaked.span.name)}{hint}", part)
            forwards(leaked.span, part)
            if leaked.mode not in words.MODES:
                hint = did_you_mean(leaked.mode, words.MODES)
                raise Wrong(f"unknown cache mode {words.quoted(leaked.mode)}{hint}", part)

    def end(self) -> None:
        """Check the complete program."""
        if not self.devices:
            raise Wrong("no device: write `device  bar: pci, 16 pages` in the header", "end")
        if not self._ops:
            raise Wrong("no operation: write at least one, e.g. `a = mmap bar[0:16] wc shared rw`", "end")
        self._schedule.end("end")


def check_program(program: ops.Program, source: str = "<program>") -> None:
    """Check a whole program that does not come from text.

    :raises ProgramError: the message gives the number of the header, operation or expectation
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
