"""The page of the kernel's coverage: each function that never ran has a reason."""

from __future__ import annotations

import msgspec
import pytest

from evidence.pages.coverage.page import REACHED, REASONS, Group, ReachedFunctions, reasons_of
from pfnlab.base.errors import Misuse
from pfnlab.base.toml_text import toml_content
from pfnlab.lab.running.kernel_blocks import kernel_files

FUNCTIONS = {"mm/memory.c": ("zap", "fill", "swap"), "mm/vma.c": ("split",)}
RAN = {"zap": None, "split": None}


def test_each_function_that_never_ran_has_a_reason() -> None:
    """The reason of a function that ran after all does no harm."""
    reasons = reasons_of(FUNCTIONS, RAN, [Group("Chance.", ("fill", "split")), Group("Swap.", ("swap",))])

    assert ("Chance.", "Swap.") == (reasons["fill"], reasons["swap"])


def test_a_missing_reason_is_named() -> None:
    """The function is named, and none that ran or has a reason."""
    with pytest.raises(Misuse, match=r"does not say why: swap$"):
        reasons_of(FUNCTIONS, RAN, [Group("Chance.", ("fill",))])


def test_a_reason_of_no_function_is_named() -> None:
    """So one that is written wrong, or gone from the kernel, does not stay."""
    with pytest.raises(Misuse, match="names fil, which is no function"):
        reasons_of(FUNCTIONS, RAN, [Group("Chance.", ("fil",))])


def test_two_reasons_are_one_too_many() -> None:
    """A function that never ran has one reason."""
    with pytest.raises(Misuse, match="names fill twice"):
        reasons_of(FUNCTIONS, RAN, [Group("Chance.", ("fill",)), Group("Swap.", ("fill", "swap"))])


def test_the_reasons_of_the_page_are_complete() -> None:
    """For what was recorded; without one of its groups they are not."""
    reached = msgspec.json.decode(REACHED.read_bytes(), type=ReachedFunctions)
    content = toml_content(REASONS.read_text(encoding="utf-8"), REASONS.name)
    groups = msgspec.convert(content["group"], type=list[Group])
    functions = kernel_files().functions
    needed = [group for group in groups if set(group.functions) - reached.functions.keys()]

    reasons = reasons_of(functions, reached.functions, groups)

    assert {
        name for names in functions.values() for name in names
    } <= reasons.keys() | reached.functions.keys()
    with pytest.raises(Misuse, match="does not say why"):
        reasons_of(functions, reached.functions, [group for group in groups if group is not needed[0]])


#: How a reason begins that says only that nothing was tried.
NO_REASONS = ("Chance", "The language has no", "None was recorded")


def test_no_reason_only_says_that_nothing_was_tried() -> None:
    """A function that a program could run gets a program; for others the reason is about the kernel."""
    content = toml_content(REASONS.read_text(encoding="utf-8"), REASONS.name)

    assert [] == [
        group.reason
        for group in msgspec.convert(content["group"], type=list[Group])
        if group.reason.startswith(NO_REASONS)
    ]
