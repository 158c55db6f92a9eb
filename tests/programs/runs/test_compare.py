"""When machines count as having seen the same, and when a program's expectations hold."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st
from middle_runs import PROGRAM, book, careful, cut, forgetful, vmas

from pfnlab.base.errors import Defect, Misuse, Why
from pfnlab.base.result import Outcome
from pfnlab.programs.lang.ops import Expect
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.compare import (
    CHANNEL_FIELDS,
    FIELDS,
    alarms,
    covers,
    differences,
    expectation_failures,
    expectations,
    fields_listed,
    fields_named,
    speaking_of,
)
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.observation import PteSeen, Run, Step
from pfnlab.programs.runs.violation import Violation

CHANGED: dict[str, Any] = {
    "result": "EINVAL",
    "value": 7,
    "log": ("x86/PAT: something else",),
    "book": book((1, 2)),
    "vmas": vmas((1, 2)),
    "ptes": (PteSeen("main", "a", 0, 1, None, "none@L1"),),
    "flushes": 9,
    "events": ("memtype_free",),
    "tracked": ("VM_PAT a[0:1]",),
    "prots": ("a[0:1] WC",),
    "direct_map": ("low[0:1] UC-",),
    "levels": ("err",),
}

#: A step in which every channel saw something.
FULL = Step(
    "look",
    "main",
    "ok",
    1,
    book((0, 1)),
    ("a line",),
    vmas((0, 1)),
    (),
    1,
    ("flush_tlb_mm_range",),
    ("bar[0:1] x1 a[0:1]",),
    (),
    (),
    ("info",),
)

WARNING = "WARNING at kernel/fork.c"


def one_step(machine: str, **fields: Any) -> Run:
    """A run of one step, ``FULL`` but for *fields*."""
    return Run(machine, "", steps=(msgspec.structs.replace(FULL, **fields),))


def fields_of(runs: list[Run]) -> list[tuple[int, str]]:
    """Step and field of every difference."""
    return [(found.step, found.field) for found in differences(runs)]


def test_equal_runs_have_no_differences() -> None:
    """Two machines that saw the same do not differ."""
    assert differences([forgetful("model:6.1"), forgetful("qemu:6.1")]) == []


@for_each("field", FIELDS)
def test_every_field_is_compared(field: str) -> None:
    """A change in any one field is one difference, in that field."""
    found = fields_of([one_step("one"), one_step("two", **{field: CHANGED[field]})])

    assert [(0, field)] == found


@for_each("field", sorted(CHANNEL_FIELDS))
def test_a_channel_that_cannot_look_is_not_compared(field: str) -> None:
    """None in a channel's field says nothing about that machine."""
    assert differences([one_step("one"), one_step("two", **{field: None})]) == []


@for_each("field", sorted(CHANNEL_FIELDS))
def test_a_blind_machine_does_not_hide_others(field: str) -> None:
    """Machines that can see are still compared when one cannot."""
    runs = [one_step("one"), one_step("two", **{field: None}), one_step("three", **{field: CHANGED[field]})]

    assert [(0, field)] == fields_of(runs)


def seeing(*events: str, unobserved: tuple[str, ...] = ()) -> Run:
    """A machine's run of one step with these events."""
    step = msgspec.structs.replace(FULL, events=events)
    return Run(f"m{len(events)}", "k", steps=(step,), unobserved=frozenset(unobserved))


def test_an_event_that_one_machine_cannot_observe_is_not_compared() -> None:
    """The compiler put the function it stands for into its caller."""
    blind = seeing("clear a[0]", unobserved=("change_prot",))

    assert [] == differences([seeing("change_prot a[0]", "clear a[0]"), blind])


def test_the_other_events_are_compared_all_the_same() -> None:
    """What it does observe it may not leave out."""
    blind = seeing("flush a[0:1]", unobserved=("change_prot",))

    (difference,) = differences([seeing("change_prot a[0]", "clear a[0]"), blind])

    assert [("clear a[0]",), ("flush a[0:1]",)] == [seen.value for seen in difference.values]


def test_no_value_is_a_value() -> None:
    """A machine that read nothing differs from one that read a number."""
    assert fields_of([one_step("one"), one_step("two", value=None)]) == [(0, "value")]


def test_a_difference_names_what_every_machine_saw() -> None:
    """The values come with their machines, in the order given."""
    found = differences([forgetful(), careful()])[-1]

    assert (found.step, found.op, found.field) == (3, "end", "book")
    assert [("model:6.1", book((0, 8))), ("model:7.2", ())] == [(s.machine, s.value) for s in found.values]


def test_a_spent_message_may_be_absent() -> None:
    """A once-per-boot message is not missed on a machine that had spent it."""
    fresh, spent = one_step("one", log=(WARNING, "x")), one_step("two", log=("x",))

    assert differences([fresh, msgspec.structs.replace(spent, once=(WARNING,))]) == []


def test_an_unspent_message_is_missed() -> None:
    """The same message is a difference when both machines could print it."""
    assert fields_of([one_step("one", log=(WARNING,)), one_step("two", log=())]) == [(0, "log")]


def test_an_ordinary_line_is_never_spent() -> None:
    """A line that prints every time is missed even when a machine calls it spent."""
    quiet = msgspec.structs.replace(one_step("two", log=()), once=("a line",))

    assert fields_of([one_step("one"), quiet]) == [(0, "log")]


def test_a_lost_run_is_compared_as_far_as_it_got() -> None:
    """Steps after the loss are no differences."""
    assert fields_of([careful(), cut(forgetful(), 2)]) == [(1, "log")]


def test_a_short_run_that_is_not_lost_is_a_defect() -> None:
    """A machine that drops steps silently is wrong, not different."""
    short = msgspec.structs.replace(forgetful(), steps=forgetful().steps[:2])

    with pytest.raises(Defect, match="different numbers of steps"):
        differences([careful(), short])


def test_runs_of_two_programs_are_a_defect() -> None:
    """Runs are only compared when they are of one program."""
    with pytest.raises(Defect, match="not the same operation"):
        differences([one_step("one"), one_step("two", op="munmap a")])


def test_nothing_to_compare_is_no_difference() -> None:
    """No machine, or one, never differs."""
    assert (differences([]), differences([careful()])) == ([], [])


def test_machines_that_agree_form_groups() -> None:
    """Groups hold who saw the same, in the order given."""
    runs = [forgetful("a"), careful("b"), forgetful("c"), careful("d")]

    assert (("a", "c"), ("b", "d")) == RunResult.of(PROGRAM, runs, {}).groups


@for_each(
    ("series", "covered"),
    [("6.1", True), ("6.9", True), ("6.12", True), ("6.13", False), ("5.20", False), ("7.1", False)],
)
def test_ranges_compare_versions_as_numbers(series: str, covered: bool) -> None:
    """6.9 lies between 6.1 and 6.12."""
    assert covered == covers(Expect("6.1", "6.12"), series)


def test_an_open_range_has_no_end() -> None:
    """Without a last series every later one is covered."""
    assert [covers(Expect("6.16", None), one) for one in ("6.12", "6.16", "11.0")] == [False, True, True]


def test_a_release_candidate_belongs_to_its_series() -> None:
    """7.3-rc7 and 7.3.2 are 7.3."""
    assert [covers(Expect("7.3", "7.3"), one) for one in ("7.3", "7.3-rc7", "7.3.2", "7.4-rc1")] == [
        *[True] * 3,
        False,
    ]


@for_each(
    ("first", "last", "covered"),
    [
        ("6.12.23", "6.12.30", ["6.12.23", "6.12.30"]),
        ("6.12.31", None, ["6.12.31", "6.12"]),
        ("6.12.0", "6.12.22", ["6.12.0", "6.12.22"]),
        ("7.3-rc7", "7.3-rc7", ["7.3-rc7"]),
    ],
)
def test_a_range_of_versions_stays_in_its_series(first: str, last: str | None, covered: list[str]) -> None:
    """The bare name of a series is the version its machine has."""
    asked = ("6.12.0", "6.12.22", "6.12.23", "6.12.30", "6.12.31", "6.12", "6.16", "7.3-rc7", "7.3-rc8")

    assert [version for version in asked if covers(Expect(first, last), version)] == covered


def test_a_line_of_versions_replaces_that_of_their_series() -> None:
    """Elsewhere the line of the series is for them."""
    lines = (Expect("6.12", None), Expect("6.12.23", "6.12.30"))
    program = msgspec.structs.replace(PROGRAM, expects=lines)

    assert [speaking_of(program, version) for version in ("6.12.22", "6.12.23", "6.16")] == [
        [lines[0]],
        [lines[1]],
        [lines[0]],
    ]


@for_each(("run", "series"), [(forgetful(), "6.1"), (careful(), "7.2")])
def test_an_expectation_that_holds_is_no_failure(run: Run, series: str) -> None:
    """The lines of munmap-middle hold on the kernels they speak of."""
    assert expectation_failures(PROGRAM, run, series) == []


@for_each(("run", "series", "line"), [(careful(), "6.12", 0), (forgetful(), "7.2", 1)])
def test_an_expectation_that_fails_says_what_is_left(run: Run, series: str, line: int) -> None:
    """A failure carries the expect line and the book of the last step."""
    failed = expectation_failures(PROGRAM, run, series)

    assert [(PROGRAM.expects[line].first, run.steps[-1].book)] == [(one.first, one.left) for one in failed]


def test_a_kernel_nobody_described_has_no_expectations() -> None:
    """Without a series no line applies."""
    assert expectations(PROGRAM, forgetful(), None) == []


def test_a_lost_run_fails_no_expectation() -> None:
    """Whether a line holds is unknown when the end was not seen."""
    assert [one.holds for one in expectations(PROGRAM, cut(forgetful(), 3), "6.1")] == [None]


def outcome(runs: list[Run], **series: str) -> Outcome:
    """The outcome of the verdict on *runs*; series by the machines' positions as ``m0``, ``m1``."""
    return RunResult.of(
        PROGRAM, runs, {run.machine: series.get(f"m{at}") for at, run in enumerate(runs)}
    ).outcome


def test_agreeing_machines_are_as_expected() -> None:
    """No difference and no failure is outcome 0."""
    assert outcome([forgetful("a"), forgetful("b")], m0="6.1", m1="6.1") == Outcome.AS_EXPECTED


def test_a_difference_is_a_discovery() -> None:
    """Machines that differ are outcome 1 even when each does what is expected of it."""
    assert outcome([forgetful(), careful()], m0="6.1", m1="7.2") == Outcome.DISCOVERY


def test_a_failed_expectation_is_a_discovery() -> None:
    """One machine alone can be a discovery."""
    assert outcome([forgetful()], m0="7.2") == Outcome.DISCOVERY


def test_a_lost_guest_is_undecided() -> None:
    """What was seen agrees, the rest is unknown."""
    assert outcome([forgetful("a"), cut(forgetful("b"), 2)]) == Outcome.UNDECIDED


def test_a_difference_counts_more_than_a_lost_guest() -> None:
    """A difference seen before the loss stays a fact."""
    assert outcome([careful(), cut(forgetful(), 2)]) == Outcome.DISCOVERY


def test_a_lost_guest_does_not_agree() -> None:
    """Machines agree only when all of them finished."""
    verdict = RunResult.of(PROGRAM, [forgetful("a"), cut(forgetful("b"), 2)], {})

    assert (verdict.agree, verdict.lost) == (False, ("b",))


def unanswered(machine: str) -> Run:
    """A machine that has no rule for the program."""
    return Run(machine, "profile", steps=(), undecided="the model has no rule", why=Why.NO_RULE)


def test_a_machine_without_an_answer_is_not_lost() -> None:
    """The verdict is undecided, does not agree, and says which of the two it is."""
    verdict = RunResult.of(PROGRAM, [forgetful("a"), unanswered("b")], {})

    assert (Outcome.UNDECIDED, False) == (verdict.outcome, verdict.agree)
    assert ((), ("b",), ("b",)) == (verdict.lost, verdict.undecided, verdict.unfinished)


def test_the_reason_of_an_unfinished_run_says_of_which_kind_it_is() -> None:
    """And a run with an end has none."""
    runs = (forgetful(), cut(forgetful(), 2), unanswered("b"))

    assert [None, "lost: the guest panicked", "undecided: the model has no rule"] == [
        run.unfinished for run in runs
    ]


@given(st.lists(st.sampled_from(FIELDS), unique=True, min_size=1))
def test_only_the_fields_asked_for_are_compared(fields: list[str]) -> None:
    """Where everything differs, exactly those are reported; levels of other lines say nothing."""
    runs = [one_step("one"), one_step("two", **CHANGED)]

    found = differences(runs, fields_named(fields))

    assert {(0, field) for field in fields if field != "levels"} == {(one.step, one.field) for one in found}


def test_machines_agree_in_the_fields_that_are_compared() -> None:
    """The groups, the verdict and the fields it says are of these alone."""
    runs = [one_step("one"), one_step("two", flushes=9)]

    everything, narrowed = (
        RunResult.of(PROGRAM, runs, {}, fields) for fields in (FIELDS, ("result", "book"))
    )

    assert (False, True) == (everything.agree, narrowed.agree)
    assert (2, 1) == (len(everything.groups), len(narrowed.groups))
    assert ("", "result, book") == (everything.narrowed, narrowed.narrowed)


def test_what_is_not_compared_can_still_be_an_alarm() -> None:
    """A WARN that one kernel alone prints is a fact, whatever a user asked for."""
    runs = [warned(forgetful("a"), 1), forgetful("b")]

    assert Outcome.DISCOVERY is RunResult.of(PROGRAM, runs, {}, ("result",)).outcome


@for_each(
    ("names", "says"),
    [("book,boook", "there is no field 'boook'"), ("", "no field is named"), (" , ", "no field is named")],
)
def test_an_unknown_field_lists_all(names: str, says: str) -> None:
    """In one line."""
    with pytest.raises(Misuse) as refused:
        fields_listed(names)

    assert f"{says}: fields of observations are {', '.join(FIELDS)}" == str(refused.value)


def test_fields_are_said_in_one_order() -> None:
    """However and how often they were named."""
    assert ("result", "log", "book") == fields_listed("book, result,log,book")


def test_a_machine_may_be_named_twice() -> None:
    """Running on the same machine twice compares it with itself."""
    assert RunResult.of(PROGRAM, [forgetful("qemu:6.1")] * 2, {}).groups == (("qemu:6.1", "qemu:6.1"),)


@given(st.lists(st.sampled_from(FIELDS), unique=True))
def test_differences_are_exactly_the_changed_fields(changed: list[str]) -> None:
    """Whatever set of fields changes, that set is reported, in order; levels of other lines are not."""
    runs = [one_step("one"), one_step("two", **{field: CHANGED[field] for field in changed})]
    told = set(changed) - ({"levels"} if "log" in changed else set())

    assert [(0, field) for field in FIELDS if field in told] == fields_of(runs)


def test_the_level_of_a_spent_message_is_not_missed() -> None:
    """It goes with its line."""
    fresh = one_step("one", log=(WARNING, "x"), levels=("warning", "info"))
    spent = one_step("two", log=("x",), levels=("info",))

    assert differences([fresh, msgspec.structs.replace(spent, once=(WARNING,))]) == []


def warned(run: Run, lines: int, spent: bool = False) -> Run:
    """*run* whose kernel printed a WARN so often in its second step, and knows the call trace of each."""
    step = msgspec.structs.replace(run.steps[1], log=(WARNING,) * lines)
    alarm = Alarm(
        "WARN", f"{WARNING} in dup_mmap", log=("WARNING: kernel/fork.c:7 at dup_mmap+0x1/0x2",), step=1
    )
    return msgspec.structs.replace(
        run,
        steps=(run.steps[0], step, *run.steps[2:]),
        warnings=(alarm,) * lines,
        once=(WARNING,) * spent,
    )


def test_an_alarm_is_a_discovery() -> None:
    """Whoever else was asked, and although the guest is lost."""
    crashed = msgspec.structs.replace(cut(forgetful("a"), 2), alarm=Alarm("oops", "BUG: at once", step=2))

    assert [Outcome.DISCOVERY] * 2 == [outcome([crashed]), outcome([crashed, forgetful("b")])]
    assert [("a", crashed.alarm)] == [one for one in alarms([crashed, forgetful("b")])]


def test_a_machine_with_an_alarm_does_not_agree() -> None:
    """Also where all saw the same."""
    alarmed = msgspec.structs.replace(forgetful("a"), alarm=Alarm("lockdep", "WARNING: bad unlock balance"))

    assert not RunResult.of(PROGRAM, [alarmed, forgetful("b")], {}).agree


def test_a_warning_all_machines_log_is_no_alarm() -> None:
    """The model has a rule for it."""
    predicted = msgspec.structs.replace(warned(forgetful("model"), 1), warnings=())

    assert () == alarms([predicted, warned(forgetful("kernel"), 1)])


@for_each("predicted", [0, 1])
def test_a_warning_the_others_do_not_log_is_an_alarm(predicted: int) -> None:
    """With its call trace; one that is logged more often likewise."""
    model = msgspec.structs.replace(warned(forgetful("model"), predicted), warnings=())

    ((machine, alarm),) = alarms([model, warned(forgetful("kernel"), predicted + 1)])

    assert ("kernel", f"{WARNING} in dup_mmap") == (machine, alarm.title)


def test_a_warning_of_a_machine_alone_is_no_alarm() -> None:
    """Nobody says whether a rule explains it; it stands in the log."""
    assert () == alarms([warned(forgetful(), 1)])


def test_a_warning_another_machine_has_spent_is_no_alarm() -> None:
    """That kernel may have printed it before."""
    other = warned(forgetful("other"), 0, spent=True)

    assert () == alarms([other, warned(forgetful("kernel"), 1)])


@for_each(
    ("machine", "known", "outcome"),
    [
        ("qemu:7.2", None, Outcome.DISCOVERY),
        ("qemu:7.2", "A06: pieces", Outcome.AS_EXPECTED),
        ("model:7.2", None, Outcome.AS_EXPECTED),
    ],
)
def test_what_a_kernel_breaks_for_no_known_reason_is_a_discovery(
    machine: str, known: str | None, outcome: Outcome
) -> None:
    """A model may break what it likes."""
    broken = Violation("no_leak", 0, "look", "A reservation ends", known, machine=machine)
    run = msgspec.structs.replace(one_step(machine), violations=(broken,))

    assert outcome is RunResult.of(PROGRAM, [run], {}).outcome
