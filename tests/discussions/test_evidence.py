"""Steps of goldens: which is meant, and what it and the model of its kernel say."""

from __future__ import annotations

from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.discussions.evidence import (
    SERIES,
    VM_PAT,
    SizeEvidence,
    SourceStatement,
    StepEvidence,
    series_words,
)
from pfnlab.discussions.step_parts import book, result

LITMUS = Path(__file__).parents[2] / "litmus"

WHOLE = StepEvidence("unmapping/munmap-whole", SERIES["all"], "munmap a", book, "empty")
READ = StepEvidence("vfio/vfio-fork", ["6.1"], "c: read a[0]", result, "ok 3")


def test_a_kernel_and_its_model_show_the_same() -> None:
    """The golden's step, and the prediction for exactly that kernel."""
    first = WHOLE._replace(op="a = mmap bar[0:8] wc shared rw")

    assert "bar[0:8] wc" == book(first.on_kernel("6.1", LITMUS)) == book(first.on_model("6.1", LITMUS))


def test_the_last_of_equal_operations_is_meant_unless_said() -> None:
    """A child reads while the memory is off, and behind that."""
    steps = [READ.on_kernel("6.1", LITMUS), READ._replace(nth=0).on_kernel("6.1", LITMUS)]

    assert ["ok 3", "ok 0"] == [result(step) for step in steps]


@for_each(
    ("seen", "series", "said"),
    [
        (WHOLE._replace(program="unmapping/nothing"), "6.1", "has no golden"),
        (READ, "7.0", "the golden of vfio/vfio-fork says nothing about 7.0"),
        (WHOLE._replace(op="munmap b"), "6.1", "unmapping/munmap-whole has no operation 'munmap b'"),
    ],
)
def test_what_is_not_there_is_said(seen: StepEvidence, series: str, said: str) -> None:
    """No golden, no such series, no such operation."""
    with pytest.raises(Misuse, match=said):
        seen.on_kernel(series, LITMUS)


def test_every_series_is_of_one_of_the_two_ages() -> None:
    """VM_PAT up to 6.12, contexts from 6.16 on."""
    assert SERIES["all"] == (*VM_PAT, *SERIES["ctx"])


def test_a_kernel_that_shows_something_else_is_noticed() -> None:
    """Both sides are told: the golden's and the model's."""
    seen = WHOLE._replace(series=["6.1"], expected="bar[0:8] wc")

    assert ["6.1: empty", "6.1: empty"] == seen.unlike(LITMUS)
    assert [] == WHOLE.unlike(LITMUS)


def test_a_size_is_that_of_the_kernels() -> None:
    """A VMA has 152 bytes on 6.1, and 192 from 6.16 on."""
    assert [] == SizeEvidence("vm_area_struct", SERIES["ctx"], 192).unlike()
    assert ["6.1: 152 bytes"] == SizeEvidence("vm_area_struct", ["6.1", "6.16"], 192).unlike()
    assert ["6.12: none"] == SizeEvidence("pfnmap_track_ctx", ["6.12", "6.16"], 24).unlike()


def test_what_was_shown_in_words() -> None:
    """The part of a step with its value, or the size."""
    assert ["result: ok 3", "56 bytes"] == [READ.shown, SizeEvidence("memtype", ["6.1"], 56).shown]


@for_each(
    ("series", "said"),
    [
        (("6.1", "6.12"), "6.1, 6.12"),
        (("6.16", "6.17", "6.18"), "6.16 to 6.18"),
        (("6.1", "6.12", "6.16", "6.18", "7.2", "7.3"), "6.1 to 6.16, 6.18, 7.2, 7.3"),
        (("7.3", "7.2"), "7.3, 7.2"),
    ],
)
def test_series_in_words(series: tuple[str, ...], said: str) -> None:
    """Three that follow each other are a range."""
    assert said == series_words(series)


def test_source_says_where_to_read_it() -> None:
    """The file of each release, in the tree of stable releases."""
    source = SourceStatement("mm/memory.c", "zap_page_range", ["2.6.32.67", "3.0.27"], "untracks")

    assert ["mm/memory.c?h=v2.6.32.67", "mm/memory.c?h=v3.0.27"] == [
        place.partition("/tree/")[2] for place in source.places
    ]
