"""The page ``docs/bugs.md``: one row per bug, regression or change (``src/pfnlab/kernel/bugs/data``).

``python -m evidence.pages bugs --write`` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from evidence.pages.markdown import table
from pfnlab.kernel.bugs.known_bugs import GROUPS, Bug, SettledWord, all_bugs
from pfnlab.kernel.policies.releases import version_key

_EVIDENCE = Path(__file__).parents[1]

#: The states of a finding (``evidence/findings/README.md``).
_STATES = ("public", "reported", "private")

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


_BY_STATE = """\
## Faults by state

Each bug and regression of the lists above is in one row.
A fix is proposed if this repository has [a patch](../evidence/patches/upstream/fixes/README.md) for mainline.
The last rows count the folders of `evidence/findings`, which may describe faults of the rows above.
A private one, of which the maintainers have not been told, is only counted.
"""


def bugs_page(bugs: Iterable[Bug] | None = None, findings: Mapping[str, Sequence[str]] | None = None) -> str:
    """The page.

    :param bugs: the bugs to list; default: all known ones
    :param findings: the findings in each state; default: those in ``evidence/findings``
    """
    known = findings_by_state(_EVIDENCE / "findings") if findings is None else findings
    return "\n".join(_parts(tuple(all_bugs() if bugs is None else bugs), known))


def findings_by_state(folder: Path) -> dict[str, list[str]]:
    """The names of the findings in *folder*, by state.

    :raises ValueError: if the second line of a report is not a state
    """
    found: dict[str, list[str]] = {state: [] for state in _STATES}
    for report in sorted(folder.glob("*/report.md")):
        head, _, words = report.read_text(encoding="utf-8").splitlines()[1].partition(": ")
        state = words.split()[0] if words else ""
        if head != "State" or state not in found:
            raise ValueError(f"{report} has no state: write `State: private` on its second line")
        found[state].append(report.parent.name)
    return found


def _parts(bugs: tuple[Bug, ...], findings: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield _INTRO
    for letter, title in GROUPS.items():
        rows = [bug for bug in bugs if bug.number.startswith(letter)]
        yield f"## {letter}: {title}\n"
        if letter == _MEASURED:
            yield table(("id", "what was measured", "on"), ((bug.number, bug.what, bug.on) for bug in rows))
        else:
            yield table(_HEAD, map(_dated, rows))
    yield _BY_STATE
    yield table(("state", "entries", "which"), _states(bugs, findings))
    yield _totals(bugs)


def _states(bugs: Iterable[Bug], findings: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    proposed = {
        path.stem.removeprefix("fix-") for path in _EVIDENCE.glob("patches/upstream/fixes/fix-*.patch")
    }
    # A field report of the same fault has the same fix.
    faults = {bug.dated.number for bug in bugs if bug.number in proposed}
    of_state: dict[str, list[str]] = {}
    # Entries with a release first, oldest release first.
    for bug in sorted(
        bugs, key=lambda bug: version_key(bug.dated.mended) if bug.dated.mended else (1 << 16,)
    ):
        if bug.kind.is_fault or bug.number in proposed:
            of_state.setdefault(_state(bug, proposed | faults), []).append(bug.number)
    for state, numbers in of_state.items():
        yield state, str(len(numbers)), ", ".join(numbers)
    for state in _STATES:
        names = findings.get(state, ())
        which = "not named" if state == "private" else ", ".join(names)
        yield f"finding, {state}", str(len(names)), which if names else _NONE


def _state(bug: Bug, proposed: set[str]) -> str:
    dated = bug.dated
    if dated.mended:
        return f"fixed in {dated.mended}"
    if {bug.number, dated.number} & proposed:
        return "fix proposed"
    return "no single release: see *until*" if dated.until_in_words else "no known fix"


def _dated(bug: Bug) -> tuple[str, ...]:
    dated = bug.dated
    return bug.number, bug.what, dated.since_in_words or _NONE, dated.until_in_words or _NONE


def _totals(bugs: tuple[Bug, ...]) -> str:
    shown = sum(bool(bug.shown) for bug in bugs)
    settled = ", ".join(f"{sum(bug.settled is word for bug in bugs)} {word}" for word in SettledWord)
    return f"## All\n\n{len(bugs)} entries: {settled}; {shown} shown by programs.\n"
