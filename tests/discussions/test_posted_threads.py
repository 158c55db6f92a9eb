"""Threads read from TOML: each policy, patch, program, row and claim that they name is there."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.checker.judging.run_properties import PROPERTIES
from pfnlab.discussions.lookup import claims_of
from pfnlab.discussions.posted_threads import (
    PostedThread,
    PostedVersion,
    archive_address,
    date_words,
    defect_numbered,
    posted_threads,
    read_thread,
    thread_numbered,
)
from pfnlab.discussions.reading import discussion_numbers
from pfnlab.kernel.bugs.known_bugs import all_bugs
from pfnlab.lab.building.patch_file import read_patch
from pfnlab.programs.lang.library import library_paths
from pfnlab.programs.model.model_machine import ModelMachine

PATCHES = Path(__file__).parents[2] / "evidence" / "patches"

THREAD = """\
title = "a test"
years = "2025"
[[version]]
name = "v1"
date = "2025-01-21"
design = "It flushes."
[[defect]]
number = "R99"
versions = ["v1"]
scenario = "It does not."
found_by = "A. Nobody"
how = "reading"
fate = "left"
expressible = "yes"
[[later]]
claim = "004.1"
who = "A. Nobody"
date = "2025-02"
says = "It does."
"""


def threads() -> tuple[PostedThread, ...]:
    """Every thread of the package."""
    return posted_threads()


def policies() -> list[PostedVersion]:
    """The versions that a policy of the model is."""
    return [version for one in posted_threads() for version in one.versions if version.policy]


def patches() -> list[PostedVersion]:
    """The versions that a patch makes a kernel of."""
    return [version for one in posted_threads() for version in one.versions if version.patch]


def test_no_thread_is_left_out() -> None:
    """Twenty of them, with at least the versions and the rows that were collected once."""
    assert [f"T{count}" for count in range(1, 21)] == [one.number for one in posted_threads()]
    assert sum(len(one.versions) for one in posted_threads()) >= 64
    assert sum(len(one.defects) for one in posted_threads()) >= 42


def test_a_defect_has_its_number_for_itself() -> None:
    """In all threads together."""
    numbers = Counter(defect.number for one in posted_threads() for defect in one.defects)

    assert {1} == set(numbers.values())


@for_each("thread", threads)
def test_a_version_has_its_name_for_itself(thread: PostedThread) -> None:
    """In its thread."""
    assert {1} == set(Counter(version.name for version in thread.versions).values())


@for_each("thread", threads)
def test_versions_stand_in_the_order_of_time(thread: PostedThread) -> None:
    """As far as both dates are known."""
    dates = [version.date for version in thread.versions if version.date]

    assert [] == [(one, after) for one, after in pairwise(dates) if one[: len(after)] > after[: len(one)]]


@for_each("version", policies)
def test_a_policy_is_one_of_its_base(version: PostedVersion) -> None:
    """A machine takes it."""
    assert ModelMachine(version.machine.removeprefix("model:"))


@for_each("version", patches)
def test_a_patch_gives_a_kernel_the_policy_of_its_version(version: PostedVersion) -> None:
    """It is there, and says so."""
    assert version.policy == read_patch(PATCHES / version.patch).policy


def test_a_base_is_a_series_or_nothing() -> None:
    """Also where no policy is the design."""
    for base in {version.base for one in posted_threads() for version in one.versions if version.base}:
        assert ModelMachine(base)


@for_each("thread", threads)
def test_what_a_thread_names_is_there(thread: PostedThread) -> None:
    """Discussions, claims, rows of bugs, properties and programs."""
    bugs = {bug.number for bug in all_bugs()}
    programs = {path.stem for path in library_paths()}
    numbers = {found.number for found in claims_of()}

    lacking = [
        *(number for number in thread.claims if number not in discussion_numbers()),
        *(later.claim for later in thread.later if later.claim not in numbers),
        *(bug for defect in thread.defects for bug in defect.bugs if bug not in bugs),
        *(name for defect in thread.defects for name in defect.properties if name not in PROPERTIES),
        *(one.program for one in thread.defects if one.program and one.program not in programs),
    ]

    assert [] == lacking


@for_each("thread", threads)
def test_a_defect_says_where_it_is(thread: PostedThread) -> None:
    """In a version, or in kernels."""
    assert [] == [defect.number for defect in thread.defects if not defect.versions and not defect.kernels]


@for_each("thread", threads)
def test_a_message_is_named_without_brackets(thread: PostedThread) -> None:
    """By what stands between them."""
    of_versions = [name for version in thread.versions for name in version.message_ids]
    of_defects = [name for defect in thread.defects for name in defect.message_ids]

    names = [*of_versions, *of_defects, *(name for later in thread.later for name in later.message_ids)]

    assert [] == [name for name in names if name.count("@") != 1 or set(name) & set("<> ")]


def test_every_discussion_has_a_thread() -> None:
    """Discussions 000 and 003 are of one."""
    by_discussion = {number: one.number for one in posted_threads() for number in one.claims}

    assert set(discussion_numbers()) == set(by_discussion)
    assert by_discussion["000"] == by_discussion["003"]


def test_a_file_is_a_thread() -> None:
    """With what its tables say; what is left out is empty."""
    found = read_thread(THREAD, "T07")

    assert ("T7", "a test", "2025") == (found.number, found.title, found.years)
    assert [("v1", "")] == [(version.name, version.machine) for version in found.versions]
    assert [("R99", ("v1",))] == [(defect.number, defect.versions) for defect in found.defects]
    assert ["004.1"] == [later.claim for later in found.later]


@for_each(
    ("was", "is_", "said"),
    [
        ("title", "titel", "unknown field `titel`"),
        ('years = "2025"\n', "", "missing required field `years`"),
        ('"2025-01-21"', '"21 January"', "$.versions[0].date"),
        ('number = "R99"', 'number = "99"', "$.defects[0].number"),
        ('versions = ["v1"]', 'versions = ["v2"]', "R99 has no version 'v2': write `v1`"),
        ("fate", "fates", "unknown field `fates`"),
        ("title = ", "title ", "this is not TOML"),
    ],
)
def test_a_malformed_file_is_one_line(was: str, is_: str, said: str) -> None:
    """The file and what is wrong in it."""
    with pytest.raises(Misuse) as refused:
        read_thread(THREAD.replace(was, is_, 1), "T07")

    assert str(refused.value).startswith("discussions/threads/T07.toml: ")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@for_each("number", ["T2", "t2", "T02"])
def test_a_thread_is_found_by_its_number(number: str) -> None:
    """In any case, with a zero or without."""
    assert "T2" == thread_numbered(number).number


@for_each("number", ["R11", "r11"])
def test_a_defect_is_found_by_its_number(number: str) -> None:
    """With its thread."""
    thread, defect = defect_numbered(number)

    assert ("T2", "R11", ("v3", "draft", "v4", "v5")) == (thread.number, defect.number, defect.versions)


def test_an_unknown_number_is_one_line() -> None:
    """It says which there are, or which is meant."""
    with pytest.raises(Misuse, match=r"there is no thread 'T99': there are T1 to T20"):
        thread_numbered("T99")
    with pytest.raises(Misuse, match=r"there is no defect 'R02': did you mean"):
        defect_numbered("R02")


@for_each(
    ("date", "words"),
    [
        ("2025-01-21", "21 January 2025"),
        ("2025-04", "April 2025"),
        ("2012", "2012"),
        ("2024-12-09", "9 December 2024"),
    ],
)
def test_a_date_in_words(date: str, words: str) -> None:
    """As far as it is known."""
    assert words == date_words(date)


def test_an_address_has_no_sign_that_ends_a_path() -> None:
    """A slash of a Message-ID is no folder."""
    assert "https://lore.kernel.org/all/a+b%2Fc@d/" == archive_address("a+b/c@d")
