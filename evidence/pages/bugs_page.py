"""The page ``docs/bugs.md``: bugs, regressions and changes, one row each (``src/pfnlab/kernel/bugs/data``).

``python -m evidence.pages bugs --write`` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evidence.pages.markdown import table
from pfnlab.kernel.bugs.known_bugs import GROUPS, Bug, SettledWord, all_bugs

_NONE = "-"

_HEAD = ("id", "what happens", "since", "until", "configuration", "stable alone", "shown by", "settled")

#: The letter of a fact first measured: it has no date, only the series that were tested.
_MEASURED = "N"

_INTRO = """\
# Bugs and changes by their identifiers

Each row is a file of `src/pfnlab/kernel/bugs/data/`.

This page lists bugs, regressions and silent changes of Linux PFN mappings.
Source, tests and tables of pfnlab name them by a letter and two digits.
This page says what each is.
*Since* and *until* are mainline releases.
Stable releases took many repairs over, and [profiles](profiles.md) has those by commit.
[catalogue](evidence/catalogue.md) shows which property a search violates because of a bug.
[History](../evidence/history/README.md) has a program for each repair that can be left out of the model.

The letters A to D: A legacy tracking by VMA (VM_PAT), B flushes of the TLB;
C the memtype book and cache modes, D the reference-counted context.
The others: E huge entries and vfio, F walkers and system calls, G drivers;
N measured on real kernels first, P met in the field.

*Configuration* has the options without which an entry is not there; `=m` is a module, or built in.
*Stable alone*: no mainline release had it.
*Shown by* has programs that part a model with it from one without it: `pfnlab bugs run A06`.
*Settled* says what became of the entry when somebody looked: `pfnlab bugs show A06` has how, and the sources.
`pfnlab bugs affects VERSION` says which of them a kernel has.
[Entries on models and kernels](evidence/bugs.md) has the kernels on which each was seen.
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
    return (
        *(bug.number, bug.what, dated.since_in_words or _NONE, dated.until_in_words or _NONE),
        ", ".join(f"{name}={value}" for name, value in bug.config.items()) or _NONE,
        "yes" if bug.stable_only else _NONE,
        ", ".join(f"`{name}`" for name in dict.fromkeys(row.program for row in bug.shown)) or _NONE,
        bug.settled or _NONE,
    )


def _totals(bugs: tuple[Bug, ...]) -> str:
    shown = sum(bool(bug.shown) for bug in bugs)
    settled = ", ".join(f"{sum(bug.settled is word for bug in bugs)} {word}" for word in SettledWord)
    return f"## All\n\n{len(bugs)} entries: {settled}; {shown} shown by programs.\n"
