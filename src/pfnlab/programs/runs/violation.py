"""Property violations by a run: faults of one kernel, regardless of other machines."""

import msgspec


class Violation(msgspec.Struct, frozen=True):
    """A step that violates a property.

    :param machine: the machine's name as in the run
    :param name: the property's name; the same as in ``pfnlab check`` if that checks it too
    :param step: the index of the step, counted from 0
    :param op: the step's operation as a program line
    :param says: the evidence, in the program's names
    :param known: why kernels of this version violate it, with an id from docs/bugs.md or a step from
        docs/semantics.md; empty if the cause is unknown
    """

    machine: str
    name: str
    step: int
    op: str
    says: str
    known: str = ""

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
