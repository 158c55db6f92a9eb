"""Reads the call in an operation line, which follows the task and ``name =``."""

from collections.abc import Callable
from typing import Any, assert_never

from pfnlab.base.errors import Defect
from pfnlab.base.spelling import did_you_mean
from pfnlab.programs.lang import words
from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.device_ops import DRIVER_RAM, DRIVER_RAM_PAGES, DriverMap, UnmapMappingRange
from pfnlab.programs.lang.fields import Ending, Field, Flag, Shape, Word
from pfnlab.programs.lang.lines import Line
from pfnlab.programs.lang.ops import Call, Fork, Mmap, Mremap, RemapFilePages, Thread
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.validity import ProgramValidity
from pfnlab.programs.lang.walk_ops import BYTE_WALKERS, STORING_WALKERS, ByteRange, ProcessVmReadv, Walk


class CallReader:
    """Reads calls, given the names defined by the lines above.

    :ivar at: the columns of the current line's fields, for checks to point at
    """

    def __init__(self) -> None:
        self.scope = ProgramValidity()
        self.at: dict[str, int] = {}

    def call(self, line: Line, name: str | None) -> Call:
        """Read the call in a line; *name* is the name before ``=``."""
        verb = line.word("operation", "one as `munmap a[4:8]`")
        if verb == "mmap":
            return self._mmap(line, name)
        if verb == "mremap":
            return self._mremap(line, name)
        if verb in words.BIRTHS:
            if name is None:
                line.fail(f"a {verb} needs a name: write `{words.BIRTHS[verb]}`", self.at["verb"])
            if verb == "thread":
                return Thread(name)
            word = line.choice("word", words.FORK_WORDS, f"`{name} = fork set_tid`") if line.next else None
            return Fork(name, None if word is None else words.FORK_WORDS[word])
        if verb not in words.VERBS:
            line.fail(_unknown(verb), self.at["verb"])
        if name is not None:
            line.fail(
                f"{verb} gives no name: write the line without {words.quoted(name + ' =')}", self.at["name"]
            )
        if verb in words.BY_VERB:
            return self._by_fields(line, verb)
        if verb == "unmap_mapping_range":
            return self._unmap_mapping_range(line, verb)
        span = self._span(line, verb)
        if verb in words.WALKERS:
            value = self._value(line, verb, span) if verb in STORING_WALKERS else None
            bytes_moved = self._bytes(line, verb, span, value) if verb in BYTE_WALKERS else None
            self.at["node"] = line.column
            node = None
            if verb == "move_pages" and line.next:
                node = words.NODES[line.choice("node", words.NODES, f"`move_pages {span} node0`")]
            return Walk(words.WALKERS[verb], span, value, bytes_moved, node)
        if verb == "process_vm_readv":
            return ProcessVmReadv(span, self._bytes(line, verb, span, None))
        if verb == "remap_file_pages":
            example = f"`remap_file_pages {span} bar[4:8] wc`"
            self.at["source"] = line.column
            source = self._source(line, example)
            self.at["via"] = line.column
            return RemapFilePages(span, source, words.VIAS[line.choice("via", words.VIAS, example)])
        raise Defect(f"nobody reads {verb}")

    def _by_fields(self, line: Line, verb: str) -> Call:
        """Read an operation from the table, field by field."""
        kind = words.BY_VERB[verb]
        if verb in ("kill", "exit") and line.kind == "word":
            line.fail(f"name the task in front: write `{line.next[:40]}: {verb}`", self.at["verb"])
        values: list[Any] = []
        for name, field in zip(kind.__struct_fields__, words.ROWS[kind].fields, strict=True):
            values.append(self._field(line, verb, name, field, values[0] if values else None))
        make: Callable[..., Call] = kind
        return make(*values)

    def _field(self, line: Line, verb: str, name: str, field: Field, first: Any) -> object:
        """Read a field."""
        # An optional field that was omitted has no column.
        if not isinstance(field, Ending | Word) or (isinstance(field, Word) and field.default is None):
            self.at[name] = line.column
        match field:
            case Shape.RANGE | Shape.ACCESS:
                return self._span(line, verb)
            case Shape.DEVICE:
                self.at["source"] = line.column
                return line.word("device", f"`{verb} bar`")
            case Shape.DEVICE_PAGES | Shape.MEMORY | Shape.SECTIONS | Shape.OWN_PAGES:
                self.at["source"] = line.column
                device = DRIVER_RAM if field is Shape.OWN_PAGES else "bar"
                return self._source(line, f"`{verb} {device}[0:4]`")
            case Shape.PROT:
                return self._prot(line)
            case Shape.VALUE:
                return self._value(line, verb, first)
            case Shape.TASK:
                return line.word("task", f"one as `{verb} {first} cold main`")
            case Shape.ANY_TASK:
                return line.word("task", f"`{verb} c`")
            case Shape.HELD:
                return line.word("task", f"`{verb} c`") if line.next else None
            case Shape.ROOM:
                example = f"`{verb} {first} +16 pages`, or `{verb} {first} {words.UNLIMITED}`"
                if line.accept(words.UNLIMITED):
                    return None
                line.need("+", example)
                return line.pages(example)
            case Word(default=None):
                example = " ".join(str(word) for word in (verb, first, field.example) if word is not None)
                return line.choice(field.says, field.numbers, f"`{example}`")
            case Word():
                return line.take() if line.next in field.numbers else field.default
            case Flag():
                return line.accept(field.word)
            case Ending():
                return verb.removeprefix(f"{words.word_of(words.BY_VERB[verb])}_")
        assert_never(field)

    def _value(self, line: Line, verb: str, span: Span) -> int:
        """Read the value to store."""
        self.at["value"] = line.column
        return line.number_of("value", f"`{verb} {span.name}[{span.start}] 7`")

    def _mmap(self, line: Line, name: str | None) -> Mmap:
        example = "`a = mmap bar[0:16] wc shared rw`"
        self.at["source"] = line.column
        source = self._source(line, example)
        self.at["via"] = line.column
        own = next((name for name in words.NO_DEVICE if name == source.name), None)
        if own is not None and line.next in words.VIAS:
            line.fail(f"{words.KIND_OF_MEMORY[own]} takes no via: leave the word out")
        via = own or words.VIAS[line.choice("via", words.VIAS, example)]
        driver = self._driver(line) if via == "driver" else None
        self.at["sharing"] = line.column
        shared = words.SHARING[line.choice("sharing", words.SHARING, example)]
        prot = self._prot(line)
        given, over = self._words(line, words.MMAP_WORDS)
        return Mmap(name, source, via, shared, prot, "populate" in given, "locked" in given, over, driver)

    def _driver(self, line: Line) -> DriverMap:
        """Read how the guest driver is to map."""
        self.at["driver"] = line.column
        how = words.DRIVER_HOW[
            line.choice("way to map", words.DRIVER_HOW, "`mmap bar[0:8] driver remap wc shared rw`")
        ]
        part = self.bracket(line, how) if how == "part" else None
        if how == "part" and part is None:
            line.fail("the part needs a range: write part[2:4]")
        pages = None if part is None else (part.start, part.end)
        mode = words.DRIVER_MODES[line.take()] if line.next in words.DRIVER_MODES else "asis"
        return DriverMap(how, mode, pages)

    def _unmap_mapping_range(self, line: Line, verb: str) -> Call:
        self.at["source"] = line.column
        source = self._source(line, f"`{verb} bar[0:4]`", open_end=True)
        to_end = line.was(":", "]")
        return UnmapMappingRange(source, line.accept("keep_cows"), to_end)

    def _mremap(self, line: Line, name: str | None) -> Mremap:
        span = self._span(line, "mremap")
        self.at["pages"] = line.column
        pages = line.pages(f"`mremap {span} 8 pages`")
        given, over = self._words(line, words.MREMAP_WORDS)
        return Mremap(span, pages, "maymove" in given, "fixed" in given, "dontunmap" in given, name, over)

    def _words(self, line: Line, choices: tuple[str, ...]) -> tuple[set[str], Span | None]:
        """Read the optional words that follow, in any order, each at most once."""
        given: set[str] = set()
        over = None
        while line.next:
            self.at[line.next] = column = line.column
            word = line.choice("word", choices, f"one of {', '.join(choices)}, or a comment after `#`")
            if word in given:
                line.fail(f"`{word}` is there already: leave out one", column)
            given.add(word)
            if word == "over":
                self.at["over"] = line.column
                over = self._span(line, "over", "over")
        return given, over

    def _prot(self, line: Line) -> str:
        self.at["prot"] = line.column
        return line.word("protection", "`none` or letters of `rwx`")

    def _bytes(self, line: Line, verb: str, span: Span, value: int | None) -> ByteRange | None:
        """Read ``at 4092 8 bytes``; either part or both may be omitted."""
        stored = "" if value is None else f" {value}"
        example = f"`{verb} {span.name}[{span.start}]{stored} at 4092 8 bytes`"
        if line.next != "at" and not (line.kind == "number" and line.after()):
            return None
        offset = 0
        self.at["bytes"] = line.column
        if line.accept("at"):
            self.at["bytes"] = line.column
            offset = line.number_of("byte number", example)
        self.at["length"] = line.column
        length = line.number_of("byte count", example)
        if not line.accept("byte"):
            line.need("bytes", example)
        return ByteRange(offset, length)

    # Ranges.

    def _span(self, line: Line, verb: str, part: str = "span") -> Span:
        """Read a range of an area's pages."""
        self.at[part] = line.column
        name = line.word("range", f"`{verb} a[4:8]`")
        span = self.bracket(line, name)
        if span is not None:
            return span
        if name == VVAR:
            return Span(VVAR, 0, words.VVAR_PAGES)
        if name in words.KEYWORDS:
            line.fail(f"{words.quoted(name)} is not a range: write `{verb} a[4:8]`", self.at[part])
        self.at["span"] = self.at[part]
        return Span(name, 0, self.scope.whole(name))

    def _source(self, line: Line, example: str, *, open_end: bool = False) -> Span:
        """Read a range of pages of a device, or of anonymous memory."""
        name = line.word("range", example)
        device = self.scope.devices.get(name)
        last = (device.pages if device is not None else 1) if open_end else None
        span = self.bracket(line, name, last)
        if span is not None:
            return span
        if device is not None:
            return Span(name, 0, device.pages)
        if name == DRIVER_RAM:
            return Span(name, 0, DRIVER_RAM_PAGES)
        if name in words.NO_DEVICE:
            line.fail(
                f"the number of pages is missing: write {name}[0:{5 if name == words.PERF else 4}]",
                self.at["source"],
            )
        return Span(name, 0, 1)  # no such device: the checks say so

    def bracket(self, line: Line, name: str, last: int | None = None) -> Span | None:
        """Read ``[4:8]`` or ``[3]`` after *name*, if present.

        :param last: the end of ``[4:]``, if that form is allowed
        """
        if not line.accept("["):
            return None
        name = words.quoted(name)[1:-1] if len(name) > 40 else name
        example = f"{name}[4:8]"
        if line.next == ":":
            line.fail(f"the first page is missing: write {name}[0:8]")
        if line.kind == "series" or line.after() == "..":
            line.fail(f"pages are half-open with `:`: write {example}")
        start = line.number_of("page number", example)
        end = start + 1
        if line.accept(":"):
            if line.next != "]":
                end = line.number_of("page number", example)
            elif last is None:
                line.fail(f"the end is missing: write {name}[{start}:{start + 4}]")
            else:
                end = max(last, start + 1)
        line.need("]", example)
        return Span(name, start, end)


def _unknown(verb: str) -> str:
    """The message for a line that starts with a word that is no operation."""
    if verb == "program":
        return f"the line `{words.FIRST_LINE}` appears once, at the top: delete this one"
    if verb in words.PREFIXES:
        return f"`{verb}` comes first on its line: write {words.PREFIXES[verb]}"
    near = did_you_mean(verb, words.VERBS, (*words.HEADERS, *words.PREFIXES, "expect"))
    return f"unknown operation {words.quoted(verb)}{near}"
