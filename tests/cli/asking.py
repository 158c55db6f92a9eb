"""A command run in this process, and machines that need neither model nor kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest
from middle_runs import careful, cut, forgetful

from pfnlab.base.errors import Defect, MissingTool
from pfnlab.campaign import plan_file
from pfnlab.hunt.fuzz import rounds
from pfnlab.lab.running import confirm
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs import named_machines
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run

PROGRAM = """pfnlab program 1
title   Unmapping the middle first
asks    What stays reserved?
device  bar: pci, 16 pages

a = mmap bar[0:16] wc shared rw
munmap a[4:8]
munmap a

expect 6.1..6.12   leaked bar[0:8] wc
expect 6.16..      nothing left
"""


class Answer(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


class Fake:
    """A machine that gives a prepared answer."""

    def __init__(self, spec: str) -> None:
        self.spec = spec

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The answer for the kernel the name ends in."""
        if "lost" in self.spec:
            return [cut(forgetful(), 2)] * len(programs)
        if "missing" in self.spec:
            raise MissingTool("qemu-system-x86_64 is not here: install qemu-system-x86")
        if "interrupted" in self.spec:
            raise KeyboardInterrupt
        if "defect" in self.spec:
            raise Defect("a check failed")
        if "broken" in self.spec:
            raise ZeroDivisionError
        return [forgetful() if "6.1" in self.spec else careful()] * len(programs)


Ask = Callable[..., Answer]

#: The modules that name open_machine: imported first under a made-up one, each would keep it for later tests.
NAMING = (confirm, named_machines, plan_file, rounds)


def open_with(monkeypatch: pytest.MonkeyPatch, opener: Callable[..., Machine]) -> None:
    """From now on *opener* opens the machines of every verb, and no kernel is fetched."""
    for module in (named_machines, rounds):
        monkeypatch.setattr(module, "open_machine", opener)
        monkeypatch.setattr(module, "fetch_missing", lambda machines: None)
