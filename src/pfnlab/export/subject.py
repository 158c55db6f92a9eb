"""The subject of an export: a program with its name, and a machine's answer."""

from typing import Self

import msgspec

from pfnlab.base.inert import word
from pfnlab.checker.judging.judge import violations
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.named_machines import all_series
from pfnlab.programs.runs.observation import BookEntry, Run


class Subject(msgspec.Struct, frozen=True):
    """A program to be written in another form.

    :param name: its name, without folder and suffix, after which files and functions are named
    :param run: a machine's answer, which the reproducer should expect; None if it
        should print what it observes
    :param right: the entries that a correct kernel leaves; None if unknown, or if *run* gives them
    """

    name: str
    program: Program
    run: Run | None = None
    right: tuple[BookEntry, ...] | None = None

    @classmethod
    def judged(cls, name: str, program: Program) -> Self:
        """A subject that expects the entries left by the newest model that violates no property.

        If the program's ``expect`` lines name properties, only those count.
        """
        named = {expect.keeps for expect in program.expects if expect.keeps}
        for series in reversed(all_series()):
            (run,) = ModelMachine(series).run([program])
            broken = {violation.name for violation in violations(program, run)}
            if run.unfinished is None and not (broken & named if named else broken):
                return cls(name, program, right=run.steps[-1].book or ())
        return cls(name, program)

    @property
    def identifier(self) -> str:
        """The name as a C identifier, and as used in file names: ``munmap_middle``."""
        return word(self.name)
