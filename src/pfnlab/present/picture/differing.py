"""Differences between machines in a step, in the words of a picture and as runs are compared."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pfnlab.programs.runs.compare import Difference, differences
from pfnlab.programs.runs.observation import Run, VmaSeen
from pfnlab.programs.runs.texts import tracked_range

#: The words for fields, in the order of a picture; of events and levels none is drawn.
_WORDS = {
    "result": "result",
    "value": "result",
    "vmas": "VMAs",
    "prots": "vm_page_prot",
    "ptes": "page table",
    "direct_map": "direct map",
    "book": "book",
    "tracked": "contexts",
    "log": "log",
    "flushes": "flushes",
}

#: How a tracker keeps what it tracks: that another keeps it otherwise is no other state.
TRACKING = "tracking"

#: What processors remember.
TLBS = "TLBs"

#: The rows of a panel that show what a word means.
ROWS = {
    "VMAs": ("vma",),
    "vm_page_prot": ("vma",),
    "page table": ("pte",),
    "direct map": ("memory",),
    "book": ("book",),
    "contexts": ("book",),
    TLBS: ("tlb",),
    "log": ("log",),
}

#: The flag of a VMA that stands for its reservation, where the tracker has no contexts.
_VM_PAT = "ar"


def differing_words(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """For each step the words of what is not the same on all machines, in the order of a picture.

    :raises Defect: the runs are of different programs
    """
    steps = max((len(run.steps) for run in runs), default=0)
    found: list[set[str]] = [set() for _ in range(steps)]
    for difference in differences(runs):
        word = _WORDS.get(difference.field)
        if word is not None:
            found[difference.step].add(TRACKING if _only_tracking(difference) else word)
    for index in range(steps):
        if any(index >= len(run.steps) for run in runs):
            found[index].add("result")
        remembered = [run.tlbs[index] for run in runs if index < len(run.tlbs)]
        if any(seen != remembered[0] for seen in remembered):
            found[index].add(TLBS)
    order = [*dict.fromkeys(_WORDS.values()), TLBS, TRACKING]
    return [tuple(word for word in order if word in words) for words in found]


def _only_tracking(difference: Difference) -> bool:
    values = [seen.value for seen in difference.values if seen.value is not None]
    if difference.field == "tracked":
        counted = [any(tracked_range(line).refs is not None for line in lines) for lines in values]
        return not all(count for count, lines in zip(counted, values, strict=True) if lines) or not all(
            values
        )
    if difference.field == "vmas":
        bare = [[_without_mark(vma) for vma in vmas] for vmas in values]
        return all(vmas == bare[0] for vmas in bare)
    return False


def _without_mark(vma: VmaSeen) -> VmaSeen:
    flags = " ".join(flag for flag in vma.flags.split() if flag != _VM_PAT)
    return msgspec.structs.replace(vma, flags=flags)
