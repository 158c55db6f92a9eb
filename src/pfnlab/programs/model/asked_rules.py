"""The rules that runs ask: a model whose profile notes which of its fields were read."""

from __future__ import annotations

import copy
from typing import Any

from pfnlab.kernel.mm.profile import Profile
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run


class AskedProfile(Profile):
    """A profile that notes its fields as they are read; what nobody reads cannot change a run.

    :ivar asked: the names since it was emptied
    """

    asked: set[str]

    @classmethod
    def of(cls, profile: Profile) -> AskedProfile:
        """The same rules as *profile*."""
        noting = object.__new__(cls)
        # Frozen as it is, nothing but this gives it its fields.
        vars(noting).update(vars(profile), asked=set())
        return noting

    def __getattribute__(self, name: str) -> Any:
        fields = object.__getattribute__(self, "__dict__")
        if name in fields and name != "asked":
            fields["asked"].add(name)
        return object.__getattribute__(self, name)


def run_with_rules(machine: ModelMachine, program: Program) -> tuple[Run, frozenset[str]]:
    """The run of *program*, and the fields of the profile that it asked.

    A run that asks none of the changed fields is the same with the changes.
    """
    noting = copy.copy(machine)
    profile = noting.profile = AskedProfile.of(machine.profile)
    (run,) = noting.run([program])
    return run, frozenset(profile.asked)
