"""A property violated by a run: a fault of a kernel, regardless of other machines."""

import msgspec


class Violation(msgspec.Struct, frozen=True):
    """A step that violates a property.

    :param machine: as in the run
    :param name: of the property, as in ``pfnlab check`` if it also checks it
    :param step: index of the step, from 0
    :param op: the step's operation as a program line
    :param says: the evidence, in the names of the program
    :param known: why kernels of this version do so, with an id of docs/bugs.md or a step of
        docs/semantics.md; empty if the cause is unknown
    """

    machine: str
    name: str
    step: int
    op: str
    says: str
    known: str = ""

    def __str__(self) -> str:
        """Property, place and evidence, without the machine."""
        return f"{self.name} in step {self.step + 1}, {self.op}: {self.says}"

    @property
    def unknown(self) -> bool:
        """True if it is a discovery: a real kernel violates it for an unknown reason.

        A model may behave in any way.
        """
        return not self.known and not self.machine.startswith("model:")

    @property
    def place(self) -> tuple[str, int]:
        """The property and the step: equal for two machines with the same violation."""
        return self.name, self.step
