"""Neighbours in random programs: mappings next to each other, and calls over two of them."""

from __future__ import annotations

from collections import Counter
from functools import cache
from random import Random

from for_each import for_each

from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.drawn_neighbours import DrawnNeighbours
from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.programs.cases.neighbours import GAPS
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Madvise, Mlock, Mmap, Mprotect, Mremap, Msync, Munmap, Program
from pfnlab.programs.lang.span import Span


@cache
def near() -> list[Program]:
    """Programs about neighbours, some with the driver."""
    return [draw(1, index, Vocabulary(neighbours=True, driver=index % 2 == 1)) for index in range(400)]


FIRST = (
    "pfnlab program 1\ndevice bar: pci, 16 pages\narea a: 24 pages\nmmap bar[4:8] wc shared rw over a[8:12]\n"
)


def placed(program: Program) -> list[tuple[Span, Mmap]]:
    """Every mapping of a program, with its place in an area."""
    calls = [op.call for op in program.ops]
    return [
        (call.over or Span(call.name or "", 0, call.source.pages), call)
        for call in calls
        if isinstance(call, Mmap)
    ]


def gap(one: Span, other: Span) -> int | None:
    """The pages between two ranges of one area or device."""
    lower, upper = sorted((one, other), key=lambda span: span.parts)
    return upper.start - lower.end if lower.name == upper.name else None


def gaps_of(program: Program) -> set[tuple[int | None, int | None]]:
    """The gaps of each pair of mappings: in an area, and on a device."""
    mappings = placed(program)
    return {
        (gap(place, other), gap(call.source, second.source))
        for at, (place, call) in enumerate(mappings)
        for other, second in mappings[:at]
    }


def test_every_gap_is_drawn_in_areas_and_on_devices() -> None:
    """Each with each, in programs about neighbours."""
    found = Counter(gaps for program in near() for gaps in gaps_of(program))

    assert {(area, device) for area in GAPS.values() for device in GAPS.values()} <= set(found)


def test_most_programs_about_neighbours_have_some() -> None:
    """In at least half of them two mappings have a small gap in an area; of all programs, in some."""
    small = set(GAPS.values())

    def share(programs: list[Program]) -> float:
        return sum(any(area in small for area, _ in gaps_of(one)) for one in programs) / len(programs)

    usual = [draw(1, index) for index in range(400)]
    assert share(near()) > 0.5 > share(usual) > 0.15


@for_each("kind", [Munmap, Mprotect, Madvise, Mlock, Msync, Mremap], ids=lambda kind: kind.__name__)
def test_calls_are_over_two_mappings(kind: type) -> None:
    """Of every kind some range meets two mappings that were made next to each other."""
    met = [
        program
        for program in near()
        for op in program.ops
        if isinstance(op.call, kind) and 2 <= sum(op.call.span.meets(place) for place, _ in placed(program))  # type: ignore[attr-defined]
    ]

    assert met


def test_four_programs_in_five_do_not_depend_on_neighbours() -> None:
    """They are those of the same seed in which nothing is drawn next to anything."""
    usual = [draw(7, index) for index in range(200)]
    near = [draw(7, index, Vocabulary(neighbours=True)) for index in range(200)]

    assert 20 < sum(one == other for one, other in zip(usual, near, strict=True)) < 80


def test_a_mapping_stays_within_its_area_and_device() -> None:
    """At their ends no neighbour is drawn behind."""
    first = load_text(FIRST).ops[0].call
    assert isinstance(first, Mmap)
    neighbours = DrawnNeighbours(Random(1), {"bar": 8}, {"a": 12})
    neighbours.add(Span("a", 8, 12), first)

    drawn = [neighbours.moved(first) for _ in range(300)]

    assert {"a"} == {call.over.name for call in drawn if call.over is not None}
    assert all(call.source.end <= 8 and call.over is not None and call.over.end <= 12 for call in drawn)
