"""The shape of two values that differ: the values without numbers and names.

``a[4:8]`` and ``b[0:1]`` have the same shape; a missing flag and a missing VMA have different ones.
"""

import re
from collections import Counter
from typing import Any

from pfnlab.programs.runs.observation import BookEntry, PteSeen, VmaSeen

#: The part of a shape that stands for a value missing on one machine.
NOTHING = "-"

_RANGE = re.compile(r"\b\w+\[\d+(?::\d+)?\]|\b\w+:(?=\w+\[)")
_NUMBER = re.compile(r"\b(0x)?[0-9a-f]*\d[0-9a-f]*\b")
_DECIMAL = re.compile(r"N\.N\b")
_CONSOLE = re.compile(r" \(console kept in .*\)$")
_TASK = re.compile(r"(x86/PAT: )\S+ ")

#: The number of VMAs that share a reservation, and their names, after its range.
_SHARERS = re.compile(r" x\d+( .*)?$")


def shape(field: str, first: Any, second: Any) -> str:
    """The difference between two values of *field* in words, without numbers and names."""
    if field == "flushes":
        return "fewer" if first < second else "more"
    if field == "events":
        return _order(first, second)
    if not isinstance(first, tuple) or not isinstance(second, tuple):
        return f"{plain(first)} / {plain(second)}"
    if field in ("vmas", "ptes"):
        return _by_place(first, second)
    if field == "tracked":
        first, second = (tuple(_SHARERS.sub("", line) for line in value) for value in (first, second))
        if first == second:
            return "other references"
    left, right = Counter(map(_element, first)), Counter(map(_element, second))
    if left == right:
        return "other pages" if Counter(first) != Counter(second) else "other order"
    return f"{_listed(left - right)} / {_listed(right - left)}"


def _order(first: tuple[str, ...], second: tuple[str, ...]) -> str:
    """The first pair of events that differ."""
    for left, right in zip((*first, "end"), (*second, "end"), strict=False):
        if left != right:
            words = plain(left), plain(right)
            return " / ".join(words) if words[0] != words[1] else f"{words[0]} elsewhere"
    return "end / more"


def _by_place(first: tuple[Any, ...], second: tuple[Any, ...]) -> str:
    """The differences between VMAs or entries at the same addresses, or if there are none, between the
    addresses.
    """
    left = {(element.task, element.span): element for element in first}
    right = {(element.task, element.span): element for element in second}
    words: set[str] = set()
    for place in left.keys() & right.keys():
        words |= _attributes(left[place], right[place])
    if words:
        return ", ".join(sorted(words))
    left_only = {_element(left[place]) for place in left.keys() - right.keys()}
    right_only = {_element(right[place]) for place in right.keys() - left.keys()}
    if left_only and right_only:
        return "other pages"
    return f"{'; '.join(sorted(left_only)) or '-'} / {'; '.join(sorted(right_only)) or '-'}"


def _attributes(left: Any, right: Any) -> set[str]:
    words = set()
    for name in left.__struct_fields__:
        left_value, right_value = getattr(left, name), getattr(right, name)
        if left_value == right_value:
            continue
        if isinstance(left_value, str) and isinstance(right_value, str):
            missing, added = (
                set(left_value.split()) - set(right_value.split()),
                set(right_value.split()) - set(left_value.split()),
            )
            changes = [*(f"-{word}" for word in sorted(missing)), *(f"+{word}" for word in sorted(added))]
            words.add(f"{name} {' '.join(changes)}")
        elif isinstance(left_value, int) and isinstance(right_value, int):
            words.add(f"{name} {'less' if right_value < left_value else 'more'}")
        else:
            words.add(name)
    return words


def _element(value: Any) -> str:
    """One element of a field, without its address and numbers."""
    if isinstance(value, BookEntry):
        return value.mode
    if isinstance(value, VmaSeen):
        return f"{value.perms} {value.file}"
    if isinstance(value, PteSeen):
        return value.entry
    return plain(value)


def _listed(counts: Counter[str]) -> str:
    return "; ".join(sorted(counts)) or NOTHING


def plain(value: Any) -> str:
    """A value without numbers, ranges and tasks."""
    text = _TASK.sub(r"\1", str(value))
    return _NUMBER.sub("N", _RANGE.sub("PAGES", text))


def lost_shape(reason: str) -> str:
    """The reason why a machine was lost, without the path of its console: the crash title and the end."""
    return _DECIMAL.sub("N", plain(_CONSOLE.sub("", reason)))
