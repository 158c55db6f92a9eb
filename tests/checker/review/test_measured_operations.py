"""The operations that are measured on kernels."""

from __future__ import annotations

from pfnlab.checker.review.measured_operations import measured_operations
from pfnlab.programs.lang.ops import tasks_of
from pfnlab.programs.model.model_machine import ModelMachine


def test_no_step_of_a_measured_operation_is_refused() -> None:
    """A refusal costs little, and says nothing of the operation."""
    operations = list(measured_operations())

    runs = ModelMachine("7.3").run([one.program for one in operations])

    refused = {
        one.title
        for one, run in zip(operations, runs, strict=True)
        if {step.result for step in run.steps} != {"ok"}
    }
    assert set() == refused


def test_titles_differ() -> None:
    """They are the keys of the results, and a comma begins the number of processors."""
    titles = [one.title for one in measured_operations()]

    assert len(titles) == len(set(titles))
    assert not [title for title in titles if ", " in title]


def test_only_programs_with_one_task_are_measured_on_several_processors() -> None:
    """Their other tasks are the threads that run there."""
    assert all(len(tasks_of(one.program)) == 1 for one in measured_operations() if one.flushes)
