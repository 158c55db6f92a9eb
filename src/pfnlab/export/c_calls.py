"""A program's operations as C expressions that give the value of the system call."""

from typing import Any

import msgspec

from pfnlab.base.inert import c_string
from pfnlab.export.module_files import DriverWork, module_request
from pfnlab.export.pieces import area_at, bytes_of, device_at
from pfnlab.programs.lang import device_ops, ops, walk_ops
from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.fields import Field, Flag, Shape, Word
from pfnlab.programs.lang.process_ops import LIMITED_USES, Setrlimit
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import ROWS, word_of

#: The C expression that opens each interface.
_OPENED: dict[ops.Via, str] = {
    "wc": 'open_bar("_wc")',
    "uc": 'open_bar("")',
    "proc-wc": "open_proc(true)",
    "proc-uc": "open_proc(false)",
    "devmem": 'open("/dev/mem", O_RDWR | O_CLOEXEC)',
    "devmem-sync": 'open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC)',
    "vfio": "fetch_vfio()",
    "perf": "open_event()",
}

_PROT = {"r": "PROT_READ", "w": "PROT_WRITE", "x": "PROT_EXEC"}

_REFUSED = {
    None: "split",
    "set_tid": "split_as_first",
    "overcommit_memory": "split_overcommitted",
    "pids_max": "split_limited",
}


#: The functions that access the task's memory as the kernel does on behalf of others, by walker.
_WAYS = {
    **{"mem_read": "mem_read", "mem_write": "mem_write", "process_vm_readv": "read_through"},
    **{"process_vm_writev": "write_through", "pipe_write": "copied", "vmsplice": "spliced"},
}


class CCall(msgspec.Struct, frozen=True):
    """An operation in C.

    :param text: the expression; empty if the first process acts instead, as ``ends`` says
    :param defines: macros that an old C library may lack, with their values
    :param ends: ``EXITS``, ``KILLED`` or ``CLOSES`` if the first process must know about it
    :param names: the task whose process it refers to, which only the first process knows
    :param reads: whether its value is device memory content
    """

    text: str
    defines: tuple[tuple[str, int], ...] = ()
    ends: str = ""
    starts: str | None = None
    names: str | None = None
    reads: bool = False


def why_not(op: ops.Op, *, drives: bool = True) -> str | None:
    """The reason why no program can perform *op*; None if one can.

    :param drives: a kernel module acts as the driver
    """
    call = op.call
    if op.hold is not None:
        return "a hold point needs a debugger"
    if op.fail is not None or op.skip is not None:
        return "a call that is made to fail, or is left out, needs a debugger"
    match call:
        case device_ops.Plug() | device_ops.Unplug():
            return "a device is plugged and unplugged from outside the machine"
        case device_ops.RescanMoved():
            return "the place where the device was is kept from it, from outside the machine"
    driven = isinstance(call, device_ops.DriverCall) or (isinstance(call, ops.Mmap) and call.via == "driver")
    return "only a driver does this" if driven and not drives else None


class CProgram:
    """Generates C for the operations of a program whose tasks are numbered.

    :param tasks: the names of all tasks, ordered by number
    :param unknown: the areas whose contents depend on the machine
    :param work: the requests to the kernel module that accompanies the program
    """

    def __init__(self, tasks: list[str], unknown: frozenset[str], work: DriverWork) -> None:
        self._tasks, self._unknown, self._work = tasks, unknown, work
        self._all_locked: set[str] = set()
        #: A process may have a protection key, whose rights are per thread and reset by a signal.
        self._keyed = False

    def call(self, op: ops.Op) -> CCall:
        """Return *op* as C; must be called for the operations in order."""
        assert why_not(op) is None, op
        found = self._call(op)
        if self._keyed and found.text:
            found = msgspec.structs.replace(found, text=f"(let_through(), {found.text})")
        self._keyed |= isinstance(op.call, ops.PkeyMprotect) and op.call.keyed
        return found

    def _call(self, op: ops.Op) -> CCall:
        call = op.call
        if isinstance(call, ops.Mlockall | ops.Munlockall):
            # This includes other threads, which are too rare to be counted.
            (self._all_locked.add if isinstance(call, ops.Mlockall) else self._all_locked.discard)(op.task)
        match call:
            case ops.Read():
                load = "load_only" if call.span.name in self._unknown else "load"
                return CCall(f"{load}({area_at(call.span)})", reads=True)
            case walk_ops.Walk() | walk_ops.ProcessVmReadv():
                return self._walk(call)
            case ops.Fork():
                split = _REFUSED[call.refused]
                return CCall(f"{split}({self._tasks.index(call.child)})", starts=call.child)
            case ops.Thread():
                return CCall(f"share({self._tasks.index(call.child)})", starts=call.child)
            case ops.Exit():
                return CCall("", ends="EXITS")
            case ops.Kill():
                return CCall("", ends="KILLED")
            case device_ops.VfioClose():
                return CCall("", ends="CLOSES")
        text = self._text(op)
        return _declared(call) if text is None else CCall(text)

    def _text(self, op: ops.Op) -> str | None:
        """The expression of an operation with a special form."""
        match op.call:
            case device_ops.Rescan() if self._work.binds:
                return "rescan_matched()"
            case ops.Mmap() as call:
                return self._mmap(call)
            case ops.Mremap() as call:
                return _mremap(call)
            case ops.RemapFilePages(span=span) as call:
                return f"remap_pages({area_at(span)}, {span.pages}, {_offset(call.via, call.source)})"
            case walk_ops.Status():
                return f"locked_memory({str(op.task in self._all_locked).lower()})"
            case Setrlimit(resource=resource) as call:
                room = _argument(Shape.ROOM, call.room)
                return f'set_limit(RLIMIT_{resource.upper()}, "\\n{LIMITED_USES[resource]}:", {room})'
            case walk_ops.ClearRefs(kind=kind):
                return f'write_text("/proc/self/clear_refs", {c_string(str(walk_ops.CLEARED_REFS[kind]))})'
            case ops.Exec():
                return f"become({self._tasks.index(op.task)})"
            case device_ops.Bind():
                return 'tell_driver("bind")'
            case device_ops.Unbind():
                return 'tell_driver("unbind")'
        if not isinstance(op.call, device_ops.DriverCall):
            return None
        request = module_request(op.call)
        assert request is not None, op
        text = f"ask_driver({', '.join([request.name, *_asked_of(op.call)])})"
        return f"counted({text})" if isinstance(op.call, device_ops.ArchPhysWcAdd) else text

    def _mmap(self, call: ops.Mmap) -> str:
        at = area_at(call.over) if call.over is not None else f"area_{call.name}"
        flags = ["MAP_SHARED" if call.shared else "MAP_PRIVATE"]
        flags.append("MAP_FIXED" if call.over is not None else "MAP_FIXED_NOREPLACE")
        flags += ["MAP_POPULATE"] * call.populate + ["MAP_LOCKED"] * call.locked
        how = f"{call.source.pages}, {_prot(call.prot)}, {' | '.join(flags)}"
        if call.via == "anon":
            return f"map_anonymous({at}, {how})"
        if call.driver is None:
            opened = _OPENED[call.via]
        elif self._work.chooses:
            opened = f"open_driver({self._work.ways.index(call.driver)})"
        else:
            opened = "open(DRIVER_DEVICE, O_RDWR | O_CLOEXEC)"
        return f"map({opened}, {at}, {how}, {_offset(call.via, call.source)})"

    def _walk(self, call: walk_ops.Walk | walk_ops.ProcessVmReadv) -> CCall:
        at, pages = area_at(call.span), call.span.pages
        walker = call.walker if isinstance(call, walk_ops.Walk) else "process_vm_readv"
        if walker in _WAYS:
            return self._moved(call, _WAYS[walker])
        if walker == "futex_wake":
            return CCall(f"counted(wake({at}))")
        if walker == "move_pages":
            node = "true" if isinstance(call, walk_ops.Walk) and call.node is not None else "false"
            return CCall(f"move_pages({at}, {pages}, {node})")
        return CCall(f"{'register_faults' if walker == 'userfaultfd' else walker}({at}, {pages})")

    def _moved(self, call: walk_ops.Walk | walk_ops.ProcessVmReadv, way: str) -> CCall:
        """A call in which the kernel transfers bytes, or a single word, of the task's memory."""
        at, known = area_at(call.span), call.span.name not in self._unknown
        value = (call.value if isinstance(call, walk_ops.Walk) else None) or 0
        writes = isinstance(call, walk_ops.Walk) and call.walker in walk_ops.STORING_WALKERS
        if isinstance(call.bytes, walk_ops.ByteRange):
            place, length = call.bytes.offset, call.bytes.length
            at = f"{at} + {place}" if place else at
            if writes:
                return CCall(f"write_bytes({way}, {at}, {length}, {value % 256:#x})")
            return CCall(f"read_bytes({way}, {at}, {length}, {str(known).lower()})", reads=True)
        if writes:
            return CCall(f"write_word({way}, {at}, {value:#x})")
        text = f"read_word({way}, {at})"
        reads = known and isinstance(call, walk_ops.Walk)
        return CCall(text if reads else f"untold({text})", reads=reads)


def _asked_of(call: ops.Call) -> tuple[str, str]:
    """The bytes that a request refers to: where they start, and how many there are."""
    span = getattr(call, "span", None)
    if span is None:
        return "0", "0"
    match ROWS[type(call)].fields[0] if type(call) in ROWS else None:
        case Shape.RANGE:
            at = area_at(span)
            return f"(uintptr_t)({at})" if span.start else f"(uintptr_t){at}", bytes_of(span.pages)
        case Shape.OWN_PAGES:
            return (bytes_of(span.start) if span.start else "0"), bytes_of(span.pages)
    # Length 0 means everything up to the end of the file.
    to_end = isinstance(call, device_ops.UnmapMappingRange) and call.to_end
    return device_at(span), "0" if to_end else bytes_of(span.pages)


def _declared(call: ops.Call) -> CCall:
    """An operation in the table: its row's expression, or a call to the function with its name and fields."""
    row, words, arguments, defines, names = ROWS[type(call)], dict[str, str](), list[str](), [], None
    for name, field in zip(call.__struct_fields__, row.fields, strict=True):
        value = getattr(call, name)
        match field:
            case Shape.RANGE | Shape.ACCESS:
                words |= {"at": area_at(value), "bytes": bytes_of(value.pages), "pages": str(value.pages)}
                arguments += ["{at}", "{bytes}"] if field is Shape.RANGE else ["{at}"]
            case Shape.TASK | Shape.ANY_TASK:
                names = value
            case Shape.DEVICE | Shape.HELD:
                pass
            case _:
                words[name] = _argument(field, value)
                arguments.append(f"{{{name}}}")
        if isinstance(field, Word) and field.newer is not None and field.numbers[value] >= field.newer:
            defines.append((words[name], field.numbers[value]))
    text = (row.c or f"{word_of(type(call))}({', '.join(arguments)})").format_map(words)
    return CCall(text, tuple(defines), names=names)


def _argument(field: Field, value: Any) -> str:
    """A field's value as a C argument."""
    match field:
        case Shape.PROT:
            return _prot(value)
        case Shape.ROOM:
            return "UINT64_MAX" if value is None else str(value)
        case Word():
            return f"{field.c}{value.upper()}" if field.c else str(field.numbers[value])
        case Flag():
            return field.c[value]
    return f"{value:#x}"


def _mremap(call: ops.Mremap) -> str:
    flags = ["MREMAP_MAYMOVE"] * call.maymove + ["MREMAP_FIXED"] * call.fixed
    flags += ["MREMAP_DONTUNMAP"] * call.dontunmap
    to = f"area_{call.name}" if call.name is not None else "NULL"
    to = area_at(call.over) if call.over is not None else to
    how = f"{call.span.pages}, {call.pages}, {' | '.join(flags) or '0'}, {to}"
    if call.span.name == VVAR:
        return f"move_vvar({call.span.start}, {how})"
    return f"move({area_at(call.span)}, {how})"


def _offset(via: ops.Via, source: Span) -> str:
    # Offsets in resource files count from the start of the BAR; all others are physical addresses.
    if via == "perf":
        return "0"
    at = device_at(source)
    if via in ("wc", "uc"):
        return f"{at} - here.bar_start"
    return f"REGION(here.index) + {at} - here.bar_start" if via == "vfio" else at


def _prot(prot: str) -> str:
    return "PROT_NONE" if prot == "none" else " | ".join(_PROT[letter] for letter in prot)
