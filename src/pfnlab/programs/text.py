"""The text form of a program: one header, operation or expectation a line.

The grammar, with ``SPAN`` one of ``a[4:8]``, ``a[3]`` and ``a`` (all that is mapped as a)::

    pfnlab program 1
    title TEXT          asks TEXT?
    device NAME: pci|lowmem, SIZE
    area NAME: SIZE
    [TASK:] OPERATION
    expect SERIES[..[SERIES]] nothing left | leaked SPAN MODE, ...

Written by hand rather than with a grammar tool: every refusal says what to write instead, which needs
to know where in which operation reading stopped.
"""

from __future__ import annotations

from collections.abc import Callable

from pfnlab.errors import ProgramError
from pfnlab.programs.checks import Scope, Wrong
from pfnlab.programs.lines import Line, lines_of
from pfnlab.programs.ops import (
    ADVICE,
    MAIN_TASK,
    Area,
    Call,
    Device,
    Exec,
    Exit,
    Expect,
    Fork,
    Kill,
    Leaked,
    Look,
    Madvise,
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
    Program,
    Read,
    Span,
    Via,
    Write,
)
from pfnlab.programs.words import (
    ANON,
    FIRST_LINE,
    HEADERS,
    KEYWORDS,
    KINDS,
    MMAP_WORDS,
    MODES,
    MREMAP_WORDS,
    SHARING,
    VERBS,
    VERSION,
    VIAS,
    did_you_mean,
    quoted,
)

_RANGES: dict[str, Callable[[Span], Call]] = {
    "munmap": Munmap,
    "mlock": Mlock,
    "munlock": Munlock,
    "msync": Msync,
    "mseal": Mseal,
    "read": Read,
}
_PLAIN: dict[str, Call] = {
    "mlockall": Mlockall(),
    "exec": Exec(),
    "exit": Exit(),
    "kill": Kill(),
    "look": Look(),
}


class Reading:
    """A program being read: what was understood so far, line by line.

    :ivar stages: the part of the program each line with content belongs to
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.scope = Scope()
        self.texts: dict[str, str] = {}
        self.devices: list[Device] = []
        self.areas: list[Area] = []
        self.ops: list[Op] = []
        self.expects: list[Expect] = []
        self._started = False
        #: Where each field of the current line stands, for the checks.
        self._at: dict[str, int] = {}

    def line(self, line: Line) -> None:
        """Read one line with content."""
        self._at = {}
        try:
            if not self._started:
                self._version(line)
            elif line.free is not None:
                self._text(line)
            else:
                self._tokens(line)
        except Wrong as failed:
            start = line.tokens[0].column if line.tokens else 1
            line.fail(failed.message, self._at.get(failed.part, self._at.get("verb", start)))

    def _tokens(self, line: Line) -> None:
        first = line.next
        if first == "device":
            self._device(line)
        elif first == "area":
            self._area(line)
        elif first == "expect":
            self._expect(line)
        elif first == "pfnlab":
            line.fail(f"the line `{FIRST_LINE}` stands once, at the top: delete this one")
        else:
            self._op(line)

    # Header.

    def _version(self, line: Line) -> None:
        if line.next != "pfnlab" or line.after() != "program":
            line.fail(f"a program starts with the line `{FIRST_LINE}`: add it above")
        line.position = 2
        if line.kind == "series" or (line.kind == "number" and line.next != str(VERSION)):
            line.fail(f"this pfnlab reads version {VERSION}, not {line.next[:20]}: write `{FIRST_LINE}`")
        line.number_("version", f"`{FIRST_LINE}`")
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
        self._at[keyword] = column
        self.scope.text(keyword, text)
        self.texts[keyword] = text

    def _declared(self, line: Line, example: str) -> str:
        """Read keyword, name and colon of a declaration."""
        keyword = line.next
        self._in_header(line, keyword, line.column)
        line.take()
        self._at["name"] = line.column
        name = line.word(f"{keyword} name", example)
        line.need(":", example)
        return name

    def _device(self, line: Line) -> None:
        example = "`device  bar: pci, 16 pages`"
        name = self._declared(line, example)
        self._at["kind"] = line.column
        kind = line.choice("kind of device", KINDS, example)
        line.need(",", example)
        self._at["pages"] = line.column
        device = Device(name, KINDS[kind], line.pages(example))
        line.end("the size")
        self.scope.device(device)
        self.devices.append(device)

    def _area(self, line: Line) -> None:
        example = "`area    z: 64 pages`"
        name = self._declared(line, example)
        self._at["pages"] = line.column
        area = Area(name, line.pages(example))
        line.end("the size")
        self.scope.area(area)
        self.areas.append(area)

    # Operations.

    def _op(self, line: Line) -> None:
        if self.expects:
            line.fail("operations come before the first `expect`: move this line up")
        task = MAIN_TASK
        self._at["verb"] = self._at["task"] = line.column
        if line.kind == "word" and line.after() == ":":
            task = line.take()
            line.take()
        name = None
        self._at["name"] = line.column
        if line.kind == "word" and line.after() == "=":
            name = line.take()
            line.take()
        self._at["verb"] = line.column
        call = self._call(line, name)
        line.end("the operation")
        op = Op(call, task)
        self.scope.op(op)
        self.ops.append(op)

    def _call(self, line: Line, name: str | None) -> Call:
        verb = line.word("operation", "one as `munmap a[4:8]`")
        if verb == "mmap":
            return self._mmap(line, name)
        if verb == "mremap":
            return self._mremap(line, name)
        if verb == "fork":
            if name is None:
                line.fail("a fork needs a name: write `c = fork`", self._at["verb"])
            return Fork(name)
        if verb not in VERBS:
            line.fail(self._unknown(verb, line), self._at["verb"])
        if name is not None:
            line.fail(f"{verb} gives no name: write the line without {quoted(name + ' =')}", self._at["name"])
        if verb in _PLAIN:
            if verb in ("kill", "exit") and line.kind == "word":
                line.fail(f"name the task in front: write `{line.next[:40]}: {verb}`", self._at["verb"])
            return _PLAIN[verb]
        span = self._span(line, verb)
        if verb in _RANGES:
            return _RANGES[verb](span)
        if verb == "mprotect":
            return Mprotect(span, self._prot(line))
        if verb == "madvise":
            self._at["advice"] = line.column
            return Madvise(span, line.choice("advice", ADVICE, f"`madvise {span} dontfork`"))
        self._at["value"] = line.column
        return Write(span, line.number_("value", f"`write {span.name}[{span.start}] 7`"))

    def _unknown(self, verb: str, line: Line) -> str:
        """What to say about a line that starts with a word that is no operation."""
        if verb == "program":
            return f"the line `{FIRST_LINE}` stands once, at the top: delete this one"
        choices = VERBS if self.ops else (*VERBS, *HEADERS)
        return f"unknown operation {quoted(verb)}{did_you_mean(verb, (*choices, 'expect'))}"

    def _mmap(self, line: Line, name: str | None) -> Mmap:
        example = "`a = mmap bar[0:16] wc shared rw`"
        self._at["source"] = line.column
        source = self._source(line, example)
        self._at["via"] = line.column
        via: Via = "anon"
        if source.name != ANON:
            via = VIAS[line.choice("via", VIAS, example)]
        elif line.next in VIAS:
            line.fail("anonymous memory takes no via: leave the word out")
        self._at["sharing"] = line.column
        shared = SHARING[line.choice("sharing", SHARING, example)]
        prot = self._prot(line)
        words, over = self._words(line, MMAP_WORDS)
        return Mmap(name, source, via, shared, prot, "populate" in words, "locked" in words, over)

    def _mremap(self, line: Line, name: str | None) -> Mremap:
        span = self._span(line, "mremap")
        self._at["pages"] = line.column
        pages = line.pages(f"`mremap {span} 8 pages`")
        words, over = self._words(line, MREMAP_WORDS)
        return Mremap(span, pages, "maymove" in words, "fixed" in words, "dontunmap" in words, name, over)

    def _words(self, line: Line, choices: tuple[str, ...]) -> tuple[set[str], Span | None]:
        """Read the words that may follow, in any order, each once."""
        words: set[str] = set()
        over = None
        while line.next:
            self._at[line.next] = column = line.column
            word = line.choice("word", choices, f"one of {', '.join(choices)}, or a comment after `#`")
            if word in words:
                line.fail(f"`{word}` is there already: leave out one", column)
            words.add(word)
            if word == "over":
                self._at["over"] = line.column
                over = self._span(line, "over", "over")
        return words, over

    def _prot(self, line: Line) -> str:
        self._at["prot"] = line.column
        return line.word("protection", "`none` or letters of `rwx`")

    # Ranges.

    def _span(self, line: Line, verb: str, part: str = "span") -> Span:
        """Read pages of an area."""
        self._at[part] = line.column
        name = line.word("range", f"`{verb} a[4:8]`")
        span = self._bracket(line, name)
        if span is not None:
            return span
        if name in KEYWORDS:
            line.fail(f"{quoted(name)} is no range: write `{verb} a[4:8]`", self._at[part])
        self._at["span"] = self._at[part]
        return Span(name, 0, self.scope.whole(name))

    def _source(self, line: Line, example: str) -> Span:
        """Read pages of a device or of anonymous memory."""
        name = line.word("range", example)
        span = self._bracket(line, name)
        if span is not None:
            return span
        device = self.scope.devices.get(name)
        if device is not None:
            return Span(name, 0, device.pages)
        if name == ANON:
            line.fail("say how many pages: write anon[0:4]", self._at["source"])
        return Span(name, 0, 1)  # no such device: the checks say so

    def _bracket(self, line: Line, name: str) -> Span | None:
        """Read ``[4:8]`` or ``[3]`` of *name*, if it is there."""
        if not line.accept("["):
            return None
        name = quoted(name)[1:-1] if len(name) > 40 else name
        example = f"{name}[4:8]"
        if line.next == ":":
            line.fail(f"the first page is missing: write {name}[0:8]")
        if line.kind == "series" or line.after() == "..":
            line.fail(f"pages are half-open with `:`: write {example}")
        start = line.number_("page number", example)
        end = start + 1
        if line.accept(":"):
            if line.next == "]":
                line.fail(f"the end is missing: write {name}[{start}:{start + 4}]")
            end = line.number_("page number", example)
        line.need("]", example)
        return Span(name, start, end)

    # Expectations.

    def _expect(self, line: Line) -> None:
        if not self.ops:
            line.fail("`expect` comes after the last operation: move this line down")
        line.take()
        example = "`expect 6.16.. nothing left`"
        self._at["first"] = self._at["last"] = line.column
        first = self._series(line, example)
        last: str | None = first
        if line.accept(".."):
            self._at["last"] = line.column
            last = self._series(line, example) if line.kind in ("series", "number") else None
        if line.next not in ("nothing", "leaked"):
            line.choice("result", ("nothing", "leaked"), example)
        leaked: list[Leaked] = []
        if line.accept("nothing"):
            line.need("left", example)
            line.end("the expectation")
        else:
            line.take()
            self._at["leaked"] = line.column
            self._leaks(line, leaked)
        expect = Expect(first, last, tuple(leaked))
        self.scope.expect(expect)
        self.expects.append(expect)

    def _series(self, line: Line, example: str) -> str:
        if line.kind != "series":
            found = f"{quoted(line.next)} is no" if line.next else "here belongs a"
            line.fail(f"{found} kernel series: write {example}")
        return line.take()

    def _leaks(self, line: Line, leaked: list[Leaked]) -> None:
        """Read the list of book entries."""
        example = "`leaked bar[0:8] wc, bar[9:10] uc-`"
        while True:
            self._at[f"leaked{len(leaked)}"] = line.column
            name = line.word("range", example)
            span = self._bracket(line, name)
            if span is None:
                line.fail(f"say which pages: write {example}")
            leaked.append(Leaked(span, line.choice("cache mode", MODES, example)))
            if not line.next:
                return
            line.need(",", example)

    def finish(self, last: int) -> Program:
        """The program, now that its *last* line was read."""
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
        )


def parse(text: str, source: str = "<program>") -> Program:
    """Read the text form.

    :raises ProgramError: at the first place that is wrong
    """
    return parse_lines(lines_of(text, source), source)


def parse_lines(lines: list[Line], source: str) -> Program:
    """Read the text form from lines already cut."""
    reading = Reading(source)
    for line in lines:
        if line.tokens or line.free is not None:
            reading.line(line)
    return reading.finish(len(lines))
