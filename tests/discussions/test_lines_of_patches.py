"""The lines that a claim says a patch has."""

from __future__ import annotations

import re
from pathlib import Path

from pfnlab.discussions.reading import discussions
from pfnlab.lab.building.patch_file import read_patch

_PATCHES = Path(__file__).parents[2] / "evidence" / "patches"
_SAID = re.compile(r"the patch (\S+) adds (\d+) lines and removes (\d+)")


def test_a_patch_has_as_many_lines_as_a_claim_says() -> None:
    """What a design costs in code is counted in its patch."""
    said = {
        found[1]: (int(found[2]), int(found[3]))
        for discussion in discussions()
        for _, _, claim in discussion.numbered()
        for found in _SAID.finditer(claim.because)
    }

    patches = {name: read_patch(_PATCHES / f"{name}.patch") for name in said}

    assert {"tracker-ctx_adjust", "tracker-split_ctx"} <= set(said)
    assert {name: (patch.added, patch.removed) for name, patch in patches.items()} == said
