"""The data about kernel functions: complete, and its names exist."""

from __future__ import annotations

import re

import pytest
from for_each import for_each

from pfnlab.base.errors import Defect
from pfnlab.checker.judging.run_properties import PROPERTIES
from pfnlab.kernel.bugs.known_bugs import all_bugs
from pfnlab.kernel.functions.known_functions import (
    KernelFunction,
    Releases,
    functions_in,
    kernel_functions,
)
from pfnlab.kernel.functions.rule_texts import find_rule, rule_numbers
from pfnlab.kernel.policies.releases import RELEASES

ALL = tuple(kernel_functions().values())

FUNCTION = """\
[track]
does = "Tracks."
file = "mm/memory.c"
callers = { "..6.15" = ["remap"] }
locks = "None."
needs = "A range."
ensures = "A reservation."
rules = ["S3.1"]
asks = ["no_leak"]
"""

#: Files of rules that describe no function: scenarios, observations, the laboratory.
_NO_FUNCTIONS = ("S1", "S10", "S11", "S12", "S13")


@for_each("one", ALL, ids=lambda one: one.name)
def test_rules_bugs_and_properties_exist(one: KernelFunction) -> None:
    """And none is listed twice."""
    for names, known in (
        (one.rules, set(rule_numbers())),
        (one.bugs, {bug.number for bug in all_bugs()}),
        (one.asks, set(PROPERTIES)),
    ):
        assert set(names) <= known
        assert len(set(names)) == len(names)


def test_a_rule_that_describes_a_function_is_listed_with_it() -> None:
    """The line `Kernel:` of a section and the data agree."""
    missing = [
        (name, number)
        for number in rule_numbers()
        if number.count(".") == 1 and number.partition(".")[0] not in _NO_FUNCTIONS
        for name in re.findall(r"`(\w+)`", find_rule(number).kernel)
        if name in kernel_functions() and number not in kernel_functions()[name].rules
    ]

    assert [] == missing


@for_each("one", ALL, ids=lambda one: one.name)
def test_sentences_end(one: KernelFunction) -> None:
    """Each text is a sentence or more."""
    assert all(text.endswith(".") for text in (one.does, one.locks, one.needs, one.ensures))


@for_each("one", [one for one in ALL if one.releases != ".."], ids=lambda one: one.name)
def test_a_function_that_comes_or_goes_says_what_had_its_place(one: KernelFunction) -> None:
    """A range of releases has an end on one side, and the text names it."""
    span = Releases.of(one.releases)

    assert not span.last or one.replaced_by
    assert not span.first or one.replaces or span.first == "6.1" or one.name in _NEW


def test_a_function_goes_when_its_replacement_comes() -> None:
    """No release is left without either."""
    late = [
        (one.name, next_series, one.replaced_by)
        for one in ALL
        if (last := Releases.of(one.releases).last)
        for next_series in [RELEASES[RELEASES.index(last) + 1]]
        if f"({next_series})" not in one.replaced_by
    ]

    assert [] == late


def test_a_caller_of_a_function_that_sleeps_says_that_it_sleeps() -> None:
    """A function that needs no lock might else be called with a spinlock held."""
    silent = {
        (one.name, caller.name)
        for one in ALL
        if _SLEEPS in one.locks
        for names in one.called_by.values()
        for caller in map(kernel_functions().get, names)
        if caller and caller.locks.startswith("Needs none") and _SLEEPS not in caller.locks
    }

    assert set() == silent


def test_cpa_lock_is_named_with_the_lock_around_it() -> None:
    """A change of the direct map takes both."""
    alone = [one.name for one in ALL if "cpa_lock" in one.locks and "init_mm" not in one.locks]

    assert [] == alone


def test_revocation_names_the_option_without_which_it_is_empty() -> None:
    """No claim revokes without it, however exclusive."""
    assert "CONFIG_IO_STRICT_DEVMEM" in kernel_functions()["revoke_iomem"].needs


_SLEEPS = "must be able to sleep"

#: Functions that came with code that is new.
_NEW = ("vms_complete_munmap_vmas",)


@for_each("one", ALL, ids=lambda one: one.name)
def test_ranges_lie_in_those_of_the_function(one: KernelFunction) -> None:
    """No caller or file is told of a release that lacks the function."""
    for span in (*one.files, *one.called_by):
        assert all(one.is_in(end) for end in span if end)


@for_each(
    ("text", "inside", "outside", "words"),
    [
        ("6.1..6.12", ("6.1", "6.9", "6.12"), ("5.15", "6.16"), "6.1 to 6.12"),
        ("..6.15", ("5.10", "6.15"), ("6.16",), "up to 6.15"),
        ("6.16..", ("6.16", "7.3"), ("6.15",), "since 6.16"),
        ("6.1..6.1", ("6.1",), ("6.2",), "6.1"),
        ("..", ("5.10", "7.3"), (), "all"),
    ],
)
def test_a_range(text: str, inside: tuple[str, ...], outside: tuple[str, ...], words: str) -> None:
    """Both ends belong to it."""
    span = Releases.of(text)

    assert all(series in span for series in inside)
    assert not any(series in span for series in outside)
    assert words == str(span)


@for_each(
    ("old", "new", "says"),
    [
        ('"..6.15"', '"6.15"', "memtype.toml: track: '6.15' is not a range of releases such as 6.1..6.15"),
        ('"..6.15"', '"6.15..6.1"', "memtype.toml: track: '6.15..6.1' ends before it begins"),
        ('rules = ["S3.1"]', "", "memtype.toml: track: Object missing required field `rules`"),
        ('["remap"]', str(["a"] * 9), "memtype.toml: track: Expected `array` of length <= 8"),
        ("locks =", "lock =", "memtype.toml: track: Object contains unknown field `lock`"),
    ],
)
def test_a_malformed_table_is_a_defect(old: str, new: str, says: str) -> None:
    """With file and function."""
    functions_in(FUNCTION, "memtype")
    with pytest.raises(Defect, match=re.escape(says)):
        functions_in(FUNCTION.replace(old, new), "memtype")
