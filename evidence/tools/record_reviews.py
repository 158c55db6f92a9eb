"""Record the results of reviews of posted designs for the page: ``record_reviews.py RESULT.json...``.

RESULT.json is the output of ``pfnlab discussions review --json``, for all threads or some.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))

from evidence.pages.posted_reviews_page import RECORD, record
from pfnlab.discussions.thread_reviews import PostedReviews


def main(names: Sequence[str]) -> int:
    """Record the rows; return the exit code."""
    results = [msgspec.json.decode(Path(name).read_bytes(), type=PostedReviews) for name in names]
    print(f"{record(results)} reviews recorded in {RECORD}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
