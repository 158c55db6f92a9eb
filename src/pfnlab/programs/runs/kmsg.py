"""Kernel log lines without the parts that differ from run to run, in one form for models and kernels.

``x86/PAT: main:123 freeing invalid memtype [mem 0xf8004000-0xf8007fff]`` becomes
``x86/PAT: main freeing invalid memtype bar[4:8]``: tasks and devices are named, pages are half-open, and
there are no pids, addresses or source lines. Register dumps, traces and timer noise are dropped.
"""

import re
from collections.abc import Mapping, Sequence

from pfnlab.base.units import pages_of, phys_to_pfn
from pfnlab.programs.lang.ops import Exec, Exit, Kill, Op
from pfnlab.programs.runs.alarm import is_dump, warning
from pfnlab.programs.runs.places import Places

#: The word for a physical range outside all of the program's devices.
OUTSIDE = "RANGE"

#: The task in a line if it is undetermined in that step (:func:`is_anybody`), and at the end.
ANYBODY = "*"

_NOISE = re.compile(
    r"^\s*$|\bcallbacks suppressed$"
    r"|^(tsc|clocksource|random|input|clk|hrtimer|perf|sched_clock|workqueue): |^(pci|ata|Freeing)"
    # PCI bus messages about a reset, in the driver's name, and ACPI messages about a
    # device's first interrupt.
    r"|^vfio-pci \S+: (resetting|reset done)$|^ACPI: \S+: Enabled at IRQ \d+$"
    # A failed probe of the guest driver, whose wording depends on the series; its errno is in the result.
    r"|^pfnlab [0-9a-f:.]+: |^pfnlab: probe of "
)

_MEM = re.compile(r"\[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\]")
_TYPES = re.compile(r"\btypes ([0-9a-f]+)-([0-9a-f]+)")
#: A duration as the kernel prints it.
_TOOK = re.compile(r" in \d+ms$")
#: The resource that a range exceeds, and who requested the range.
_LEFT = re.compile(r"(?<=which spans more than ).*")
_CALLER = re.compile(r"^caller .* mapping (?=multiple BARs)")
_FROM_TO = re.compile(r"\b0x[0-9a-f]{5,16} - 0x[0-9a-f]{5,16}")
_WHO_PAT = re.compile(r"^(x86/PAT: )(.{1,15}?):(\d+) (?=\S)")
_WHO_BRACKETED = re.compile(r"^(mmap: )?(\S{1,15}) \((\d+)\)(:?) ")
_WHO_OVERCOMMIT = re.compile(r"\bpid: (\d+), comm: ([^,]{1,15})")
_BYTES = re.compile(r"\bbytes: \d+ (?=not enough memory)")
_DATA_LIMIT = re.compile(r"(?<=VmData )\d+ exceed data ulimit \d+")
_PID = re.compile(r"\b(pid|PID)([:= ]+)\d+")
_CODE_OFFSET = re.compile(r"\+0x[0-9a-f]+/0x[0-9a-f]+")
#: The place in the kernel source that reports a broken page table.
_BAD_TABLE = re.compile(r"^\S+:\d+: (?=bad (?:pgd|p4d|pud|pmd) )")
_ADDRESS = re.compile(r"\b(?:0x)?[0-9a-f]{8,16}\b")

#: Lines that the kernel prints once per boot, in normalised form: only the first program that triggers one
#: sees it. The first group is the message itself.
ONCE: tuple[re.Pattern[str], ...] = (
    re.compile(r"(attempted to duplicate a private mapping with mremap)"),
    re.compile(r"(uses deprecated remap_file_pages\(\) syscall)"),
    re.compile(r"(VmData N exceed data ulimit N)"),
    re.compile(r"^(WARNING at \S+)"),
    re.compile(r"^(ioremap on RAM at )"),
    re.compile(r"^(memremap attempted on \w+)"),
    re.compile(r"^(cgroup: fork rejected)"),
    # Not once per boot, but rate-limited to a few per several seconds.
    re.compile(r"^(__vm_enough_memory): "),
)


def is_anybody(ended: Sequence[Op]) -> bool:
    """True if the task in a log line is undetermined in a step in which the operations *ended* finish.

    The task that drops the last reference to an address space tears it down, and that may be a
    reader of /proc. If several operations resume together, timing decides which of them does work
    that the others then skip.
    """
    return len(ended) > 1 or any(isinstance(op.call, Exec | Exit | Kill) for op in ended)


def in_known_order(
    lines: Sequence[tuple[str, str]], ended: Sequence[Op]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The lines of a step and, separately, their levels; sorted if several operations *ended*.

    :param lines: each line with its level
    """
    known = sorted(lines) if len(ended) > 1 else lines
    return tuple(line for line, _ in known), tuple(level for _, level in known)


def normalise(line: str, places: Places, task_names: Mapping[str, str], anonymous: bool) -> str | None:
    """One kernel log line in the form used in observations.

    :param line: the line without level and time
    :param task_names: tasks by the comm or pid that the kernel prints for them
    :param anonymous: the step's lines do not reliably name the task that logged them
    :return: the line, or None for noise and for parts of register dumps and traces
    """
    if _NOISE.search(line) or is_dump(line):
        return None
    if head := warning(line):
        return head
    line = _name_tasks(line, task_names, anonymous)
    line = _MEM.sub(lambda match: _pages(places, int(match[1], 16), int(match[2], 16) + 1), line)
    line = _TYPES.sub(lambda match: f"types {_pages(places, int(match[1], 16), int(match[2], 16))}", line)
    line = _LEFT.sub("a resource", line)
    line = _CALLER.sub("caller CODE mapping ", line)
    line = _FROM_TO.sub(OUTSIDE, line)
    line = _TOOK.sub(" in Nms", line)
    line = _BYTES.sub("bytes: N ", line)
    line = _DATA_LIMIT.sub("N exceed data ulimit N", line)
    line = _PID.sub(r"\1\2PID", line)
    line = _CODE_OFFSET.sub("", line)
    line = _BAD_TABLE.sub("", line)
    return _ADDRESS.sub("ADDR", line).rstrip()


def once_message(line: str) -> str | None:
    """The once-per-boot message in a normalised line, without the task that triggered it; or None."""
    matches = (pattern.search(line) for pattern in ONCE)
    return next((match[1].rstrip() for match in matches if match), None)


def _pages(places: Places, start: int, end: int) -> str:
    # Physical bytes from start up to end (exclusive) as device pages.
    first, last = phys_to_pfn(start), pages_of(end)
    return str(places.device_span(first, last)) if places.device_at(first) else OUTSIDE


def _name_tasks(line: str, task_names: Mapping[str, str], anonymous: bool) -> str:
    # The program's tasks by name, others by their comm, none by a pid.
    def name(comm: str, pid: str) -> str:
        return ANYBODY if anonymous else task_names.get(pid) or task_names.get(comm) or f"{comm}:PID"

    line = _WHO_PAT.sub(lambda match: f"{match[1]}{name(match[2], match[3])} ", line)
    line = _WHO_BRACKETED.sub(lambda match: f"{match[1] or ''}{name(match[2], match[3])}{match[4]} ", line)
    return _WHO_OVERCOMMIT.sub(lambda match: name(match[2], match[1]), line)
