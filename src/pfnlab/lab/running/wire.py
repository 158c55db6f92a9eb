"""Programs as requests to the guest agent (``guest/PROTOCOL.md``): names become addresses."""

from typing import Any, NamedTuple, assert_never

from pfnlab.base.errors import Misuse
from pfnlab.base.units import PAGE_SIZE, pfn_to_phys
from pfnlab.kernel.mm.users.vfio import BAR_OFFSET
from pfnlab.lab.running.placement import Placement
from pfnlab.lab.running.preparations import preparations
from pfnlab.programs.lang import ops
from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.device_ops import DRIVER_RAM, UnmapMappingRange
from pfnlab.programs.lang.fields import Ending, Field, Flag, Shape, Word
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import RANGE_WALKERS, ByteRange, ProcessVmReadv, Walk
from pfnlab.programs.lang.words import ROWS, is_by_hand
from pfnlab.programs.runs.places import reads_unknown

#: The most tasks that the agent can have, and the longest comm in the kernel.
MAX_TASKS = 16
COMM_LENGTH = 15

_PROT = {"r": 1, "w": 2, "x": 4}

_MAP_SHARED, _MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS = 0x1, 0x2, 0x10, 0x20
_MAP_LOCKED, _MAP_POPULATE, _MAP_FIXED_NOREPLACE = 0x2000, 0x8000, 0x100000

_MREMAP_MAYMOVE, _MREMAP_FIXED, _MREMAP_DONTUNMAP = 1, 2, 4

#: Interfaces whose file offsets are relative to the start of the BAR (or its region); the others' are
#: physical addresses.
_FROM_BAR = frozenset({"wc", "uc", "vfio"})

#: The value that means no limit.
_UNLIMITED = (1 << 64) - 1

#: The bit that is set in an address relative to the driver's own pages, or to the task's clock pages.
_OF_RAM = _OF_VVAR = 1 << 63


class ObservationRequest(NamedTuple):
    """Requested observations, by the agent's words for it; VMAs and PTEs are observed after each step.

    :param order: the order of kernel calls, in a guest with probes
    :param last: read the memtype list only before the first operation and at the end
    :param stand: no operation begins until the host allows it
    """

    vmas: bool = True
    ptes: bool = True
    order: bool = False
    last: bool = False
    stand: bool = False


#: VMAs and page-table entries after every operation.
USUAL = ObservationRequest()


def compile_program(program: ops.Program, placement: Placement, observed: ObservationRequest) -> str:
    """The request that runs *program* in *placement*; Misuse if the program has too many tasks."""
    tasks = ops.tasks_of(program)
    if len(tasks) > MAX_TASKS:
        raise Misuse(f"{len(tasks)} tasks are too many for the guest: use at most {MAX_TASKS}")
    slots = {name: slot for slot, name in enumerate(tasks)}
    observe_words = ["observe", *(word for word, wanted in observed._asdict().items() if wanted)]
    lines = ["program 1", " ".join(observe_words)]
    lines += [f"thp {program.thp}"] * (program.thp is not None)
    lines += ["keys"] * any(isinstance(op.call, ops.PkeyMprotect) and op.call.keyed for op in program.ops)
    lines += [f"watch {pfn_to_phys(pfns.start):x} {pfn_to_phys(pfns.end):x}" for pfns in placement.watched]
    lines += [f"area {start * PAGE_SIZE:x} {pages:x}" for start, pages in placement.places.areas.values()]
    lines += [f"name {slot} {name[:COMM_LENGTH]}" for name, slot in slots.items()]
    for op, around in zip(program.ops, preparations(program), strict=True):
        request = f"op {_slot(slots, op.task)} {_request(op.call, placement, slots)}"
        lines += [*around.before, request, *around.after]
    return "\n".join([*lines, "end", ""])


def address_of(placement: Placement, span: Span) -> int:
    """The virtual address, in bytes, where *span* begins; Misuse if no area has that name."""
    if span.name == VVAR:
        return _OF_VVAR | span.start * PAGE_SIZE
    try:
        start, _ = placement.places.areas[span.name]
    except KeyError:
        raise Misuse(f"no area {span.name}: map something as {span.name} or declare it") from None
    return (start + span.start) * PAGE_SIZE


def _slot(slots: dict[str, int], task: str) -> int:
    try:
        return slots[task]
    except KeyError:
        raise Misuse(f"no task {task}: write `{task} = fork` before it") from None


def _request(call: ops.Call, placement: Placement, slots: dict[str, int]) -> str:
    if not is_by_hand(call):
        row = ROWS[type(call)]
        values = (getattr(call, name) for name in call.__struct_fields__)
        sent = (
            _field(field, value, placement, slots) for field, value in zip(row.fields, values, strict=True)
        )
        return " ".join(word for word in (row.wire, *sent) if word)
    match call:
        case ops.Mmap():
            return _mmap(call, placement)
        case ops.Mremap():
            return _mremap(call, placement)
        case ops.Fork() | ops.Thread():
            return f"{'fork' if isinstance(call, ops.Fork) else 'thread'} {slots[call.child]}"
        case Walk(bytes=ByteRange()) | ProcessVmReadv(bytes=ByteRange()):
            return _bytes(call, placement)
        case ProcessVmReadv():
            return f"readv {address_of(placement, call.span):x}"
        case Walk():
            number = call.span.pages * PAGE_SIZE if call.walker in RANGE_WALKERS else call.value or 0
            walker = call.walker if call.node is None else f"{call.walker}_{call.node}"
            return f"walk {walker} {address_of(placement, call.span):x} {number:x}"
        case ops.RemapFilePages():
            offset = _offset(call.via, call.source, placement)
            return f"remap-file {_range(placement, call.span)} {offset // PAGE_SIZE:x}"
        case UnmapMappingRange(to_end=True):
            return f"driver unmap {_physical(placement, call.span):x} 0 {int(not call.keep_cows)}"
        case UnmapMappingRange():
            return f"driver unmap {_device_range(placement, call.span)} {int(not call.keep_cows)}"
    assert_never(call)


def _field(field: Field, value: Any, placement: Placement, slots: dict[str, int]) -> str:
    # One field of an operation; a guest has a single device, whose name is not sent.
    match field:
        case Shape.RANGE:
            return _range(placement, value)
        case Shape.ACCESS:
            return f"{address_of(placement, value):x}"
        case Shape.DEVICE_PAGES | Shape.MEMORY | Shape.SECTIONS:
            return _device_range(placement, value)
        case Shape.OWN_PAGES:
            return f"{value.start:x} {value.pages:x}"
        case Shape.DEVICE | Shape.HELD:
            return ""
        case Shape.PROT:
            return f"{_prot(value):x}"
        case Shape.VALUE:
            return f"{value:x}"
        case Shape.TASK | Shape.ANY_TASK:
            return str(_slot(slots, value))
        case Shape.ROOM:
            return f"{_UNLIMITED if value is None else value:x}"
        case Word() | Ending():
            return f"{field.numbers[value]:x}"
        case Flag():
            return str(int(value))
    assert_never(field)


def _bytes(call: Walk | ProcessVmReadv, placement: Placement) -> str:
    assert call.bytes is not None
    # A read whose content must not be reported has this flag instead of the first byte to write.
    silent = int(reads_unknown(call, placement.places))
    walker = call.walker if isinstance(call, Walk) else "process_vm_readv"
    first = silent if isinstance(call, ProcessVmReadv) or call.value is None else call.value
    address = address_of(placement, call.span) + call.bytes.offset
    return f"bytes {walker} {address:x} {call.bytes.length:x} {first:x}"


def _mmap(call: ops.Mmap, placement: Placement) -> str:
    flags = _MAP_SHARED if call.shared else _MAP_PRIVATE
    flags |= _MAP_POPULATE * call.populate | _MAP_LOCKED * call.locked
    if call.over is not None:
        target, flags = call.over, flags | _MAP_FIXED
    else:
        target, flags = Span(str(call.name), 0, call.source.pages), flags | _MAP_FIXED_NOREPLACE
    offset = 0
    if call.via == "anon":
        flags |= _MAP_ANONYMOUS
    elif call.via != "perf":
        offset = _offset(call.via, call.source, placement)
    size = call.source.pages * PAGE_SIZE
    address = address_of(placement, target)
    return f"mmap {call.via} {address:x} {size:x} {_prot(call.prot):x} {flags:x} {offset:x}"


def _offset(via: ops.Via, source: Span, placement: Placement) -> int:
    origin = placement.bar.start if via in _FROM_BAR else 0
    region = BAR_OFFSET * PAGE_SIZE if via == "vfio" else 0
    return _physical(placement, source) - pfn_to_phys(origin) + region


def _physical(placement: Placement, span: Span) -> int:
    try:
        device = placement.places.devices[span.name]
    except KeyError:
        raise Misuse(f"no device {span.name}: declare it above") from None
    return pfn_to_phys(device.start + span.start)


def _device_range(placement: Placement, span: Span) -> str:
    if span.name == DRIVER_RAM:
        return f"{_OF_RAM | span.start * PAGE_SIZE:x} {span.pages * PAGE_SIZE:x}"
    return f"{_physical(placement, span):x} {span.pages * PAGE_SIZE:x}"


def _mremap(call: ops.Mremap, placement: Placement) -> str:
    flags = _MREMAP_MAYMOVE * call.maymove
    flags |= _MREMAP_FIXED * call.fixed | _MREMAP_DONTUNMAP * call.dontunmap
    target = call.over or (Span(call.name, 0, call.pages) if call.name is not None else None)
    new_address = 0 if target is None else address_of(placement, target)
    old_range = f"{address_of(placement, call.span):x} {call.span.pages * PAGE_SIZE:x}"
    return f"mremap {old_range} {call.pages * PAGE_SIZE:x} {flags:x} {new_address:x}"


def _range(placement: Placement, span: Span) -> str:
    return f"{address_of(placement, span):x} {span.pages * PAGE_SIZE:x}"


def _prot(prot: str) -> int:
    return 0 if prot == "none" else sum(_PROT[letter] for letter in prot)
