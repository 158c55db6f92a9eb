"""Predict recorded runs of real kernels and count what is exact.

A case is *exact* when every observation of every kernel is predicted: result, errno, memtype list in
order, log lines, and the VMAs, entries and counters where they were recorded. It *waits* when an
operation has no counterpart yet, and names the operation and the reason. Everything else is *wrong*.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.files import MOST_RECORDED, read_bytes
from pfnlab.base.inert import one_line
from pfnlab.base.processes import in_order
from pfnlab.base.progress import UNCOUNTED, PartCount
from pfnlab.base.result import Count, Made, Outcome, Result
from pfnlab.base.units import number_of
from pfnlab.kernel.hw.pgtable import LEAF_PAGES
from pfnlab.kernel.mm.users.vfio import BAR_OFFSET
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.kmsg import ANYBODY, once_message
from pfnlab.programs.runs.observation import REGION, PteSeen, Run, Step, VmaSeen
from pfnlab.programs.runs.pte_text import RAM
from tests.recorded import order as recorded_order
from tests.recorded import races as recorded_races
from tests.recorded.cases import (
    RecordedCase,
    RecordedRelease,
    RecordedState,
    check_recorded,
    translate,
    window_pages,
    wrong,
)
from tests.recorded.order import RecordedOrder
from tests.recorded.races import RecordedRace
from tests.recorded.recorded_calls import Waiting, pages_of, task_name

#: The PAT slot each mode uses with full PAT, as recordings name it.
_SLOTS = {"WB": 0, "WC": 1, "UC-": 2, "UC": 3, "WP": 5, "WT": 7}


#: Offsets into a vfio region are recorded less the number of the BAR's first page.
_RECORDED_REGION = BAR_OFFSET - 0xF8000


class MatrixResult(Result, frozen=True, kw_only=True, tag="pfnlab-matrix/1"):
    """The counts of recorded cases.

    :param cases: programs read; each is exact, waiting or wrong over all its kernels
    :param exact: programs predicted without any difference
    :param waiting: cases that need a rule the model does not have
    :param wrong: programs of which something was predicted wrong
    :param details: a line for every waiting case and every wrong observation
    """

    cases: Count
    exact: Count
    waiting: Count
    wrong: Count
    details: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """A wrong prediction is a discovery."""
        return Outcome.DISCOVERY if self.wrong else Outcome.AS_EXPECTED

    def __str__(self) -> str:
        """The counts on a line, then the details."""
        counts = f"{self.exact:,} exact, {self.waiting:,} waiting, {self.wrong:,} wrong"
        return "\n".join(map(one_line, (f"{number_of(self.cases, 'case')}: {counts}", *self.details)))


def predict_files(
    paths: Sequence[Path], jobs: int | None = 1, counted: PartCount = UNCOUNTED
) -> MatrixResult:
    """Predict every case of every file.

    :param jobs: processes at a time; None for as many as there are processors
    :param counted: counts the kernels of each file, which are predicted one by one
    :raises Misuse: a file cannot be read, holds no cases, or a line is no recording
    """
    recordings = [recording for path in paths for recording in _recordings(path, _read(path))]
    parts = [part for recording in recordings for part in recording.parts()]
    counted.expect(len(parts))
    answers = in_order(
        lambda part: part.misses(), parts, jobs, named=lambda part: part.name, done=counted.advance
    )
    misses: dict[int, _Misses] = {}
    for part, found in zip(parts, answers, strict=True):
        misses |= {id(row): row_misses for row, row_misses in zip(part.rows, found, strict=True)}
    cases = [case for recording in recordings for case in recording.judged(misses)]
    return MatrixResult(
        made=Made.now(),
        cases=len(cases),
        exact=sum(not waits and not details for waits, details in cases),
        waiting=sum(waits for waits, _ in cases),
        wrong=sum(not waits and bool(details) for waits, details in cases),
        details=tuple(line for _, details in cases for line in details),
    )


#: What the model does not predict of a row, or the words of what it waits for.
_Misses = list[str] | str


class _PredictedPart(NamedTuple):
    # The rows of one kernel, which are predicted one after the other.
    name: str
    rows: Sequence[RecordedRelease]
    misses: Callable[[], list[_Misses]]


class _Recording(NamedTuple):
    # The rows of one kind in one file: by case, those of its kernels.
    path: Path
    cases: dict[str, list[Any]]
    misses: Callable[[dict[str, list[Any]], str], list[_Misses]]

    def parts(self) -> Iterator[_PredictedPart]:
        kernels = dict.fromkeys(row.kernel_release for rows in self.cases.values() for row in rows)
        for kernel in kernels:
            rows = [row for rows in self.cases.values() for row in rows if row.kernel_release == kernel]
            yield _PredictedPart(f"{self.path} on {kernel}", rows, partial(self.misses, self.cases, kernel))

    def judged(self, misses: Mapping[int, _Misses]) -> Iterator[tuple[bool, list[str]]]:
        """For each case whether it waits, and the lines about it: none where it is exact."""
        for name, kernels in self.cases.items():
            found = [misses[id(row)] for row in kernels]
            waiting = next((words for words in found if isinstance(words, str)), None)
            if waiting is not None:
                yield True, [f"waiting {name}: {waiting}"]
            else:
                yield False, [line for lines in found for line in lines]


def _recordings(path: Path, rows: Sequence[Any]) -> Iterator[_Recording]:
    for kind in _KINDS.values():
        cases: dict[str, list[Any]] = {}
        for row in rows:
            if isinstance(row, kind.form):
                cases.setdefault(row.case, []).append(row)
        yield _Recording(path, cases, kind.misses)


def _read(path: Path) -> list[RecordedRelease]:
    lines = read_bytes(path, "recording", MOST_RECORDED).splitlines()
    decoders = {start: msgspec.json.Decoder(kind.form) for start, kind in _KINDS.items()}
    rows: list[RecordedRelease] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            start = line.split(b":")[0]
            start = start if start in _KINDS else b'{"case"'
            row = decoders[start].decode(line)
            if row.series not in PROFILES:
                profiles = ", ".join(PROFILES)
                release = one_line(row.kernel_release)
                raise Misuse(f"{path}:{number}: kernel {release} has no profile: there are {profiles}")
            check_recorded(partial(_KINDS[start].program, row))
        except (ValueError, RecursionError) as error:
            raise Misuse(f"{path}:{number}: not a recorded case: {one_line(str(error))}") from None
        rows.append(row)
    if not rows:
        raise Misuse(f"{path} holds no cases: is it the right file?")
    return rows


def _case_misses(cases: dict[str, list[RecordedCase]], kernel: str) -> list[_Misses]:
    """The misses of the model in each row of *kernel*, in their order."""
    found: list[_Misses] = []
    # A line printed once per boot shows only in the first case that causes it (S12.4.3).
    spent: set[str] = set()
    # A written page keeps its content, and a case may reach into the window of the next one (S12.1.2).
    memory: dict[int, int] = {}
    for index, (name, kernels) in enumerate(cases.items()):
        try:
            program = translate(name, kernels[0].ops, index)
        except Waiting as waiting:
            program = None
            words = _waits(waiting)
        for row in kernels:
            if row.kernel_release != kernel:
                continue
            if program is None:
                found.append(words)
            else:
                window = window_pages(row.ops) * index
                window_memory = {page - window: value for page, value in memory.items()}
                found.append(list(_misses(program, row, spent, window_memory)))
                memory.update({page + window: value for page, value in window_memory.items()})
            spent |= _once(row)
    return found


def _row_misses(
    misses: Callable[[Any], Iterable[str]], cases: dict[str, list[Any]], kernel: str
) -> list[_Misses]:
    """The same of rows that are compared each by itself."""
    found: list[_Misses] = []
    for row in (row for rows in cases.values() for row in rows if row.kernel_release == kernel):
        try:
            found.append(list(misses(row)))
        except Waiting as waiting:
            found.append(_waits(waiting))
    return found


class _Kind(NamedTuple):
    # A kind of lines of a recording: their form, the program of one, and what the model does not predict.
    form: type[Any]
    program: Callable[[Any], Program]
    misses: Callable[[dict[str, list[Any]], str], list[_Misses]]


#: The kinds by the beginning of their lines.
_KINDS = {
    b'{"case"': _Kind(RecordedCase, lambda row: translate(row.case, row.ops, 0), _case_misses),
    b'{"op_id"': _Kind(RecordedOrder, recorded_order.program_of, partial(_row_misses, recorded_order.misses)),
    b'{"race"': _Kind(RecordedRace, recorded_races.program_of, partial(_row_misses, recorded_races.misses)),
}


def _waits(waiting: Waiting) -> str:
    return f"`{waiting.op}` waits for {waiting.reason}"


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
    if not program.needs.vfio:
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
        none = ["no-pgd ok"] * pages_of(observed.op).pages
        yield "pte", observed.val, none if missing else _ptes(observed.op, step)
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


#: Values that recordings word differently, or did not record.
_VALUES: dict[str, Callable[[int | str | None], object]] = {
    "movepages": _statuses,
    "pagemap": _pagemap,
    "vmrss": _counters,
    **dict.fromkeys(("memread", "wr", "vmsplice", "futex"), lambda value: None),
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
    asked = pages_of(op)
    for vma in _vmas(step):
        if vma.span.name == asked.name and vma.span.start <= asked.start < vma.span.end:
            return (
                f"Size={vma.span.pages * 4} Rss={vma.rss} Pss={vma.rss} Private_Dirty={vma.rss} "
                f"Anonymous={vma.anonymous} Locked={vma.locked} VmFlags: {vma.flags} "
            )
    return ""


def _ptes(op: str, step: Step) -> list[str]:
    asked = pages_of(op)
    runs = [run for run in step.ptes or () if run.task == step.task and run.span.name == asked.name]
    return [_pte(runs, page) for page in range(asked.start, asked.end)]


def _pte(runs: list[PteSeen], page: int) -> str:
    """One page's entry as recordings word it."""
    run = next(run for run in runs if run.span.start <= page < run.span.end)
    if run.target is None:
        return "none" if run.entry == "none@L1" else run.entry
    entry = run.table_entry
    slot = _SLOTS[entry.mode]
    within = page - run.span.start
    if entry.level == 2:
        within -= within % LEAF_PAGES[2]
    place = "ram" if run.target == RAM else f"bar{run.target.start + within:+d}"
    bits = f"pat={slot >> 2} pcd={slot >> 1 & 1} pwt={slot & 1}"
    return " ".join([place, f"L{entry.level}", f"PAT{slot}({entry.mode})", bits, *entry.flags])
