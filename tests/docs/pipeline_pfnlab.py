"""The command pfnlab for the lines of docs/ci.md: trees are built, but a model answers instead of QEMU.

The toy kernel ends with the text of its mm/memory.c: where that says ``int lost;``, it loses its flushes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from pfnlab.checker.review.kernel_questions import KernelQuestion
from pfnlab.cli import main
from pfnlab.hunt.meeting.measured_costs import MeasuredCosts
from pfnlab.lab.building.build import build
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.programs.lang.library import find_program
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run


class Guest:
    """A kernel that does what a model says."""

    def __init__(self, kernel: KernelImage, **_: object) -> None:
        self.kernel = kernel
        lost = b"int lost;" in kernel.vmlinuz.read_bytes()
        self._model = ModelMachine("7.2,flush=none" if lost else "7.2")

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run a program."""
        return self._model.run(programs)

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left."""


if __name__ == "__main__":
    patching = pytest.MonkeyPatch()
    patching.setattr("pfnlab.lab.building.build.check_tools", lambda: None)
    patching.setattr("pfnlab.hunt.meeting.trial.build", partial(build, boot=lambda kernel: None))
    for part in ("driver_in_tree", "modules_in_tree"):
        patching.setattr(f"pfnlab.lab.building.build.{part}", lambda *_, **__: None)
    patching.setattr("pfnlab.lab.running.qemu_machine.QemuMachine", Guest)
    question = KernelQuestion(
        1, load_program(find_program("race-revoked-before-flush")), "a driver's remap", "schedule"
    )
    patching.setattr("pfnlab.hunt.meeting.kernel_review.kernel_questions", lambda: [question])
    patching.setattr(
        "pfnlab.hunt.meeting.measured_costs.measured_costs", lambda *_, **__: MeasuredCosts((), ())
    )
    main()
