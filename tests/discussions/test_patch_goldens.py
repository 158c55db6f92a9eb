"""Goldens of patched kernels: read, and those of the package are of the patches as they are."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from for_each import for_each
from made_goldens import made_golden

from pfnlab.base.errors import Misuse
from pfnlab.discussions.claim_questions import StepQuestion
from pfnlab.discussions.patch_evidence import is_about, lacking
from pfnlab.discussions.patch_goldens import (
    PatchGolden,
    patch_goldens,
    read_patch_golden,
)
from pfnlab.discussions.reading import discussions
from pfnlab.discussions.step_parts import flushes
from pfnlab.kernel.policies.patched import patched_kernels
from pfnlab.lab.building.patch_file import read_patch
from pfnlab.programs.lang.load import load_text

PATCHES = Path(__file__).parents[2] / "evidence" / "patches"

ASKED = StepQuestion("7.2,flush=end_vma", ["a = mmap bar[0:4] wc shared rw", "munmap a"], flushes, "2")


def recorded() -> dict[str, PatchGolden]:
    """The goldens of the package, by patch."""
    return {golden.patch: golden for golden in patch_goldens()}


def test_a_file_that_is_none_names_the_command(tmp_path: Path) -> None:
    """The file and what records it."""
    (tmp_path / "flush-none.json").write_text("{}")

    with pytest.raises(Misuse, match=r"record it with `python evidence/tools/record_claims.py flush-none`"):
        read_patch_golden(tmp_path / "flush-none.json")


def test_a_program_that_was_not_recorded_names_the_command() -> None:
    """The patch is in it."""
    golden = made_golden("flush-end_vma", [ASKED])

    with pytest.raises(Misuse, match=r"lacks a program .*record_claims\.py flush-end_vma`"):
        golden.recorded(
            load_text("pfnlab program 1\ndevice bar: pci, 1 page\n\na = mmap bar[0:1] wc shared rw\n")
        )


@for_each("patch", recorded)
def test_a_golden_is_of_the_patch_as_it_is(patch: str) -> None:
    """Where its file has changed, the golden's own command records it anew."""
    golden = recorded()[patch]
    path = PATCHES / golden.file
    file = read_patch(path)

    assert hashlib.sha256(path.read_bytes()).hexdigest() == golden.sha256, golden.again
    assert (path.stem, file.policy, f"linux-source-{golden.series}") == (
        patch,
        golden.policy,
        file.base_package,
    )


def held() -> list[str]:
    """Those goldens whose kernel was compared with its model in thousands of programs."""
    return [patch for patch in recorded() if patch in patched_kernels()]


@for_each("patch", held)
def test_a_golden_is_of_the_kernel_that_was_compared(patch: str) -> None:
    """The same source, patch and configuration, to the checksum."""
    assert patched_kernels()[patch].kernel == recorded()[patch].kernel


@for_each("patch", recorded)
def test_a_golden_has_every_program_that_claims_ask(patch: str) -> None:
    """A row that asks another one is recorded with the command of the message."""
    golden = recorded()[patch]
    asks = [asked for one in discussions() for _, _, claim in one.numbered() for asked in claim.asks]

    assert [] == lacking(golden, [asked for asked in asks if is_about(asked, golden.series, golden.policy)])
