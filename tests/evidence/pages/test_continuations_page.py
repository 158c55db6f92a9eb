"""The page of continuations has every variable of every function in which an operation of a race stops."""

from __future__ import annotations

from pathlib import Path

import pytest
from for_each import for_each

from evidence.pages.__main__ import made
from evidence.pages.continuations_page import Stop, form, slots, stops
from pfnlab.kernel.mm.processors import Processors

PAGE = Path(__file__).parents[3] / "docs" / "continuations.md"


def test_the_page_lists_every_variable() -> None:
    """Nobody has seen how a new one is compared: ``python -m evidence.pages continuations`` has it."""
    assert made("continuations") == PAGE.read_text(encoding="utf-8")


def test_a_new_variable_has_a_place_in_its_row() -> None:
    """Beside those that were there."""
    found = [Stop("munmap", "unlink", [("zap_vma", [("vma", ("Vma", 1))])])]
    later = [Stop("munmap", "unlink", [("zap_vma", [("vma", ("Vma", 1)), ("count", 3)])])]

    assert [("`zap_vma`", "vma: Vma by name")] == list(slots(found))
    assert [("`zap_vma`", "count: value, vma: Vma by name")] == list(slots(later))


def test_a_variable_that_is_two_things_shows_both() -> None:
    """Of different stops."""
    found = [
        Stop("munmap", place, [("f", [("one", value)])]) for place, value in (("a", 1), ("b", ("Vma", 1)))
    ]

    assert [("`f`", "one: Vma by name or value")] == list(slots(found))


@for_each(
    ("said", "shown"),
    [
        (7, "value"),
        (None, "value"),
        ("driver", "value"),
        ("Kernel", "one Kernel"),
        (("MmStruct", 0), "MmStruct by name"),
        (("RwLock", 4, False), "RwLock by name"),
        (("list",), "empty list"),
        (("list", ("Vma", 1), ("Vma", 2)), "list of Vma by name"),
        (("PfnRange", 3, 5), "PfnRange by its items"),
        (("task", "main"), "task by name"),
    ],
)
def test_a_value_has_its_form(said: object, shown: str) -> None:
    """As continuations have it."""
    assert shown == form(said)


def test_every_stop_of_a_race_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as the processors count."""
    counted = []
    begin = Processors.step

    def step(processors: Processors, operation: object) -> None:
        begin(processors, operation)  # type: ignore[arg-type]
        counted.append(operation.done)  # type: ignore[attr-defined]

    monkeypatch.setattr(Processors, "step", step)

    found = list(stops(["7.2"]))

    assert counted.count(False) == len(found)
