"""Programs that are simpler than a given one in one respect and no more complicated in any other.

They have fewer or smaller devices and areas, lower page numbers, shorter ranges, the main task instead of
another, or plainer words. So repeated simplification terminates.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from msgspec.structs import replace

from pfnlab.base.units import PAGE_SIZE
from pfnlab.hunt.fuzz.call_kinds import FLAGS, PLAINER
from pfnlab.hunt.fuzz.ranges import AREAS, TABLE
from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.device_ops import RequestMemRegion
from pfnlab.programs.lang.fields import Ending, Field, Flag, Shape, Word
from pfnlab.programs.lang.forced import Fail
from pfnlab.programs.lang.ops import MAIN_TASK, Area, Fork, Mmap, Mremap, Op, Program, RemapFilePages
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import ByteRange, ProcessVmReadv, Walk
from pfnlab.programs.lang.words import NO_DEVICE, ROWS

T = TypeVar("T")

#: Page counts that a limit may permit, plainest first.
_ROOMS = (None, 0, 1, 4)

#: The fields of each operation in the table, by name.
_DECLARED: dict[type, dict[str, Field]] = {
    kind: dict(zip(kind.__struct_fields__, row.fields, strict=True)) for kind, row in ROWS.items()
}


def simplifications(program: Program) -> Iterator[Program]:
    """Every program that is simpler than *program* in one respect, greatest simplification first."""
    if program.thp is not None:
        yield replace(program, thp=None)
    yield from _devices(program)
    yield from _areas(program)
    for place, op in enumerate(program.ops):
        if op.task != MAIN_TASK:
            yield _with_op(program, place, replace(op, task=MAIN_TASK))
    for place, op in enumerate(program.ops):
        for simpler in _ops(op):
            yield _with_op(program, place, simpler)
    yield from _moved(program)
    yield from _lower(program)


def _with_op(program: Program, place: int, op: Op) -> Program:
    return replace(program, ops=_with(program.ops, place, op))


def _with(items: tuple[T, ...], place: int, *instead: T) -> tuple[T, ...]:
    """*items* with *instead* at this place."""
    return (*items[:place], *instead, *items[place + 1 :])


def spans_of(call: Any) -> dict[str, Span]:
    """The ranges in an operation, by field."""
    fields = ((name, getattr(call, name)) for name in call.__struct_fields__)
    return {name: value for name, value in fields if isinstance(value, Span)}


def _reach(program: Program, name: str) -> int:
    """One page past the last page of *name* that any operation names."""
    calls: list[Any] = [op.call for op in program.ops]
    ends = [span.end for call in calls for span in spans_of(call).values() if span.name == name]
    ends += [_pages(call) for call in calls if getattr(call, "name", None) == name]
    return max(ends, default=0)


def _pages(call: Any) -> int:
    return int(call.source.pages if isinstance(call, Mmap) else call.pages)


def _devices(program: Program) -> Iterator[Program]:
    """*program* with one device removed, replaced by the first one, or made smaller."""
    used = [device for device in program.devices if _reach(program, device.name)]
    remaining = tuple(used or program.devices[:1])
    if remaining != program.devices:
        yield replace(program, devices=remaining)
    first = program.devices[0]
    for device in program.devices[1:]:
        if device.kind == first.kind:
            renamed = _renamed(program, device.name, first.name)
            devices = [other for other in renamed.devices if other is not device]
            larger = replace(first, pages=max(first.pages, _reach(renamed, first.name)))
            yield replace(renamed, devices=(larger, *devices[1:]))
    if len(program.devices) == 1 and first.kind == "pci" and first.name != "bar":
        renamed = _renamed(program, first.name, "bar")
        yield replace(renamed, devices=(replace(first, name="bar"),))
    for place, device in enumerate(program.devices):
        for pages in _page_counts(device.pages, _reach(program, device.name)):
            yield replace(program, devices=_with(program.devices, place, replace(device, pages=pages)))


def _areas(program: Program) -> Iterator[Program]:
    """*program* with a declared area removed or made smaller, or with two areas merged."""
    for place, area in enumerate(program.areas):
        yield replace(program, areas=_with(program.areas, place))
        for pages in _page_counts(area.pages, _reach(program, area.name)):
            yield replace(program, areas=_with(program.areas, place, replace(area, pages=pages)))
    names = _area_names(program)
    for name in names:
        yield from (_renamed(program, name, other) for other in AREAS if other < name)


def _area_names(program: Program) -> list[str]:
    """The areas in *program*, sorted by name."""
    devices = {device.name for device in program.devices} | {*NO_DEVICE}
    names = {area.name for area in program.areas}
    for op in program.ops:
        names |= {span.name for span in spans_of(op.call).values()} - devices
        name = getattr(op.call, "name", None)
        names |= {name} if name is not None else set()
    return sorted(names)


def _renamed(program: Program, old: str, new: str) -> Program:
    """*program* with the name *old* replaced by *new*; two declared areas may become one."""

    def renamed(value: Any) -> Any:
        return replace(value, name=new) if getattr(value, "name", None) == old else value

    ops = []
    for op in program.ops:
        call = renamed(op.call)
        spans = {field: renamed(span) for field, span in spans_of(call).items()}
        ops.append(replace(op, call=replace(call, **spans)))
    areas: dict[str, int] = {}
    for area in program.areas:
        name = new if area.name == old else area.name
        areas[name] = max(areas.get(name, 0), area.pages)
    declared = tuple(Area(name, pages) for name, pages in areas.items())
    return replace(program, ops=tuple(ops), areas=declared)


def _ops(op: Op) -> Iterator[Op]:
    """*op* with one part simplified."""
    if op.fail is not None and op.fail.nth > 1:
        yield replace(op, fail=Fail(op.fail.function, 1, op.fail.inside))
    for prefix in ("fail", "skip"):
        if getattr(op, prefix) is not None:
            yield replace(op, **{prefix: None})
    for call in _calls(op.call):
        yield replace(op, call=call)


def _calls(call: Any) -> Iterator[Any]:
    """*call* with one argument simplified."""
    if isinstance(call, Mmap) and call.driver is not None:
        yield replace(call, via="wc", driver=None)
        for driver in _words(call.driver):
            part = driver.part if driver.how == "part" else None
            yield replace(call, driver=replace(driver, part=part))
    if isinstance(call, Mremap) and call.fixed and not call.dontunmap and call.span.name != VVAR:
        yield replace(call, maymove=False, fixed=False, name=None, over=None)
    values = {"value": Shape.VALUE} if isinstance(call, Walk) else {}
    for name, field in _DECLARED.get(type(call), values).items():
        if field is Shape.VALUE and getattr(call, name) not in (None, 1):
            yield replace(call, **{name: 1})
        if field is Shape.ROOM and (left := getattr(call, name)) is not None:
            plainer = _ROOMS[: _ROOMS.index(left)] if left in _ROOMS else _ROOMS
            yield from (replace(call, **{name: room}) for room in plainer)
    if isinstance(call, Walk | ProcessVmReadv) and call.bytes is not None:
        yield from (replace(call, bytes=simpler) for simpler in _bytes(call.bytes))
    if isinstance(call, Walk) and call.node is not None:
        yield replace(call, node=None)
    if isinstance(call, Fork) and call.refused is not None:
        yield replace(call, refused=None)
    yield from _words(call)
    yield from _shorter(call)


def _bytes(part: ByteRange) -> Iterator[ByteRange | None]:
    """Unspecified bytes, fewer bytes, or bytes from the start of the page; round numbers before odd ones."""
    yield None
    yield from (ByteRange(part.offset, length) for length in (1, 8, PAGE_SIZE) if length < part.length)
    yield from (ByteRange(offset, part.length) for offset in (0, PAGE_SIZE - 4) if offset < part.offset)


def _words(value: Any) -> Iterator[Any]:
    """*value* with one word simplified."""
    for field in value.__struct_fields__:
        current = getattr(value, field)
        anonymous = isinstance(value, Mmap) and value.source.name in NO_DEVICE
        plain = False if field == "shared" and anonymous else plain_flag(type(value), field)
        if plain is not None and current is not plain:
            yield replace(value, **{field: plain})
        words = plainest(type(value), field)
        if isinstance(current, str) and words and current != "driver" and not (field == "via" and anonymous):
            before = words[: words.index(current)] if current in words else words
            yield from (replace(value, **{field: word}) for word in before)


def plainest(kind: type, field: str) -> tuple[str, ...]:
    """The words for *field* of an operation or mapping kind, plainest first."""
    declared = _DECLARED.get(kind, {}).get(field)
    if isinstance(declared, Word | Ending):
        return declared.plainer or tuple(declared.numbers)
    return PLAINER.get(field, ())


def plain_flag(kind: type, field: str) -> bool | None:
    """The plainer value of an operation's flag *field*, or None."""
    declared = _DECLARED.get(kind, {}).get(field)
    return declared.plainer if isinstance(declared, Flag) else FLAGS.get(field)


def _shorter(call: Any) -> Iterator[Any]:
    """*call* on fewer pages: the first, the last, or half of them; sources and targets shrink together."""
    if isinstance(call, Mmap):
        for pages in _page_counts(call.source.pages, 1):
            source = Span(call.source.name, call.source.start, call.source.start + pages)
            over = call.over and Span(call.over.name, call.over.start, call.over.start + pages)
            yield replace(call, source=source, over=over)
        return
    if isinstance(call, Mremap):
        for pages in _page_counts(call.pages, 1):
            yield _resized(call, pages, call.span.pages)
            if pages <= call.span.pages:
                yield _resized(call, pages, pages)
    if isinstance(call, RemapFilePages):
        for pages in _page_counts(call.span.pages, 1):
            source = Span(call.source.name, call.source.start, call.source.start + pages)
            over = Span(call.span.name, call.span.start, call.span.start + pages)
            yield replace(call, source=source, span=over)
        return
    span = getattr(call, "span", None)
    if isinstance(span, Span):
        for pages in _page_counts(span.pages, 1):
            for start in dict.fromkeys((span.start, span.end - pages)):
                yield replace(call, span=Span(span.name, start, start + pages))


def _resized(call: Mremap, pages: int, old: int) -> Mremap:
    over = call.over and Span(call.over.name, call.over.start, call.over.start + pages)
    span = Span(call.span.name, call.span.start, call.span.start + old)
    return replace(call, pages=pages, over=over, span=span)


def _page_counts(pages: int, least: int) -> Iterator[int]:
    """Numbers below *pages*, *least* first."""
    least = max(1, least)
    steps = (pages // 2, pages - pages // 8, pages - pages // 64, _below(pages))
    yield from dict.fromkeys(count for count in (least, *steps) if least <= count < pages)


def _below(pages: int) -> int:
    """The next lower number; for large numbers, the next lower multiple of one or more page tables' pages."""
    unit = next((unit for unit in (64 * TABLE, TABLE) if pages > 4 * unit), 1)
    return (pages - 1) // unit * unit


def _lower(program: Program) -> Iterator[Program]:
    """*program* with the range of one operation moved to lower pages."""
    for place, op in enumerate(program.ops):
        for field, span in spans_of(op.call).items():
            for start in dict.fromkeys(
                page for page in (0, 1, span.start // 2, _below(span.start)) if page < span.start
            ):
                if start < 0 or (start == 0 and isinstance(op.call, RequestMemRegion)):
                    continue
                lower = Span(span.name, start, start + span.pages)
                call: Any = replace(op.call, **{field: lower})
                yield _with_op(program, place, replace(op, call=call))


def _moved(program: Program) -> Iterator[Program]:
    """*program* with all page numbers halved, or with all pages of one area or device moved lower."""
    yield from _each_span(program, None, lambda page: page // 2)
    names = {span.name for op in program.ops for span in spans_of(op.call).values()}
    for name in sorted(names):
        lowest = min(
            span.start for op in program.ops for span in spans_of(op.call).values() if span.name == name
        )
        if lowest:
            yield from _each_span(program, name, lambda page, by=lowest: page - by)  # type: ignore[misc]


def _each_span(program: Program, name: str | None, lowered: Callable[[int], int]) -> Iterator[Program]:
    """*program* with the bounds of all ranges in *name* lowered (None: in any name), if that changes it."""
    ops = []
    for op in program.ops:
        call: Any = op.call
        spans = {
            field: Span(span.name, lowered(span.start), max(lowered(span.end), lowered(span.start) + 1))
            for field, span in spans_of(call).items()
            if span.pages and name in (None, span.name)
        }
        call = replace(call, **spans)
        if isinstance(call, Mmap) and call.over is not None:
            over = Span(call.over.name, call.over.start, call.over.start + call.source.pages)
            call = replace(call, over=over)
        elif isinstance(call, Mremap) and name is None:
            pages = max(1, lowered(call.pages))
            over_to = call.over and Span(call.over.name, call.over.start, call.over.start + pages)
            call = replace(call, pages=pages, over=over_to)
        ops.append(replace(op, call=call))
    if tuple(ops) != program.ops:
        yield replace(program, ops=tuple(ops))
