"""Printing one operation or a whole program in canonical form.

Canonical ranges: the bare name for all of what that name maps, ``a[3]`` for one page, ``a[4:8]`` otherwise.
"""

from collections.abc import Callable, Mapping
from typing import Any, assert_never

from pfnlab.programs.lang import ops, words
from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.device_ops import DriverMap, UnmapMappingRange
from pfnlab.programs.lang.fields import Ending, Field, Flag, Row, Shape, Word
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import RANGE_WALKERS, ByteRange, ProcessVmReadv, Walk

#: The pages mapped under each name.
Mapped = Mapping[str, int]


def op_text(op: ops.Op) -> str:
    """The line for *op* on its own, with all ranges written out, and its task unless it is the main one."""
    return _op(op, {})


def call_text(call: ops.Call, mapped: Mapped) -> str:
    """The canonical text of *call* while *mapped* is mapped, without task and prefixes."""
    return _by_hand(call, mapped) if words.is_by_hand(call) else _BY_FIELDS[type(call)](call, mapped)


def op_lines(program: ops.Program) -> list[str]:
    """The canonical lines of all operations of *program*."""
    mapped = {VVAR: words.VVAR_PAGES}
    lines = []
    for op in program.ops:
        lines.append(_op(op, mapped))
        call = op.call
        if isinstance(call, ops.Mmap) and call.name is not None:
            mapped[call.name] = call.source.pages
        elif isinstance(call, ops.Mremap) and call.name is not None:
            mapped[call.name] = call.pages
    return lines


def device_text(device: ops.Device) -> str:
    """The canonical line of a device."""
    return _header("device", f"{device.name}: {device.kind}, {words.page_count(device.pages)}")


def area_text(area: ops.Area) -> str:
    """The canonical line of a declared area."""
    return _header("area", f"{area.name}: {words.page_count(area.pages)}")


def thp_lines(program: ops.Program) -> list[str]:
    """The canonical line for the transparent_hugepage setting, if the program has one."""
    return [] if program.thp is None else [_header("thp", program.thp)]


def header_lines(program: ops.Program) -> list[str]:
    """The canonical header of *program*."""
    return [
        words.FIRST_LINE,
        *([_header("title", program.title)] if program.title else []),
        *([_header("asks", program.asks)] if program.asks else []),
        *thp_lines(program),
        *map(device_text, program.devices),
        *map(area_text, program.areas),
    ]


def expect_lines(program: ops.Program) -> list[str]:
    """The canonical lines for all expectations of *program*, with results aligned."""
    series = [_series(expect) for expect in program.expects]
    width = max(map(len, series), default=0) + 3
    # Written like book lines, so that a run's output can be pasted here.
    return [
        f"expect {kernels:<{width}}{_expected(expect)}"
        for kernels, expect in zip(series, program.expects, strict=True)
    ]


def format_program(program: ops.Program) -> str:
    """The whole program in canonical form."""
    parts = [header_lines(program), op_lines(program), expect_lines(program)]
    return "\n".join("".join(f"{line}\n" for line in part) for part in parts if part)


def _header(keyword: str, content: str) -> str:
    return f"{keyword:<8}{content}"


def _expected(expect: ops.Expect) -> str:
    if expect.keeps:
        return f"keeps {expect.keeps}"
    entries = ", ".join(map(str, expect.leaked))
    return f"leaked {entries}" if entries else "nothing left"


def _series(expect: ops.Expect) -> str:
    if expect.last is None:
        return f"{expect.first}.."
    return expect.first if expect.first == expect.last else f"{expect.first}..{expect.last}"


def _op(op: ops.Op, mapped: Mapped) -> str:
    line = ""
    if op.fail is not None:
        inside = "" if op.fail.inside is None else f" in {op.fail.inside}"
        line += f"fail {op.fail.function} {op.fail.nth}{inside}: "
    if op.skip is not None:
        line += f"skip {op.skip.function}{_nth(op.skip.nth)}: "
    if op.hold is not None:
        line += f"hold {op.hold.function}{_nth(op.hold.nth)}{' return' if op.hold.at_return else ''}: "
    if op.task != ops.MAIN_TASK:
        line += f"{op.task}: "
    return line + call_text(op.call, mapped)


def _nth(nth: int) -> str:
    return "" if nth == 1 else f" {nth}"


def _span(span: Span, mapped: Mapped) -> str:
    if span.start == 0 and span.pages and mapped.get(span.name) == span.end:
        return span.name
    return _pages(span)


def _pages(span: Span) -> str:
    return f"{span.name}[{span.start}]" if span.pages == 1 else str(span)


def _named(name: str | None) -> str:
    return "" if name is None else f"{name} = "


def _over(over: Span | None, mapped: Mapped) -> str:
    return "" if over is None else f" over {_span(over, mapped)}"


def _mmap(call: ops.Mmap, mapped: Mapped) -> str:
    via = "" if call.source.name in words.NO_DEVICE else f" {call.via}"
    via += f" {way_text(call.driver)}" if via and call.driver else ""
    sharing = "shared" if call.shared else "private"
    given = (" populate" if call.populate else "") + (" locked" if call.locked else "")
    text = f"{_named(call.name)}mmap {_pages(call.source)}{via} {sharing} {call.prot}{given}"
    return text + _over(call.over, mapped)


def way_text(how: DriverMap) -> str:
    """The words for a driver's way of mapping: ``remap wc``."""
    part = "" if how.part is None else f"[{how.part[0]}:{how.part[1]}]"
    return f"{how.how}{part}{'' if how.mode == 'asis' else f' {how.mode}'}"


def _mremap(call: ops.Mremap, mapped: Mapped) -> str:
    flags = (("maymove", call.maymove), ("fixed", call.fixed), ("dontunmap", call.dontunmap))
    told = "".join(f" {word}" for word, given in flags if given)
    text = f"{_named(call.name)}mremap {_span(call.span, mapped)} {words.page_count(call.pages)}{told}"
    return text + _over(call.over, mapped)


def _walk(call: Walk, mapped: Mapped) -> str:
    span = _span(call.span, mapped) if call.walker in RANGE_WALKERS else _pages(call.span)
    value = "" if call.value is None else f" {call.value}"
    return f"{call.walker} {span}{value}{_bytes(call.bytes)}" + ("" if call.node is None else f" {call.node}")


def _bytes(part: ByteRange | None) -> str:
    if part is None:
        return ""
    at = f" at {part.offset}" if part.offset else ""
    return f"{at} {part.length} {'byte' if part.length == 1 else 'bytes'}"


def _by_hand(call: words.ByHand, mapped: Mapped) -> str:
    """The line for an operation with a special form."""
    match call:
        case ops.Mmap():
            return _mmap(call, mapped)
        case ops.Mremap():
            return _mremap(call, mapped)
        case Walk():
            return _walk(call, mapped)
        case ops.Fork():
            return f"{call.child} = fork{'' if call.refused is None else f' {call.refused}'}"
        case ops.Thread():
            return f"{call.child} = thread"
        case ProcessVmReadv():
            return f"process_vm_readv {_pages(call.span)}{_bytes(call.bytes)}"
        case ops.RemapFilePages():
            return f"remap_file_pages {_span(call.span, mapped)} {_pages(call.source)} {call.via}"
        case UnmapMappingRange():
            pages = f"{call.span.name}[{call.span.start}:]" if call.to_end else _pages(call.span)
            return f"unmap_mapping_range {pages}{' keep_cows' if call.keep_cows else ''}"
    assert_never(call)


def _by_fields(kind: type[ops.Call], row: Row) -> Callable[[Any, Mapped], str]:
    """The printer for an operation in the table."""
    verb = words.word_of(kind)
    parts = [(name, _field(field)) for name, field in zip(kind.__struct_fields__, row.fields, strict=True)]
    ending = next((name for name, part in parts if part is None), None)
    printed = [(name, part) for name, part in parts if part is not None]

    def text(call: Any, mapped: Mapped) -> str:
        line = verb if ending is None else f"{verb}_{getattr(call, ending)}"
        for name, part in printed:
            line += part(getattr(call, name), mapped)
        return line

    return text


def _field(field: Field) -> Callable[[Any, Mapped], str] | None:
    """The printer for a field, including the space before it; None for a field that is part of the verb."""
    match field:
        case Shape.RANGE:
            return lambda span, mapped: f" {_span(span, mapped)}"
        case Shape.ACCESS | Shape.DEVICE_PAGES | Shape.MEMORY | Shape.SECTIONS | Shape.OWN_PAGES:
            return lambda span, mapped: f" {_pages(span)}"
        case Shape.DEVICE | Shape.PROT | Shape.VALUE | Shape.TASK | Shape.ANY_TASK:
            return lambda value, mapped: f" {value}"
        case Shape.HELD:
            return lambda task, mapped: "" if task is None else f" {task}"
        case Shape.ROOM:
            return lambda room, mapped: (
                f" {words.UNLIMITED}" if room is None else f" +{words.page_count(room)}"
            )
        case Word():
            return lambda word, mapped: "" if word == field.default else f" {word}"
        case Flag():
            return lambda given, mapped: f" {field.word}" if given else ""
        case Ending():
            return None
    assert_never(field)


_BY_FIELDS = {kind: _by_fields(kind, row) for kind, row in words.ROWS.items()}
