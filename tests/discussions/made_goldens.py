"""Goldens of patched kernels whose runs are those of a model."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from pfnlab.discussions import patch_evidence
from pfnlab.discussions.claim_questions import ClaimQuestion
from pfnlab.discussions.patch_evidence import patch_programs
from pfnlab.discussions.patch_goldens import PatchGolden, RecordedRun, TrackerSizes
from pfnlab.kernel.policies.patched import patched_kernels
from pfnlab.programs.model.model_machine import ModelMachine


def made_golden(patch: str, asks: Sequence[ClaimQuestion], does: str = "") -> PatchGolden:
    """The golden of a patch, with the programs of *asks*.

    :param does: the model whose runs it has; that of the patch when empty
    """
    held = patched_kernels()[patch]
    model = ModelMachine(does or f"{held.series},{held.policy}")
    runs = (
        RecordedRun.of(one.text, one.violates, model.run_one(one.program)) for one in patch_programs(asks)
    )
    return PatchGolden(
        **{"patch": patch, "file": f"{patch}.patch", "sha256": "0", "policy": held.policy},
        **{"series": held.series, "kernel": held.kernel, "source": held.source, "configured": "lab"},
        **{"configuration": {}, "unobserved": (), "commit": "0", "made_by": "a test"},
        sizes=TrackerSizes({"pfnmap_track_ctx": 8}, 24),
        runs=tuple(runs),
    )


def with_value(golden: PatchGolden, step: int, **changed: object) -> PatchGolden:
    """*golden* with fields of one step of its first run changed."""
    first, *others = golden.runs
    steps = list(first.steps)
    steps[step] = msgspec.structs.replace(steps[step], **changed)
    return msgspec.structs.replace(golden, runs=(msgspec.structs.replace(first, steps=tuple(steps)), *others))


def only(monkeypatch: pytest.MonkeyPatch, *goldens: PatchGolden) -> None:
    """Let these be all goldens there are."""
    monkeypatch.setattr(patch_evidence, "patch_goldens", lambda: goldens)
