"""The page ``docs/bugs.md``: one row per bug, regression or change (``src/pfnlab/kernel/bugs/data``).

``python -m evidence.pages bugs --write`` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evidence.pages.markdown import table
from pfnlab.kernel.bugs.known_bugs import GROUPS, Bug, SettledWord, all_bugs

_NONE = "-"

_HEAD = ("id", "what happens", "since", "until")

#: The letter for a fact first found by measuring: it has no date, only the series that were tested.
_MEASURED = "N"

_INTRO = """\
# Bugs and changes by their identifiers

This page lists bugs, regressions and silent changes of Linux PFN mappings.
pfnlab names them by a letter and two digits, in sources, tests and results.
*Since* and *until* are mainline releases; `pfnlab bugs show` adds the stable releases with a backport.

```console synopsis
pfnlab bugs show A06           one entry: trigger, log line, stable releases, configuration, programs, sources
pfnlab bugs affects 6.1.192    the entries that a kernel has
pfnlab bugs run A06            programs that tell a machine with it from one without it
pfnlab bugs list --breaks no_leak --reach privileged
```

[Entries on models and kernels](evidence/bugs.md) has the kernels on which each was seen,
[catalogue](evidence/catalogue.md) the property that a search violates because of it, and
[history](../evidence/history/README.md) a program for each fix that can be left out of the model.
Each row is a file of `src/pfnlab/kernel/bugs/data/`.
"""


def bugs_page(bugs: Iterable[Bug] | None = None) -> str:
    """The page.

    :param bugs: the bugs to list; default: all known ones
    """
    return "\n".join(_parts(tuple(all_bugs() if bugs is None else bugs)))


def _parts(bugs: tuple[Bug, ...]) -> Iterator[str]:
    yield _INTRO
    for letter, title in GROUPS.items():
        rows = [bug for bug in bugs if bug.number.startswith(letter)]
        yield f"## {letter}: {title}\n"
        if letter == _MEASURED:
            yield table(("id", "what was measured", "on"), ((bug.number, bug.what, bug.on) for bug in rows))
        else:
            yield table(_HEAD, map(_dated, rows))
    yield _totals(bugs)


def _dated(bug: Bug) -> tuple[str, ...]:
    dated = bug.dated
    return bug.number, bug.what, dated.since_in_words or _NONE, dated.until_in_words or _NONE


def _totals(bugs: tuple[Bug, ...]) -> str:
    shown = sum(bool(bug.shown) for bug in bugs)
    settled = ", ".join(f"{sum(bug.settled is word for bug in bugs)} {word}" for word in SettledWord)
    return f"## All\n\n{len(bugs)} entries: {settled}; {shown} shown by programs.\n"
