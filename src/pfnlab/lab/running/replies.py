"""The guest agent's replies (``guest/PROTOCOL.md``) as observations: addresses become names."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec

from pfnlab.base.errors import LostGuest, errno_name
from pfnlab.base.trace import LOG_LEVELS
from pfnlab.base.units import PAGE_SHIFT, PfnRange, pages_of, phys_to_pfn
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.entry import entry_pfn, pte_special
from pfnlab.lab.images.configured import RAM_MIB
from pfnlab.lab.lens.plain import interface_of
from pfnlab.lab.running.placement import Placement
from pfnlab.lab.running.preparations import preparations
from pfnlab.lab.running.walked import read_walk
from pfnlab.lab.running.wire import COMM_LENGTH, USUAL, ObservationRequest, address_of
from pfnlab.lab.vm.probes import read_order
from pfnlab.programs.lang.device_ops import DRIVER_FILES, MOVED_BAR
from pfnlab.programs.lang.ops import MAIN_TASK, Mremap, Op, Program, tasks_of
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.lang.walk_ops import Mincore, ProcessVmReadv, Status, Walk
from pfnlab.programs.runs import observation
from pfnlab.programs.runs.alarm import Alarm, alarms_in
from pfnlab.programs.runs.events import is_flush
from pfnlab.programs.runs.kmsg import in_known_order, is_anybody, normalise
from pfnlab.programs.runs.places import READING, without_contents
from pfnlab.programs.runs.pte_text import RAM, entry_text, merge_ptes

#: Modes in observations, by their names in the debugfs list.
_MODES = {mode.cattr: mode.short for mode in CacheMode}

#: The step after the program has ended.
END = "end"

#: First word of the line that ends a lost guest's reply; everything before that line is complete.
LOST = "lost"

# Section name for requests around a step, which are not steps of the program.
_PREPARATION = "preparation"


class _Unreadable(Exception):
    """A line in the reply does not follow the protocol."""


@dataclass
class ParsedReply:
    """The observations in one reply.

    :param before: book entries in the program's windows before its first operation
    :param before_log: unread log lines from before it, without noise
    :param steps: the complete steps
    :param left: page frames of the book entries that remain after the last step
    :param lost: the reason why steps are missing, or None
    :param alarms: the kernel's alarms in the log, including WARNs, each with the operation
        during which it came
    :param late_alarms: alarms logged before the first operation, caused by an earlier program
    """

    before: tuple[observation.BookEntry, ...] = ()
    before_log: tuple[str, ...] = ()
    steps: tuple[observation.Step, ...] = ()
    left: tuple[PfnRange, ...] = ()
    lost: str | None = None
    alarms: tuple[Alarm, ...] = ()
    late_alarms: tuple[Alarm, ...] = ()


def with_operation(alarm: Alarm, program: Program, step: int | None) -> Alarm:
    """*alarm* with the operation in *program* during which it came; None if it came before the first."""
    line = "" if step is None else [*op_lines(program), END][step]
    return msgspec.structs.replace(alarm, step=step, op=line)


@dataclass
class _Section:
    # Lines between two ``step`` lines, as numbers.
    result: list[str] | None = None
    book: list[tuple[PfnRange, str]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    levels: list[str] = field(default_factory=list)
    vmas: list[observation.VmaSeen] = field(default_factory=list)
    ptes: list[observation.PteSeen] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)


def reply_until(lost: LostGuest) -> str:
    """A lost guest's reply: the complete sections, then the reason why the rest is missing."""
    return f"{lost.answered}{LOST} {' '.join(str(lost).split())}\n"


def parse_reply(
    text: str,
    program: Program,
    placement: Placement,
    observed: ObservationRequest = USUAL,
    *,
    ram_mib: int = RAM_MIB,
    ended: Mapping[int, Sequence[Op]] = MappingProxyType({}),
) -> ParsedReply:
    """The observations in *text*, the reply to *program* placed by *placement*.

    A truncated or invalid reply yields the steps that are complete.

    :param observed: what was requested; VMAs that were requested but are missing do not exist
    :param ram_mib: the guest's RAM, starting at address 0, in MiB
    :param ended: the operations that ended in a step, by the step's index, if other than its own operation
    """
    ram = PfnRange(0, ram_mib << 20 >> PAGE_SHIFT)
    return _Reader(program, placement, ram, observed, ended).read(text)


@dataclass
class _Reader:
    # Reads one reply; ``task_names`` grows as tasks receive pids.
    program: Program
    placement: Placement
    ram: PfnRange
    observed: ObservationRequest
    ended: Mapping[int, Sequence[Op]]

    def __post_init__(self) -> None:
        self.places = self.placement.places
        self.tasks = tasks_of(self.program)
        self.lines = [*op_lines(self.program), END]
        pci = (device.name for device in self.program.devices if device.kind == "pci")
        self.pci = frozenset((*pci, MOVED_BAR))
        self.task_names = {name[:COMM_LENGTH]: name for name in self.tasks}
        self.seen = ParsedReply()

    def read(self, text: str) -> ParsedReply:
        try:
            self._sections(iter(text.split("\n")[:-1]))
        except _Unreadable as reason:
            self.seen.lost = str(reason)
        return self.seen

    def _sections(self, lines: Iterator[str]) -> None:
        # Sections follow one another; a section is complete when the first line of the next one arrives.
        names = ["before"]
        for index, around in enumerate(preparations(self.program)):
            before, after = len(around.before), len(around.after)
            names += [_PREPARATION] * before + [str(index)] + [_PREPARATION] * after
        names.append(END)
        section_names = ["before", *map(str, range(len(names) - 2)), END]
        at = -1
        section = _Section()
        for number, line in enumerate(lines, 1):
            word, _, rest = line.partition(" ")
            if word == "program" and at < 0:
                continue
            if word == LOST:
                if at >= 0:
                    self._finish(names[at], section)
                raise _Unreadable(rest)
            if word in ("before", "step", "done"):
                if at >= 0:
                    self._finish(names[at], section)
                at, section = at + 1, _Section()
                if word == "done" and at == len(section_names):
                    return
                label = "before" if word == "before" else rest
                if word == "done" or at == len(section_names) or label != section_names[at]:
                    expected = section_names[at] if at < len(section_names) else "done"
                    raise _Unreadable(f"reply line {number}: {line!r} came where {expected} was expected")
                continue
            if word == "error":
                raise _Unreadable(f"the guest could not read the request: {rest}")
            self._line(section, number, line)
        raise _Unreadable(
            f"the reply breaks off after {len(self.seen.steps)} of {len(self.program.ops) + 1} steps"
        )

    def _line(self, section: _Section, number: int, line: str) -> None:
        word, _, rest = line.partition(" ")
        readers = {"m": self._book, "v": self._vma, "p": self._pte}
        try:
            if word == "k":
                section.log.append(rest)
            elif word == "l":
                section.levels.append(LOG_LEVELS[int(rest) & 7])
            elif word == "r":
                section.result = rest.split()
            elif word == "e":
                section.calls.append(rest)
            elif word == "pid":
                task, pid = rest.split()
                self.task_names[pid] = self.tasks[int(task)]
            else:
                readers[word](section, rest)
        except (KeyError, ValueError, IndexError):
            raise _Unreadable(f"reply line {number} is invalid: {line[:120]!r}") from None

    def _book(self, section: _Section, rest: str) -> None:
        start, end, kind = rest.split()
        pfns = PfnRange(phys_to_pfn(int(start, 16)), pages_of(int(end, 16)))
        section.book.append((pfns, _MODES[kind]))

    def _vma(self, section: _Section, rest: str) -> None:
        task, start, end, perms, offset, rss, anonymous, locked, flags, path = (rest + " ").split(" ", 9)
        first, last = int(start, 16) >> PAGE_SHIFT, int(end, 16) >> PAGE_SHIFT
        span = self.places.area_span(first, last)
        if span is None:
            return
        path = path.strip().removesuffix(" (deleted)").removeprefix("anon_inode:")
        file = interface_of(path.split("/")[::-1])
        pfn = phys_to_pfn(int(offset, 16))
        file_span = self.places.offset_span(file, pfn, pfn + last - first)
        if file in DRIVER_FILES and file_span is not None and file_span.name == observation.PHYSICAL:
            file_span = RAM
        section.vmas.append(
            observation.VmaSeen(
                self.tasks[int(task)],
                *span.parts,
                perms=perms,
                file=file,
                offset=file_span,
                flags=flags.replace(",", " ").strip(),
                rss=int(rss),
                anonymous=int(anonymous),
                locked=int(locked),
            )
        )

    def _pte(self, section: _Section, rest: str) -> None:
        task, start, count, depth, entry, stride = rest.split()
        first, pages = int(start, 16) >> PAGE_SHIFT, int(count, 16)
        level, raw = int(depth), int(entry, 16)
        span = self.places.area_span(first, first + pages)
        if span is None:
            return
        name, text = self.tasks[int(task)], entry_text(raw, level)
        target = self._target(raw, level, pages)
        if level == 1 and stride == "0" and pages > 1 and target not in (None, RAM):
            page_target = self._target(raw, level, 1)
            section.ptes += [
                observation.PteSeen(name, span.name, page, page + 1, page_target, text)
                for page in range(span.start, span.end)
            ]
        else:
            section.ptes.append(observation.PteSeen(name, *span.parts, target, text))

    def _target(self, raw: int, level: int, pages: int) -> observation.DeviceSpan | None:
        # The pages that a run of entries maps. The zero page is special but still RAM, and a page that the
        # kernel took from the low-memory window is the device only if it is mapped as special. Not all memory
        # below the BAR is RAM: frames past the end of physical addresses may appear there.
        if "@" in entry_text(raw, level):
            return None
        pfn = entry_pfn(raw, level)
        span = self.places.device_span(pfn, pfn + pages)
        if span.name == observation.PHYSICAL:
            return RAM if pfn < self.ram.end else span
        return span if pte_special(raw) or span.name in self.pci else RAM

    def _finish(self, name: str, section: _Section) -> None:
        alarms = alarms_in(section.log)
        if name == "before":
            self.seen.late_alarms = alarms
        else:
            at = min(len(self.seen.steps), len(self.program.ops))
            self.seen.alarms += tuple(with_operation(alarm, self.program, at) for alarm in alarms)
        if name == _PREPARATION:
            self._result(None, section.result)
            return
        book = tuple(
            observation.BookEntry(*self.places.device_span(*pfns).parts, mode)
            for pfns, mode in section.book
            if name == "before" or self.places.overlaps_device(*pfns)
        )
        if name != "before":
            book = tuple(sorted(book, key=lambda entry: self.places.ranks.get(entry.span.name, -1)))
        self.seen.left = tuple(pfns for pfns, _ in section.book)
        op = self.program.ops[int(name)] if name not in ("before", END) else None
        ended = () if op is None else self.ended.get(int(name), (op,))
        anonymous = name == END or is_anybody(ended)
        lines = [normalise(line, self.places, self.task_names, anonymous) for line in section.log]
        known = len(section.levels) == len(lines)
        with_levels = zip(lines, section.levels if known else [""] * len(lines), strict=True)
        log, levels = in_known_order(
            [(line, level) for line, level in with_levels if line is not None], ended
        )
        if name == "before":
            self.seen.before, self.seen.before_log = book, log
            return
        result, value = self._result(op, section.result)
        flushes, events = self._order(section.calls)
        step = observation.Step(
            op=self.lines[len(self.seen.steps)],
            task=MAIN_TASK if op is None else op.task,
            result=result,
            value=value,
            book=None if self.observed.last and name != END else book,
            log=log,
            vmas=tuple(section.vmas) if self.observed.vmas else None,
            ptes=merge_ptes(section.ptes) if self.observed.ptes else None,
            flushes=flushes,
            events=events,
            levels=levels if known else None,
        )
        self.seen.steps = (*self.seen.steps, step)

    def _order(self, calls: list[str]) -> tuple[int | None, tuple[str, ...] | None]:
        if not self.observed.order:
            return None, None
        try:
            events = read_order(calls, self.places)
        except (KeyError, ValueError) as error:
            raise _Unreadable(f"step {len(self.seen.steps) + 1} has an invalid order: {error}") from None
        return (None, None) if events is None else (sum(map(is_flush, events)), events)

    def _result(self, op: Op | None, words: list[str] | None) -> tuple[str, int | str | None]:
        try:
            return read_result(op, words or [], self.placement)
        except ValueError as error:
            raise _Unreadable(f"step {len(self.seen.steps) + 1} {error}") from None


def read_result(op: Op | None, words: Sequence[str], placement: Placement) -> tuple[str, int | str | None]:
    """The result and value of *op*, or of a request around it, from the *words* after the ``r`` in a reply.

    :raises ValueError: if *words* has none; the message completes a sentence that begins "the step"
    """
    if len(words) < 2:
        raise ValueError("has no result")
    if len(words) > 2 and words[2] == "timeout":
        raise ValueError("took too long and its task was killed")
    try:
        result, value = _read_result(op, words, placement)
    except (ValueError, IndexError):
        raise ValueError(f"has the result {' '.join(words)!r}") from None
    if op is not None and isinstance(op.call, READING):
        value = without_contents(op.call, value, placement.places)
    return result, value


def _read_result(op: Op | None, words: Sequence[str], placement: Placement) -> tuple[str, int | str | None]:
    if len(words) > 2 and words[2] == "sig":
        return "EFAULT", f"{_signal(int(words[3]))} code={int(words[4])}"
    result = "ok" if int(words[0]) >= 0 else errno_name(int(words[1]))
    if len(words) == 2:
        return result, None
    if words[2].isalpha() and result != "ok":
        return result, words[2]
    if op is not None and isinstance(op.call, Mremap):
        if result != "ok":
            return result, None
        stays = int(words[2], 16) == address_of(placement, op.call.span)
        return result, observation.SAME if stays else observation.MOVED
    if op is not None and isinstance(op.call, Mincore):
        return result, words[2]
    if op is not None and isinstance(op.call, Walk | Status | ProcessVmReadv) and result == "ok":
        return result, read_walk(op.call, words[2:], placement.places)
    return result, int(words[2])


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
