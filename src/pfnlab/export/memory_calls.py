"""Memory calls in an strace log: mmap and related calls, with addresses."""

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from pfnlab.base.units import PAGE_SIZE
from pfnlab.export.file_calls import (
    VFIO_BAR_PAGES,
    CallReader,
    TracedCall,
    TracedFile,
    TracedProcesses,
    readers,
)
from pfnlab.export.following import MapRequest, MapSource, pages_in
from pfnlab.export.strace_lines import MAP, MLOCKALL, MREMAP, MSYNC, OPEN, bits, number, string
from pfnlab.export.windows import driver_file
from pfnlab.programs.lang.device_ops import DriverMap
from pfnlab.programs.lang.fields import Flag, Shape, Word
from pfnlab.programs.lang.ops import Call, Mbind, Mlockall, Msync, Munlockall, PkeyMprotect
from pfnlab.programs.lang.process_ops import POLICIES
from pfnlab.programs.lang.walk_ops import CLEARED_REFS, ClearRefs
from pfnlab.programs.lang.words import ROWS, TRACED

_KINDS_OF_REFS = {str(written): kind for kind, written in CLEARED_REFS.items()}

#: mmap errors that depend on how and by whom the file was opened, which a program cannot express.
_OF_FILES = frozenset({"EACCES", "EPERM", "EBADF", "ENODEV"})


def _mmap(now: TracedCall, asked: int, length: int, prot: str, how: str, fd: str, offset: int) -> bool:
    if now.call.value is None and not now.call.errno:
        return False
    flags, unknown = bits(how, MAP)
    failed = now.call.got is None
    at = (asked if now.call.got is None else now.call.got) // PAGE_SIZE
    pages = pages_in(length)
    mapped = MapRequest(pages, at, prot, flags, failed)
    file = None if flags & MAP["MAP_ANONYMOUS"] else now.task.file(fd)
    if file is None or file.file is None:
        met = bool(now.task.space.within(at, at + pages)) and not failed
        now.trace.follower.mmap(now.acting(), MapSource(), mapped)
        if file is not None and driver_file(file.path) and not met:
            return now.unsaid(f"mmap of {file.path}: its driver has a special way to map")
        return met
    if now.call.errno in _OF_FILES:
        explains = f"`pfnlab explain --errno {now.call.errno} mmap {PurePosixPath(file.path).name}`"
        return now.unsaid(
            f"mmap of {file.path} failed with {now.call.errno}, which is the file's: {explains}"
        )
    if offset % PAGE_SIZE:
        return now.unsaid(f"mmap of {file.path} at an offset that is not a multiple of the page size")
    if any(word.startswith("MAP_") for word in unknown):
        now.unsaid(f"mmap with {'|'.join(unknown)}, said without")
    source = _source(now.trace, file, offset // PAGE_SIZE, pages, failed=failed)
    now.trace.follower.mmap(now.acting(), source, mapped)
    return True


def _source(trace: TracedProcesses, file: TracedFile, page: int, pages: int, *, failed: bool) -> MapSource:
    device, place = file.file, file.place(page)
    assert device is not None and place is not None
    driver = None
    via = device.via
    if via == "devmem" and file.flags & OPEN["O_DSYNC"]:
        via = "devmem-sync"
    elif via == "proc-uc" and file.combining:
        via = "proc-wc"
    elif via == "driver":
        # For /dev/uioN, the offset is the number of the map.
        page, driver = 0, DriverMap("remap", "uc-")
    elif via == "vfio":
        page %= VFIO_BAR_PAGES
    return MapSource(trace.windows.mapped(place, page, page + pages, failed=failed), via, driver)


def _plain(kind: type[Call]) -> CallReader:
    """The reader for a call with an address, a length and an operation's fields, in order."""
    fields = ROWS[kind].fields[1:]
    make: Callable[..., Call] = kind

    def act(now: TracedCall, start: int, length: int, *told: str) -> bool:
        values: list[Any] = []
        for field, text in zip(fields, told, strict=True):
            word = text.partition(" ")[0]
            match field:
                case Shape.PROT:
                    values.append(text)
                case Flag():
                    values.append(word != "0")
                case Word() if (found := named(field, word)) in field.numbers:
                    values.append(found)
                case _:
                    return now.unsaid_of(start, length, f"{now.call.name} with {word}")
        return now.on_pages(start, length, lambda span: make(span, *values))

    kinds = ("prot" if field is Shape.PROT else "word" for field in fields)
    return " ".join(("number", "length", *kinds)), act


def _munmap(now: TracedCall, start: int, length: int) -> bool:
    return now.trace.follower.munmap(now.acting(), start, length, failed=bool(now.call.errno))


def _mremap(now: TracedCall, start: int, old: int, new: int, how: str) -> bool:
    if now.call.value is None and not now.call.errno:
        return False
    to = None if now.call.errno or now.call.value is None else now.call.value // PAGE_SIZE
    flags, _ = bits(how, MREMAP)
    first, count = start // PAGE_SIZE, pages_in(old)
    return now.trace.follower.mremap(
        now.acting(),
        first,
        count,
        pages_in(new),
        flags=flags,
        to=to,
    )


def _pkey_mprotect(now: TracedCall, start: int, length: int, prot: str, key: str) -> bool:
    """Convert the key: -1, or a program's only key; key 0 is the default for all other memory."""
    if key == "0":
        return now.unsaid_of(start, length, "pkey_mprotect with key 0")
    keyed = key != "-1"
    return now.on_pages(start, length, lambda span: PkeyMprotect(span, prot, keyed))


def _mbind(now: TracedCall, start: int, length: int, *how: str) -> bool:
    mode, nodes, _, flags = how
    policy = mode.removeprefix("MPOL_").lower()
    about = policy == "default" or number(nodes.strip("[]")) == 1
    if policy in POLICIES and about and flags in ("0", "MPOL_MF_MOVE"):
        moves = flags != "0"
        return now.on_pages(start, length, lambda span: Mbind(span, policy, moves))
    return now.unsaid_of(start, length, f"mbind with {mode}, {nodes} and {flags}")


def _msync(now: TracedCall, start: int, length: int, how: str) -> bool:
    syncs = bits(how, MSYNC)[0] & MSYNC["MS_SYNC"]
    return bool(syncs) and now.on_pages(start, length, Msync)


def _mlockall(now: TracedCall, how: str) -> bool:
    if bits(how, MLOCKALL)[0] != MLOCKALL["MCL_CURRENT"] | MLOCKALL["MCL_FUTURE"]:
        return now.unsaid(f"mlockall with {how}: a program has MCL_CURRENT|MCL_FUTURE only")
    return now.said(Mlockall(), weak=True)


def _munlockall(now: TracedCall) -> bool:
    return now.said(Munlockall(), weak=True)


def _write(now: TracedCall, file: TracedFile, text: str) -> bool:
    """Handle a number written to the task's own clear_refs; other writes are ignored."""
    if now.call.errno or not re.fullmatch(r"/proc/[^/]+/clear_refs", file.path):
        return False
    whose, written = now.owner(file.path, "clear_refs"), string(text)
    kind = None if written is None else _KINDS_OF_REFS.get(written[0].strip())
    if whose is None or whose.process is not now.task.process or kind is None:
        return now.unsaid(f"write of {text} to {file.path}")
    return now.said(ClearRefs(kind), weak=True)


def named(field: Word, text: str) -> Any:
    """The program language's word for a field, or the printed text if the language has none."""
    word = text.partition(" ")[0]
    numbers = {str(value): name for name, value in field.numbers.items()}
    return numbers.get(word, word.removeprefix(field.c).lower())


#: The calls on memory.
MEMORY_CALLS = {name: _plain(kind) for name, kind in TRACED.items()} | readers(
    [
        # mmap2 is the 32-bit mmap, whose offset strace also prints in bytes.
        ("mmap mmap2", "number length prot word word number", _mmap),
        ("munmap", "number length", _munmap),
        ("mremap", "number number length word", _mremap),
        ("pkey_mprotect", "number length prot word", _pkey_mprotect),
        ("mbind", "number length word word word word", _mbind),
        ("msync", "number length word", _msync),
        ("mlockall", "word", _mlockall),
        ("munlockall", "", _munlockall),
        ("write", "file word", _write),
    ]
)
