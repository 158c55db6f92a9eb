"""A property that a run breaks: what is wrong with a kernel, whatever other machines did."""

import msgspec


class Violation(msgspec.Struct, frozen=True):
    """A step that breaks a property.

    :param machine: as in the run
    :param name: of the property, as in ``pfnlab check`` where that asks it too
    :param step: index of the step, from 0
    :param op: the step's operation as a program line
    :param says: what was seen, in the names of the program
    :param known: why kernels of this version do so, with an id of docs/bugs.md or a step of
        docs/semantics.md; empty where nobody knows
    """

    machine: str
    name: str
    step: int
    op: str
    says: str
    known: str = ""

    def __str__(self) -> str:
        """Property, place and what was seen, without the machine."""
        return f"{self.name} in step {self.step + 1}, {self.op}: {self.says}"

    @property
    def unknown(self) -> bool:
        """True where it is a discovery: a kernel does so, and nobody knows why.

        A model may do as it likes.
        """
        return not self.known and not self.machine.startswith("model:")

    @property
    def place(self) -> tuple[str, int]:
        """The property and the step: two machines that do the same have the same."""
        return self.name, self.step
