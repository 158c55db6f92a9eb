"""The bug catalogue, rediscovered by unaided search: every commit with a switch, before and after it.

``python -m evidence.pages evidence/catalogue --write`` writes the page. The search gets no hint about the
program, only a scope, the properties, and two machines that differ in one commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evidence.pages.markdown import code, table
from pfnlab.checker.check import HOLDS
from pfnlab.checker.review.review import plan, review
from pfnlab.checker.scopes.scope import RaceScope, load_scope
from pfnlab.discussions.claim_questions import DEPTH, searched
from pfnlab.kernel.policies.commits import machine_without
from pfnlab.programs.model.model_machine import ModelMachine

#: In seconds: enough for every review.
_LONG = 3600.0


class Entry(NamedTuple):
    """One commit in the catalogue, and a machine that has it.

    :param scope: the scope of its search
    """

    catalogue: str
    commit: str
    machine: str
    scope: str = "standard"


ENTRIES = (
    Entry("A01, A02", "04c35ab3bdae", "6.1"),
    Entry("A03", "d155df53f310", "6.4"),
    Entry("A04", "dc84bc2aba85", "6.1"),
    Entry("A04", "dc84bc2aba85", "6.15"),
    Entry("A12", "d9fe4fab1197", "6.1"),
    Entry("A13", "2039e6acaf94", "6.1"),
    Entry("A13", "81baf8450165", "7.2,tracker=vm_pat,end_match=off"),
    Entry("A16", "e9f180d7cfde", "6.12"),
    Entry("A17, A18", "79a61cc3fc04", "6.1", "neighbours"),
    Entry("B01", "b67fbebd4cf9", "6.1", "race"),
    Entry("B02", "526a9ce7e134", "5.15,with=526a9ce7e134", "race"),
    Entry("B02", "891f03f688de", "5.15,with=526a9ce7e134,with=891f03f688de", "race"),
    Entry("B03", "bfe125f1b187", "6.16"),
    Entry("B05", "eb66ae030829", "6.1"),
    Entry("C02", "91298f1a302d", "6.1", "neighbours"),
    Entry("D01", "f8e97613fed2", "6.16"),
    Entry("F02", "c31783eeae7b", "6.12"),
    Entry("G09", "636b21b50152", "6.1"),
)


class PropertyCount(NamedTuple):
    """One property on one machine: how many operations or turns violate it; None if it holds."""

    name: str
    length: int | None


class EntryFinding(NamedTuple):
    """The result of the search for one entry.

    :param changed: the properties whose verdict the commit changes: without it, and with it
    :param part: if there are none, the operations after which a review sees the machines diverge, and the
    field that differs
    """

    changed: tuple[tuple[PropertyCount, PropertyCount], ...]
    part: tuple[tuple[str, ...], str] | None


def search(entry: Entry, depth: int = DEPTH) -> EntryFinding:
    """Search both machines of *entry*."""
    scope, without = load_scope(entry.scope), machine_without(entry.machine, entry.commit)
    sides = (_verdicts(machine, entry.scope, depth) for machine in (without, entry.machine))
    changed = tuple(
        (before, after) for before, after in zip(*sides, strict=True) if before.length != after.length
    )
    if changed or isinstance(scope, RaceScope):
        return EntryFinding(changed, None)
    return EntryFinding((), reviewed(without, entry.machine))


def reviewed(without: str, machine: str) -> tuple[tuple[str, ...], str] | None:
    """Return the fewest operations after which a review sees *machine* diverge from *without*.

    It tries single operations on every kind of mapping, with every neighbour.
    """
    found = review(
        ModelMachine(without),
        ModelMachine(machine),
        seconds=_LONG,
        pieces=[piece._replace(doubles=False) for piece in plan() if piece.stage in (0, 1)],
    )
    ways: list[tuple[str, str]] = [(change.program, change.field) for change in found.changes]
    ways += [(cost.program, cost.kind) for cost in found.costs if cost.program]
    programs = [(tuple(program.splitlines()), field) for program, field in ways]
    return min(programs, key=lambda way: len(way[0]), default=None)


def _verdicts(machine: str, scope: str, depth: int) -> list[PropertyCount]:
    answers = searched(machine, scope, depth).answers
    return [PropertyCount(answer.name, answer.length) for answer in answers if answer.kind == "always"]


_INTRO = """\
# The bug catalogue, found again

The identifiers are those of the
catalogue, as in [history](../../evidence/history/README.md), where each commit has a program written by
hand. Here nobody wrote one: a search tried every sequence of at most {depth} operations of a scope (in the
scope `race` every schedule) on a machine with the commit and on the same machine without it.

A property is listed where the commit changes its verdict. `in 2` means: violated, and the shortest program
has two operations (turns, in `race`). Where no property tells the machines apart, [a review](../review.md)
of the two says at which operations they part, and in what; where it sees no difference, nothing here reaches
the commit.
"""


def catalogue(depth: int = DEPTH) -> str:
    """The page."""
    head = ("catalogue", "commit", "machine", "scope", "without it", "with it")
    return f"{_INTRO.format(depth=depth)}\n{table(head, _rows(depth))}"


def _rows(depth: int) -> Iterator[Sequence[str]]:
    for entry in ENTRIES:
        finding = search(entry, depth)
        head = (entry.catalogue, entry.commit, f"model:{entry.machine}", entry.scope)
        if finding.changed:
            sides = zip(*finding.changed, strict=True)
            yield *head, *(", ".join(map(_verdict, side)) for side in sides)
        elif finding.part is not None:
            ops, field = finding.part
            yield *head, f"they part in {field} at {code(ops)}", "-"
        else:
            yield *head, "not reached", "-"


def _verdict(verdict: PropertyCount) -> str:
    return f"`{verdict.name}` " + (HOLDS if verdict.length is None else f"**in {verdict.length}**")
