"""The page of all designs: each has a row against each base, and what it says is what a review finds."""

from __future__ import annotations

from pathlib import Path

import pytest
from for_each import for_each

from evidence.pages.__main__ import made
from evidence.pages.policies_review import (
    BASES,
    SAME,
    SEAMS,
    ReviewedDesign,
    kernels_with,
    page_of,
    pieces,
    posted_words,
    reviewed,
    row,
)
from evidence.pages.posted_reviews_page import recorded_reviews
from pfnlab.discussions.thread_reviews import ReviewedRow
from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.kernel.policies.patched import PatchedKernel, patched_kernels
from pfnlab.kernel.policies.reports import REPORTS
from pfnlab.kernel.policies.seams import VM_PAT_ERAS
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.kernel.policies.walkers import WALKERS

# One worker makes all pages out of searches, many of which are the same.
pytestmark = pytest.mark.xdist_group("searches")

PAGE = Path(__file__).parents[3] / "docs" / "policies-review.md"

POLICIES = {
    "tracker": {*TRACKERS, *VM_PAT_ERAS},
    "flush": {*FLUSHES},
    "walker": {*WALKERS},
    "freed_in_vain": {*REPORTS},
}


@pytest.fixture(scope="module")
def text() -> str:
    """The page as it is kept."""
    return PAGE.read_text(encoding="utf-8")


def rows(text: str, seam: str) -> dict[tuple[str, str], list[str]]:
    """The cells of a seam's table, by policy and base."""
    of_seam = text.split(f"## {SEAMS[seam][0]}\n")[1].split("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in of_seam.splitlines() if line.startswith("| ")][2:]
    return {(cell[0], cell[1]): cell[2:] for cell in cells}


@pytest.mark.target("pages")
@pytest.mark.timeout(1800)
def test_the_page_is_current(text: str) -> None:
    """Write it anew with ``python -m evidence.pages policies-review --write``."""
    assert made("policies-review", jobs=None) == text


@for_each("seam", SEAMS)
def test_every_policy_has_a_row_against_every_base(text: str, seam: str) -> None:
    """Also those no kernel ever had, and the eras."""
    assert {(name, base) for name in POLICIES[seam] for base in BASES} == set(rows(text, seam))


@for_each("seam", SEAMS)
def test_the_page_names_the_kernels_that_are_recorded_now(text: str, seam: str) -> None:
    """They come from a file, and are compared wherever no review is made anew."""
    found = {key: cells[-1] for key, cells in rows(text, seam).items()}

    assert {key: kernels_with(seam, key[0], patched_kernels().values()) for key in found} == found


@for_each(("seam", "policy", "base"), [("tracker", "track_ctx", "7.3"), ("tracker", "vm_pat", "6.12")])
def test_the_policy_of_the_base_itself_does_the_same(text: str, seam: str, policy: str, base: str) -> None:
    """Nothing is said of it, whatever the base violates."""
    assert [SAME, "-", "-"] == rows(text, seam)[policy, base][:3]


@for_each("seam", SEAMS)
def test_the_page_has_the_posted_reviews_that_are_recorded_now(text: str, seam: str) -> None:
    """A policy that is the same in few questions may differ in a posted review."""
    found = {key: cells[-2] for key, cells in rows(text, seam).items()}
    recorded = recorded_reviews().values()

    assert {key: posted_words(ReviewedDesign(seam, *key), recorded) for key in found} == found


def posted(design: str, base: str) -> ReviewedRow:
    """A recorded review that broke a property."""
    return ReviewedRow(
        *("R99", f"model:{base}", f"model:{design}", "broken", ("no_leak",), "broken: no_leak"),
        as_expected=True,
        shown=(),
        seconds=1,
    )


@for_each(
    ("design", "base", "words"),
    [
        ("7.2,tracker=exact", "7.2", "R99: broken: no_leak"),
        ("7.3", "7.3,tracker=exact", "R99: as the base, broken: no_leak"),
        ("6.10,tracker=exact", "6.10", "-"),
        ("7.3,tracker=per_vma", "7.3", "-"),
    ],
)
def test_a_posted_review_counts_for_its_policy_and_era(design: str, base: str, words: str) -> None:
    """6.10 has another tracker than 7.3."""
    assert words == posted_words(ReviewedDesign("tracker", "exact", "7.3"), [posted(design, base)])


@for_each("policy", ["none", "first_vma", "gather_v1", "gather_draft", "gather_v3", "gather_v4", "gather_v5"])
def test_a_flush_that_is_missing_is_on_the_page(text: str, policy: str) -> None:
    """Those that are known to be too late; what landed is not."""
    assert "**told_free**" in rows(text, "flush")[policy, "7.3"][0]
    assert "told_free" not in rows(text, "flush")["gather_v2", "7.3"][0]


@pytest.mark.target("long")
@for_each(("seam", "policy"), [("flush", "first_vma"), ("walker", "early_refusal")])
def test_a_row_is_what_a_review_says(text: str, seam: str, policy: str) -> None:
    """Made anew, of one design of a seam."""
    found = reviewed(ReviewedDesign(seam, policy, "7.3"))

    assert list(row(found)) == rows(text, seam)[policy, "7.3"][:3]


def test_pieces_are_chosen_by_name() -> None:
    """Each name is that of a piece, or the page asks less than it says."""
    stages = {seam: {piece.stage for piece in pieces(seam)} for seam in SEAMS}

    assert {"tracker": {0, 1, 3}, "flush": {0, 1, 2, 5}, "walker": {0, 1}, "freed_in_vain": {0, 1}} == stages
    beside = {piece.neighbour.name for piece in pieces("tracker")}
    assert 4 == len(beside)
    around = {piece.neighbour.name for piece in pieces("flush") if piece.pair is not None}
    assert {"alone", "ordinary memory in front", "ordinary memory behind"} == around


def test_a_page_of_nothing_has_every_heading() -> None:
    """With what was asked, counted."""
    page = page_of(())

    assert [title for title, _ in SEAMS.values()] == [
        line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")
    ]


def patched(policy: str, differences: int = 0) -> PatchedKernel:
    """A kernel that ran 500 programs."""
    return PatchedKernel(
        **{"policy": policy, "series": "7.2", "kernel": "7.2.13", "source": "linux", "build_seconds": 1},
        **{"seed": 7, "litmus": 300, "random": 200, "steps": 1, "changed": 1, "schedules": 0},
        **{"undecided": 0, "differences": differences},
    )


def test_stock_kernels_that_have_a_policy_are_named() -> None:
    """The measured series say it, as their profiles do."""
    assert kernels_with("tracker", "track_ctx", []) == "stock 6.16 to 7.3"


def test_a_patched_kernel_is_named_with_its_programs() -> None:
    """Written ones and random ones."""
    assert kernels_with("tracker", "exact", [patched("tracker=exact")]) == "7.2: 500"


def test_programs_that_differ_are_not_hidden() -> None:
    """A number alone would look like agreement."""
    assert kernels_with("flush", "none", [patched("flush=none", 2)]) == "7.2: 500, 2 differ"


def test_the_kernel_of_another_policy_is_not_counted() -> None:
    """Names of policies may repeat in another seam."""
    assert kernels_with("tracker", "none", [patched("flush=none")]) == "-"
