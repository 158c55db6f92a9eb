"""The result of a program in a word and a line, and of several in a summary."""

from __future__ import annotations

import msgspec
import pytest
from hostile_results import HOSTILE, agreeing, differing, hostile, lost, result, undecided
from middle_runs import PROGRAM, careful, forgetful

from pfnlab.base.result import Outcome
from pfnlab.present.document.run_table import summary_blocks
from pfnlab.present.document.terminal import text_of
from pfnlab.present.report.run_result import (
    About,
    RunResults,
    RunStatus,
    by_weight,
    counts,
    statements,
    status_of,
    why_of,
)
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.violation import Violation


def unexpected() -> RunResult:
    """One machine that leaves what it should not."""
    return RunResult.of(PROGRAM, [forgetful()], {"model:6.1": "6.16"}, name="left")


def violating() -> RunResult:
    """A kernel that breaks a property for no known reason."""
    broken = Violation("nothing_leaked", 1, "munmap a[4:8]", "two pages are left", machine="qemu:7.2")
    return result("broken", msgspec.structs.replace(careful("qemu:7.2"), violations=(broken,)))


def alarming() -> RunResult:
    """Two machines that differ in a step before a kernel of them raises an alarm."""
    one = differing()
    alarm = Alarm("oops", "BUG: in zap", log=("Call Trace:",), op="munmap a[4:8]", step=1)
    runs = (one.runs[0], msgspec.structs.replace(one.runs[1], machine="qemu:7.2", alarm=alarm))
    return msgspec.structs.replace(one, runs=runs)


def test_each_outcome_is_a_word() -> None:
    """The heaviest that is true."""
    found = [
        status_of(one()) for one in (alarming, differing, unexpected, violating, lost, undecided, agreeing)
    ]

    assert [
        RunStatus.ALARM,
        RunStatus.DIFFERS,
        RunStatus.UNEXPECTED,
        RunStatus.VIOLATES,
        RunStatus.LOST,
        RunStatus.UNDECIDED,
        RunStatus.AGREES,
    ] == found


def test_one_machine_agrees_with_nobody() -> None:
    """It ran, or did what was expected."""
    expected = RunResult.of(PROGRAM, [careful()], {"model:7.2": "7.2"}, name="x")

    assert (RunStatus.RAN, RunStatus.EXPECTED) == (status_of(result("x", careful())), status_of(expected))


def test_only_what_is_good_exits_with_0() -> None:
    """Words and exit codes say the same."""
    for one in (alarming(), differing(), unexpected(), violating(), lost(), undecided(), agreeing()):
        assert status_of(one).is_good is (one.outcome is Outcome.AS_EXPECTED)


def test_the_reason_is_one_line() -> None:
    """Where it differs, what is left, what is broken, how far it came."""
    assert why_of(differing()).startswith("model:6.1 | model:7.2; step 2 munmap a[4:8]: ")
    assert "model:6.1 leaves bar[0:8] wc" in why_of(unexpected())
    assert "two pages are left" in why_of(violating())
    assert "model:7.2 after step 2: the guest panicked" == why_of(lost())
    assert "model:7.2 before the first step: the model has no rule" == why_of(undecided())
    assert "" == why_of(agreeing())


def test_what_differs_inside_alone_is_another_word() -> None:
    """A user of the kernel sees no difference; the exit code counts it."""
    one = differing()
    inside = tuple(msgspec.structs.replace(each, field="flushes") for each in one.differences)
    shown = msgspec.structs.replace(one, differences=inside)

    assert (RunStatus.INSIDE, Outcome.DISCOVERY) == (status_of(shown), shown.outcome)
    assert why_of(shown).startswith("model:6.1 | model:7.2: ")
    assert "2 programs: 1 differs, 1 differs inside" == counts([shown, one])


def test_an_alarm_comes_before_what_differs() -> None:
    """In the list and in the reason."""
    assert ["alarm", "differs"] == [status_of(one).value for one in by_weight([differing(), alarming()])]
    assert "BUG: in zap" in why_of(alarming())


def test_what_differs_comes_first() -> None:
    """Then by weight, and as given among equals."""
    ordered = by_weight(
        [agreeing("a"), undecided("u"), lost("b"), differing("c"), agreeing("d"), unexpected()]
    )

    assert ["c", "left", "b", "u", "a", "d"] == [one.name for one in ordered]


def test_a_discovery_outweighs_what_is_undecided() -> None:
    """It is a fact."""
    assert Outcome.DISCOVERY is RunResults((lost(), differing(), agreeing())).outcome
    assert Outcome.UNDECIDED is RunResults((lost(), agreeing())).outcome
    assert Outcome.UNDECIDED is RunResults((undecided(), agreeing())).outcome


def test_counts_are_words() -> None:
    """In the singular where there is one."""
    assert "3 programs: 1 differs, 2 agree" == counts([agreeing(), differing(), agreeing()])
    assert "3 programs: 1 lost, 2 undecided" == counts([undecided(), lost(), undecided()])


def test_a_summary_is_a_line_a_program_and_the_counts() -> None:
    """In columns."""
    lines = text_of(summary_blocks([agreeing(), differing()])).splitlines()

    assert lines[0].startswith("differs  middle  model:6.1 | model:7.2; step 2")
    assert ["agrees   same"] == lines[1:2]
    assert "on model:7.2, qemu:again, model:6.1, 2 programs: 1 differs, 1 agrees" == lines[2]


def test_a_summary_says_what_was_compared() -> None:
    """Where it is not everything."""
    runs = (forgetful(), careful())
    one = RunResult.of(PROGRAM, runs, {}, ("result", "vmas"), name="x")

    last = text_of(summary_blocks([one])).splitlines()[-1]

    assert "on model:6.1, model:7.2 (compared: result, vmas), 1 program: 1 agrees" == last


def test_a_summary_of_what_is_wrong() -> None:
    """Is empty where nothing is."""
    assert "" == text_of(summary_blocks([agreeing()], wrong_only=True))
    assert "same" not in text_of(summary_blocks([agreeing(), differing()], wrong_only=True))


def test_a_summary_writes_control_characters_out() -> None:
    """A name does not move the cursor."""
    text = text_of(summary_blocks([hostile()]))

    assert "\x1b" in HOSTILE
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("result", "about"),
    [
        (agreeing(), [About.AGREE, About.CLEAN, About.UNJUDGED, About.KERNEL, About.KERNEL]),
        (lost(), [About.LOST, About.KERNEL]),
        (undecided(), [About.UNDECIDED, About.KERNEL]),
    ],
    ids=["agreeing", "lost", "undecided"],
)
def test_each_statement_has_a_subject(result: RunResult, about: list[About]) -> None:
    """In the order of the lines."""
    said = list(statements(result))

    assert about == [statement.about for statement in said]


def test_a_run_without_violations_names_the_steps_not_judged() -> None:
    """A property that was not observed was not kept."""
    blind = tuple(msgspec.structs.replace(step, ptes=None) for step in careful().steps)
    run = msgspec.structs.replace(careful(), steps=blind)

    said = [one.line for one in statements(RunResult.of(PROGRAM, [run], {}))]

    assert said[0].startswith("no leak, no violation: ")
    assert said[1].startswith("not judged in steps 1, 2, 3, 4: model:7.2; VMAs and entries are not observed")


def test_steps_follow_the_machines_that_differ() -> None:
    """One statement each."""
    result = differing()

    said = [statement.about for statement in statements(result)]

    assert [About.DIFFER, About.STEP] == said[:2]


def test_a_line_that_begins_otherwise_has_the_same_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came of a program is read of no line."""
    why = why_of(lost()), why_of(undecided())
    for about in (About.LOST, About.UNDECIDED):
        monkeypatch.setattr(about, "_value_", "reworded ")

    assert why == (why_of(lost()), why_of(undecided()))
    assert next(statements(lost())).line.startswith("reworded model:7.2")
