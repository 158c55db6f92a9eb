"""What a patch file says of itself above its diff."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfnlab.errors import Misuse
from pfnlab.trying.patch import Patch, policies_of, read_patch

HEAD = """Flush at the end of every VMA

One flush for each VMA instead of one for all.

Policy: flush=end_vma
Base: linux-source-7.2 7.2.13-1
SPDX-License-Identifier: GPL-2.0-only
---
--- a/x
+++ b/x
+Policy: tracker=none_of_it
"""


def written(path: Path, text: str) -> Path:
    """A patch file."""
    path = path / "idea.patch"
    path.write_text(text)
    return path


def test_a_patch_names_its_policy(tmp_path: Path) -> None:
    """Above its diff only."""
    path = written(tmp_path, HEAD)

    assert Patch(path, "Flush at the end of every VMA", ("flush=end_vma",)) == read_patch(path)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("From 12345\nFrom: A B\nSubject: [PATCH v2 1/3] mm: do it\n\nText\n---\n", "mm: do it"),
        ("diff --git a/x b/x\n", "idea.patch"),
    ],
)
def test_the_title_of_a_mail(tmp_path: Path, text: str, title: str) -> None:
    """Without what the mail puts around it; where there is none, the name of the file."""
    assert title == read_patch(written(tmp_path, text)).title


def test_a_policy_that_is_none(tmp_path: Path) -> None:
    """What to write is said, with the file."""
    with pytest.raises(Misuse, match=r"idea.patch: 'end_vma' is no policy: write `Policy: SEAM=POLICY`"):
        read_patch(written(tmp_path, "T\n\nPolicy: end_vma\n---\n"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """It is misuse, not a patch without a title."""
    with pytest.raises(Misuse):
        read_patch(tmp_path / "nowhere.patch")


def test_what_the_user_says_counts_more() -> None:
    """Else the policies of all patches, each once."""
    patches = [Patch(Path(name), name, ("flush=none",)) for name in ("a", "b")]

    assert ("flush=none",) == policies_of(patches, [])
    assert ("tracker=exact",) == policies_of(patches, ["tracker=exact"])


def test_two_policies_for_a_seam() -> None:
    """A kernel has one."""
    patches = [Patch(Path("a"), "a", ("flush=none",)), Patch(Path("b"), "b", ("flush=end_vma",))]

    with pytest.raises(Misuse, match="two policies for flush"):
        policies_of(patches, [])
    with pytest.raises(Misuse, match="write SEAM=POLICY"):
        policies_of([], ["end_vma"])
