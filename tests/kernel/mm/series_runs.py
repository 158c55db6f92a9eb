"""Operations run on the model of each series."""

from __future__ import annotations

from for_each import for_each

from pfnlab.kernel.policies.profiles import SERIES
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step

every_series = for_each("series", SERIES)


#: Mappings of half the BAR.
SHARED = "a = mmap bar[0:8] wc shared rw"
PRIVATE = "a = mmap bar[0:8] wc private rw"


def run_to_end(series: str, *ops: str, pages: int = 16, area: int | None = None) -> tuple[Step, ...]:
    """The steps of a program on a BAR of so many pages and its end, invariants checked after each.

    :param area: the pages of the area ``a``, where it is larger than its first mapping
    """
    head = ["pfnlab program 1", f"device bar: pci, {pages} pages"]
    head += [f"area a: {area} pages"] if area else []
    text = "\n".join((*head, *ops, ""))
    return ModelMachine(series).run_one(load_text(text), check=True).steps


def run(series: str, *ops: str) -> tuple[Step, ...]:
    """The same without its end."""
    return run_to_end(series, *ops)[:-1]


def last(series: str, *ops: str) -> tuple[str, int | str | None]:
    """Result and value of the last operation."""
    step = run(series, *ops)[-1]
    return step.result, step.value


def spans(step: Step) -> list[str]:
    """The VMAs after a step."""
    return [str(vma.span) for vma in step.vmas or ()]


def entries(step: Step) -> list[tuple[str, str]]:
    """The entries after a step, empty ones left out."""
    return [(str(seen.span), seen.entry) for seen in step.ptes or () if seen.target]
