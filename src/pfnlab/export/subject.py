"""The subject of an export: a program with its name, and a machine's answer."""

import msgspec

from pfnlab.base.inert import word
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Run


class Subject(msgspec.Struct, frozen=True):
    """A program to be written in another form.

    :param name: its name, without folder and suffix; files and functions are named after it
    :param run: the answer of a machine, which the reproducer then expects; None to have the reproducer print
        what it observes
    """

    name: str
    program: Program
    run: Run | None = None

    @property
    def identifier(self) -> str:
        """The name as a C identifier and in file names: ``munmap_middle``."""
        return word(self.name)
