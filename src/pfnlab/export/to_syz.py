"""A program in syzkaller's format: system calls at fixed addresses, all in one process."""

from collections.abc import Iterator
from typing import Any

from pfnlab.base.errors import Undecided
from pfnlab.base.inert import line_comment
from pfnlab.base.units import PAGE_SIZE
from pfnlab.export.printed_values import MAP, MBIND, MLOCKALL, MREMAP, MSYNC, OPEN, PAGEMAP_SCAN, RLIMIT
from pfnlab.export.subject import Subject
from pfnlab.export.syz_lines import DATA_START, SyzPlaces, places_for
from pfnlab.programs.lang import ops
from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.fields import Row, Shape, Word
from pfnlab.programs.lang.printer import area_text, expect_lines, op_text
from pfnlab.programs.lang.process_ops import ADVICE, POLICIES, ProcessMadvise, ProcessMrelease, Setrlimit
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import Mincore, Walk
from pfnlab.programs.lang.words import ANON, ROWS, tasks_named

#: The device whose BAR is mapped, and the BAR's physical address; replace them with the machine's own.
DEVICE, BAR = "0000:00:04.0", 2
BAR_ADDRESS = 0xFE000000

_PATHS: dict[ops.Via, str] = {
    "wc": f"/sys/bus/pci/devices/{DEVICE}/resource{BAR}_wc",
    "uc": f"/sys/bus/pci/devices/{DEVICE}/resource{BAR}",
    "proc-wc": "/proc/bus/pci/00/04.0",
    "proc-uc": "/proc/bus/pci/00/04.0",
    "devmem": "/dev/mem",
    "devmem-sync": "/dev/mem",
}

#: Files in which offsets are physical addresses.
_PHYSICAL: tuple[ops.Via, ...] = ("proc-wc", "proc-uc", "devmem", "devmem-sync")

#: /proc/bus/pci requests: to map memory, and to enable write combining.
IS_MEM, WRITE_COMBINE = 0x50434902, 0x50434903

#: The addresses of structures passed to calls, and of those that a scan fills in; paths come before them.
_ARGUMENTS, _REGIONS = DATA_START + PAGE_SIZE, DATA_START + 2 * PAGE_SIZE
#: All categories that a scan has on every kernel, and the value that means no limit.
_CATEGORIES = 0xFE
NO_LIMIT = (1 << 64) - 1
_NOWHERE = "0xffffffffffffffff"
_FDCWD = "0xffffffffffffff9c"
_PROT = {"r": 1, "w": 2, "x": 4}


def as_syz(subject: Subject) -> dict[str, str]:
    """The program as syzkaller text.

    :raises Undecided: if an operation cannot be written this way: one by another task, a load or
        store, or one by a driver
    """
    program = subject.program
    if not program.ops or program.thp is not None:
        raise Undecided(f"{subject.name}: the form syz cannot set transparent_hugepage: leave out `thp`")
    named = {task for op in program.ops for task in tasks_named(op.call).values()}
    writing = _Writing(subject.name, places_for(program, subject.name), named)
    calls = [line for number, op in enumerate(program.ops, 1) for line in writing.lines(op, number)]
    comments = [
        *([f"title   {program.title}"] if program.title else []),
        *([f"asks    {program.asks}"] if program.asks else []),
        *writing.places.comments(BAR),
        *map(area_text, program.areas),
        *expect_lines(program),
        f"Replace {DEVICE} by the device{_ADDRESS if writing.physical else ''}.",
    ]
    free = [_free(writing.places)] if writing.places.areas else []
    lines = [*(f"# {line_comment(comment)}" for comment in comments), *free, *calls]
    return {f"{subject.identifier}.syz": "".join(f"{line}\n" for line in lines)}


_ADDRESS = f", and {BAR_ADDRESS:#x} by the address of BAR {BAR}"


def _free(places: SyzPlaces) -> str:
    """Unmap syzkaller's own mappings at the areas' addresses."""
    first = places.areas[0][1]
    _, last, pages = places.areas[-1]
    length = last + pages * PAGE_SIZE - first
    return f"munmap({_memory(first, length)}, {length:#x})"


def _memory(address: int, length: int) -> str:
    return f"&({address:#x}/{max(length, PAGE_SIZE):#x})=nil"


class _Writing:
    # A program being written, operation by operation.

    def __init__(self, name: str, places: SyzPlaces, named: set[str]) -> None:
        self.places = places
        self.physical = False
        self._name, self._named = name, named
        self._files: dict[ops.Via, str] = {}
        #: The variables that hold pids and pidfds of tasks, and the total number of variables.
        self._pids: dict[str, str] = {}
        self._pidfds: dict[str, str] = {}
        self._page_map = ""
        self._variables = 0

    def lines(self, op: ops.Op, number: int) -> Iterator[str]:
        """The calls for an operation."""
        if op.task != ops.MAIN_TASK:
            raise self._cannot(op, number, "a child or thread acts")
        if op.fail or op.skip or op.hold:
            raise self._cannot(op, number, "the kernel is steered")
        for named in {*tasks_named(op.call).values()} - {ops.MAIN_TASK, *self._pids}:
            raise self._cannot(op, number, f"process `{named}` has not started")
        call = op.call
        match call:
            case ops.Mmap():
                if call.source.name != ANON and call.via not in _PATHS:
                    raise self._cannot(op, number, f"`{call.via}` has no file")
                if call.source.name != ANON:
                    yield from self._opened(call.via)
                yield self._mmap(call)
            case ops.Mseal():
                yield f"mseal({self._range(call.span)}, 0x0)"
            case ops.PkeyMprotect(keyed=False):
                yield f"pkey_mprotect({self._range(call.span)}, {_prot(call.prot)}, 0xffffffffffffffff)"
            case ops.Mbind():
                nodes = "0x0, 0x0" if call.policy == "default" else f"&({_ARGUMENTS:#x})=0x1, 0x40"
                flags = MBIND["MPOL_MF_MOVE"] if call.move else 0
                yield f"mbind({self._range(call.span)}, {POLICIES[call.policy]:#x}, {nodes}, {flags:#x})"
            case ops.Msync():
                yield f"msync({self._range(call.span)}, {MSYNC['MS_SYNC']:#x})"
            case Mincore():
                found = f'&({_ARGUMENTS:#x})=""/{call.span.pages}'
                yield f"mincore({self._range(call.span)}, {found})"
            case ops.Mremap(span=Span(name=name)) if name == VVAR:
                raise self._cannot(op, number, "where vvar lies is not known beforehand")
            case ops.Mremap():
                yield self._mremap(call)
            case ops.Mlockall():
                yield f"mlockall({MLOCKALL['MCL_CURRENT'] | MLOCKALL['MCL_FUTURE']:#x})"
            case ops.Munlockall():
                yield "munlockall()"
            case ops.Fork() if call.refused is None:
                begin = ""
                if call.child in self._named:
                    self._pids[call.child] = self._variable()
                    begin = f"{self._pids[call.child]} = "
                yield f"{begin}syz_clone(0x0, 0x0, 0x0, 0x0, 0x0, 0x0)"
            case ProcessMadvise(span=span):
                yield from self._pidfd(call.target)
                ranges = f'[{{&({self.places.address(span):#x})="", {span.pages * PAGE_SIZE:#x}}}]'
                words = f"{self._pidfds[call.target]}, &({_ARGUMENTS:#x})={ranges}, 0x1"
                yield f"process_madvise({words}, {ADVICE[call.advice]:#x}, 0x0)"
            case ProcessMrelease(killed=False):
                yield from self._pidfd(call.victim)
                yield f"process_mrelease({self._pidfds[call.victim]}, 0x0)"
            case Setrlimit(room=None):
                limits = f"{{{NO_LIMIT:#x}, {NO_LIMIT:#x}}}"
                yield f"setrlimit({RLIMIT[call.resource]:#x}, &({_ARGUMENTS:#x})={limits})"
            case Setrlimit():
                raise self._cannot(op, number, "what the process has is not known beforehand")
            case Walk(walker="pagemap_scan"):
                yield from self._scan(call.span)
            case _ if (row := ROWS.get(type(call))) is not None and row.traced:
                yield f"{row.traced.split()[0]}({', '.join(self._plain(call, row))})"
            case _:
                raise self._cannot(op, number, "no system call with fixed arguments does it")

    def _plain(self, call: ops.Call, row: Row) -> Iterator[str]:
        """A call with a range's address and length, and the other fields in order."""
        for name, field in zip(call.__struct_fields__, row.fields, strict=True):
            value: Any = getattr(call, name)
            match field:
                case Shape.RANGE:
                    yield self._range(value)
                case Shape.PROT:
                    yield _prot(value)
                case Word():
                    yield f"{field.numbers[value]:#x}"
                case _:
                    yield f"{value:#x}"

    def _cannot(self, op: ops.Op, number: int, why: str) -> Undecided:
        return Undecided(f"{self._name}: the form syz cannot say operation {number}, `{op_text(op)}`: {why}")

    def _variable(self) -> str:
        self._variables += 1
        return f"r{self._variables - 1}"

    def _pidfd(self, task: str) -> Iterator[str]:
        """The variable with a task's pidfd, which is opened on first use."""
        if task in self._pidfds:
            return
        if task not in self._pids:
            self._pids[task] = self._variable()
            yield f"{self._pids[task]} = getpid()"
        self._pidfds[task] = self._variable()
        yield f"{self._pidfds[task]} = syz_pidfd_open({self._pids[task]}, 0x0)"

    def _scan(self, span: Span) -> Iterator[str]:
        """PAGEMAP_SCAN for a range, with room for one region per page."""
        if not self._page_map:
            self._page_map = self._variable()
            yield f"{self._page_map} = syz_open_procfs$pagemap(0x0, &({DATA_START:#x})='pagemap\\x00')"
        start, length = self.places.address(span), span.pages * PAGE_SIZE
        fields = [
            *("0x60", "0x0", _memory(start, length), _memory(start + length, PAGE_SIZE), "0x0"),
            *(f"&({_REGIONS:#x})=[{{0x0, 0x0, 0x0}}]", f"{span.pages:#x}", "0x0"),
            *("0x0", "0x0", f"{_CATEGORIES:#x}", f"{_CATEGORIES:#x}"),
        ]
        words = f"&({_ARGUMENTS:#x})={{{', '.join(fields)}}}"
        yield f"ioctl$PAGEMAP_SCAN({self._page_map}, {PAGEMAP_SCAN:#x}, {words})"

    def _opened(self, via: ops.Via) -> Iterator[str]:
        """The variable with an interface's file, which is opened on first use."""
        if via in self._files:
            return
        self._files[via] = variable = self._variable()
        flags = OPEN["O_RDWR"] | (OPEN["O_SYNC"] if via == "devmem-sync" else 0)
        path = f"&({DATA_START:#x})='{_PATHS[via]}\\x00'"
        yield f"{variable} = openat({_FDCWD}, {path}, {flags:#x}, 0x0)"
        if via in ("proc-wc", "proc-uc"):
            yield f"ioctl({variable}, {IS_MEM:#x}, 0x0)"
        if via == "proc-wc":
            yield f"ioctl({variable}, {WRITE_COMBINE:#x}, 0x1)"

    def _mmap(self, call: ops.Mmap) -> str:
        flags = MAP["MAP_SHARED"] if call.shared else MAP["MAP_PRIVATE"]
        flags |= (MAP["MAP_POPULATE"] if call.populate else 0) | (MAP["MAP_LOCKED"] if call.locked else 0)
        span = call.over or Span(call.name or "", 0, call.source.pages)
        flags |= MAP["MAP_FIXED"] if call.over else MAP["MAP_FIXED_NOREPLACE"]
        if call.source.name == ANON:
            flags |= MAP["MAP_ANONYMOUS"]
            file, offset = _NOWHERE, 0
        else:
            file = self._files[call.via]
            device, first = next(one for one in self.places.devices if one[0].name == call.source.name)
            offset = (first + call.source.start) * PAGE_SIZE
            if call.via in _PHYSICAL and device.kind == "pci":
                self.physical = True
                offset += BAR_ADDRESS
        return f"mmap({self._range(span)}, {_prot(call.prot)}, {flags:#x}, {file}, {offset:#x})"

    def _mremap(self, call: ops.Mremap) -> str:
        words = {"MAYMOVE": call.maymove, "FIXED": call.fixed, "DONTUNMAP": call.dontunmap}
        flags = sum(MREMAP[f"MREMAP_{word}"] for word, given in words.items() if given)
        to = call.over or (call.span if call.name is None else Span(call.name, 0, call.pages))
        length = call.pages * PAGE_SIZE
        target = _memory(self.places.address(to), length)
        return f"mremap({self._range(call.span)}, {length:#x}, {flags:#x}, {target})"

    def _range(self, span: Span) -> str:
        length = span.pages * PAGE_SIZE
        return f"{_memory(self.places.address(span), length)}, {length:#x}"


def _prot(prot: str) -> str:
    return f"{sum(_PROT.get(letter, 0) for letter in prot) if prot != 'none' else 0:#x}"
