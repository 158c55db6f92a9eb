"""One check: how far it is, and the program of what it found."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
from counting import Parts
from for_each import for_each

from pfnlab.checker.check import VIOLATED, check, expecting
from pfnlab.checker.limits import Exhaustive, Walks
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.kernel.policies.changes import changes_between
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run


def test_walks_are_counted() -> None:
    """Each one when it is done."""
    parts = Parts()

    check(ModelMachine("7.2"), load_scope("small"), limits=Walks(count=3), counted=parts)

    assert (3, 3) == (parts.expected, parts.done)


def test_a_counterexample_of_a_model_with_many_policies_can_be_read() -> None:
    """Its title names the machine, as one that has every change between two versions."""
    machine = ModelMachine(",".join(("6.1", *changes_between("6.1", "7.3"))))

    result = check(machine, load_scope("small"), limits=Exhaustive(depth=3))
    broken = [answer for answer in result.answers if answer.verdict == VIOLATED]

    assert broken
    assert [f"{answer.name} on model:{machine.spec}" for answer in broken] == [
        answer.program.title for answer in broken if answer.program is not None
    ]


def _failing(machine: ModelMachine, programs: Sequence[Program]) -> list[Run]:
    raise ValueError("it cannot end")


@for_each(("spec", "raises"), [("7.2", True), ("7.2,tracker={own}", False)])
def test_only_a_users_design_may_fail_when_its_counterexample_is_run(
    spec: str, raises: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A failure of a stock model is a defect, and is not hidden."""
    own = tmp_path / "own.py"
    own.write_text(
        "from pfnlab.kernel.policies.trackers.exact import Exact\n\n\nclass Own(Exact):\n    pass\n"
    )
    machine = ModelMachine(spec.format(own=own))
    program = load_text("pfnlab program 1\ndevice bar: pci, 4 pages\na = mmap bar[0:4] wc shared rw\n")
    monkeypatch.setattr(ModelMachine, "run", _failing)

    with pytest.raises(ValueError, match="cannot end") if raises else nullcontext():
        assert program == expecting(program, machine, "no_leak")
