"""The parts of a step that claims compare, each in a few words.

A page prints the function's name before the words, so the name describes the part.
"""

from collections.abc import Callable

from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import Step
from pfnlab.programs.runs.texts import TableEntry, vma_name

StepPart = Callable[[Step], str]
#: Kernel functions in a munmap whose order shows when it untracks and flushes.
_ORDER = ("untrack", "clear", "flush", "free_pgtables", "unlink", "finish")
#: Entries at the upper levels.
_SIZES = {2: " 2 MiB", 3: " 1 GiB"}


def part_text(observed: StepPart, step: Step) -> str:
    """The part of *step* that was observed, and its value."""
    return part_words(observed, observed(step))


def part_words(observed: StepPart, value: str) -> str:
    """A description of a part of a step, with its value."""
    return f"{part_name(observed)}: {value}"


def part_name(observed: StepPart) -> str:
    """The name of the part."""
    return observed.__name__.replace("_", " ")


def result(step: Step) -> str:
    """``ok`` or an errno, followed by the value or the signal if there is one."""
    return step.result if step.value is None else f"{step.result} {step.value}"


def book(step: Step) -> str:
    """The memtype list (the book)."""
    return ", ".join(map(str, step.book or ())) or "empty"


def left(step: Step) -> str:
    """The memtype list (the book) after every task has ended."""
    return ", ".join(map(str, step.book or ())) or "nothing"


def log(step: Step) -> str:
    """The kernel's log lines."""
    return "; ".join(step.log) or "nothing"


def levels(step: Step) -> str:
    """The log level of each kernel log line."""
    return "not looked at" if step.levels is None else ", ".join(step.levels) or "nothing"


def tracked(step: Step) -> str:
    """The tracker's reservations, and the VMAs that share them."""
    return ", ".join(step.tracked or ()) or "nothing"


def entries(step: Step) -> str:
    """The present entries, with equal neighbours merged: cache mode, size if large, whether special."""
    return _together(step, lambda entry: f"{_mode(entry)}{' special' * ('SPECIAL' in entry.flags)}")


def modes(step: Step) -> str:
    """The cache modes of all present entries, and their sizes if they are large."""
    return _together(step, _mode)


def _mode(entry: TableEntry) -> str:
    return f"{entry.mode}{_SIZES.get(entry.level, '')}"


def _together(step: Step, words: Callable[[TableEntry], str]) -> str:
    pieces: list[tuple[str, Span, str]] = []
    for pte in step.ptes or ():
        entry = pte.table_entry
        if not entry.maps:
            continue
        task, span, kind = pte.task, pte.span, words(entry)
        if pieces and pieces[-1][::2] == (task, kind):
            before = pieces[-1][1]
            if (before.name, before.end) == (span.name, span.start):
                pieces.pop()
                span = Span(span.name, before.start, span.end)
        pieces.append((task, span, kind))
    return ", ".join(f"{vma_name(task, span)} {kind}" for task, span, kind in pieces) or "none"


def anonymous(step: Step) -> str:
    """The amount of anonymous memory that smaps reports."""
    return f"{sum(vma.anonymous for vma in step.vmas or ())} kB"


def vmas(step: Step) -> str:
    """The addresses of the VMAs."""
    return ", ".join(str(vma.span) for vma in step.vmas or ()) or "none"


def vm_pat(step: Step) -> str:
    """``set`` if a VMA has the flag for a tracked mapping (``ar``), otherwise ``clear``."""
    return "set" if any("ar" in vma.flags.split() for vma in step.vmas or ()) else "clear"


def flags(step: Step) -> str:
    """The flags among VM_PFNMAP, VM_MIXEDMAP and VM_IO that the first VMA has."""
    vma = next(iter(step.vmas or ()), None)
    found = vma.flags.split() if vma is not None else []
    names = {"pf": "VM_PFNMAP", "mm": "VM_MIXEDMAP", "io": "VM_IO"}
    return " ".join(name for flag, name in names.items() if flag in found) or "none"


def flushes(step: Step) -> str:
    """The number of TLB flushes."""
    return str(step.flushes)


def order(step: Step) -> str:
    """The order in which the operation untracked, cleared, flushed and unlinked."""
    found = [event.split()[0] for event in step.events or ()]
    return ", ".join(word for word in found if word in _ORDER) or "nothing of it"


def reserves(step: Step) -> str:
    """The number of reservations requested from the memtype list."""
    return str(sum(event.split()[0] == "reserve" for event in step.events or ()))


def map_syncs(step: Step) -> str:
    """The number of updates to the direct map (memtype_kernel_map_sync), which are reported below 1 MiB."""
    return str(sum(event.split()[0] == "map_sync" for event in step.events or ()))


def direct_map(step: Step) -> str:
    """The program's RAM that is not write-back in the kernel's direct map."""
    return "not looked at" if step.direct_map is None else ", ".join(step.direct_map) or "nothing"


#: Every part, by the name that claims use for it.
STEP_PARTS: dict[str, StepPart] = {
    part.__name__: part
    for part in (
        *(result, book, left, log, levels, tracked, entries, modes, anonymous, vmas),
        *(vm_pat, flags, flushes, order, reserves, map_syncs, direct_map),
    )
}
