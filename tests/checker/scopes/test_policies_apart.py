"""In which attributes of their policies two models differ."""

from __future__ import annotations

from pathlib import Path

from for_each import for_each

from pfnlab.checker.scopes.policies_apart import ANY_POLICY, policies_apart
from pfnlab.programs.model.model_machine import ModelMachine


def apart(design: str) -> frozenset[str] | None:
    return policies_apart(ModelMachine("7.3"), ModelMachine(f"7.3{design}"))


def test_equal_models_differ_in_nothing() -> None:
    """Whatever a step uses, it has the same effect."""
    assert frozenset() == apart("")


def test_a_flush_placement_differs_in_its_own_methods() -> None:
    """Those that both inherit are the same."""
    names = {"flush.unmap_region", "flush.tlb_start_vma", "flush.tlb_free_vmas"}

    assert {ANY_POLICY, *names} == apart(",flush=first_vma")


def test_a_method_of_a_file_is_another(tmp_path: Path) -> None:
    """Even one whose text is that of the package."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from pfnlab.design import TrackCtx\n\n\nclass Mine(TrackCtx):\n"
        "    def vm_area_dup(self, orig, new):\n        super().vm_area_dup(orig, new)\n",
        encoding="utf-8",
    )

    assert {ANY_POLICY, "tracker.vm_area_dup"} == apart(f",tracker={file}")


@for_each("design", [",mseal=off", ",walker=early_refusal"])
def test_other_differences_are_not_told_apart(design: str) -> None:
    """A switch may be read anywhere."""
    assert apart(design) is None
