"""The steps, turns and judgements that two models of a review have in common."""

from __future__ import annotations

from for_each import for_each

from pfnlab.checker.review.reviewed_models import ReviewedModels
from pfnlab.programs.model.model_machine import ModelMachine


def models(design: str) -> ReviewedModels:
    return ReviewedModels(ModelMachine("7.3"), ModelMachine(design))


@for_each("design", ["7.3,tracker=vm_pat", "7.3,walker=early_refusal"])
def test_a_judge_that_asks_a_policy_is_asked_again(design: str) -> None:
    """A tracker counts its users, and a walker takes its pages: both are more than the state."""
    assert not models(design).judged_alike


def test_other_flushes_are_no_question_to_a_judge() -> None:
    """Equal states are then judged once."""
    assert models("7.3,flush=first_vma").judged_alike


def test_steps_are_not_shared_if_the_tracker_answers_judges_otherwise() -> None:
    """Turns of schedules still are, because only states at their ends are judged."""
    found = models("7.3,tracker=exact")

    assert found.apart is not None
    assert found.steps_apart is None
