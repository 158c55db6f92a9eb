"""Converting a syzkaller program: calls at fixed addresses become operations on named areas.

A single process makes all calls, so there are no processes to track. If comments give the addresses, as in
the output of ``pfnlab export --format syz``, they provide names and sizes; otherwise each mapped range is an
area. A forked child makes no calls and has a copy of all mappings.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from pfnlab.base.errors import Misuse, ProgramError
from pfnlab.base.units import PAGE_SIZE
from pfnlab.export.following import pages_in
from pfnlab.export.printed_values import CLONE, MAP, MBIND, OPEN, number, prot_letters
from pfnlab.export.recovered import Heading, RecoveredProgram
from pfnlab.export.syz_lines import (
    SyzCall,
    SyzPlaces,
    address,
    calls_of,
    comments_of,
    places_in,
    pointed_text,
)
from pfnlab.export.syz_processes import SyzProcessCalls
from pfnlab.export.to_syz import BAR_ADDRESS, WRITE_COMBINE
from pfnlab.export.windows import PHYSICAL, DeviceFile, DeviceWindows, FilePlace, KnownBar, device_file
from pfnlab.programs.lang import ops
from pfnlab.programs.lang.fields import Flag, Shape, Word
from pfnlab.programs.lang.process_ops import POLICIES
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.text import parse
from pfnlab.programs.lang.words import ANON, FIRST_LINE, ROWS, TRACED

_POLICIES = {value: name for name, value in POLICIES.items()}
#: Key -1.
_NO_KEY = (1 << 64) - 1
_FORKS = ("fork", "vfork", "clone", "clone3", "syz_clone", "syz_clone3")


def from_syz(text: str, source: str, known: dict[str, dict[int, KnownBar]]) -> RecoveredProgram:
    """Convert a syzkaller program.

    :param known: BARs by device, where their sizes are known
    :raises Misuse: if a line is not a call
    """
    calls, comments = calls_of(text, source), comments_of(text)
    places = places_in(comments)
    if not calls:
        raise Misuse(f"{source}: it has no call")
    reading = _SyzReading(places, known)
    reading.find_areas(calls)
    for call in calls:
        reading.call(call)
    heading = _heading(comments, places)
    return RecoveredProgram(
        source=source,
        form="syz",
        lines=len(text.splitlines()),
        commands={},
        steps=tuple(reading.steps),
        areas=reading.areas(),
        windows=reading.windows,
        unsaid=reading.unsaid,
        dropped=reading.dropped,
        heading=heading,
    )


def _heading(comments: list[str], places: SyzPlaces) -> Heading:
    """The title, question, devices, areas and expectations given in comments."""
    said = [line for line in comments if line.partition(" ")[0] in ("title", "asks", "area")]
    expects = [line for line in comments if line.startswith("expect ")]
    devices = [f"device {device.name}: {device.kind}, {device.pages} pages" for device, _ in places.devices]
    lines = [FIRST_LINE, *said, *(devices or ["device x: pci, 1 page"]), "look", *expects]
    try:
        program = parse("\n".join(lines) + "\n")
    except ProgramError:
        # Other comments
        return Heading(devices=tuple(device for device, _ in places.devices))
    named = program.devices if devices else ()
    return Heading(program.title, program.asks, named, program.areas, program.expects)


class _SyzReading(SyzProcessCalls):
    # A syzkaller program, read call by call.

    def __init__(self, places: SyzPlaces, known: dict[str, dict[int, KnownBar]]) -> None:
        super().__init__(places)
        self.windows = DeviceWindows(known)
        self.dropped: Counter[str] = Counter()
        self._files: dict[str, tuple[DeviceFile | None, bool]] = {}
        self._combining: set[str] = set()
        self._bound: dict[str, int] = {}
        self._children = 0
        self._has_room = False

    def find_areas(self, calls: list[SyzCall]) -> None:
        """Find areas without comments: ranges to which files are mapped, or such mappings are moved."""
        if self.places.areas:
            return
        ranges: list[tuple[int, int]] = []
        for call in calls:
            if call.name == "mmap" and len(call.arguments) == 6:
                start, length = address(call.arguments[0]), number(call.arguments[1])
            elif call.name == "mremap" and len(call.arguments) == 5 and (number(call.arguments[3]) or 0) & 2:
                start, length = address(call.arguments[4]), number(call.arguments[2])
            else:
                continue
            if start and length:
                ranges.append((start, start + pages_in(length) * PAGE_SIZE))
        joined: list[tuple[int, int]] = []
        for start, end in sorted(ranges):
            if joined and start < joined[-1][1]:
                joined[-1] = joined[-1][0], max(joined[-1][1], end)
            else:
                joined.append((start, end))
        letters = "abcdefghijklmnopqrstuvwxyz"
        if len(joined) > len(letters):
            raise Misuse(f"{len(joined)} places are mapped, and a program has {len(letters)} areas: map less")
        areas = tuple(
            (name, start, (end - start) // PAGE_SIZE)
            for name, (start, end) in zip(letters, joined, strict=False)
        )
        self.places = self.places._replace(areas=areas)

    def areas(self) -> tuple[ops.Area, ...]:
        """The areas that have to be declared."""
        used = {name for step in self.steps for name in _areas_of(step.call)}
        rows = ((name, pages) for name, _, pages in self.places.areas if name in used)
        return tuple(ops.Area(name, pages) for name, pages in rows if pages > self._bound.get(name, 0))

    def call(self, call: SyzCall) -> None:
        """Convert one call."""
        for prop in call.props:
            word = prop.partition(":")[0]
            self.unsaid[f"({word}): a program names the failing function and the order of tasks"] += 1
        if not self._said(call):
            self.dropped[call.name] += 1

    def _said(self, call: SyzCall) -> bool:
        words = call.arguments
        match call.name:
            case "open" | "openat" | "syz_open_dev":
                return self._open(call)
            case "dup" if words and call.result and words[0] in self._files:
                self._files[call.result] = self._files[words[0]]
                return True
            case "close" if words:
                return words[0] in self._files
            case "ioctl" if len(words) > 2 and words[0] in self._files:
                if number(words[1]) == WRITE_COMBINE and number(words[2]):
                    self._combining.add(words[0])
                return True
            case "mmap" if len(words) == 6:
                return self._mmap(call)
            case "mremap" if len(words) == 5:
                return self._mremap(call)
            case "pkey_mprotect" if len(words) > 3 and number(words[3]) == _NO_KEY:
                prot = prot_letters(number(words[2]) or 0)
                return self._ranged(call, lambda span: ops.PkeyMprotect(span, prot))
            case "mbind" if len(words) > 5:
                policy, flags = _POLICIES.get(number(words[2]) or 0), number(words[5]) or 0
                nodes = "" if policy == "default" else words[3].rpartition("=")[2]
                if policy is None or nodes not in ("", "0x1") or flags not in (0, MBIND["MPOL_MF_MOVE"]):
                    self.unsaid[f"mbind {words[2]} {words[3]} {words[5]}"] += 1
                    return True
                return self._ranged(call, lambda span: ops.Mbind(span, policy, flags != 0))
            case "msync" if len(words) > 2:
                return bool((number(words[2]) or 0) & 4) and self._ranged(call, ops.Msync)
            case "mlockall" if words == ("0x3",):
                return self.add(ops.Mlockall(), call)
            case "munlockall":
                return self.add(ops.Munlockall(), call)
            case name if name in TRACED and len(words) > len(ROWS[TRACED[name]].fields):
                return self._plain(call, TRACED[name])
            case name if name in _FORKS:
                return self._fork(call)
        return self.process_call(call)

    def _open(self, call: SyzCall) -> bool:
        at = 1 if call.name == "openat" else 0
        if len(call.arguments) < at + 2 or not call.result:
            return False
        path = pointed_text(call.arguments[at]) or ""
        flags = number(call.arguments[at + 1]) or 0
        if call.name == "syz_open_dev":
            path = path.replace("#", call.arguments[1].removeprefix("0x"))
            flags = number(call.arguments[2]) or 0 if len(call.arguments) > 2 else 0
        file = device_file(path)
        self._files[call.result] = file, bool(flags & OPEN["O_DSYNC"])
        return file is not None

    def _fork(self, call: SyzCall) -> bool:
        flags = number(call.arguments[0]) if call.arguments else 0
        if call.name.endswith("3") or call.name == "vfork" or flags is None or flags & CLONE["CLONE_VM"]:
            self.unsaid[f"{call.name} of something other than a process with its own copy of memory"] += 1
            return True
        self._children += 1
        child = f"child{self._children}"
        if call.result:
            self.pids[call.result] = child
        return self.add(ops.Fork(child), call)

    def _mmap(self, call: SyzCall) -> bool:
        words = call.arguments
        start, length, prot, flags = address(words[0]), *(number(word) for word in words[1:4])
        offset = number(words[5])
        if start is None or not length or prot is None or flags is None or offset is None:
            return False
        pages = pages_in(length)
        anonymous = bool(flags & MAP["MAP_ANONYMOUS"])
        file, sync = (None, False) if anonymous else self._files.get(words[4], (None, False))
        found = self.places.pages_of(start, length)
        if (file is None and not anonymous) or not found:
            return False
        span = Span(found[0].name, found[0].start, found[0].start + pages)
        via: ops.Via = "anon"
        source: Span | None = Span(ANON, 0, pages)
        if file is not None:
            via, source = self._source(file, sync, words[4], offset // PAGE_SIZE, pages)
        if source is None:
            self.unsaid[f"mmap of {via} where comments name no device"] += 1
            return True
        # In an exported program, flags mark the mappings that start an area; otherwise a mapping starts
        # one where there is none.
        begins = bool(flags & MAP["MAP_FIXED_NOREPLACE"])
        named = span.start == 0 and (begins or (not self.places.devices and span.name not in self._bound))
        shared = flags & 3 != MAP["MAP_PRIVATE"]
        options = bool(flags & MAP["MAP_POPULATE"]), bool(flags & MAP["MAP_LOCKED"])
        name, over = (span.name, None) if named else (None, span)
        if named:
            self._bound[span.name] = max(self._bound.get(span.name, 0), pages)
        fixed = flags & (MAP["MAP_FIXED"] | MAP["MAP_FIXED_NOREPLACE"])
        more = "" if fixed else ": its address is only a hint"
        return self.add(ops.Mmap(name, source, via, shared, prot_letters(prot), *options, over), call, more)

    def _source(
        self, file: DeviceFile, sync: bool, variable: str, page: int, pages: int
    ) -> tuple[ops.Via, Span | None]:
        via: ops.Via = file.via
        if via == "devmem" and sync:
            via = "devmem-sync"
        elif via == "proc-uc" and variable in self._combining:
            via = "proc-wc"
        physical = via not in ("wc", "uc")
        if self.places.devices:
            if not physical:
                return via, self.places.span(("pci",), page, pages)
            base = BAR_ADDRESS // PAGE_SIZE
            bar = self.places.span(("pci",), page - base, pages) if page >= base else None
            return via, bar or self.places.span(("isa", "lowmem"), page, pages)
        place = FilePlace(file.device or PHYSICAL, None if physical else file.bar)
        return via, self.windows.mapped(place, page, page + pages, failed=False)

    def _mremap(self, call: SyzCall) -> bool:
        words = call.arguments
        start, to = address(words[0]), address(words[4])
        old, new, flags = (number(word) for word in words[1:4])
        if start is None or old is None or new is None or flags is None:
            return False
        spans = self.places.pages_of(start, old)
        if not spans:
            return False
        fixed = bool(flags & 2)
        target = self.places.pages_of(to, new) if fixed and to is not None else []
        pages = pages_in(new)
        name, over = None, None
        if fixed and not target:
            self.unsaid["mremap to a place that is not an area"] += 1
            return True
        if target and target[0].start == 0:
            name = target[0].name
            self._bound[name] = max(self._bound.get(name, 0), pages)
        elif target:
            over = Span(target[0].name, target[0].start, target[0].start + pages)
        return self.add(
            ops.Mremap(spans[0], pages, bool(flags & 1), fixed, bool(flags & 4), name, over), call
        )

    def _plain(self, call: SyzCall, kind: type[ops.Call]) -> bool:
        """Convert a call whose arguments are an address, a length and an operation's fields, in order."""
        values: list[Any] = []
        for field, argument in zip(ROWS[kind].fields[1:], call.arguments[2:], strict=False):
            value = number(argument) or 0
            match field:
                case Shape.PROT:
                    values.append(prot_letters(value))
                case Flag():
                    values.append(value != 0)
                case Word() if value in field.numbers.values():
                    values += [word for word, known in field.numbers.items() if known == value]
                case _:
                    return self.left_out(f"{call.name} {argument}")
        make: Callable[..., ops.Call] = kind
        return self._ranged(call, lambda span: make(span, *values))

    def _ranged(self, call: SyzCall, make: Any) -> bool:
        start, length = address(call.arguments[0]), number(call.arguments[1])
        if start is None or not length:
            return False
        if call.name == "munmap" and not self._bound and not (self.places.devices and self._has_room):
            # This makes room before the first mapping; an exported program does it once.
            self._has_room = True
            return False
        return self.pages(call, start, length, make, "")


def _areas_of(call: ops.Call) -> list[str]:
    fields: dict[str, Any] = {name: getattr(call, name) for name in getattr(call, "__struct_fields__", ())}
    spans = [fields[word].name for word in ("span", "over") if isinstance(fields.get(word), Span)]
    return spans + ([fields["name"]] if isinstance(fields.get("name"), str) else [])
