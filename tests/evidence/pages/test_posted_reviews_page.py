"""The page of reviews of what was posted: every row of the threads, as it was recorded."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from evidence.pages import posted_reviews_page
from evidence.pages.__main__ import made
from evidence.pages.posted_reviews_page import page, record, recorded_reviews
from pfnlab.discussions.posted_threads import posted_threads
from pfnlab.discussions.thread_reviews import PostedReviews, ReviewedRow, posted_rows

PAGE = Path(__file__).parents[3] / "docs" / "posted-reviews.md"


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No row is recorded."""
    file = tmp_path / "record.json"
    monkeypatch.setattr(posted_reviews_page, "RECORD", file)
    return file


def row_of(number: str, **other: object) -> ReviewedRow:
    """A row as it was recorded once."""
    (row,) = posted_rows(number)
    asked = row.reviews[0]
    kept = ReviewedRow(
        *(number, f"model:{asked.base}", f"model:{asked.design}", asked.expected),
        of=row.properties,
        says="broken: no_leak",
        as_expected=True,
        shown=(),
        seconds=7,
    )
    return msgspec.structs.replace(kept, **other)


def test_the_page_is_what_is_recorded() -> None:
    """It is made anew in a moment."""
    assert made("posted-reviews") == PAGE.read_text(encoding="utf-8")


def test_every_defect_has_a_line() -> None:
    """Reviewed or not."""
    lines = page().splitlines()

    numbers = [defect.number for thread in posted_threads() for defect in thread.defects]
    assert [] == [number for number in numbers if not any(line.startswith(f"| {number} |") for line in lines)]


def test_what_is_recorded_is_kept_beside_what_was(empty: Path) -> None:
    """A row takes the place of the one before; one that no thread has goes."""
    first = PostedReviews(
        rows=(row_of("R40"), row_of("R41"), row_of("R41", row="R99")), not_reviewed={}, limit=60
    )
    record([first])

    record([PostedReviews(rows=(row_of("R41", seconds=9),), not_reviewed={}, limit=60)])

    assert [("R40", 7), ("R41", 9)] == [(row.row, row.seconds) for row in recorded_reviews().values()]


def test_a_record_of_another_base_does_not_count(empty: Path) -> None:
    """The data have changed since."""
    record([PostedReviews(rows=(row_of("R40", base="model:7.1"),), not_reviewed={}, limit=60)])

    (line,) = (line for line in page().splitlines() if line.startswith("| R40 |"))
    assert "not recorded" in line


def test_what_did_not_come_out_is_loud(empty: Path) -> None:
    """In its cell, and in the count."""
    record([PostedReviews(rows=(row_of("R40", as_expected=False),), not_reviewed={}, limit=60)])

    (line,) = (line for line in page().splitlines() if line.startswith("| R40 |"))
    assert "**not as expected**" in line
    assert f"\n0 of {sum(len(row.reviews) for row in posted_rows())} reviews came out" in page()
