"""``pfnlab matrix``: predict recorded runs of real kernels and count what is exact.

A case is *exact* when every observation of every kernel is predicted: result, errno, memtype list in
order, log lines, and the VMAs, entries and counters where they were recorded. It *waits* when an
operation has no counterpart yet, and names the operation and the reason. Everything else is *wrong*.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from pfnlab.errors import Misuse
from pfnlab.files import MOST_RECORDED, read_bytes
from pfnlab.hw.pgtable import LEAF_PAGES
from pfnlab.mm.users.vfio import BAR_OFFSET
from pfnlab.policies.profiles import PROFILES
from pfnlab.programs.lang.ops import MAIN_TASK, Program, uses_vfio
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.programs.recorded import order as recorded_order
from pfnlab.programs.recorded import races as recorded_races
from pfnlab.programs.recorded.order import RecordedOrder
from pfnlab.programs.recorded.programs import RecordedCase, RecordedState, translate, window_pages, wrong
from pfnlab.programs.recorded.races import RecordedRace
from pfnlab.programs.recorded.verbs import Waiting, task_name
from pfnlab.programs.runs.kmsg import ANYBODY, once_message
from pfnlab.programs.runs.observation import REGION, BookEntry, PteSeen, Run, Step, VmaSeen
from pfnlab.programs.runs.pte_text import RAM
from pfnlab.units import number_of

#: The PAT slot each mode uses with full PAT, as recordings name it.
_SLOTS = {"WB": 0, "WC": 1, "UC-": 2, "UC": 3, "WP": 5, "WT": 7}


#: Offsets into a vfio region are recorded less the number of the BAR's first page.
_RECORDED_REGION = BAR_OFFSET - 0xF8000


@dataclass
class MatrixResult:
    """The counts of recorded cases.

    :ivar cases: programs read; each is exact, waiting or wrong over all its kernels
    :ivar rows: programs times kernels
    :ivar details: one line for every waiting case and every wrong observation
    """

    cases: int = 0
    exact: int = 0
    waiting: int = 0
    wrong: int = 0
    rows: int = 0
    rows_exact: int = 0
    details: list[str] = field(default_factory=list)


def predict_files(paths: Sequence[Path]) -> MatrixResult:
    """Predict every case of every file.

    :raises Misuse: a file cannot be read, holds no cases, or a line is no recording
    """
    result = MatrixResult()
    for path in paths:
        rows = _read(path)
        _predict([row for row in rows if isinstance(row, RecordedCase)], result)
        _predict_rows([row for row in rows if isinstance(row, RecordedOrder)], recorded_order.misses, result)
        _predict_rows([row for row in rows if isinstance(row, RecordedRace)], recorded_races.misses, result)
    return result


#: The kinds of lines of a recording, by their beginning.
_KINDS: dict[bytes, type[RecordedCase] | type[RecordedOrder] | type[RecordedRace]] = {
    b'{"case"': RecordedCase,
    b'{"op_id"': RecordedOrder,
    b'{"race"': RecordedRace,
}


def _read(path: Path) -> list[RecordedCase | RecordedOrder | RecordedRace]:
    lines = read_bytes(path, "recording", MOST_RECORDED).splitlines()
    decoders = {start: msgspec.json.Decoder(kind) for start, kind in _KINDS.items()}
    rows: list[RecordedCase | RecordedOrder | RecordedRace] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = decoders.get(line.split(b":")[0], decoders[b'{"case"']).decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Misuse(f"{path}:{number}: not a recorded case: {error}") from None
        if row.series not in PROFILES:
            profiles = ", ".join(PROFILES)
            raise Misuse(f"{path}:{number}: kernel {row.kernel_release} has no profile: there are {profiles}")
        rows.append(row)
    if not rows:
        raise Misuse(f"{path} holds no cases: is it the right file?")
    return rows


def _predict(rows: list[RecordedCase], result: MatrixResult) -> None:
    cases: dict[str, list[RecordedCase]] = {}
    for row in rows:
        cases.setdefault(row.case, []).append(row)
    # A line printed once per boot shows only in the first case that causes it (S12.4.3).
    spent: dict[str, set[str]] = {}
    # A written page keeps its content, and a case may reach into the window of the next one (S12.1.2).
    memory: dict[str, dict[int, int]] = {}
    for index, (name, kernels) in enumerate(cases.items()):
        result.cases += 1
        result.rows += len(kernels)
        try:
            program = translate(name, kernels[0].ops, index)
        except Waiting as waiting:
            result.waiting += 1
            result.details.append(f"waiting {name}: `{waiting.op}` waits for {waiting.reason}")
            for row in kernels:
                spent.setdefault(row.kernel_release, set()).update(_once(row))
            continue
        exact = True
        for row in kernels:
            messages = spent.setdefault(row.kernel_release, set())
            window = window_pages(row.ops) * index
            stored = memory.setdefault(row.kernel_release, {})
            window_memory = {page - window: value for page, value in stored.items()}
            misses = list(_misses(program, row, messages, window_memory))
            stored.update({page + window: value for page, value in window_memory.items()})
            messages |= _once(row)
            result.rows_exact += not misses
            exact = exact and not misses
            result.details += misses
        result.exact += exact
        result.wrong += not exact


class _RecordedRow(Protocol):
    # A recording that is compared by itself.
    @property
    def case(self) -> str: ...


_R = TypeVar("_R", bound=_RecordedRow)


def _predict_rows(rows: list[_R], misses: Callable[[_R], Iterable[str]], result: MatrixResult) -> None:
    cases: dict[str, list[_R]] = {}
    for row in rows:
        cases.setdefault(row.case, []).append(row)
    for name, kernels in cases.items():
        result.cases += 1
        result.rows += len(kernels)
        try:
            wrong = [list(misses(row)) for row in kernels]
        except Waiting as waiting:
            result.waiting += 1
            result.details.append(f"waiting {name}: `{waiting.op}` waits for {waiting.reason}")
            continue
        result.rows_exact += wrong.count([])
        result.details += [line for lines in wrong for line in lines]
        result.exact += not any(wrong)
        result.wrong += any(wrong)


def _once(row: RecordedCase) -> set[str]:
    messages = (once_message(_line(line, anonymous=True)) for observed in row.obs for line in observed.dmesg)
    return {message for message in messages if message is not None}


def _misses(program: Program, row: RecordedCase, spent: set[str], memory: dict[int, int]) -> Iterable[str]:
    """Every observation of one kernel that the model does not predict."""
    run: Run = ModelMachine(row.version).run_one(program, memory=memory)
    starts = {area.name: area.name.upper() for area in program.areas}
    for observed, step in zip(row.obs, _in_window(program, run.steps), strict=False):
        where = f"{row.case} on {row.series} at `{observed.op}`"
        yield from wrong(where, _compare(observed, step, starts, spent))
    if len(row.obs) != len(run.steps):
        count = number_of(len(row.obs), "observation")
        yield f"wrong {row.case} on {row.series}: {count}, {len(run.steps)} predicted"


def _in_window(program: Program, steps: tuple[Step, ...]) -> Iterable[Step]:
    """The steps as recordings show them: without vfio-pci's own entry of the whole BAR."""
    if not any(uses_vfio(op.call) for op in program.ops):
        return steps
    whole = program.devices[0].pages
    return (
        msgspec.structs.replace(
            step, book=tuple(entry for entry in step.book or () if entry.span.pages != whole)
        )
        for step in steps
    )


def _compare(
    observed: RecordedState, step: Step, letters: dict[str, str], spent: set[str]
) -> Iterable[tuple[str, object, object]]:
    verb = observed.op.split()[1] if observed.op != "END" else "END"
    missing = step.result == "ESRCH"
    # Ending an actor that never came to be was recorded as success (S12.4.6).
    result = "ok" if missing and verb in ("exit", "kill", "pte", "maps") else step.result
    yield "result", "ok" if observed.ret >= 0 else observed.errno, result
    yield "memtype", observed.memtype, _memtype(step)
    anonymous = verb in ("exit", "kill", "exec", "END")
    lines = [_line(line, anonymous) for line in observed.dmesg if not line.startswith("RIP: ")]
    yield "dmesg", lines, _log(step, spent)
    if verb == "pte":
        yield "pte", observed.val, ["no-pgd ok"] * len(observed.val) if missing else _ptes(observed.op, step)
    elif verb == "maps":
        yield "maps", observed.val, [_vma(vma, letters) for vma in _vmas(step)]
    elif verb == "smaps":
        yield "smaps", observed.val, _smaps(observed.op, step)
    elif verb in _VALUES:
        recorded = observed.val
        yield "value", recorded, _VALUES[verb](step.value)
    elif observed.val is not None or step.value is not None:
        yield "value", observed.val, step.value


def _statuses(value: int | str | None) -> list[str]:
    return [word if word.startswith("node") else f"-{word}" for word in str(value).split()]


def _pagemap(value: int | str | None) -> list[str]:
    pages = (page.replace("soft-dirty", "sd").split("+") for page in str(value).split())
    return [" ".join(page if page[0] in ("present", "-") else ["-", *page]) for page in pages]


def _counters(value: int | str | None) -> str:
    return re.sub(r"VmLck=\w+", "VmLck=N", str(value))


def _unrecorded(value: int | str | None) -> None:
    return None


#: Values that recordings word differently, or did not keep.
_VALUES: dict[str, Callable[[int | str | None], object]] = {
    "movepages": _statuses,
    "pagemap": _pagemap,
    "vmrss": _counters,
    **dict.fromkeys(("memread", "wr", "vmsplice", "futex"), _unrecorded),
}


def _memtype(step: Step) -> list[tuple[int, int, str]]:
    return [(entry.span.start, entry.span.end, entry.mode.upper()) for entry in step.book or ()]


def _line(line: str, anonymous: bool) -> str:
    """A recorded log line in our words."""
    line = re.sub(r"\[mem \+(-?\d+)-\+(-?\d+)\]", r"bar[\1:\2]", line)
    line = re.sub(r"^(WARNING at \S+):(?:LINE|\d+)$", r"\1", line)
    line = re.sub(r"\bbytes: \d+ (?=not enough)", "bytes: N ", line)
    line = re.sub(r"^ioremap on RAM at ADDR", "ioremap on RAM at RANGE", line)

    def name(match: re.Match[str]) -> str:
        return ANYBODY if anonymous else task_name(match["actor"])

    line = re.sub(r"\b(?:pid: PID, comm: )?p(?P<actor>\d)(?::PID|(?=, ))", name, line)
    return re.sub(r"\bp(?P<actor>\d) \(PID\)(:?)", lambda match: name(match) + match[2], line)


def _log(step: Step, spent: set[str]) -> list[str]:
    lines = [re.sub(r"\btypes bar\[\S+\]", "types RANGE", line) for line in step.log]
    return [line for line in lines if once_message(line) not in spent]


def _vmas(step: Step) -> list[VmaSeen]:
    return [vma for vma in step.vmas or () if vma.task == step.task]


def _vma(vma: VmaSeen, letters: dict[str, str]) -> str:
    offset = vma.offset.start if vma.offset else 0
    if vma.offset is not None and vma.offset.name == REGION:
        offset += _RECORDED_REGION
    where = f"{letters[vma.span.name]}+{vma.span.start}..{vma.span.end}"
    return f"{where} {vma.perms} {'kdrv' if vma.file == 'driver' else vma.file} pg{offset:+d}"


def _smaps(op: str, step: Step) -> str:
    _, _, letter, at = op.split()[:4]
    name, page = letter.lower(), int(at)
    for vma in _vmas(step):
        if vma.span.name == name and vma.span.start <= page < vma.span.end:
            return (
                f"Size={vma.span.pages * 4} Rss={vma.rss} Pss={vma.rss} Private_Dirty={vma.rss} "
                f"Anonymous={vma.anonymous} Locked={vma.locked} VmFlags: {vma.flags} "
            )
    return ""


def _ptes(op: str, step: Step) -> list[str]:
    _, _, letter, at, pages = op.split()
    runs = [run for run in step.ptes or () if run.task == step.task and run.span.name == letter.lower()]
    return [_pte(runs, page) for page in range(int(at), int(at) + int(pages))]


def _pte(runs: list[PteSeen], page: int) -> str:
    """One page's entry as recordings word it."""
    run = next(run for run in runs if run.span.start <= page < run.span.end)
    if run.target is None:
        return "none" if run.entry == "none@L1" else run.entry
    level, mode, *words = run.entry.split()
    slot = _SLOTS[mode]
    within = page - run.span.start
    if level == "L2":
        within -= within % LEAF_PAGES[2]
    place = "ram" if run.target == RAM else f"bar{run.target.start + within:+d}"
    bits = f"pat={slot >> 2} pcd={slot >> 1 & 1} pwt={slot & 1}"
    return " ".join([place, level, f"PAT{slot}({mode})", bits, *words])


assert task_name("0") == MAIN_TASK


def _without(book: Iterable[BookEntry], pages: int) -> tuple[BookEntry, ...]:
    """The entries of other sizes."""
    return tuple(entry for entry in book if entry.span.pages != pages)
