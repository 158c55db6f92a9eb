"""The two models of a review, and what they have in common."""

from __future__ import annotations

from pathlib import Path

from pfnlab.checker.review.judged import ASKED_OF_TRACKER, other_walkers
from pfnlab.checker.review.kept_base import kept_base
from pfnlab.checker.scopes.policies_apart import policies_apart
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.programs.model.model_machine import ModelMachine


class ReviewedModels:
    """Base and design.

    :param folder: where answers of bases are kept; None if they are not
    :ivar walkers: the places where their walkers differ, which alone are judged; all if empty
    :ivar apart: see :func:`~pfnlab.checker.scopes.policies_apart.policies_apart`
    :ivar judged_alike: whether trackers, walkers and platforms are the same, so that equal states are judged
        once
    """

    def __init__(self, base: ModelMachine, design: ModelMachine, folder: Path | None = None) -> None:
        self.base, self.design = base, design
        self.walkers = other_walkers(base, design)
        self.kept = kept_base(folder, base, self.walkers)
        self.apart = policies_apart(base, design)
        kernels = [machine.boot(qemu_q35(), {}) for machine in (base, design)]
        asked = [(type(kernel.tracker), kernel.profile.walkers, kernel.platform) for kernel in kernels]
        self.judged_alike = asked[0] == asked[1]
        #: The same as *apart* where states are judged as well; None if trackers are asked other questions.
        self.steps_apart = self.apart
        if self.apart is not None and _asked(type(kernels[0].tracker)) & {
            name.partition(".")[2] for name in self.apart
        }:
            self.steps_apart = None


def _asked(tracker: type) -> set[str]:
    """The attributes of a tracker that its answers to judges may follow from."""
    names, waiting = set[str](), [ASKED_OF_TRACKER]
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            code = getattr(getattr(tracker, name, None), "__code__", None)
            waiting += code.co_names if code is not None else ()
    return names
