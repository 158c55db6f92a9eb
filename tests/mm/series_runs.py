"""Operations run on the model of each series."""

from __future__ import annotations

import pytest

from pfnlab.policies.profiles import SERIES
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.programs.runs.observation import Step

every_series = pytest.mark.parametrize("series", SERIES)


def run(series: str, *ops: str) -> tuple[Step, ...]:
    """The steps of a program on a BAR of 16 pages, invariants checked after each, without its end."""
    text = "\n".join(("pfnlab program 1", "device bar: pci, 16 pages", *ops, ""))
    return ModelMachine(series).run_one(load_text(text), check=True).steps[:-1]


def last(series: str, *ops: str) -> tuple[str, int | str | None]:
    """Result and value of the last operation."""
    step = run(series, *ops)[-1]
    return step.result, step.value
