"""Kernels that are models of other rules: what a meeting has to find is known."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pfnlab.base.errors import Why
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.observation import Run

HEAD = "pfnlab program 1\ndevice bar: pci, 16 pages\n\n"

#: What an archive that has no headers any more says.
NO_HEADERS = "no headers for 6.12.90: the archive has no linux-headers-6.12.90"


def program(lines: str) -> Program:
    """A program of these lines."""
    return load_text(HEAD + lines)


#: Two in which MREMAP_DONTUNMAP takes a page of locked memory, and one that has nothing to do with it.
LITMUS = {
    "locked": program(
        "b = mmap bar[0:1] wc shared rw\na = mmap anon[0:3] private rw\nmlock a\n"
        "mremap a[1] 1 page maymove dontunmap\n"
    ),
    "locked-again": program("a = mmap anon[0:3] private rw\nmlock a\nmremap a[1] 1 page maymove dontunmap\n"),
    "middle": program("a = mmap bar[0:16] wc shared rw\nmunmap a[4:8]\nmunmap a\n"),
}


class Kernel:
    """Does what the model of *spec* says, and counts what it was asked."""

    def __init__(self, spec: str) -> None:
        self.model = ModelMachine(spec)
        self.asked: list[Program] = []

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run a program."""
        self.asked += programs
        return [self.one(program) for program in programs]

    def one(self, program: Program) -> Run:
        """The run of one program."""
        return self.model.run([program])[0]


class Headless(Kernel):
    """A kernel without modules for vfio-pci."""

    def one(self, program: Program) -> Run:
        """No answer where a device is opened through vfio-pci."""
        run = super().one(program)
        if program.needs.vfio:
            return msgspec.structs.replace(
                run, steps=(), undecided="no vfio-pci for 6.12.90", why=Why.MISSING
            )
        return run


class Crashing(Kernel):
    """A kernel that dies of mremap."""

    def one(self, program: Program) -> Run:
        """The steps before it."""
        run = super().one(program)
        at = next((at for at, step in enumerate(run.steps) if step.op.startswith("mremap")), None)
        if at is None:
            return run
        return msgspec.structs.replace(run, steps=run.steps[:at], lost="the guest panicked")


class Alarmed(Kernel):
    """A kernel that oopses of a program with mremap the first time it is asked, or always."""

    always = False

    def one(self, program: Program) -> Run:
        """The steps before it."""
        run = super().one(program)
        at = next((at for at, step in enumerate(run.steps) if step.op.startswith("mremap")), None)
        if at is None or not (self.always or self.asked.count(program) == 1):
            return run
        alarm = Alarm("oops", "BUG: in move_page_tables", log=("Call Trace:",), op=run.steps[at].op, step=at)
        return msgspec.structs.replace(run, steps=run.steps[:at], lost="the guest was lost", alarm=alarm)


class Booting(Kernel):
    """A kernel that counts its boots."""

    boots = 1

    def reboot(self) -> None:
        """Once more."""
        self.boots += 1


class Odd(Kernel):
    """A kernel that answers munmap as no rule says."""

    def one(self, program: Program) -> Run:
        """With an error nobody knows."""
        run = super().one(program)
        steps = [
            msgspec.structs.replace(step, result="EIO") if step.op.startswith("munmap") else step
            for step in run.steps
        ]
        return msgspec.structs.replace(run, steps=tuple(steps))


class Moody(Kernel):
    """A kernel that sees a flush too many, once."""

    def one(self, program: Program) -> Run:
        """In the very first step it ever shows."""
        run = super().one(program)
        if len(self.asked) > len(LITMUS) or program is not LITMUS["middle"]:
            return run
        first = msgspec.structs.replace(run.steps[0], flushes=99)
        return msgspec.structs.replace(run, steps=(first, *run.steps[1:]))


class Warned(Kernel):
    """A kernel that warns at every step."""

    def one(self, program: Program) -> Run:
        """With the same line each time."""
        run = super().one(program)
        steps = [msgspec.structs.replace(step, log=("WARNING at mm/memory.c",)) for step in run.steps]
        return msgspec.structs.replace(run, steps=tuple(steps))
