"""The console of a guest: what the kernel called its crash."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PREFIX = re.compile(r"^(<\d+>)?\[ *\d+\.\d+\](\[ *[TC]\d+\])? ")
_TITLE = re.compile(r"\bBUG: \S|^kernel BUG at |^Oops: |^general protection fault|^WARNING: ")
_WARNING = re.compile(r"^WARNING: .*?([\w./-]+\.[ch]):\d+")
# The task, its address space and addresses: what differs each time.
_OF_ONE_TIME = re.compile(r" in process .*| mm:.*| \[.*|: \S+/\d+.*|,? (for )?address: .*|,? probably .*")
_FUNCTION = re.compile(r"^RIP: [0-9a-f]{4}:(\w+)\+0x")
_END = re.compile(r"^---\[ end trace |^Kernel panic ")


def crash_title(lines: Iterable[str]) -> str | None:
    """The first oops or BUG in a console, else the first warning, with the function it happened in.

    What comes after it may be its consequence. It is without times, tasks and addresses:
    ``BUG: kernel NULL pointer dereference in untrack_pfn``.

    :return: None where the console has none
    """
    titles: list[str] = []
    reporting = False
    for line in lines:
        text = _PREFIX.sub("", line)
        if _TITLE.search(text) and not reporting:
            warning = _WARNING.match(text)
            titles.append(f"WARNING at {warning[1]}" if warning else _OF_ONE_TIME.sub("", text))
            reporting = True
        elif reporting and (function := _FUNCTION.match(text)) and " in " not in titles[-1]:
            titles[-1] = f"{titles[-1]} in {function[1]}"
        elif _END.search(text):
            reporting = False
    crashes = [title for title in titles if not title.startswith("WARNING")]
    return next(iter((*crashes, *titles)), None)
