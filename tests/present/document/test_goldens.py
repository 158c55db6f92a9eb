"""Goldens of reports: ``python tools/golden_reports.py --write`` makes them."""

from __future__ import annotations

from functools import cache

from for_each import for_each
from sample_reports import GOLDEN, goldens, sample_contents

from pfnlab.present.document.part import KINDS

texts = cache(goldens)


@for_each("name", texts)
def test_a_report_is_as_it_was(name: str) -> None:
    """Letter by letter."""
    assert (GOLDEN / name).read_text(encoding="utf-8") == texts()[name]


def test_no_golden_is_left_over() -> None:
    """Each has its sample."""
    assert set(texts()) == {path.name for path in GOLDEN.iterdir()}


def test_every_kind_has_a_sample() -> None:
    """Runs of the first form are those of the second without a text."""
    assert set(KINDS) == {content["format"] for content in sample_contents().values()}
