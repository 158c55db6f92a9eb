"""The generated pages of ``docs/``: ``python -m evidence.pages [PAGE...] [--write] [--jobs N]``.

Without ``--write`` pages that differ are listed, and the exit code is 1. Some run searches, minutes in all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from evidence.pages.bugs_page import bugs_page
from evidence.pages.bugs_seen_page import bugs_seen_page
from evidence.pages.callers.page import page as callers
from evidence.pages.catalogue import catalogue
from evidence.pages.claims_page import claims, discussion_page
from evidence.pages.continuations_page import page as continuations
from evidence.pages.coverage.page import page as kernel_coverage
from evidence.pages.flush_distance import page as flush_distance
from evidence.pages.hunts_page import page as hunts
from evidence.pages.kernels_page import page as kernels
from evidence.pages.messages_page import messages_page
from evidence.pages.not_modelled import not_modelled
from evidence.pages.policies_review import policies_review
from evidence.pages.posted_reviews_page import page as posted_reviews
from evidence.pages.profiles_page import profiles_page
from evidence.pages.sizes_page import page as sizes
from evidence.pages.sweeps_page import page as sweeps
from evidence.pages.walkers_page import page as walkers
from pfnlab.base.errors import PfnlabError
from pfnlab.discussions.reading import discussion_numbers

FOLDER = Path(__file__).parents[2] / "docs"

#: Every page by its path in docs/, with its number of processes; None for the number of processors.
PAGES: dict[str, Callable[[int | None], str]] = {
    "walkers": lambda _: walkers(),
    "continuations": lambda _: continuations(),
    "flush-distance": lambda _: flush_distance(),
    "bugs": lambda _: bugs_page(),
    "messages": lambda _: messages_page(),
    "profiles": lambda _: profiles_page(),
    "callers": lambda _: callers(),
    "claims": lambda _: claims(),
    **{f"claims/{number}": partial(discussion_page, number) for number in discussion_numbers()},
    "policies-review": policies_review,
    "evidence/bugs": lambda _: bugs_seen_page(),
    "evidence/catalogue": lambda _: catalogue(),
    "kernels": lambda _: kernels(),
    "kernel-coverage": lambda _: kernel_coverage(),
    "not-modelled": lambda _: not_modelled(),
    "sizes": lambda _: sizes(),
    "posted-reviews": lambda _: posted_reviews(),
    "sweeps": lambda _: sweeps(),
    "hunts": lambda _: hunts(),
}


def main(words: Sequence[str]) -> int:
    """Write the pages, or list those out of date; see the module.

    :return: the exit code
    """
    parser = argparse.ArgumentParser(prog="python -m evidence.pages", description="The made pages of docs/.")
    parser.add_argument("page", nargs="*", help=f"default: all of {', '.join(PAGES)}")
    parser.add_argument("--write", action="store_true", help="write the pages that differ")
    parser.add_argument("--jobs", type=int, metavar="N", help="searches at a time; default: one a processor")
    asked = parser.parse_args(words)
    unknown = [name for name in asked.page if name not in PAGES]
    if unknown:
        parser.error(f"there is no page {unknown[0]!r}: write one of {', '.join(PAGES)}")
    stale = False
    # A page includes those in its folder.
    folders = tuple(f"{name}/" for name in asked.page)
    for name in [name for name in PAGES if name in (asked.page or PAGES) or name.startswith(folders)]:
        try:
            made = PAGES[name](asked.jobs)
        except PfnlabError as error:
            print(f"docs/{name}.md cannot be made: {error}", file=sys.stderr)
            return error.exit_code
        path = FOLDER / f"{name}.md"
        if path.exists() and path.read_text(encoding="utf-8") == made:
            continue
        if asked.write:
            path.parent.mkdir(exist_ok=True)
            path.write_text(made, encoding="utf-8")
            print(f"docs/{name}.md")
        else:
            stale = True
            print(f"docs/{name}.md is not what is made today: run python -m evidence.pages {name} --write")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
