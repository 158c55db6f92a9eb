"""``docs/reviewing.md``: what to check in a patch, by kernel function, short enough for a prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pfnlab.discussions.posted_threads import posted_threads
from pfnlab.kernel.functions.function_lines import releases_of
from pfnlab.kernel.functions.known_functions import KernelFunction, kernel_functions
from pfnlab.kernel.policies.releases import CONFIRMED

#: The size of the page in bytes, including its last line: it is put next to a prompt.
MOST_BYTES = 12_000

#: Space for the last line, which says how the page was made.
_LAST = 100

#: The weight, in defects, of a function in the newest kernel, and of one that took another's place, of which
#: few defects are known yet.
_OF_NEWEST, _NEW = 3, 2

_TITLES = {
    "memtype": "Reservations and trackers",
    "mapping": "Mapping",
    "unmapping": "Unmapping and flushes",
    "vmas": "Split, merge, move, fork",
    "faults": "Faults and readers",
    "users": "Drivers and files",
}

_HEAD = """\
# Reviewing a patch

Facts about kernel functions of Linux PFN mappings, to read next to a patch that touches them.
*Before* is what must hold when the function is called, *after* what holds when it returns.
Then come its rules (S, in [semantics](semantics.md)) and what went wrong there before:
bugs (A to P, in [bugs](bugs.md)) and defects of posted patches (R, `pfnlab discussions show R11`).
These are the functions in which most went wrong.
`pfnlab help FUNCTION` has all of them, with callers and locks.
`pfnlab review --patch FILE` lists those that a mail touches.

Ask of every patch:

- Which releases does it apply to?
  Up to 6.15 a flag marks a tracked VMA (VM_PAT); since 6.16 VMAs share a counted context.
- Is each reservation freed once, exactly as made, after the last entry was cleared *and flushed*?
- Is everything flushed before a VMA leaves its file, so that a revocation misses no translation?
- Does the code also run for a zap, a revocation (without mmap_lock), a piece of a split VMA, a child of fork?
- Does it run for a failed mmap, or for an exit, whose gather covers the whole mm (fullmm)?
- Does an error leave entries without a reservation, or a reservation without entries?
- Does it work if the first page is absent or copied, or if the first VMA is ordinary memory?
"""


def page() -> str:
    """The page."""
    functions = kernel_functions().values()
    kept: list[KernelFunction] = []
    for one in sorted(functions, key=_weight, reverse=True):
        if len(_text([*kept, one]).encode()) + _LAST > MOST_BYTES:
            break
        kept.append(one)
    return _text(kept)


def _weight(one: KernelFunction) -> int:
    """A weight for the faults of a function; more if patches of today can touch it, and if it is new."""
    wrong = len(_rows(one)) + len(one.bugs)
    return wrong + _OF_NEWEST * one.is_in(CONFIRMED[-1]) + _NEW * bool(one.replaces)


def _rows(one: KernelFunction) -> list[str]:
    defects = (defect for thread in posted_threads() for defect in thread.defects)
    return [defect.number for defect in defects if one.name in defect.functions]


def _text(kept: Sequence[KernelFunction]) -> str:
    names = {one.name for one in kept}
    lines = [_HEAD]
    for subject, title in _TITLES.items():
        found = [one for one in kernel_functions().values() if one.subject == subject and one.name in names]
        if found:
            lines += [f"## {title}", "", *(line for one in found for line in _lines(one)), ""]
    return "\n".join(lines)


def _lines(one: KernelFunction) -> Iterator[str]:
    releases = releases_of(one)
    wrong = ", ".join((*one.bugs, *_rows(one)))
    yield f"- **`{one.name}`**{f' ({releases})' if releases else ''}"
    yield f"  Before: {one.needs}"
    yield f"  After: {one.ensures}"
    yield f"  {', '.join(one.rules[:3])}{f'; {wrong}' if wrong else ''}."
