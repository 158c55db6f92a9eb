"""The page ``docs/posted-reviews.md``: what a review finds of each defect in the threads.

``python -m evidence.pages posted-reviews --write`` writes it from the threads and
``evidence/pages/posted_reviews.json`` (recorded by ``evidence/tools/record_reviews.py``), without running a
review.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from evidence.pages.markdown import code, table
from pfnlab.discussions.posted_threads import PostedReview, posted_threads
from pfnlab.discussions.thread_reviews import (
    PostedReviews,
    PostedRow,
    ReviewedRow,
    ShownProperty,
    posted_rows,
)
from pfnlab.present.document.part import operations_of

RECORD = Path(__file__).parent / "posted_reviews.json"

_INTRO = """\
# Reviews of what was posted

Twenty threads of the lists have versions of designs.
Defects were found in them by reading, by bots or by users.
Here is what an unmodified [review](review.md) says of each.
No row has a set-up of its own, and nobody told the review where to look.
A defect that a series ended is reviewed as a design, against a base without it.

```console synopsis
pfnlab discussions review             all of them
pfnlab discussions review R11         one row, or a thread
pfnlab discussions show R11           what is wrong there, and who found it
```

| expected | comes out |
| --- | --- |
| broken | the properties of the row are newly broken |
| cost | the operation takes more flushes, and nothing is newly broken |
| changed | the operation answers or prints otherwise |
| same | nothing differs on mappings of the kind, whatever differs elsewhere |
| holds | nothing is newly broken: the objection was refuted, or is one of form |

The seconds are those until the answer is known: what is broken stays so, and that nothing is takes the core.
They were taken on two processors.
Other words: [glossary](glossary.md).

"""

_HEAD = ("row", "design", "base", "expected", "came out", "shortest programs", "s")


def recorded_reviews() -> dict[tuple[str, str], ReviewedRow]:
    """Return the recorded rows, by row and design."""
    rows = msgspec.json.decode(RECORD.read_bytes(), type=list[ReviewedRow]) if RECORD.exists() else []
    return {(row.row, row.design): row for row in rows}


def record(results: Iterable[PostedReviews]) -> int:
    """Record the rows in *results*, replacing earlier ones; return how many.

    Rows that are no longer in the threads are removed.
    """
    new = [row for result in results for row in result.rows]
    kept = recorded_reviews() | {(row.row, row.design): row for row in new}
    names = [(row.row, f"model:{asked.design}") for row, asked in _asked()]
    rows = [kept[name] for name in names if name in kept]
    RECORD.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")
    return len(new)


def page() -> str:
    """The page."""
    return "".join((_INTRO, *_sections(recorded_reviews())))


def _asked() -> Iterator[tuple[PostedRow, PostedReview]]:
    return ((row, asked) for row in posted_rows() for asked in row.reviews)


def _sections(kept: dict[tuple[str, str], ReviewedRow]) -> Iterator[str]:
    yield "## Reviewed\n\n"
    found = [(row, asked, kept.get((row.row, f"model:{asked.design}"))) for row, asked in _asked()]
    right = sum(came is not None and came.as_expected is True for _, _, came in found)
    yield f"{right} of {len(found)} reviews came out as expected.\n\n"
    yield table(_HEAD, (tuple(_cells(row, asked, came)) for row, asked, came in found))
    yield "\n## Not reviewed\n\nWhat no review says anything of, and why.\n\n"
    scenarios = {defect.number: defect.scenario for one in posted_threads() for defect in one.defects}
    rows = ((row.row, scenarios[row.row], row.not_reviewed) for row in posted_rows() if row.not_reviewed)
    yield table(("row", "scenario", "why"), rows)


def _cells(row: PostedRow, asked: PostedReview, came: ReviewedRow | None) -> Iterator[str]:
    yield row.row
    yield f"`{asked.design}`"
    yield f"`{asked.base}`"
    wanted = (asked.properties or row.properties) if asked.expected == "broken" else ()
    yield " ".join((asked.expected, *wanted, *filter(None, (asked.operation, asked.kind))))
    if came is None or came.base != f"model:{asked.base}" or came.expected != asked.expected:
        yield from ("not recorded", "", "")
        return
    how = {True: "", False: "**not as expected**: ", None: "**cut**: "}[came.as_expected]
    yield f"{how}{came.says}"
    yield "<br>".join(map(_program, came.shown))
    yield f"{came.seconds:.0f}"


def _program(shown: ShownProperty) -> str:
    if shown.text is None:
        return f"{shown.name}: a schedule of {shown.length} turns"
    lines = (operations_of(shown.text) or "").splitlines()
    return f"{shown.name} ({shown.length}):<br>{code(lines)}"
