"""The text form of a program: one header, operation or expectation per line.

The grammar, where ``SPAN`` is ``a[4:8]``, ``a[3]`` or ``a`` (all of what a maps)::

    pfnlab program 1
    title TEXT          asks TEXT?
    thp always|madvise|never
    device NAME: pci|lowmem|isa|top|limit, SIZE
    area NAME: SIZE
    [fail FUNCTION N [in FUNCTION]:] [skip FUNCTION [N]:] [hold FUNCTION [N] [return]:] [TASK:] OPERATION
    expect KERNEL[..[KERNEL]] nothing left | leaked SPAN MODE, ... | keeps PROPERTY

The parser is written by hand rather than generated, because every refusal includes a correction, which
depends on where in the operation reading stopped.
"""

from collections.abc import Collection, Iterable

from pfnlab.base.errors import ProgramError
from pfnlab.programs.lang.call_reader import CallReader
from pfnlab.programs.lang.forced import Fail, Hold, Skip
from pfnlab.programs.lang.lines import Line, lines_of
from pfnlab.programs.lang.names import Wrong
from pfnlab.programs.lang.ops import MAIN_TASK, Area, Device, Expect, LeakedEntry, Op, Program, Thp
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import FIRST_LINE, KINDS, MODES, PREFIXES, THP, VERSION, quoted


class Reading(CallReader):
    """A program being read, line by line."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.texts: dict[str, str] = {}
        self.thp: Thp | None = None
        self.devices: list[Device] = []
        self.areas: list[Area] = []
        self.ops: list[Op] = []
        self.expects: list[Expect] = []
        self._started = False

    def go_on(self, program: Program) -> None:
        """Continue after the operations of *program*, which was checked before and may be unfinished.

        The operations read from now on are in :attr:`ops`.
        """
        self._started = True
        for device in program.devices:
            self.scope.device(device)
        for area in program.areas:
            self.scope.area(area)
        for op in program.ops:
            self.scope.op(op)

    def lone_span(self, line: Line, devices: Collection[str]) -> Span:
        """Read a line that is just a range.

        :param devices: allow names that have pages without being mapped
        """
        try:
            is_device = line.next in devices
            span = self._source(line, "`bar[0:4]`") if is_device else self._span(line, "munmap")
        except Wrong as wrong:
            line.fail(wrong.message, self.at.get(wrong.part, 1))
        line.end("the range")
        if line.comment:
            line.fail("a range has no comment: write the range alone", len(line.raw.rstrip()))
        return span

    def line(self, line: Line) -> None:
        """Read one non-empty line."""
        self.at = {}
        of_word = {"thp": self._thp, "device": self._device, "area": self._area, "expect": self._expect}
        try:
            if not self._started:
                self._version(line)
            elif line.free is not None:
                self._text(line)
            elif line.next == "pfnlab":
                line.fail(f"the line `{FIRST_LINE}` appears once, at the top: delete this one")
            else:
                of_word.get(line.next, self._op)(line)
        except Wrong as wrong:
            start = line.tokens[0].column if line.tokens else 1
            line.fail(wrong.message, self.at.get(wrong.part, self.at.get("verb", start)))

    # Header

    def _version(self, line: Line) -> None:
        if line.next != "pfnlab" or line.after() != "program":
            line.fail(f"a program starts with the line `{FIRST_LINE}`: add it above")
        line.position = 2
        if line.kind == "series" or (line.kind == "number" and line.next != str(VERSION)):
            line.fail(f"this pfnlab reads version {VERSION}, not {line.next[:20]}: write `{FIRST_LINE}`")
        line.number_of("version", f"`{FIRST_LINE}`")
        line.end("the version")
        self._started = True

    def _in_header(self, line: Line, keyword: str, column: int) -> None:
        if self.ops or self.expects:
            line.fail(f"`{keyword}` belongs to the header: move it above the first operation", column)

    def _text(self, line: Line) -> None:
        assert line.free is not None
        keyword, text, column = line.free
        start = line.raw.index(keyword) + 1
        self._in_header(line, keyword, start)
        if keyword in self.texts:
            line.fail(f"there is a `{keyword}` line already: keep one", start)
        if not text:
            line.fail(f"`{keyword}` says nothing: write its text or leave the line out", start)
        self.at[keyword] = column
        self.scope.text(keyword, text)
        self.texts[keyword] = text

    def _thp(self, line: Line) -> None:
        self._in_header(line, "thp", line.column)
        if self.thp is not None:
            line.fail("there is a `thp` line already: keep one")
        line.take()
        self.thp = THP[line.choice("setting", THP, "`thp     always`")]
        line.end("the setting")

    def _declared(self, line: Line, example: str) -> str:
        """Read a declaration's keyword, name and colon."""
        keyword = line.next
        self._in_header(line, keyword, line.column)
        line.take()
        self.at["name"] = line.column
        name = line.word(f"{keyword} name", example)
        line.need(":", example)
        return name

    def _device(self, line: Line) -> None:
        example = "`device  bar: pci, 16 pages`"
        name = self._declared(line, example)
        self.at["kind"] = line.column
        kind = line.choice("kind of device", KINDS, example)
        line.need(",", example)
        self.at["pages"] = line.column
        device = Device(name, KINDS[kind], line.pages(example))
        line.end("the size")
        self.scope.device(device)
        self.devices.append(device)

    def _area(self, line: Line) -> None:
        example = "`area    z: 64 pages`"
        name = self._declared(line, example)
        self.at["pages"] = line.column
        area = Area(name, line.pages(example))
        line.end("the size")
        self.scope.area(area)
        self.areas.append(area)

    # Operations

    def _op(self, line: Line) -> None:
        if self.expects:
            line.fail("operations come before the first `expect`: move this line up")
        fail, skip, hold = read_prefixes(line, self.at)
        task = MAIN_TASK
        self.at["verb"] = self.at["task"] = line.column
        if line.kind == "word" and line.after() == ":":
            task = line.take()
            line.take()
        name = None
        self.at["name"] = line.column
        if line.kind == "word" and line.after() == "=":
            name = line.take()
            line.take()
        self.at["verb"] = line.column
        call = self.call(line, name)
        line.end("the operation")
        op = Op(call, task, fail, skip, hold)
        self.scope.op(op)
        self.ops.append(op)

    # Expectations

    def _expect(self, line: Line) -> None:
        if not self.ops:
            line.fail("`expect` comes after the last operation: move this line down")
        line.take()
        example = "`expect 6.16.. nothing left`"
        self.at["first"] = self.at["last"] = line.column
        first = self._kernel(line, example)
        last: str | None = first
        if line.accept(".."):
            self.at["last"] = line.column
            last = self._kernel(line, example) if line.kind in ("series", "number") else None
        if line.next not in ("nothing", "leaked", "keeps"):
            line.choice("result", ("nothing", "leaked", "keeps"), example)
        leaked: list[LeakedEntry] = []
        keeps = ""
        if line.accept("nothing"):
            line.need("left", example)
            line.end("the expectation")
        elif line.accept("keeps"):
            self.at["keeps"] = line.column
            keeps = line.word("property", "`expect 6.16.. keeps no_leak`")
            line.end("the expectation")
        else:
            line.take()
            self.at["leaked"] = line.column
            self._leaks(line, leaked)
        expect = Expect(first, last, tuple(leaked), keeps)
        self.scope.expect(expect)
        self.expects.append(expect)

    def _kernel(self, line: Line, example: str) -> str:
        if line.kind != "series":
            problem = f"{quoted(line.next)} is not a kernel" if line.next else "the kernel is missing"
            line.fail(f"{problem}: write {example}")
        return line.take()

    def _leaks(self, line: Line, leaked: list[LeakedEntry]) -> None:
        """Read a list of book entries."""
        example = "`leaked bar[0:8] wc, bar[9:10] uc-`"
        while True:
            self.at[f"leaked{len(leaked)}"] = line.column
            name = line.word("range", example)
            span = self.bracket(line, name)
            if span is None:
                line.fail(f"the pages are missing: write {example}")
            leaked.append(LeakedEntry(span, line.choice("cache mode", MODES, example)))
            if not line.next:
                return
            line.need(",", example)

    def finish(self, last: int) -> Program:
        """The finished program, once *last*, the number of the final line, has been read."""
        if not self._started:
            message = f"this is empty: a program starts with the line `{FIRST_LINE}`"
            raise ProgramError(message, source=self.source, line=1, column=1)
        try:
            self.scope.end()
        except Wrong as failed:
            raise ProgramError(failed.message, source=self.source, line=max(last, 1), column=1) from None
        return Program(
            self.texts.get("title", ""),
            self.texts.get("asks", ""),
            tuple(self.devices),
            tuple(self.ops),
            tuple(self.areas),
            tuple(self.expects),
            self.thp,
        )


def parse(text: str, source: str = "<program>") -> Program:
    """Read the text form.

    :raises ProgramError: at the first error
    """
    return parse_lines(lines_of(text, source), source)


def parse_lines(lines: Iterable[Line], source: str) -> Program:
    """Read the text form, already split into lines."""
    reading = Reading(source)
    last = 0
    for line in lines:
        last = line.number
        if line.tokens or line.free is not None:
            reading.line(line)
    return reading.finish(last)


def read_prefixes(line: Line, at: dict[str, int]) -> tuple[Fail | None, Skip | None, Hold | None]:
    """Read all prefixes of an operation line, each at most once and in the fixed order.

    :param at: the columns of the line's fields, to which those of the prefixes are added
    """
    fail: Fail | None = None
    skip: Skip | None = None
    hold: Hold | None = None
    while line.next in PREFIXES and line.after() != "=":  # before `=` it is refused as a name
        prefix = line.next
        _in_order(line, prefix, [word for word in PREFIXES if word in at])
        at[prefix] = line.column
        line.take()
        at[f"{prefix} function"] = line.column
        function = line.word("kernel function", PREFIXES[prefix])
        at[f"{prefix} nth"] = line.column
        # The number is needed only for a refusal.
        needed = prefix == "fail" or line.kind == "number"
        nth = line.number_of("number of the call", PREFIXES[prefix]) if needed else 1
        if prefix == "fail":
            inside = None
            if line.accept("in"):
                at["fail inside"] = line.column
                inside = line.word("kernel function", "`fail __pte_alloc 1 in copy_page_range: c = fork`")
            fail = Fail(function, nth, inside)
        elif prefix == "skip":
            skip = Skip(function, nth)
        else:
            hold = Hold(function, nth, line.accept("return"))
        line.need(":", PREFIXES[prefix])
    return fail, skip, hold


def _in_order(line: Line, prefix: str, before: list[str]) -> None:
    """Refuse a prefix that is repeated or out of order."""
    if prefix in before:
        line.fail(f"`{prefix}` is repeated: leave out one")
    order = list(PREFIXES)
    later = [word for word in before if order.index(word) > order.index(prefix)]
    if later:
        line.fail(f"`{prefix}` comes before `{later[0]}`: write `{prefix} ...: {later[0]} ...:`")
