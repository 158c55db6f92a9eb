"""The subject of an export: a program with its name, and what a machine said of it."""

import msgspec

from pfnlab.base.inert import word
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Run


class Subject(msgspec.Struct, frozen=True):
    """A program that is written in another form.

    :param name: its name, without folder and ending; files and functions are named after it
    :param run: what a machine answered, which the reproducer then expects; None where no machine was named,
        and the reproducer only says what it sees
    """

    name: str
    program: Program
    run: Run | None = None

    @property
    def identifier(self) -> str:
        """The name as a word of C and of file names: ``munmap_middle``."""
        return word(self.name)
