"""Memory calls in an strace log: mmap and related calls, with addresses."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from pfnlab.base.units import PAGE_SIZE
from pfnlab.export import printed_values as printed
from pfnlab.export.file_calls import VFIO_BAR_PAGES, FileCalls, TracedFile, TracedTask, says
from pfnlab.export.following import MapSource, pages_in
from pfnlab.export.strace_lines import LoggedCall
from pfnlab.export.windows import KnownBar, driver_file
from pfnlab.programs.lang.device_ops import DriverMap
from pfnlab.programs.lang.fields import Flag, Shape, Word
from pfnlab.programs.lang.ops import Call, Mbind, Mlockall, Msync, Munlockall, PkeyMprotect
from pfnlab.programs.lang.process_ops import POLICIES
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import CLEARED_REFS, ClearRefs
from pfnlab.programs.lang.words import ROWS, TRACED

#: The minimum number of arguments for each call; damaged lines have fewer.
LEAST = {
    **{name: 1 + len(ROWS[kind].fields) for name, kind in TRACED.items()},
    **{"mmap": 6, "mmap2": 6, "mremap": 4, "pkey_mprotect": 4, "mbind": 6, "mlockall": 1},
}

_CLEAR_REFS = re.compile(r"/proc/(self|[0-9]+)/clear_refs")
_KINDS_OF_REFS = {str(written): kind for kind, written in CLEARED_REFS.items()}

#: mmap errors that depend on how and by whom the file was opened, which a program cannot express.
_OF_FILES = frozenset({"EACCES", "EPERM", "EBADF", "ENODEV"})


class MemoryCalls(FileCalls):
    """Reads calls on files and memory; see :class:`FileCalls`."""

    def __init__(self, known: dict[str, dict[int, KnownBar]]) -> None:
        super().__init__(known)
        #: The processes and threads by number; the key None stands for the only one.
        self.tasks: dict[int | None, TracedTask] = {}
        self.calls |= {name: self._plain(kind) for name, kind in TRACED.items()}
        self.calls |= {
            "mmap": self._mmap,
            # The 32-bit mmap, whose offset strace also prints in bytes.
            "mmap2": self._mmap,
            "munmap": self._munmap,
            "mremap": self._mremap,
            "pkey_mprotect": self._pkey_mprotect,
            "mbind": self._mbind,
            "msync": self._msync,
            "mlockall": self._mlockall,
            "munlockall": self._munlockall,
            "write": self._write,
            "ftruncate": self._ftruncate,
        }

    def _mmap(self, task: TracedTask, call: LoggedCall) -> bool:
        if call.value is None and not call.errno:
            return False
        asked, length, offset = (printed.number(call.arguments[index]) for index in (0, 1, 5))
        prot, _ = printed.bits(call.arguments[2], printed.PROT)
        flags, unknown = printed.bits(call.arguments[3], printed.MAP)
        if asked is None or not length or offset is None:
            return False
        failed = call.value is None or call.value < 0
        at = (asked if failed or call.value is None else call.value) // PAGE_SIZE
        pages = pages_in(length)
        found = None if flags & printed.MAP["MAP_ANONYMOUS"] else self.file(task, call.arguments[4])
        letters = printed.prot_letters(prot)
        how: dict[str, Any] = {"prot": letters, "flags": flags, "says": says(call), "failed": failed}
        mapped: Callable[[MapSource], None] = partial(
            self.follower.mmap, task.task, task.space, pages=pages, at=at, **how
        )
        if found is None or found[1].file is None:
            met = bool(task.space.within(at, at + pages)) and not failed
            mapped(MapSource())
            if found is not None and driver_file(found[1].path) and not met:
                return self.unsaid(f"mmap of {found[1].path}: its driver has a special way to map")
            return met
        file = found[1]
        if call.errno in _OF_FILES:
            explains = f"`pfnlab explain --errno {call.errno} mmap {PurePosixPath(file.path).name}`"
            return self.unsaid(
                f"mmap of {file.path} failed with {call.errno}, which is the file's: {explains}"
            )
        if offset % PAGE_SIZE:
            return self.unsaid(f"mmap of {file.path} at an offset that is not a multiple of the page size")
        if any(word.startswith("MAP_") for word in unknown):
            self.unsaid(f"mmap with {'|'.join(unknown)}, said without")
        mapped(self._source(file, offset // PAGE_SIZE, pages, failed=failed))
        return True

    def _source(self, file: TracedFile, page: int, pages: int, *, failed: bool) -> MapSource:
        device, place = file.file, self.place(file, page)
        assert device is not None and place is not None
        driver = None
        via = device.via
        if via == "devmem" and file.flags & printed.OPEN["O_DSYNC"]:
            via = "devmem-sync"
        elif via == "proc-uc" and file.combining:
            via = "proc-wc"
        elif via == "driver":
            # For /dev/uioN, the offset is the number of the map.
            page, driver = 0, DriverMap("remap", "uc-")
        elif via == "vfio":
            page %= VFIO_BAR_PAGES
        return MapSource(self.windows.mapped(place, page, page + pages, failed=failed), via, driver)

    def _on_pages(self, task: TracedTask, call: LoggedCall, make: Callable[[Span], Call]) -> bool:
        if len(call.arguments) < 2:
            return False
        start, length = printed.number(call.arguments[0]), printed.number(call.arguments[1])
        if start is None or not length:
            return False
        first, end = start // PAGE_SIZE, pages_in(start + length)
        return self.follower.ranged(task.task, task.space, first, end, make, says(call))

    def _plain(self, kind: type[Call]) -> Callable[[TracedTask, LoggedCall], bool]:
        """The reader for a call with an address, a length and an operation's fields, in order."""
        fields = ROWS[kind].fields[1:]
        make: Callable[..., Call] = kind

        def read(task: TracedTask, call: LoggedCall) -> bool:
            values: list[Any] = []
            for field, argument in zip(fields, call.arguments[2:], strict=False):
                word = argument.partition(" ")[0]
                match field:
                    case Shape.PROT:
                        values.append(printed.prot_letters(printed.bits(argument, printed.PROT)[0]))
                    case Flag():
                        values.append(word != "0")
                    case Word() if (found := named(field, word)) in field.numbers:
                        values.append(found)
                    case _:
                        return self._unsaid_of(task, call, f"{call.name} with {word}")
            return self._on_pages(task, call, lambda span: make(span, *values))

        return read

    def _munmap(self, task: TracedTask, call: LoggedCall) -> bool:
        start, length = printed.number(call.arguments[0]), printed.number(call.arguments[1])
        if start is None or not length:
            return False
        end = start // PAGE_SIZE + pages_in(length)
        failed = bool(call.errno)
        return self.follower.munmap(task.task, task.space, start // PAGE_SIZE, end, says(call), failed=failed)

    def _mremap(self, task: TracedTask, call: LoggedCall) -> bool:
        start, old, new = (printed.number(word) for word in call.arguments[:3])
        if start is None or old is None or not new or (call.value is None and not call.errno):
            return False
        flags, _ = printed.bits(call.arguments[3], printed.MREMAP)
        to = None if call.errno or call.value is None else call.value // PAGE_SIZE
        return self.follower.mremap(
            task.task,
            task.space,
            (start // PAGE_SIZE, pages_in(old)),
            pages_in(new),
            (bool(flags & 1), bool(flags & 2), bool(flags & 4)),
            to=to,
            says=says(call),
        )

    def _pkey_mprotect(self, task: TracedTask, call: LoggedCall) -> bool:
        """Convert the key: -1, or a program's only key; key 0 is the default for all other memory."""
        prot = printed.prot_letters(printed.bits(call.arguments[2], printed.PROT)[0])
        if call.arguments[3] == "0":
            return self._unsaid_of(task, call, "pkey_mprotect with key 0")
        keyed = call.arguments[3] != "-1"
        return self._on_pages(task, call, lambda span: PkeyMprotect(span, prot, keyed))

    def _mbind(self, task: TracedTask, call: LoggedCall) -> bool:
        _, _, mode, nodes, _, flags = call.arguments[:6]
        policy = mode.removeprefix("MPOL_").lower()
        about = policy == "default" or printed.number(nodes.strip("[]")) == 1
        if policy in POLICIES and about and flags in ("0", "MPOL_MF_MOVE"):
            return self._on_pages(task, call, lambda span: Mbind(span, policy, flags != "0"))
        return self._unsaid_of(task, call, f"mbind with {mode}, {nodes} and {flags}")

    def _unsaid_of(self, task: TracedTask, call: LoggedCall, kind: str) -> bool:
        """Count a call that a program cannot express, if it is about device memory."""
        start, length = printed.number(call.arguments[0]), printed.number(call.arguments[1])
        if start is None or not length or not task.space.within(start // PAGE_SIZE, pages_in(start + length)):
            return False
        return self.unsaid(kind)

    def _msync(self, task: TracedTask, call: LoggedCall) -> bool:
        flags = printed.bits(call.arguments[2], printed.MSYNC)[0] if len(call.arguments) > 2 else 0
        return flags & printed.MSYNC["MS_SYNC"] != 0 and self._on_pages(task, call, Msync)

    def _mlockall(self, task: TracedTask, call: LoggedCall) -> bool:
        flags = printed.bits(call.arguments[0], printed.MLOCKALL)[0]
        if flags != printed.MLOCKALL["MCL_CURRENT"] | printed.MLOCKALL["MCL_FUTURE"]:
            return self.unsaid(
                f"mlockall with {call.arguments[0]}: a program has MCL_CURRENT|MCL_FUTURE only"
            )
        self.follower.add(task.task, Mlockall(), says(call), copied=False)
        return True

    def _write(self, task: TracedTask, call: LoggedCall) -> bool:
        """Handle a number written to the task's own clear_refs; other writes are ignored."""
        found = self.file(task, call.arguments[0]) if len(call.arguments) > 1 else None
        named = _CLEAR_REFS.fullmatch(found[1].path) if found is not None else None
        if named is None or call.errno:
            return False
        whose = task if named[1] == "self" else self.tasks.get(int(named[1]))
        written = printed.string(call.arguments[1])
        kind = None if written is None else _KINDS_OF_REFS.get(written[0].strip())
        if whose is None or whose.process is not task.process or kind is None:
            return self.unsaid(f"write of {call.arguments[1]} to {named[0]}")
        self.follower.add(task.task, ClearRefs(kind), says(call), copied=False)
        return True

    def _munlockall(self, task: TracedTask, call: LoggedCall) -> bool:
        self.follower.add(task.task, Munlockall(), says(call), copied=False)
        return True

    def _ftruncate(self, task: TracedTask, call: LoggedCall) -> bool:
        found = self.file(task, call.arguments[0]) if call.arguments else None
        if found is None or found[1].file is None:
            return False
        return self.unsaid(f"ftruncate of {found[1].path}{', ' if call.errno else ''}{call.errno}")


def named(field: Word, text: str) -> Any:
    """The program language's word for a field, or the printed text if the language has none."""
    word = text.partition(" ")[0]
    numbers = {str(value): name for name, value in field.numbers.items()}
    return numbers.get(word, word.removeprefix(field.c).lower())
