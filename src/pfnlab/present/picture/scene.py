"""The scene: the content of a picture of one state, as parts with ids, without positions.

Every part has the change to it in this step, related parts, and the rules that apply, as step and section
numbers in docs/semantics.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pfnlab.present.picture.parts import (
    BookPart,
    DevicePart,
    EntryPart,
    StateScene,
    VmaPart,
    device_part,
    pages_part,
    reserved_part,
)
from pfnlab.programs.lang.ops import MAIN_TASK
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import ROWS, verbs_of
from pfnlab.programs.runs.cells import is_leaked
from pfnlab.programs.runs.observation import BookEntry, CachedTranslations, PteSeen, Run, Step, VmaSeen
from pfnlab.programs.runs.texts import TableEntry

#: The rules for an operation, by its verb; for operations in the table they are given there.
_VERBS = {
    **{verb: row.rules for kind, row in ROWS.items() for verb in verbs_of(kind)},
    "mmap": "S4.7",
    "mremap": "S5.8",
    "remap_file_pages": "S5.10",
    "fork": "S3.5 S5.11",
    "unmap_mapping_range": "S6.7 S8.3",
    "userfaultfd": "S5.10",
    **dict.fromkeys(("process_vm_readv", "process_vm_writev"), "S7.1"),
    **dict.fromkeys(("pagemap", "pagemap_scan", "numa_maps", "smaps", "smaps_rollup", "move_pages"), "S7.5"),
    **dict.fromkeys(("mem_read", "mem_write", "pipe_write", "vmsplice", "futex_wake"), "S7.6"),
    "end": "S8.2.8",
}

#: The rules for the interface that created a mapping.
_VIAS = {"wc": "S9.2", "uc": "S9.2", "devmem": "S9.1", "devmem-sync": "S9.1", "vfio": "S9.4"}
_VIAS |= {"proc-wc": "S9.3", "proc-uc": "S9.3", "perf": "S9.10"}

_LINES = (
    ("freeing invalid memtype", "S2.4.5"),
    ("conflicting memory types", "S2.3.5"),
    ("memtype_reserve failed", "S2.2.2"),
)

_PREFIX = re.compile(r"^(?:[^\s:]+: |(?:hold|skip|fail) [^:]+: )+|^[^\s=]+ = ")


def op_rules(op: str) -> str:
    """Return the rules for an operation as programs write it; empty if it has none of its own."""
    rest = _PREFIX.sub("", _PREFIX.sub("", op))
    words = rest.split()
    if not words:
        return ""
    rules = _VERBS.get(words[0], "")
    if words[0] == "mmap":
        named = [word.partition("[")[0] for word in words]
        rules = " ".join([next((_VIAS[word] for word in named if word in _VIAS), ""), rules]).strip()
    return rules


def log_rules(line: str) -> str:
    """Return the rule that prints a kernel log line."""
    return next((rule for words, rule in _LINES if words in line), "S10.5")


#: The VMA flags that affect what a picture shows: a PFN map, I/O, a mixed map, soft-dirty, VM_PAT.
SHOWN_FLAGS = ("pf", "io", "mm", "sd", "ar")


def step_result(step: Step) -> str:
    """Return a step's result and value in one word or two."""
    if step.value is None:
        return step.result
    value = str(step.value)
    return value if step.result == "ok" and ";" in value else f"{step.result} {value}"


def scene_of(
    run: Run, index: int, devices: Mapping[str, bool], kept: Sequence[Span] | None = ()
) -> StateScene:
    """Return the scene after step *index* of *run*.

    :param devices: the names of all memory to show, and whether each is RAM
    :param kept: ranges that a driver has reserved, which are not leaks; None for any
    """
    if index >= len(run.steps):
        return _not_reached(run, index, devices)
    step = run.steps[index]
    before = run.steps[index - 1] if index else None
    tlbs = run.tlbs[index] if index < len(run.tlbs) else None
    return StateScene(
        number=index + 1,
        steps=len(run.steps),
        machine=run.machine,
        op=step.op,
        result=step_result(step),
        rule=op_rules(step.op),
        tasks=_tasks(step, tlbs),
        vmas=_vma_parts(step, before, index),
        runs=_run_parts(step, before, index),
        devices=tuple(_device_parts(step, devices)),
        book=_book_parts(step, before, index, kept),
        tlbs=None if tlbs is None else _tlb_parts(step, tlbs, run, index),
        log=tuple((line, log_rules(line)) for line in step.log),
        flushes=step.flushes,
    )


def _not_reached(run: Run, index: int, devices: Mapping[str, bool]) -> StateScene:
    unreached = run.unfinished or "the machine did not get here"
    memory = tuple(_device_parts(None, devices))
    return StateScene(
        index + 1, len(run.steps), run.machine, "", "not reached", "", (), None, None, memory, None, None,
        (), None, unreached,
    )  # fmt: skip


def _tasks(step: Step, tlbs: Iterable[CachedTranslations] | None) -> tuple[str, ...]:
    names = [vma.task for vma in step.vmas or ()] + [pte.task for pte in step.ptes or ()]
    names += [seen.space for seen in tlbs or ()]
    return tuple(dict.fromkeys(names))


def _vma_parts(step: Step, before: Step | None, index: int) -> tuple[VmaPart, ...] | None:
    if step.vmas is None:
        return None
    earlier = None if before is None else before.vmas
    shown = {_shown_vma(vma) for vma in earlier or ()}
    looked = index == 0 or earlier is not None
    parts = [_vma_part(vma, step, changed=looked and _shown_vma(vma) not in shown) for vma in step.vmas]
    there = {part.part for part in parts}
    gone = [
        _vma_part(vma, step, changed=True, gone=True)
        for vma in earlier or ()
        if pages_part("vma", vma.task, vma.span) not in there
    ]
    # A former VMA below another box would not be readable.
    uncovered = (
        part
        for part in gone
        if not any(other.task == part.task and other.span.meets(part.span) for other in parts)
    )
    return (*parts, *uncovered)


def _shown_vma(vma: VmaSeen) -> tuple[object, ...]:
    return vma.task, vma.span, vma.perms, vma.flags, vma.offset


def _vma_part(vma: VmaSeen, step: Step, *, changed: bool, gone: bool = False) -> VmaPart:
    flags = " ".join(flag for flag in vma.flags.split() if flag in SHOWN_FLAGS)
    place = "" if vma.offset is None else f" of {vma.offset}"
    told = f"{_of(vma.task)}VMA {vma.span}, {vma.perms}, {vma.file}{place}, flags {vma.flags}"
    return VmaPart(
        part=("gone-" if gone else "") + pages_part("vma", vma.task, vma.span),
        says=f"{told}: gone in this step" if gone else told,
        rule="S5.1",
        beside="" if gone else " ".join(_runs_of(step, vma.task, vma.span)),
        changed=changed,
        task=vma.task,
        span=vma.span,
        perms=vma.perms,
        flags=flags,
        gone=gone,
    )


def _run_parts(step: Step, before: Step | None, index: int) -> tuple[EntryPart, ...] | None:
    if step.ptes is None:
        return None
    earlier = None if before is None else before.ptes
    looked = index == 0 or earlier is not None
    shown = set(earlier or ())
    quiet = index == 0 or all(pte.target is None for pte in earlier or ())
    return tuple(
        _run_part(pte, changed=looked and pte not in shown and not (quiet and pte.target is None))
        for pte in step.ptes
    )


def _marks(entry: TableEntry) -> str:
    """Return the marks that a picture shows for an entry, next to its mode."""
    flags = (("W", "RW"), ("D", "D"), ("A", "A"), ("!P", "!P"))
    return " ".join(mark for mark, flag in flags if flag in entry.flags)


def _run_part(pte: PteSeen, *, changed: bool) -> EntryPart:
    entry, target = pte.table_entry, pte.target if pte.table_entry.mode else None
    says = f"{_of(pte.task)}page table at {pte.span}{_to(target)}: {pte.entry}"
    rule = "S1.4 S5.5" if entry.level == 1 else "S5.6 S6.3"
    beside = " ".join([pages_part("link", pte.task, pte.span), *_device(target)])
    if not entry.mode:
        absent = "nothing" if entry.absent == "none" else entry.absent
        says = f"{_of(pte.task)}page table at {pte.span}: {absent}, tables go down to level {entry.level}"
        rule, beside = "S6.7", ""
    return EntryPart(
        part=pages_part("run", pte.task, pte.span), says=says, rule=rule, beside=beside, changed=changed,
        task=pte.task, span=pte.span, target=target, mode=entry.mode, level=entry.level,
        marks=_marks(entry), absent="" if entry.mode else pte.entry,
    )  # fmt: skip


def _device_parts(step: Step | None, devices: Mapping[str, bool]) -> Iterator[DevicePart]:
    modes = step.direct_map_ranges if step is not None else ()
    for name, ram in devices.items():
        own = tuple((span, mode) for span, mode in modes if span.name == name)
        direct = "".join(f", {span} {mode} in the direct map" for span, mode in own)
        says = f"{'RAM' if ram else 'device'} {name}{direct}"
        yield DevicePart(part=device_part(name), says=says, rule="S1.11", name=name, ram=ram, modes=own)


def _book_parts(
    step: Step, before: Step | None, index: int, kept: Sequence[Span] | None
) -> tuple[BookPart, ...] | None:
    if step.book is None:
        return None
    earlier = Counter(before.book or ()) if before is not None else Counter[BookEntry]()
    looked = index == 0 or (before is not None and before.book is not None)
    contexts = _contexts(step)
    counted = Counter[Span]()
    own = Counter(kept or ())
    parts: list[BookPart] = []
    for entry in step.book:
        known = earlier[entry] > 0
        earlier[entry] -= known
        held = own[entry.span] > 0
        own[entry.span] -= held
        leaked = not held and (kept is not None or step.op == "end") and is_leaked(entry, step)
        nth = counted[entry.span]
        counted[entry.span] += 1
        found = contexts.get(entry.span, [])
        refs, vmas = found.pop(0) if found else (None, ())
        parts.append(_book_part(entry, nth, step, refs, vmas, leaked, looked and not known, held))
    gone = [entry for entry, count in earlier.items() for _ in range(count)]
    here = [part.span for part in parts]
    for nth, entry in enumerate(gone):
        if not any(span.meets(entry.span) for span in here):
            parts.append(
                BookPart(
                    part=f"gone-{reserved_part('book', entry.span, nth)}",
                    says=f"freed in this step: {entry}",
                    rule="S2.4",
                    changed=True,
                    span=entry.span,
                    mode=entry.mode,
                    gone=True,
                )
            )
    return tuple(parts)


def _book_part(
    entry: BookEntry,
    nth: int,
    step: Step,
    refs: int | None,
    vmas: Sequence[tuple[str, Span]],
    leaked: bool,
    changed: bool,
    held: bool,
) -> BookPart:
    names = [_vma_name(task, span) for task, span in vmas]
    mapping = [vma for vma in step.vmas or () if vma.offset is not None and vma.offset.meets(entry.span)]
    if not vmas:
        names = ["driver"] if held else list(dict.fromkeys(_vma_name(vma.task, vma.span) for vma in mapping))
        vmas = [(vma.task, vma.span) for vma in mapping]
    said = f"reservation of {entry.span}, {entry.mode.upper()}"
    owner = ", ".join(names)
    says = f"{said}, of {owner}" if owner else said
    if leaked:
        says = f"{said}, LEAKED: no longer mapped"
    context = reserved_part("ctx", entry.span, nth) if refs is not None else ""
    there = {pages_part("vma", vma.task, vma.span) for vma in step.vmas or ()}
    owning = [part for part in (pages_part("vma", task, span) for task, span in vmas) if part in there]
    beside = " ".join([*owning, device_part(entry.span.name)])
    return BookPart(
        part=reserved_part("book", entry.span, nth),
        says=says,
        rule="S2.4" if leaked else "S2.1",
        beside=beside,
        changed=changed,
        span=entry.span,
        mode=entry.mode,
        owner=owner,
        leaked=leaked,
        refs=refs,
        context=context,
        context_says=f"context of {entry.span}: {refs} references, shared by {owner or 'nobody'}"
        if context
        else "",
    )


def _vma_name(task: str, span: Span) -> str:
    return str(span) if task == MAIN_TASK else f"{task}:{span}"


def _contexts(step: Step) -> dict[Span, list[tuple[int, Sequence[tuple[str, Span]]]]]:
    """Return the counted contexts, by the range they reserve."""
    found: dict[Span, list[tuple[int, Sequence[tuple[str, Span]]]]] = {}
    for tracked in step.tracked_ranges:
        if tracked.refs is not None and isinstance(tracked.place, Span):
            found.setdefault(tracked.place, []).append((tracked.refs, tracked.users))
    return found


def _tlb_parts(
    step: Step, tlbs: Sequence[CachedTranslations], run: Run, index: int
) -> dict[str, tuple[EntryPart, ...]]:
    before = set(run.tlbs[index - 1]) if index else set[CachedTranslations]()
    by_task: dict[str, tuple[EntryPart, ...]] = {}
    for seen in tlbs:
        entry = seen.table_entry
        old = ", STALE: the page table says otherwise" if seen.stale else ""
        part = EntryPart(
            part=pages_part("tlb", seen.task, seen.span),
            says=f"processor of {seen.task} remembers {seen.span}{_to(seen.target)}, {entry.mode}{old}",
            rule="S8.3" if seen.stale else "S8.3.8",
            beside=" ".join([*_runs_of(step, seen.space, seen.span), *_device(seen.target)]),
            changed=seen not in before,
            task=seen.space, span=seen.span, target=seen.target, mode=entry.mode, level=1,
            marks=_marks(entry), stale=seen.stale,
        )  # fmt: skip
        by_task[seen.task] = (*by_task.get(seen.task, ()), part)
    return by_task


def _runs_of(step: Step, task: str, span: Span) -> Iterator[str]:
    """Yield the ids of the runs of entries that overlap *span*."""
    return (
        pages_part("run", pte.task, pte.span)
        for pte in step.ptes or ()
        if pte.task == task and pte.span.meets(span)
    )


def _of(task: str) -> str:
    return "" if task == MAIN_TASK else f"{task}: "


def _to(target: Span | None) -> str:
    if target is None:
        return ""
    return f" to {target if target.pages else 'ordinary RAM' if target.name == 'ram' else target.name}"


def _device(target: Span | None) -> list[str]:
    """Return the id of the memory that an entry leads to, if it leads to any."""
    return [] if target is None else [device_part(target.name)]
