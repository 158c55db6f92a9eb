"""The page ``docs/evidence/bugs.md``: the kernels on which each entry was seen broken or fixed.

``python -m evidence.pages evidence/bugs --write`` writes it. The words for kernels come from the goldens and
``evidence/patches/reverts/held.json``: no kernel is booted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from evidence.pages.bug_seen import KernelWord, seen_on, shown_word, word_of_entry
from evidence.pages.held_reverts import HELD, HeldRevert, read_held
from evidence.pages.markdown import table
from pfnlab.kernel.bugs.known_bugs import GROUPS, Bug, SettledWord, all_bugs
from pfnlab.kernel.policies.releases import series_of, version_key
from pfnlab.lab.building.patch_file import reverts_folder

_NONE = "-"

_INTRO = """\
# Entries on models and kernels

Each row is an entry of [the catalogue](../bugs.md).

- **models**: those of the first program, the one with the entry first; a single model shows a rule.
  `pfnlab bugs run A01` runs all of them.
- **stock kernels**: what the newest kernel of each series in the goldens of these programs answered,
  of KERNELS.
  *broken* and *fixed* are the words for a fault, *before* and *after* for a change, *holds* for a rule.
  *neither*: another change hides the sign.
- **without the commit**: kernels of ours.
  [A patch](../../evidence/patches/reverts/README.md) takes the fix or the cause out of them.
- **settled**: the conclusion of our check; `pfnlab bugs show A01` has the reasons.
"""


class _Row(NamedTuple):
    bug: Bug
    seen: Sequence[KernelWord]
    #: The name of a patch, and the words for its kernel and for the stock kernel in that series.
    without: Mapping[str, tuple[str, str]]

    @property
    def expressed(self) -> str:
        ways = (("two machines", self.bug.shown), ("rule", self.bug.holds))
        return ", ".join(way for way, rows in ways if rows)

    @property
    def models(self) -> str:
        if self.bug.shown:
            return f"{_model(self.bug.shown[0].before)} / {_model(self.bug.shown[0].after)}"
        return ", ".join(map(_model, self.bug.holds[0].on)) if self.bug.holds else _NONE

    def on(self, series: str) -> str:
        return word_of_entry(one.word for one in _newest(self.seen) if series_of(one.version) == series)

    def by_word(self, all_series: Sequence[str]) -> str:
        """Group neighbouring series with the same word: ``broken 6.1, 6.12; fixed 6.16 to 7.3``."""
        said: dict[str, list[str]] = {}
        for word, group in groupby(all_series, self.on):
            some = list(group)
            if word:
                said.setdefault(shown_word(word), []).append(
                    some[0] if len(some) == 1 else f"{some[0]} to {some[-1]}"
                )
        return "; ".join(f"{word} {', '.join(names)}" for word, names in said.items())

    @property
    def words(self) -> set[str]:
        """All words for stock kernels."""
        return {*(one.word for one in self.seen), *(stock for _, stock in self.without.values())}

    @property
    def built_words(self) -> set[str]:
        """All words for kernels built without a commit."""
        return {word for word, _ in self.without.values()}


def bugs_seen_page(bugs: Sequence[Bug] | None = None, held: Mapping[str, HeldRevert] | None = None) -> str:
    """The page.

    :param bugs: the bugs to list; default: all known ones
    :param held: records of kernels built without a commit; default: the stored ones
    """
    folder = reverts_folder()
    records = held if held is not None else read_held(folder / HELD) if folder is not None else {}
    rows = [_row(bug, records) for bug in (all_bugs() if bugs is None else bugs)]
    return "\n".join(_parts(rows))


def _row(bug: Bug, held: Mapping[str, HeldRevert]) -> _Row:
    without = {
        name: (
            word_of_entry(program.without for program in of_bug),
            word_of_entry(program.stock for program in of_bug),
        )
        for name, record in held.items()
        if (of_bug := [program for program in record.programs if program.entry == bug.number])
    }
    return _Row(bug, seen_on(bug), without)


def _parts(rows: Sequence[_Row]) -> Iterator[str]:
    kernels = _kernels(rows)
    yield _INTRO.replace("KERNELS", ", ".join(kernels))
    all_series = list(dict.fromkeys(map(series_of, kernels)))
    yield "## In all\n"
    yield table(("", "entries"), ((name, str(count)) for name, count in _totals(rows).items()))
    for letter, title in GROUPS.items():
        of_group = [row for row in rows if row.bug.number.startswith(letter)]
        if of_group:
            yield f"## {letter}: {title}\n"
            head = ("id", "entry", "models", "stock kernels", "without the commit", "settled")
            yield table(head, (_cells(row, all_series) for row in of_group))


def _kernels(rows: Iterable[_Row]) -> list[str]:
    """Return the versions mentioned in the columns, oldest first."""
    return sorted({one.version for row in rows for one in _newest(row.seen)}, key=version_key)


def _newest(seen: Iterable[KernelWord]) -> list[KernelWord]:
    """Return, for each program, the words for the newest kernel it has in each series."""
    ordered = sorted(seen, key=lambda one: version_key(one.version))
    newest = {(one.program, series_of(one.version)): one.version for one in ordered}
    return [one for one in ordered if newest[one.program, series_of(one.version)] == one.version]


def _cells(row: _Row, all_series: Sequence[str]) -> tuple[str, ...]:
    bug = row.bug
    without: dict[str, list[str]] = {}
    for name, (word, _) in row.without.items():
        commit, _, series = name.rpartition("-")
        without.setdefault(f"{commit}: {shown_word(word)}", []).append(series)
    return (
        *(bug.number, bug.title, row.models, row.by_word(all_series) or _NONE),
        "; ".join(f"{says} on {', '.join(series)}" for says, series in without.items()) or _NONE,
        bug.settled or _NONE,
    )


def _model(machine: str) -> str:
    return machine.removeprefix("model:")


def _totals(rows: Sequence[_Row]) -> dict[str, int]:
    settled = Counter(row.bug.settled for row in rows)
    return {
        "in the catalogue": len(rows),
        "expressed": sum(bool(row.expressed) for row in rows),
        "expressed by two machines": sum(bool(row.bug.shown) for row in rows),
        "expressed by a rule": sum(bool(row.bug.holds) for row in rows),
        "faults seen broken on a stock kernel": sum("broken" in row.words for row in rows),
        "faults seen broken on a kernel without a commit": sum("broken" in row.built_words for row in rows),
        "faults seen fixed on a stock kernel": sum("mended" in row.words for row in rows),
        "changes seen before and after": sum(
            {"before", "after"} <= row.words | row.built_words for row in rows
        ),
        "rules seen to hold on a kernel": sum("holds" in row.words for row in rows),
        **{str(word): settled[word] for word in SettledWord},
    }
