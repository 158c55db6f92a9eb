"""The names of designs: the models that are compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.checker.review.designs import is_file, models_reviewed


@for_each(
    ("design", "model"),
    [
        ("flush=none", "model:7.2,flush=none"),
        ("tracker=exact,mseal=off", "model:7.2,tracker=exact,mseal=off"),
        ("tracker=mine.py", "model:7.2,tracker=mine.py"),
        ("model:6.1", "model:6.1"),
    ],
)
def test_a_design_is_a_change_of_the_base_or_a_model(design: str, model: str) -> None:
    """A policy with its seam is a change too, and is not run to say so."""
    assert ("model:7.2", model) == models_reviewed(design, "model:7.2")


def test_a_version_alone_is_a_model() -> None:
    """As the base and as the design."""
    assert ("model:7.3", "model:6.1") == models_reviewed("6.1", "7.3")


def test_the_seam_of_a_file_is_that_of_its_policy(tmp_path: Path) -> None:
    """As everywhere else."""
    own = tmp_path / "mine.py"
    own.write_text("from pfnlab.design import Exact\n\n\nclass Mine(Exact):\n    pass\n")

    assert f"model:7.2,tracker={own}" == models_reviewed(str(own), "model:7.2")[1]


@for_each(("design", "base"), [("exact", "model:7.2"), ("flush=none", "qemu:7.2")])
def test_what_is_none_is_refused(design: str, base: str) -> None:
    """With what to write."""
    with pytest.raises(Misuse, match="write"):
        models_reviewed(design, base)


@for_each(("design", "file"), [("mine.py", True), ("./a=b/mine.py", True), ("flush.munmap=mine.py", False)])
def test_a_file_is_told_from_a_change(design: str, file: bool) -> None:
    """By the sign behind a word."""
    assert file == is_file(design)
