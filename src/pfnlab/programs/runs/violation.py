"""Violations of properties by one run, regardless of other machines."""

from typing import Annotated

import msgspec
from msgspec import Meta

from pfnlab.base.result import ALWAYS, UNPRINTED, Text


class Violation(msgspec.Struct, frozen=True):
    """A property that the machine violates in a step.

    :param name: its name, as used in ``pfnlab check --property``
    :param step: the index of the step, from 0
    :param op: the operation of that step
    :param says: what was observed, or, if there is no observation, what should hold
    :param known: the reason why kernels of this version do this; null if unknown
    :param predicted: whether the model of this version does it too
    :param machine: the machine's name as in the run
    """

    name: Text = msgspec.field(name="property")
    step: Annotated[int, Meta(extra_json_schema={"minimum": 0})]
    op: Text
    says: Text
    #: It begins with an id from docs/bugs.md or a step from docs/semantics.
    known: Annotated[str | None, ALWAYS] = None
    predicted: Annotated[bool, ALWAYS] = False
    machine: Annotated[str, UNPRINTED] = ""

    def __str__(self) -> str:
        """The property, place and evidence, without the machine."""
        return f"{self.name} in step {self.step + 1}, {self.op}: {self.says}"

    @property
    def unknown(self) -> bool:
        """True if this is a discovery, i.e. a real kernel violates the property for an unknown reason.

        Violations by a model never count as discoveries.
        """
        return not self.known and not self.machine.startswith("model:")

    @property
    def place(self) -> tuple[str, int]:
        """The property and the step, which are the same for two machines with the same violation."""
        return self.name, self.step
