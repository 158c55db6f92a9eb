"""Bisections of models, and of kernels and commits that models stand for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from for_each import for_each
from git_trees import commits_in_a_row

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.base.result import Outcome
from pfnlab.hunt.meeting import bisection
from pfnlab.hunt.meeting.bisect import BisectResult, property_target
from pfnlab.hunt.meeting.bisection import BisectOptions, bisected
from pfnlab.lab.building.tree_commits import TreeCommits
from pfnlab.programs.lang.library import find_program
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.named_machines import NamedMachine
from pfnlab.programs.runs.observation import Run

MIDDLE = load_program(find_program("munmap-middle"))

VERSIONS = ["6.1.192", "6.12.94", "6.12.117", "6.16.3", "6.17.8", "7.2.13", "7.3.4"]


def on(version: str) -> Run:
    """The program on a model."""
    return ModelMachine(version).run_one(MIDDLE)


def models(name: str, good: str, bad: str) -> BisectResult:
    """A bisection of models."""
    return bisected(name, good, bad, BisectOptions(), lambda line: None)


@for_each(
    ("name", "good", "bad", "rule"),
    [
        ("munmap-middle", "7.3", "6.1", ("f8e97613fed2", "tracker=track_ctx", True)),
        ("munmap-middle", "model:7.3", "model:6.12", ("f8e97613fed2", "tracker=track_ctx", True)),
        ("copied-first-munmap", "6.1.85", "6.1.84", ("04c35ab3bdae", "cow_knows_its_pfn=on", True)),
        ("munmap-middle", "6.12.22", "6.12.23", ("dc84bc2aba85", "failed_fork_untracks=on", False)),
        ("no_leak", "7.3", "6.12", ("f8e97613fed2", "tracker=track_ctx", True)),
        ("CVE-2024-35877", "6.1.85", "6.1.84", ("04c35ab3bdae", "cow_knows_its_pfn=on", True)),
    ],
)
def test_models_end_at_the_commit(name: str, good: str, bad: str, rule: tuple[str, str, bool]) -> None:
    """Named as the newer of the two brought it, and whether it mends or breaks."""
    result = models(name, good, bad)

    assert [(one.commit, one.change, one.mends) for one in result.rules] == [rule]
    assert result.outcome is Outcome.AS_EXPECTED


@for_each(
    ("name", "good", "bad", "says"),
    [
        ("munmap-middle", "7.3", "7.2", "munmap-middle behaves the same on model:7.3.4 and model:7.2.13"),
        ("no_leak", "6.1", "7.3", "no program of scope small violates no_leak"),
        ("munmap-middle", "qemu:7.3", "model:6.1", "are a model and a kernel"),
        ("munmap-middle", "7.3,end_match=off", "6.1", "is not a kernel version"),
        ("Z99", "7.3", "6.1", "there is no bug 'Z99'"),
        ("no-such-program", "7.3", "6.1", "no-such-program"),
    ],
)
def test_wrong_words(name: str, good: str, bad: str, says: str) -> None:
    """One line says what is wrong."""
    with pytest.raises(Misuse, match=says):
        models(name, good, bad)


def modelled(
    named: Sequence[NamedMachine], programs: Sequence[Program], look: object
) -> list[tuple[Run, ...]]:
    """What kernels answer, by their models; a kernel that was built has its version as its name."""

    def run(one: NamedMachine, program: Program) -> Run:
        return msgspec.structs.replace(
            ModelMachine(one.rest).run_one(program), machine=one.spec, kernel=one.spec
        )

    return [tuple(run(one, program) for one in named) for program in programs]


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> set[str]:
    """Kernels on offer that models stand for; those of the set cannot be run."""
    mute: set[str] = set()

    def side_by_side(
        named: Sequence[NamedMachine], programs: Sequence[Program], look: object
    ) -> list[tuple[Run, ...]]:
        if any(one.rest in mute for one in named):
            raise Undecided("it does not come up")
        return modelled(named, programs, look)

    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(bisection, "side_by_side", side_by_side)
    monkeypatch.setattr(bisection, "fetch_missing", lambda named: None)
    monkeypatch.setattr(
        bisection, "available_offers", lambda: [SimpleNamespace(version=one) for one in VERSIONS]
    )
    return mute


def kernel_bisection(
    name: str = "munmap-middle", *, repeat: int | None = None, afresh: bool = False
) -> BisectResult:
    """A bisection of all kernels on offer."""
    options = BisectOptions(repeat=repeat, afresh=afresh)
    return bisected(name, "qemu:7.3.4", "qemu:6.1.192", options, lambda line: None)


def test_versions_end_where_the_answer_turns(kernels: set[str]) -> None:
    """Between the two stands the rule that makes it, by their models."""
    result = kernel_bisection()

    assert (result.last_good, result.first_bad, result.left) == ("6.16.3", "6.12.117", ())
    assert [one.commit for one in result.rules] == ["f8e97613fed2"]
    assert {tried.word for tried in result.tried} == {"good", "bad"}
    assert (result.over, result.outcome) == ("versions", Outcome.AS_EXPECTED)


def test_a_property_between_versions(kernels: set[str]) -> None:
    """The program that breaks it is found on the model of the bad end."""
    result = kernel_bisection("no_leak", repeat=2)

    assert (result.last_good, result.first_bad) == ("6.16.3", "6.12.117")
    assert {tried.runs for tried in result.tried} == {2}


def test_a_version_that_cannot_be_run_is_left(kernels: set[str]) -> None:
    """And the result is undecided."""
    kernels |= {"6.12.117", "6.16.3"}
    result = kernel_bisection()

    assert (result.last_good, result.first_bad) == ("6.17.8", "6.12.94")
    assert result.left == ("6.16.3", "6.12.117")
    assert result.outcome is Outcome.UNDECIDED


def test_what_was_asked_is_not_asked_again(kernels: set[str]) -> None:
    """A second search takes the answers of the first, but for those that were undecided; or asks afresh."""
    kernels.add("6.16.3")
    first = kernel_bisection()
    kernels.clear()
    second, third = kernel_bisection(), kernel_bisection(afresh=True)

    assert first.left == ("6.16.3",)
    assert [tried.candidate for tried in second.tried if tried.runs] == ["6.16.3"]
    assert all(tried.runs for tried in third.tried)


@pytest.fixture
def tree(tmp_path: Path, kernels: set[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of a commit for each version, whose kernels models stand for."""
    folder = commits_in_a_row(tmp_path / "linux", VERSIONS)

    def build(commits: TreeCommits, commit: str, *options: object) -> SimpleNamespace:
        version = commits.title(commit)
        if version in kernels:
            raise Undecided("it does not build")
        return SimpleNamespace(name=version)

    monkeypatch.setattr(TreeCommits, "build", build)
    monkeypatch.setattr(bisection, "remove_built", lambda name: None)
    return folder


@for_each(
    ("mute", "beside", "left"),
    [
        ((), ("6.16.3", "6.12.117"), []),
        (("6.16.3",), ("6.17.8", "6.12.117"), ["6.16.3"]),
    ],
)
def test_commits_end_at_the_repair(
    tree: Path, kernels: set[str], mute: tuple[str, ...], beside: tuple[str, str], left: list[str]
) -> None:
    """Where the good end is the newer; a commit that does not build is passed over."""
    kernels |= set(mute)
    options = BisectOptions(tree=tree, afresh=True)
    result = bisected("munmap-middle", "v7.3.4", "v6.1.192", options, lambda line: None)

    assert (result.last_good.split()[1], result.first_bad.split()[1]) == beside
    assert [TreeCommits(tree).title(commit) for commit in result.left] == left


def test_commits_end_at_the_cause(tree: Path, kernels: set[str]) -> None:
    """Where the bad end is the newer; a commit of no kernel and ends of two lines are refused."""
    options = BisectOptions(tree=tree)
    result = bisected("driver-remap-twice", "v6.12.117", "v7.3.4", options, lambda line: None)

    assert (result.last_good.split()[1], result.first_bad.split()[1]) == ("6.12.117", "6.16.3")
    with pytest.raises(Misuse, match="is a property: in a tree name a program"):
        bisected("no_leak", "v6.12.117", "v7.3.4", options, lambda line: None)


def test_an_end_that_is_not_so() -> None:
    """The good end may not break the property, and the bad one has to."""
    with pytest.raises(Misuse, match="keeps no_leak in this program: it is not the bad end"):
        property_target("no_leak", MIDDLE, on("7.2.13"), on("7.3.4"))
    with pytest.raises(Misuse, match="breaks no_leak in this program: it is not the good end"):
        property_target("no_leak", MIDDLE, on("6.1.192"), on("6.12.117"))
