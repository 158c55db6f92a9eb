"""The files of the known bugs: complete, and nothing in them that is written elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.checker.judging.run_properties import PROPERTIES
from pfnlab.diagnosis.messages.family_files import families
from pfnlab.discussions.reading import discussions
from pfnlab.kernel.bugs.kernel_name import release_key
from pfnlab.kernel.bugs.known_bugs import GROUPS, Bug, BugKind, all_bugs, bug
from pfnlab.kernel.policies.releases import CONFIRMED, series_of
from pfnlab.kernel.policies.switches import ERAS, SWITCHES
from pfnlab.programs.lang.library import library_paths
from pfnlab.programs.runs.golden import golden_path, read_golden

PROGRAMS = {path.stem for path in (Path(__file__).parents[3] / "litmus").rglob("*.pfn")}


def number(of: Bug) -> str:
    """The name of a case."""
    return of.number


def test_they_are_in_order() -> None:
    """By letter and number, as the page lists them."""
    numbers = [one.number for one in all_bugs()]

    assert sorted(numbers) == numbers
    assert set(GROUPS) == {one[0] for one in numbers}


@for_each("one", all_bugs(), ids=number)
def test_programs_are_there(one: Bug) -> None:
    """Each is a program of litmus/."""
    assert [] == [name for name in one.programs if name not in PROGRAMS]


@for_each("one", all_bugs(), ids=number)
def test_releases_are_releases(one: Bug) -> None:
    """And a bug is mended after it came."""
    dated = [release_key(date) for date in (one.since, one.mended) if date and date != "all"]

    assert sorted(dated) == dated


@for_each("one", all_bugs(), ids=number)
def test_no_stable_release_is_written_twice(one: Bug) -> None:
    """What a switch has does not stand in the file."""
    for points in (one.stable, one.came):
        series = [point.series for point in points]
        assert sorted(set(series)) == sorted(series)


@for_each("one", [one for one in all_bugs() if one.no_stable], ids=number)
def test_who_says_that_no_stable_series_has_it_names_none(one: Bug) -> None:
    """Neither the file nor a switch names a point release."""
    assert () == one.stable


@for_each("one", all_bugs(), ids=number)
def test_what_is_wrong_has_a_source(one: Bug) -> None:
    """A commit, a record or a measurement."""
    assert one.sources or one.same_as or one.on


def test_every_switch_of_a_bug_has_its_entry() -> None:
    """And every policy too."""
    named = {switch.catalogue for switch in SWITCHES} | {era.catalogue for era in ERAS}

    assert set() == named - {None} - {one.number for one in all_bugs()}


def test_the_stable_variants_of_a_policy_are_those_of_its_bug() -> None:
    """B02 came where the policy first_vma did."""
    eras = {(era.since, era.commit) for era in ERAS if era.catalogue == "B02" and era.before == "none"}

    assert eras == {(point.version, point.commit) for point in bug("B02").came}


def test_a_proposal_has_no_dates() -> None:
    """Nothing that was proposed only came or went."""
    assert "" == "".join(one.having for one in all_bugs() if one.kind is BugKind.PROPOSAL)


def test_stable_releases_come_from_the_switch() -> None:
    """The repair of A01 has a switch; two older series are in the file."""
    versions = {point.version for point in bug("A01").stable}

    assert {"6.1.85", "5.15.155", "5.4.274"} <= versions


def test_what_is_no_bug_is_refused() -> None:
    """In one line that says where they are."""
    with pytest.raises(Misuse, match="no bug 'Z99'"):
        bug("Z99")


@for_each("one", all_bugs(), ids=number)
def test_an_entry_says_how_it_is_reached_and_settled(one: Bug) -> None:
    """Its short name, the operations, who can do them, what is seen, and what became of it."""
    assert all((one.title, one.trigger, one.reach, one.see, one.settled, one.settled_by))


def test_titles_are_unique() -> None:
    """`pfnlab bugs show TITLE` finds one."""
    titles = [one.title for one in all_bugs()]

    assert sorted(set(titles)) == sorted(titles)


@for_each(
    ("letter", "last"), [("A", 20), ("B", 5), ("C", 13), ("D", 6), ("E", 13), ("F", 25), ("G", 11), ("P", 9)]
)
def test_no_number_is_missing(letter: str, last: int) -> None:
    """Every entry of the catalogue has its file."""
    numbers = [one.number for one in all_bugs() if one.number[0] == letter]

    assert [f"{letter}{count:02}" for count in range(1, last + 1)] == numbers


@for_each("one", all_bugs(), ids=number)
def test_properties_are_properties(one: Bug) -> None:
    """Those that are asked of kernels or of models."""
    assert set() == set(one.breaks) - set(PROPERTIES)


@for_each("one", all_bugs(), ids=number)
def test_what_is_printed_is_a_family_or_a_wording(one: Bug) -> None:
    """A wording has blanks; of a family, a case or an ending may be named too."""
    names = {family.name for family in families()}
    for family in families():
        called = [one.called for one in family.case] + [one.when for one in family.endings]
        names |= {f"{family.name}/{word}" for word in called if word}

    assert [] == [said for said in one.log if " " not in said and said not in names]


@for_each("one", all_bugs(), ids=number)
def test_a_configuration_names_options(one: Bug) -> None:
    """Without CONFIG_, in capitals, with y or m."""
    assert [] == [
        (name, value)
        for name, value in one.config.items()
        if not name.isupper() or name.startswith("CONFIG_") or value not in ("y", "m", "n")
    ]


@for_each("one", all_bugs(), ids=number)
def test_discussions_are_there(one: Bug) -> None:
    """Each is one of docs/claims.md, or an address."""
    known = {found.number for found in discussions()}

    assert [] == [said for said in one.discussion if said not in known and not said.startswith("https://")]


@for_each("one", [one for one in all_bugs() if "all series" in one.settled_by], ids=number)
def test_what_all_series_settled_ran_on_all(one: Bug) -> None:
    """The golden of one program that it names has a kernel of each."""
    paths = {path.stem: path for path in library_paths()}
    named = [paths[word] for word in re.findall(r"[\w-]+", one.settled_by) if word in paths]
    goldens = filter(None, (read_golden(golden_path(path)) for path in named))

    assert set(CONFIRMED) in [
        {series_of(version) for seen in golden.observations for version in seen.versions}
        for golden in goldens
    ]


def test_stable_series_alone_follows_from_the_dates() -> None:
    """Of B02 and P04 no mainline release is known; A16 had candidates."""
    assert ["B02", "P04"] == [one.number for one in all_bugs() if one.stable_only]
