"""Bisections of models, and of kernels and commits that models stand for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from for_each import for_each

from pfnlab.errors import Misuse
from pfnlab.meeting.bisect import Asking, BisectResult, bisect_line, versions_between, with_rules
from pfnlab.meeting.bisection import BisectOptions, bisected
from pfnlab.meeting.sought import PropertySought, SignSought
from pfnlab.programs.lang.library import find_program
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run
from pfnlab.result import Outcome

MIDDLE = load_program(find_program("munmap-middle"))

VERSIONS = ["6.1.192", "6.12.94", "6.12.117", "6.16.3", "6.17.8", "7.2.13", "7.3.4"]


def on(version: str) -> Run:
    """The program on a model."""
    return ModelMachine(version).run_one(MIDDLE)


def models(sought: str, good: str, bad: str) -> BisectResult:
    """A bisection of models."""
    return bisected(sought, good, bad, BisectOptions(), lambda line: None)


@for_each(
    ("sought", "good", "bad", "rule"),
    [
        ("munmap-middle", "7.3", "6.1", ("f8e97613fed2", "tracker=track_ctx", True)),
        ("munmap-middle", "model:7.3", "model:6.12", ("f8e97613fed2", "tracker=track_ctx", True)),
        ("copied-first-munmap", "6.1.85", "6.1.84", ("04c35ab3bdae", "cow_knows_its_pfn=on", True)),
        ("munmap-middle", "6.12.22", "6.12.23", ("dc84bc2aba85", "failed_fork_untracks=on", False)),
        ("no_leak", "7.3", "6.12", ("f8e97613fed2", "tracker=track_ctx", True)),
        ("CVE-2024-35877", "6.1.85", "6.1.84", ("04c35ab3bdae", "cow_knows_its_pfn=on", True)),
    ],
)
def test_models_end_at_the_commit(sought: str, good: str, bad: str, rule: tuple[str, str, bool]) -> None:
    """Named as the newer of the two brought it, and whether it mends or breaks."""
    result = models(sought, good, bad)

    assert [(one.commit, one.change, one.mends) for one in result.rules] == [rule]
    assert result.outcome is Outcome.AS_EXPECTED


@for_each(
    ("sought", "good", "bad", "says"),
    [
        ("munmap-middle", "7.3", "7.2", "munmap-middle does the same on model:7.3.4 and model:7.2.13"),
        ("no_leak", "6.1", "7.3", "no_leak is not broken by any program"),
        ("munmap-middle", "qemu:7.3", "model:6.1", "are a model and a kernel"),
        ("munmap-middle", "7.3,end_match=off", "6.1", "is no version of a kernel"),
        ("Z99", "7.3", "6.1", "there is no bug 'Z99'"),
        ("no-such-program", "7.3", "6.1", "no-such-program"),
    ],
)
def test_wrong_words(sought: str, good: str, bad: str, says: str) -> None:
    """One line says what is wrong."""
    with pytest.raises(Misuse, match=says):
        models(sought, good, bad)


def line_of(
    good: str, bad: str, mute: Sequence[str] = (), before: dict[str, str] | None = None
) -> BisectResult:
    """A bisection of versions in which models stand for kernels."""
    answers = {} if before is None else before

    def run_on(version: str, times: int) -> Sequence[Run]:
        return () if version in mute else [on(version)] * times

    asking = Asking(
        SignSought("munmap-middle", MIDDLE, on(good), on(bad)),
        run_on,
        2,
        before=answers.get,
        keep=answers.__setitem__,
    )
    line = versions_between(good, bad, VERSIONS)
    return bisect_line(("munmap-middle", "text"), "versions", line, asking, (f"qemu:{good}", f"qemu:{bad}"))


def test_versions_end_where_the_answer_turns() -> None:
    """From the good end or to it."""
    result = line_of("7.3.4", "6.1.192")

    assert (result.last_good, result.first_bad, result.left) == ("6.16.3", "6.12.117", ())
    assert {tried.word for tried in result.tried} == {"good", "bad"}
    assert {tried.runs for tried in result.tried} == {2}


def test_a_version_that_cannot_be_run_is_left() -> None:
    """And the result is undecided."""
    result = line_of("7.3.4", "6.1.192", mute=["6.12.117", "6.16.3"])

    assert (result.last_good, result.first_bad) == ("6.17.8", "6.12.94")
    assert result.left == ("6.16.3", "6.12.117")
    assert result.outcome is Outcome.UNDECIDED


def test_what_was_asked_is_not_asked_again() -> None:
    """A second search takes the answers of the first, but for those that were undecided."""
    answers: dict[str, str] = {}
    first = line_of("7.3.4", "6.1.192", mute=["6.16.3"], before=answers)

    assert "6.16.3" in first.left and "6.16.3" not in answers

    second = line_of("7.3.4", "6.1.192", before=answers)

    assert [tried.candidate for tried in second.tried if tried.runs] == ["6.16.3"]


def test_the_rules_between_two_versions_are_named() -> None:
    """By the models of both."""
    result = line_of("7.3.4", "6.1.192")
    test = SignSought("munmap-middle", MIDDLE, on("7.3.4"), on("6.1.192"))
    asking = Asking(test, lambda name, times: [on(name.removeprefix("model:"))], 1)
    found = with_rules(result, (result.last_good, result.first_bad), asking)

    assert [one.commit for one in found.rules] == ["f8e97613fed2"]
    assert with_rules(result, ("7.3.4", "7.2.13"), asking).rules == ()


def test_an_end_that_is_not_so() -> None:
    """The good end may not break the property, and the bad one has to."""
    with pytest.raises(Misuse, match="keeps no_leak in this program: it is not the bad end"):
        PropertySought("no_leak", MIDDLE, on("7.2.13"), on("7.3.4"))
    with pytest.raises(Misuse, match="breaks no_leak in this program: it is not the good end"):
        PropertySought("no_leak", MIDDLE, on("6.1.192"), on("6.12.117"))
