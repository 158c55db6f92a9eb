"""The page for reviewers: what went wrong most, in a size that fits a prompt."""

from __future__ import annotations

from evidence.pages.__main__ import made
from evidence.pages.reviewing_page import MOST_BYTES
from pfnlab.kernel.functions.known_functions import kernel_functions

PAGE = made("reviewing")


def test_it_fits_a_prompt() -> None:
    """And uses the space that there is."""
    assert MOST_BYTES - 800 < len(PAGE.encode()) < 12 << 10


def test_the_functions_in_which_most_went_wrong_are_there() -> None:
    """Those of old kernels, and those that took their place."""
    for name in (
        "untrack_pfn",
        "remap_pfn_range",
        "free_pgtables",
        "tlb_free_vmas",
        "pfnmap_track_ctx_release",
    ):
        assert f"- **`{name}`**" in PAGE


def test_a_function_has_its_releases_rules_and_defects() -> None:
    """As `pfnlab help` has them."""
    _, _, rest = PAGE.partition("- **`untrack_pfn`** (up to 6.15)\n")
    lines = rest.splitlines()[:3]

    assert f"  Before: {kernel_functions()['untrack_pfn'].needs}" == lines[0]
    assert lines[2].startswith("  S3.6, S3.4, S11.4; A01, A06, A08, ")
    assert lines[2].endswith(", R17, R21, R40, R41.")
