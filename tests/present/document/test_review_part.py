"""A review in a terminal: the verdict first, each property with what shows it, then costs and changes."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from for_each import for_each

from pfnlab.base.result import Outcome
from pfnlab.checker.review.review_result import OperationCost, ReviewResult, ReviewStage
from pfnlab.present.document.read import result_of
from pfnlab.present.document.review_part import part
from pfnlab.present.document.terminal import terminal

SAMPLE = Path(__file__).parent / "samples" / "review.json"


def sample() -> ReviewResult:
    """A review of a design that is wrong in two seams."""
    found = result_of(json.loads(SAMPLE.read_text(encoding="utf-8")))
    assert isinstance(found, ReviewResult)
    return found


def test_the_first_line_is_the_verdict() -> None:
    """With the names of what is newly broken."""
    first = terminal(part(sample())).splitlines()[0]

    design = "model:7.3,tracker=vm_pat,flush=first_vma"
    assert first.startswith(f"{design}, against model:7.3: newly broken: no_leak, ")


def test_each_violation_has_its_program_and_its_schedule() -> None:
    """Below its line, also in a terminal."""
    lines = terminal(part(sample())).splitlines()

    leak = next(at for at, line in enumerate(lines) if line.startswith("BROKEN") and " no_leak " in line)
    told = next(at for at, line in enumerate(lines) if line.startswith("BROKEN") and " told_free " in line)
    assert lines[leak + 3].strip() == "munmap a[510]"
    assert "t: unmap_mapping_range bar[0:32]" in map(str.strip, lines[told:])


def test_what_it_costs_and_changes_is_shown() -> None:
    """Flushes and other costs, bytes, results and messages."""
    said = terminal(part(sample()))

    assert "Costs in all sequences\n" in said
    assert "Other differences\n" in said
    assert "each VMA of the system: 0 bytes, was 8 bytes" in said


def test_a_measured_cost_has_its_ratio_and_its_functions() -> None:
    """The first of them; equal costs are only counted."""
    functions = {"a": 30, "b": -20, "c": 3, "d": -1}
    costs = (
        OperationCost("instructions", "munmap of 1 page", 1200, 1212, 1, 0, functions=functions),
        *(OperationCost("interrupts", "mremap", number, number, 0, 0) for number in range(2)),
    )

    said = terminal(part(msgspec.structs.replace(sample(), costs=costs, unmeasured=("no gcc",))))

    words = " ".join(said.split())
    assert "munmap of 1 page 1,200 instructions 1,212 1.01 a +30, b -20, c +3 measured" in words
    assert "measured and equal, within 0.5 %: 2 of 3" in words
    assert "not measured: no gcc" in words


def test_equal_measured_costs_are_no_difference() -> None:
    """They do not even make a table."""
    same = msgspec.structs.replace(
        sample(),
        **{"broken": (), "repaired": (), "changes": (), "stages": (), "bytes_per_vma": None},
        costs=(OperationCost("instructions", "munmap of 1 page", 1000, 1001, 0, 0),),
    )

    said = terminal(part(same))
    assert ("no difference in any question.", True) == (
        said.splitlines()[0].rpartition(": ")[2],
        "within 0.5 %: 1 of 1" in said,
    )


def test_a_design_that_changes_nothing() -> None:
    """Is said to, and is as expected."""
    same = msgspec.structs.replace(
        sample(), broken=(), repaired=(), costs=(), changes=(), stages=(), bytes_per_vma=(8, 8)
    )

    assert Outcome.AS_EXPECTED is same.outcome
    assert "no difference in any question." in terminal(part(same)).splitlines()[0]


def test_a_cut_core_is_not_an_all_clear() -> None:
    """The first words say so, and the exit code."""
    cut = msgspec.structs.replace(
        sample(),
        broken=(),
        repaired=(),
        costs=(),
        changes=(),
        bytes_per_vma=(8, 8),
        stages=(ReviewStage("a", True, 1, 2),),
    )

    assert Outcome.UNDECIDED is cut.outcome
    assert (
        "undecided, because the core questions were cut short; so far no difference"
        in terminal(part(cut)).splitlines()[0]
    )


@for_each(
    ("asked", "says"),
    [
        (
            0,
            (
                "asked: 12 states of sequences, 0 pairs concurrently, also in unfinished parts",
                "core, 0 of 19 parts finished",
            ),
        ),
        (19, ("asked: 12 states of sequences, 0 pairs concurrently", "")),
    ],
)
def test_a_cut_stage_counts_its_finished_parts(asked: int, says: tuple[str, str]) -> None:
    """States that were compared in the others are among those asked."""
    stages = (ReviewStage("pairs in a row", True, asked, 19),)
    content = msgspec.structs.replace(sample(), stages=stages, states=12, schedules=0)

    lines = terminal(part(content)).splitlines()

    assert says[0] in lines
    assert [f"cut: pairs in a row ({says[1]})"] * bool(says[1]) == [
        line for line in lines if line[:3] == "cut"
    ]
