"""The machines a page may name."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.explorer.machines import machine_name


@for_each(
    "text", ["model:7.2,walker.folio_walk_start=early_refusal", "model:7.2,flush=none,flush.zap=end_vma"]
)
def test_a_policy_of_one_place(text: str) -> None:
    """It is named like that of a seam."""
    assert text == str(machine_name(text))


def test_a_place_is_no_way_to_a_file() -> None:
    """The page names no files, whatever stands before them."""
    with pytest.raises(Misuse, match="the page names policies, switches and commits alone"):
        machine_name("model:7.2,walker.folio_walk_start=mine.py")
