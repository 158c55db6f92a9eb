"""Properties of one operation: the required effect on entries and mappings, given its result."""

import re
from collections.abc import Iterator, Mapping, Sequence

from pfnlab.checker.judging.contents import private_kept
from pfnlab.checker.judging.history import History
from pfnlab.checker.judging.observed_spaces import PlaceIndex, SeenSpaces, device_page_at, target_at
from pfnlab.checker.judging.run_judge import evidence_of, of_runs
from pfnlab.kernel.bugs.loss import Loss
from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.device_ops import Ioremap
from pfnlab.programs.lang.ops import (
    Device,
    Look,
    Mmap,
    Mremap,
    Munmap,
    Op,
    Read,
    ReadMemtypeList,
    RemapFilePages,
    Write,
)
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import LOOKING_WALKERS, Mincore, Status, Walk
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import BookEntry, PteSeen, Step
from pfnlab.programs.runs.texts import TableEntry, vma_name

#: Interfaces that ask for UC-.
_UNCACHED = ("uc", "devmem-sync", "proc-uc", "vfio")

#: Interfaces that compare a mapping with the size of the BAR.
_BOUNDED = ("wc", "uc", "proc-wc", "proc-uc")

#: The guest driver's methods that insert frames one by one, in the mode found by a lookup (S2.6).
_LOOKED_UP = frozenset({"fault", "fault_prot", "mixed", "mixed_mkwrite"})

#: A VMA in the output of smaps, with its resident pages in kB.
_RSS = re.compile(r"(\w+)\[(\d+)(?::(\d+))?\] Rss=(\d+)")

#: The entry for a page that no table has.
_NO_ENTRY = TableEntry(1, "", absent="none")


@of_runs(
    happens="memory was accessed without an entry that allows it",
    noticed="another process, if the memory is now its own",
    loss=Loss.MEMORY,
)
def reached(step: Step, ptes: PlaceIndex[PteSeen], op: Op, process: str, look: LookLevel) -> Iterator[str]:
    """Memory is only accessed through an entry that permits it.

    :param process: the task that stands for the acting task's address space
    """
    call = op.call
    if step.result != "ok" or not isinstance(call, Read | Write):
        return
    span = call.span
    now = ptes.at(process, span.name, span.start)
    entry = now.table_entry if now is not None else _NO_ENTRY
    if look.reads_smaps and (entry.absent, entry.level) == ("none", 3):
        # Reading smaps after the operation has dropped a 1 GiB leaf (S7.5.3).
        return
    if not entry.is_present or (isinstance(call, Write) and "RW" not in entry.flags):
        yield f"{vma_name(op.task, span)} was reached through {now.entry if now is not None else 'no entry'}"


@of_runs(
    happens="a move loses or changes an entry", noticed="the process: it finds other memory there than it had"
)
def moved_whole(before: Step, step: Step, ptes: PlaceIndex[PteSeen], op: Op, process: str) -> Iterator[str]:
    """A move takes every entry along.

    Each keeps its frame and mode. A leaf that does not fit at the new place is removed.
    """
    call = op.call
    if not isinstance(call, Mremap) or not call.fixed or call.span.name == VVAR or step.result != "ok":
        return
    if op.fail is not None or op.skip is not None:
        return
    new = call.over or Span(call.name or "", 0, call.pages)
    old_end = call.span.start + min(call.span.pages, call.pages)
    for run in before.ptes or ():
        start, end = max(run.start, call.span.start), min(run.end, old_end)
        of_range = run.task == process and run.area == call.span.name and start < end
        if not of_range or not run.table_entry.is_present or run.table_entry.level > 1:
            continue
        shift = new.start - call.span.start
        for part, now in ptes.pieces(process, Span(new.name, start + shift, end + shift)):
            page = Span(run.area, part.start - shift, part.end - shift)
            was = run.table_entry.mode, target_at(run, page.start)
            if now is None or was != (now.table_entry.mode, target_at(now, part.start)):
                is_now = "no entry" if now is None else now.entry
                yield f"{vma_name(process, page)} was {run.entry}, and {part}, where it moved to, is {is_now}"
                return


@of_runs(
    happens="a range is still mapped after munmap",
    noticed="the frame's next user: the process still reads or writes it",
)
def unmapped(step: Step, spaces: SeenSpaces, op: Op, process: str) -> Iterator[str]:
    """A range that munmap has unmapped has no entries."""
    call = op.call
    if not isinstance(call, Munmap) or step.result != "ok":
        return
    for vma in spaces.vmas.overlapping(process, call.span):
        yield f"{vma_name(process, vma.span)} is mapped after {step.op}"


@evidence_of(private_kept)
def stored_privately(step: Step, spaces: SeenSpaces, op: Op, process: str) -> Iterator[str]:
    """A store through a private mapping goes to a copy, and never to the frame of a device."""
    call = op.call
    if not isinstance(call, Write) or step.result != "ok":
        return
    page = Span(call.span.name, call.span.start, call.span.start + 1)
    if not any(vma.perms.endswith("p") for vma in spaces.vmas.overlapping(process, page)):
        return
    now = spaces.ptes.at(process, page.name, page.start)
    target = None if now is None else device_page_at(now, page.start)
    if target is not None:
        yield f"{vma_name(process, page)} is private, took a store, and maps {target[0]}[{target[1]}]"


@of_runs(
    happens="an inserted entry has another mode than its frame's reservation",
    noticed="the device: stores arrive late or merged",
)
def looked_up(
    before: Step, step: Step, spaces: SeenSpaces, op: Op, history: History, kinds: Mapping[str, str]
) -> Iterator[str]:
    """An inserted entry has the mode of its frame's reservation, or UC- without one.

    Judged are entries that a fault of the guest driver inserts one by one.

    :param kinds: the kind of each device; memory that may be RAM has other modes
    """
    process = history.process(op.task)
    call = op.call
    if not isinstance(call, Read | Write) or step.result != "ok" or step.book is None:
        return
    page = Span(call.span.name, call.span.start, call.span.start + 1)
    vma = spaces.vmas.at(process, page.name, page.start)
    now = spaces.ptes.at(process, page.name, page.start)
    target = None if now is None else target_at(now, page.start)
    if vma is None or now is None or target is None or vma.file != "driver" or vma.offset is None:
        return
    hows, entry = history.hows_of(vma.offset), now.table_entry
    name, frame = target
    if not hows or not hows <= _LOOKED_UP or kinds.get(name) != "pci" or entry.level > 1:
        return
    if any(run.task == process and run.span.meets(page) for run in before.ptes or () if run.table_entry.maps):
        return
    reserved = [one.mode for one in step.book if one.device == name and one.start <= frame < one.end]
    expected = reserved[0] if reserved else "uc-"
    if entry.mode.lower() != expected:
        yield (
            f"{vma_name(process, page)} was inserted as {entry.mode}, and {name}[{frame}] is "
            + (f"reserved as {expected.upper()}" if reserved else "not reserved")
        )


@of_runs(
    happens="smaps counts other pages than the page tables have",
    noticed="the reader of smaps, who gets a wrong size",
    on="memory",
)
def smaps_counted(step: Step, spaces: SeenSpaces, op: Op, process: str, look: LookLevel) -> Iterator[str]:
    """smaps counts the resident pages in the page tables.

    It counts none in a VMA that it skips. Judged where VMAs were observed in memory: otherwise smaps itself
    was read.
    """
    if not (isinstance(op.call, Walk) and op.call.walker == "smaps" and isinstance(step.value, str)):
        return
    if step.result != "ok" or look is not LookLevel.MEMORY:
        return
    for area, start, end, rss in _RSS.findall(step.value):
        span = Span(area, int(start), int(end or int(start) + 1))
        for vma in spaces.vmas.overlapping(process, span):
            if vma.span == span and int(rss) not in (0, vma.rss):
                yield f"smaps counts {rss} kB in {vma_name(process, span)}, and {vma.rss} kB are mapped"


@of_runs(happens="a page past the end of a BAR is mapped", noticed="the next device: the process accesses it")
def within_bar(step: Step, op: Op, devices: Sequence[Device]) -> Iterator[str]:
    """A file of a PCI device maps no page past the end of its BAR."""
    call = op.call
    if not isinstance(call, Mmap | RemapFilePages) or step.result != "ok" or call.via not in _BOUNDED:
        return
    for device in devices:
        if (device.name, device.kind) == (call.source.name, "pci") and call.source.end > device.pages:
            yield f"{step.op} maps {call.source}, and the BAR has {device.pages:,} pages"


@of_runs(
    happens="a mapping requested as uncached is write-combining",
    noticed="the device: stores arrive late or merged",
)
def mode_asked(before: Step, step: Step, op: Op, kinds: Mapping[str, str]) -> Iterator[str]:
    """A request for uncached memory never yields write-combining.

    Pages of a PCI device that the book already has as write-combining are excepted.
    """
    call = op.call
    if step.result != "ok" or None in (before.book, step.book):
        return
    if isinstance(call, Mmap) and call.via in _UNCACHED:
        span = call.source
    elif isinstance(call, Ioremap) and call.mode in ("uc", "uc-"):
        span = call.span
    else:
        return
    if kinds.get(span.name) != "pci" or any(_is_wc(entry, span) for entry in before.book or ()):
        return
    for entry in step.book or ():
        if _is_wc(entry, span):
            yield f"{step.op} asked for uncached pages, and the book has {entry}"


def _is_wc(entry: BookEntry, span: Span) -> bool:
    return entry.mode == "wc" and entry.span.meets(span)


@of_runs(
    happens="reading a process's state changed that state",
    noticed="the process, which loses entries when /proc is read",
)
def looks_only(before: Step, step: Step, op: Op) -> Iterator[str]:
    """Observing the state does not change it.

    pagemap, pagemap_scan, smaps, numa_maps, mincore, status, memtype_list and look change no VMAs, entries
    or reservations. Walkers that reach a page the way the task itself does (get_user_pages) may fault it in.
    """
    if not isinstance(op.call, Status | Mincore | ReadMemtypeList | Look) and not (
        isinstance(op.call, Walk) and op.call.walker in LOOKING_WALKERS
    ):
        return
    for field in ("vmas", "ptes", "book", "tracked", "prots"):
        old, new = getattr(before, field), getattr(step, field)
        if None not in (old, new) and old != new:
            yield f"{step.op} changed {field}"
