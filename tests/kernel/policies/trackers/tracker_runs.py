"""Running programs under one tracker, with every invariant checked after each step."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress

from drawing import drawn

from pfnlab.base.errors import Undecided
from pfnlab.kernel.mm.processors import WaitsForeverError
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step

MAP = "a = mmap bar[0:4] wc shared rw"
DRIVER = "a = mmap bar[0:4] driver remap asis shared rw"


def run(spec: str, *ops: str, device: str = "bar: pci, 16 pages") -> tuple[Step, ...]:
    """The steps of a program on a BAR of 16 pages, or another device, and its end."""
    text = "\n".join(("pfnlab program 1", f"device {device}", *ops, ""))
    return ModelMachine(spec).run_one(load_text(text), check=True).steps


def no_answer(spec: str) -> AbstractContextManager[None]:
    """Suppress what ends a run without an answer: no rule, or locked_untrack waiting for its own mmap_lock.

    A remap_pfn_range that fails inside mmap zaps, and mmap holds the lock for writing.
    """
    return suppress(Undecided, *([WaitsForeverError] if "tracker=locked_untrack" in spec else []))


def run_random(spec: str, seed: int, *, driver: bool = True) -> tuple[Step, ...]:
    """The steps of the random program of *seed*, none if it has no answer."""
    with no_answer(spec):
        return ModelMachine(spec).run_one(drawn(seed, driver=driver), check=True).steps
    return ()


def book(step: Step) -> list[str]:
    """The book after a step."""
    return [str(entry) for entry in step.book]


def log(steps: tuple[Step, ...]) -> list[str]:
    """Everything the kernel printed about the book."""
    return [line for step in steps for line in step.log if "memtype" in line]
