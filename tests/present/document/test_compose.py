"""The first words of a document, and its omissions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import pytest
from for_each import for_each
from hostile_results import agreeing, differing, lost, undecided
from sample_reports import content_of, parts

from pfnlab.base.result import Outcome
from pfnlab.present.document import html
from pfnlab.present.document.blocks import (
    Block,
    Bullets,
    Chapter,
    Contents,
    DrawnFigures,
    Facts,
    Figure,
    Table,
)
from pfnlab.present.document.compose import document_of
from pfnlab.present.document.part import Part, part_of
from pfnlab.present.document.read import result_of
from pfnlab.programs.runs.compared import RunResult


def every_block(blocks: Iterable[Block]) -> Iterator[Block]:
    """All blocks in reading order, those within chapters too."""
    for block in blocks:
        yield block
        if isinstance(block, Chapter):
            yield from every_block(block.blocks)


def run_part(result: RunResult) -> Part:
    """The part of a run."""
    return part_of(result_of(content_of(result)))


def test_what_was_found_comes_first() -> None:
    """Then what is undecided, then what is as expected; the list says so too."""
    document = document_of([run_part(agreeing()), run_part(lost()), run_part(differing())])

    contents, *chapters = document.blocks[1:]
    assert isinstance(contents, Contents)
    assert ["middle", "cut", "same"] == [entry.title for entry in contents.entries]
    assert ["1. middle", "2. cut", "3. same"] == [
        chapter.title for chapter in chapters if isinstance(chapter, Chapter)
    ]
    assert "3 results: 1 to review, 1 lost, 1 as expected." == document.says


def test_what_is_lost_and_what_is_undecided_are_counted_apart() -> None:
    """In the sentence and in the list."""
    document = document_of([run_part(agreeing()), run_part(lost()), run_part(undecided())])

    contents = document.blocks[1]
    assert isinstance(contents, Contents)
    assert ["lost", "undecided", "as expected"] == [entry.word for entry in contents.entries]
    assert "3 results: 1 lost, 1 undecided, 1 as expected." == document.says


def test_of_many_results_the_expected_ones_are_folded() -> None:
    """Unless all are asked for."""
    many = [run_part(differing()), *[run_part(agreeing())] * 4]

    folded, unfolded = (
        [block.folded for block in document_of(many, unfolded=wanted).blocks if isinstance(block, Chapter)]
        for wanted in (False, True)
    )

    assert [False, True, True, True, True] == folded
    assert [False] * 5 == unfolded


def test_one_result_has_no_list() -> None:
    """Its own title and sentence are those of the document."""
    document = document_of([run_part(differing())])

    assert "middle" == document.title
    assert not [block for block in document.blocks if isinstance(block, Contents)]


def test_a_title_of_the_users_own() -> None:
    """It takes the place of any other."""
    assert "Two kernels" == document_of([run_part(differing())], "Two kernels").title


def test_drawings_are_left_out_where_a_file_grows_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The place says so."""
    document = document_of([parts()["check"]])
    with_figures = [
        block for block in every_block(html.with_figures(document.blocks)) if isinstance(block, Figure)
    ]
    monkeypatch.setattr(html, "MOST_DRAWN", 10)

    blocks = list(every_block(html.with_figures(document.blocks)))

    assert with_figures and not [block for block in blocks if isinstance(block, Figure)]
    assert 1 == sum("left out" in getattr(block, "text", "") for block in blocks)


def test_a_drawing_that_is_left_out_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing is most of the time of a report."""
    monkeypatch.setattr(html, "MOST_DRAWN", 10)

    def drawing() -> Iterator[Figure]:
        raise AssertionError("it was made")

    blocks = (DrawnFigures(lambda: [Figure("first", "<svg>is too large</svg>")]), DrawnFigures(drawing))

    assert ["left out" in getattr(block, "text", "") for block in html.with_figures(blocks)] == [True]


def test_what_all_results_share_is_said_once() -> None:
    """The version, and here the command too."""
    document = document_of([run_part(differing()), run_part(agreeing())])

    facts = [block for block in every_block(document.blocks) if isinstance(block, Facts)]

    assert ["pfnlab", "again"] == [name for name, _ in facts[0].rows]
    assert [["program", "machines"]] * 2 == [[name for name, _ in one.rows] for one in facts[1:]]


def inside() -> Part:
    """A run whose machines differ only in what a user cannot see."""
    result = differing()
    (found, *_) = result.differences
    differences = (msgspec.structs.replace(found, field="vmas"),)
    return run_part(msgspec.structs.replace(result, differences=differences))


def test_of_very_many_results_those_that_agree_are_a_line_each() -> None:
    """With the title of the program; what differs inside is counted below."""
    document = document_of([run_part(agreeing()), inside(), *[run_part(differing())] * 50])

    (contents,) = (block for block in document.blocks if isinstance(block, Contents))
    chapters = [block for block in document.blocks if isinstance(block, Chapter)]

    assert 50 == len(chapters)
    assert [
        ("middle: Unmapping the middle first", "differing inside"),
        ("same: Unmapping the middle first", "as expected"),
    ] == [(entry.title, entry.word) for entry in contents.entries[50:]]
    assert [False, True] == [entry.says == "" for entry in contents.entries[50:]]
    assert {""} == {entry.anchor for entry in contents.entries[50:]}


def test_of_very_many_results_each_shows_its_differences() -> None:
    """Not each of its steps, unless all are asked for."""
    many = [run_part(differing())] * 51

    short, whole = (
        {
            block.caption
            for block in every_block(document_of(many, unfolded=wanted).blocks)
            if isinstance(block, Table)
        }
        for wanted in (False, True)
    )

    assert {"Where the machines differ"} == short
    assert {"Where the machines differ", "Step by step", "All observations"} == whole


def test_a_difference_inside_is_counted() -> None:
    """It is in all observations, not among what a user can see."""
    blocks = list(every_block(inside().blocks))

    assert not [block for block in blocks if isinstance(block, Table)]
    (said,) = (block for block in blocks if isinstance(block, Bullets))
    assert any("1 difference in 1 step (vmas)" in str(item) for item in said.items)


def test_a_difference_inside_weighs_less_than_an_undecided_result() -> None:
    """But more than what is as expected, as in the terminal."""
    document = document_of([run_part(agreeing()), inside(), run_part(undecided())])

    assert "3 results: 1 undecided, 1 differing inside, 1 as expected." == document.says


@for_each(
    ("name", "outcome", "says"),
    [
        ("run", Outcome.DISCOVERY, "middle: differs: model:6.1 | model:7.2; step 2 munmap a[4:8]: log."),
        ("check", Outcome.DISCOVERY, "model:6.1 violates no_leak, freed_once, exact in 158 states"),
        ("campaign", Outcome.DISCOVERY, "4 findings of 2 causes in 59 programs compared on model:6.1"),
        ("meeting", Outcome.DISCOVERY, "qemu:6.12.117 against model:6.12.117: 2 differences of 2 causes"),
        ("trial", Outcome.DISCOVERY, "linux against model:7.2,flush=end_vma: 1 cause of 1 difference in"),
        ("replay", Outcome.AS_EXPECTED, "model:6.1, no_leak on model:6.1: shows the same."),
        (
            "review",
            Outcome.DISCOVERY,
            "model:7.3,tracker=vm_pat,flush=first_vma, against model:7.3: newly broken: no_leak",
        ),
    ],
)
def test_a_kind_in_one_sentence(name: str, outcome: Outcome, says: str) -> None:
    """With what it weighs."""
    part = parts()[name]

    assert outcome is part.outcome
    assert part.says.startswith(says)


def test_every_result_says_what_was_done() -> None:
    """The command that prints it again, where it is known."""
    without = {name for name, part in parts().items() if "again" not in dict(part.facts)}

    assert {"finding", "meeting"} >= without
