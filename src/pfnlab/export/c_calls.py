"""A program's operations as C expressions that give the value of the system call."""

from typing import Any

import msgspec

from pfnlab.base.inert import c_string
from pfnlab.export.driver_requests import DriverWork, module_request
from pfnlab.export.pieces import area_at, bytes_of, device_at, pieces_called
from pfnlab.programs.lang import device_ops, ops, walk_ops
from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.fields import Field, Flag, Shape, Word
from pfnlab.programs.lang.process_ops import LIMITED_USES, Setrlimit
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import ROWS, word_of

#: The C expression that opens each interface, with the piece that defines its function.
_OPENED: dict[ops.Via, tuple[str, str | None]] = {
    "wc": ('open_bar("_wc")', "open_bar"),
    "uc": ('open_bar("")', "open_bar"),
    "proc-wc": ("open_proc(true)", "open_proc"),
    "proc-uc": ("open_proc(false)", "open_proc"),
    "devmem": ('open("/dev/mem", O_RDWR | O_CLOEXEC)', None),
    "devmem-sync": ('open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC)', None),
    "vfio": ("fetch_vfio()", "fetch_vfio"),
    "perf": ("open_event()", "open_event"),
}

_PROT = {"r": "PROT_READ", "w": "PROT_WRITE", "x": "PROT_EXEC"}

_REFUSED = {
    None: "split",
    "set_tid": "split_as_first",
    "overcommit_memory": "split_overcommitted",
    "pids_max": "split_limited",
}


#: The pieces that access the task's memory as the kernel does on behalf of others, by walker.
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
    pieces: tuple[str, ...] = ()
    defines: tuple[tuple[str, int], ...] = ()
    ends: str = ""
    starts: str | None = None
    names: str | None = None
    reads: bool = False


def why_not(op: ops.Op) -> str | None:
    """The reason why no program can perform *op*, even with a driver; None if one can."""
    if op.hold is not None:
        return "a hold point needs a debugger"
    if op.fail is not None or op.skip is not None:
        return "a call that is made to fail, or is left out, needs a debugger"
    if isinstance(op.call, device_ops.Plug | device_ops.Unplug):
        return "a device is plugged and unplugged from outside the machine"
    if isinstance(op.call, device_ops.RescanMoved):
        return "the place where the device was is kept from it, from outside the machine"
    return None


def why_not_without_driver(op: ops.Op) -> str | None:
    """The reason why user space cannot perform *op*; None if it can."""
    call = op.call
    drives = isinstance(call, device_ops.DriverCall) or (isinstance(call, ops.Mmap) and call.via == "driver")
    return "only a driver does this" if drives else None


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
            found = msgspec.structs.replace(
                found, text=f"(let_through(), {found.text})", pieces=(*found.pieces, "let_through")
            )
        self._keyed |= isinstance(op.call, ops.PkeyMprotect) and op.call.keyed
        return found

    def _call(self, op: ops.Op) -> CCall:
        call = op.call
        if isinstance(call, ops.Mlockall | ops.Munlockall):
            # This includes other threads, which are too rare to be counted.
            (self._all_locked.add if isinstance(call, ops.Mlockall) else self._all_locked.discard)(op.task)
        match call:
            case device_ops.Rescan() if self._work.binds:
                return CCall("rescan_matched()", ("rescan_matched",))
            case ops.Mmap():
                return self._mmap(call)
            case ops.Mremap():
                return _mremap(call)
            case ops.Read():
                piece = "load_only" if call.span.name in self._unknown else "load"
                return CCall(f"{piece}({area_at(call.span)})", (piece,), reads=True)
            case ops.RemapFilePages():
                offset = _offset(call.via, call.source)
                return CCall(
                    f"remap_pages({area_at(call.span)}, {call.span.pages}, {offset})", ("remap_pages",)
                )
            case walk_ops.Status():
                locked = "true" if op.task in self._all_locked else "false"
                return CCall(f"locked_memory({locked})", ("locked_memory",))
            case Setrlimit():
                resource, use = f"RLIMIT_{call.resource.upper()}", LIMITED_USES[call.resource]
                room = _argument(Shape.ROOM, call.room)
                return CCall(f'set_limit({resource}, "\\n{use}:", {room})', ("set_limit",))
            case walk_ops.ClearRefs():
                text = (
                    f'write_text("/proc/self/clear_refs", {c_string(str(walk_ops.CLEARED_REFS[call.kind]))})'
                )
                return CCall(text, ("write_text",))
            case walk_ops.Walk() | walk_ops.ProcessVmReadv():
                return self._walk(call)
        return self._asked(call) if isinstance(call, device_ops.DriverCall) else self._of_tasks(op)

    def _mmap(self, call: ops.Mmap) -> CCall:
        at = area_at(call.over) if call.over is not None else f"area_{call.name}"
        flags = ["MAP_SHARED" if call.shared else "MAP_PRIVATE"]
        flags.append("MAP_FIXED" if call.over is not None else "MAP_FIXED_NOREPLACE")
        flags += ["MAP_POPULATE"] * call.populate + ["MAP_LOCKED"] * call.locked
        how = f"{call.source.pages}, {_prot(call.prot)}, {' | '.join(flags)}"
        if call.via == "anon":
            return CCall(f"map_anonymous({at}, {how})", ("map_anonymous",))
        opened, piece = self._opened(call)
        offset = _offset(call.via, call.source)
        return CCall(f"map({opened}, {at}, {how}, {offset})", ("map", *([piece] if piece else [])))

    def _opened(self, call: ops.Mmap) -> tuple[str, str | None]:
        """The C expression that opens the mapped file, and the piece that defines its function."""
        if call.driver is None:
            return _OPENED[call.via]
        if self._work.chooses:
            return f"open_driver({self._work.ways.index(call.driver)})", "open_driver"
        return "open(DRIVER_DEVICE, O_RDWR | O_CLOEXEC)", None

    def _asked(self, call: ops.Call) -> CCall:
        """A call that the accompanying module executes."""
        if isinstance(call, device_ops.Bind | device_ops.Unbind):
            return CCall(
                f"tell_driver({c_string('bind' if isinstance(call, device_ops.Bind) else 'unbind')})",
                ("tell_driver",),
            )
        request = module_request(call)
        assert request is not None, call
        text = f"ask_driver({', '.join([request.name, *_asked_of(call)])})"
        if isinstance(call, device_ops.ArchPhysWcAdd):
            return CCall(f"counted({text})", ("ask_driver", "counted"))
        return CCall(text, ("ask_driver",))

    def _of_tasks(self, op: ops.Op) -> CCall:
        call = op.call
        match call:
            case ops.Fork():
                piece = _REFUSED[call.refused]
                return CCall(f"{piece}({self._number(call.child)})", (piece,), starts=call.child)
            case ops.Thread():
                return CCall(f"share({self._number(call.child)})", ("share",), starts=call.child)
            case ops.Exec():
                return CCall(f"become({self._number(op.task)})", ("become",))
            case ops.Exit():
                return CCall("", ends="EXITS")
            case ops.Kill():
                return CCall("", ends="KILLED")
            case device_ops.VfioClose():
                return CCall("", ("prepare_vfio",), ends="CLOSES")
        return _declared(call)

    def _number(self, task: str) -> int:
        return self._tasks.index(task)

    def _walk(self, call: walk_ops.Walk | walk_ops.ProcessVmReadv) -> CCall:
        at, pages = area_at(call.span), call.span.pages
        walker = call.walker if isinstance(call, walk_ops.Walk) else "process_vm_readv"
        if walker in _WAYS:
            return self._moved(call, _WAYS[walker])
        if walker == "futex_wake":
            return CCall(f"counted(wake({at}))", ("wake", "counted"))
        if walker == "move_pages":
            node = "true" if isinstance(call, walk_ops.Walk) and call.node is not None else "false"
            return CCall(f"move_pages({at}, {pages}, {node})", ("move_pages",))
        piece = "register_faults" if walker == "userfaultfd" else walker
        return CCall(f"{piece}({at}, {pages})", (piece,))

    def _moved(self, call: walk_ops.Walk | walk_ops.ProcessVmReadv, way: str) -> CCall:
        """A call in which the kernel transfers bytes, or a single word, of the task's memory."""
        at, known = area_at(call.span), call.span.name not in self._unknown
        value = (call.value if isinstance(call, walk_ops.Walk) else None) or 0
        writes = isinstance(call, walk_ops.Walk) and call.walker in walk_ops.STORING_WALKERS
        if isinstance(call.bytes, walk_ops.ByteRange):
            place, length = call.bytes.offset, call.bytes.length
            at = f"{at} + {place}" if place else at
            if writes:
                text = f"write_bytes({way}, {at}, {length}, {value % 256:#x})"
                return CCall(text, (way, "write_bytes"))
            text = f"read_bytes({way}, {at}, {length}, {str(known).lower()})"
            return CCall(text, (way, "read_bytes"), reads=True)
        if writes:
            return CCall(f"write_word({way}, {at}, {value:#x})", (way, "write_word"))
        text = f"read_word({way}, {at})"
        if known and isinstance(call, walk_ops.Walk):
            return CCall(text, (way, "read_word"), reads=True)
        return CCall(f"untold({text})", (way, "read_word", "untold"))


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
    # If a task refers to another one, it gets that one's process from the first process.
    served = ("serve",) if names is not None else ()
    return CCall(text, (*served, *pieces_called(text)), tuple(defines), names=names)


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


def _mremap(call: ops.Mremap) -> CCall:
    flags = ["MREMAP_MAYMOVE"] * call.maymove + ["MREMAP_FIXED"] * call.fixed
    flags += ["MREMAP_DONTUNMAP"] * call.dontunmap
    to = "NULL"
    if call.over is not None:
        to = area_at(call.over)
    elif call.name is not None:
        to = f"area_{call.name}"
    if call.span.name == VVAR:
        words = f"{call.span.start}, {call.span.pages}, {call.pages}, {' | '.join(flags)}, {to}"
        return CCall(f"move_vvar({words})", ("move_vvar",))
    words = f"{area_at(call.span)}, {call.span.pages}, {call.pages}, {' | '.join(flags) or '0'}, {to}"
    return CCall(f"move({words})", ("move",))


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
