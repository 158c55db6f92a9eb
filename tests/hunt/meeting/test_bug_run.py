"""Bugs shown by programs: every row of the catalogue holds, and a wrong row does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.base.result import Outcome
from pfnlab.hunt.meeting import bug_run as showing
from pfnlab.hunt.meeting.bug_run import BugRunResult, program_file, show_bug
from pfnlab.hunt.meeting.sign import sign_of, sign_word
from pfnlab.kernel.bugs.known_bugs import Bug, ShownBy, all_bugs, bug
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run

SHOWN = [one for one in all_bugs() if one.shown]


def changed(number: str, **row: Any) -> Bug:
    """A bug whose first row is another."""
    one = bug(number)
    first = msgspec.structs.replace(one.shown[0], **row)
    return msgspec.structs.replace(one, shown=(first,))


def words(result: BugRunResult) -> list[tuple[str, str]]:
    """What each machine of the first program shows, and what its dates say."""
    return [(machine.word, machine.expected) for machine in result.programs[0].machines]


def run_on(machine: str, program: str = "munmap-middle") -> Run:
    """The run of a program on a model."""
    return ModelMachine(machine).run_one(load_program(program_file(program)))


@for_each("one", SHOWN, ids=lambda one: one.number)
def test_every_row_parts_its_machines(one: Bug) -> None:
    """The first has the bug, the second does not, and each program has a sign."""
    result = show_bug(one)

    assert Outcome.AS_EXPECTED is result.outcome
    assert len(one.shown) == len([program for program in result.programs if program.sign])


@pytest.mark.parametrize(
    "some",
    [("6.1", "6.12", "7.3"), pytest.param(("6.6", "6.16", "7.2"), marks=pytest.mark.target("long"))],
    ids=" ".join,
)
@for_each("one", SHOWN, ids=lambda one: one.number)
def test_no_model_of_a_series_contradicts_the_dates(one: Bug, some: tuple[str, ...]) -> None:
    """Where a model can tell, it says what the dates say; other changes may hide the sign."""
    result = show_bug(one, [f"model:{series}" for series in some])

    assert [] == [
        (program.program, machine.machine, machine.word, machine.expected)
        for program in result.programs
        for machine in program.machines
        if not machine.as_expected
    ]


@for_each(
    ("number", "machine", "says"),
    [
        ("A01", "model:6.1.100,without=04c35ab3bdae", ("broken", "broken")),
        ("A17", "model:6.1,without=79a61cc3fc04", ("mended", "mended")),
        ("F02", "model:6.16,without=c31783eeae7b", ("before", "before")),
        ("A01", "model:6.1,without=d9fe4fab1197", ("mended", "")),
    ],
)
def test_a_machine_without_the_commit_is_expected_to_show_it(
    number: str, machine: str, says: tuple[str, str]
) -> None:
    """Whatever the dates of its series are: of a bug, of what only a cause brought, of a change."""
    assert says == words(show_bug(bug(number), [machine]))[-1]


@for_each(
    ("policy", "expected"),
    [("without=04c35ab3bdae", "broken"), ("without=dc84bc2aba85,without=04c35ab3bdae", "broken"), ("", "")],
)
def test_a_kernel_that_was_built_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, policy: str, expected: str
) -> None:
    """By its policy alone: its name begins with a version that has the repair."""
    monkeypatch.setattr(showing, "find", lambda name: SimpleNamespace(policy=policy))
    run = msgspec.structs.replace(
        run_on("6.1", "copied-first-munmap"), machine="qemu:6.1-without-04c35ab3bdae"
    )

    assert expected == showing._expected_word(bug("A01"), bug("A01").shown[0], run)


def test_a_row_whose_machines_are_alike_fails() -> None:
    """Nothing parts 6.1.84 from itself, so nothing is shown."""
    result = show_bug(changed("A01", after="model:6.1.83"))

    assert Outcome.DISCOVERY is result.outcome
    assert ((), None) == (result.programs[0].sign, result.programs[0].step)


def test_a_row_of_another_program_fails() -> None:
    """A program that does not touch the bug has no sign of it."""
    assert Outcome.DISCOVERY is show_bug(changed("A01", program="mlock-part")).outcome


def test_a_bug_with_wrong_dates_fails() -> None:
    """A kernel that shows it, though its dates say it is mended."""
    wrong = msgspec.structs.replace(changed("A01"), stable=(), commit="", mended="6.1")

    result = show_bug(wrong, ["model:6.1.20"])

    assert Outcome.DISCOVERY is result.outcome
    assert ("broken", "mended") == words(result)[2]


def test_a_reversed_row_fails() -> None:
    """Of two machines in the wrong order a third is taken for what it is not."""
    row = {"before": "model:6.1.85", "after": "model:6.1.84"}

    assert Outcome.DISCOVERY is show_bug(changed("A01", **row), ["model:6.1.20"]).outcome


def test_cve_2024_35877_is_shown_before_its_repair_and_not_after() -> None:
    """The reservation leaks on 6.1.84 and not on 6.1.85; older and newer kernels are as their dates say."""
    result = show_bug(bug("A01"), ["model:6.1.20", "model:7.3"])

    first = result.programs[0]
    assert ("munmap a", ("no_leak",)) == (first.op, first.violated)
    assert [("broken", "broken"), ("mended", "mended")] * 2 == words(result)
    assert (("bar[0:8] wc  LEAKED",), ("-",)) == (first.sign[0].before, first.sign[0].after)


def test_cve_2025_22090_is_shown_before_its_repair_and_not_after() -> None:
    """A fork that fails leaves a reservation on 6.12.22."""
    result = show_bug(bug("A04"))

    assert Outcome.AS_EXPECTED is result.outcome
    assert {"fork_whole"} == {name for one in result.programs for name in one.violated} & {"fork_whole"}


def test_a_machine_may_be_neither() -> None:
    """A change has no word broken, and what other changes hide decides nothing."""
    result = show_bug(bug("A16"), ["model:7.3"])

    assert Outcome.UNDECIDED is result.outcome
    assert ("neither", "mended") == words(result)[2]


def test_a_change_has_no_broken_machine() -> None:
    """Before it, and after it."""
    assert [("before", "before"), ("after", "after")] == words(show_bug(bug("D01")))


def test_a_program_that_needs_another_bug_expects_nothing_without_it() -> None:
    """A04 by A02: 6.1.20 has no A02 yet."""
    row = bug("A04").shown[1]
    one = msgspec.structs.replace(bug("A04"), shown=(row,))

    assert "A02" == row.needs
    assert ("mended", "") == words(show_bug(one, ["model:6.1.20"]))[2]
    free = msgspec.structs.replace(one, shown=(msgspec.structs.replace(row, needs=""),))
    assert Outcome.DISCOVERY is show_bug(free, ["model:6.1.20"]).outcome


def test_a_changed_model_has_no_dates() -> None:
    """Nor has a kernel that somebody built."""
    assert "" == words(show_bug(bug("A01"), ["model:6.12,tracker=exact"]))[2][1]


def test_the_sign_is_what_a_user_sees_first() -> None:
    """The flag of the VMA differs in the first step, the log in the second."""
    sign = sign_of(run_on("6.12"), run_on("6.16"))

    assert ["log"] == [one.field for one in sign]
    assert "munmap a[4:8]" == sign[0].op


def test_a_field_can_be_asked_for() -> None:
    """Where the machines part earlier by something else."""
    assert ["vmas"] == [one.field for one in sign_of(run_on("6.12"), run_on("6.16"), "vmas")]


@for_each(("machine", "word"), [("6.1", "before"), ("7.3", "after")])
def test_a_machine_is_like_one_of_two(machine: str, word: str) -> None:
    """In the step of the sign alone."""
    before, after = run_on("6.12"), run_on("6.16")

    assert word == sign_word(sign_of(before, after), before, after, run_on(machine))


def test_a_machine_that_did_not_come_so_far_is_undecided() -> None:
    """So is one that cannot see the field."""
    before, after = run_on("6.12"), run_on("6.16")
    sign = sign_of(before, after, "book")
    short = msgspec.structs.replace(before, steps=before.steps[:1])
    blind = msgspec.structs.replace(
        before, steps=tuple(msgspec.structs.replace(step, book=None) for step in before.steps)
    )

    assert "undecided" == sign_word(sign, before, after, short)
    assert "undecided" == sign_word(sign, before, after, blind)
    assert "undecided" == sign_word((), before, after, before)


def test_a_bug_without_a_program_is_refused() -> None:
    """With the command that says why."""
    with pytest.raises(Misuse, match="no program shows C07 on two machines: `pfnlab bugs show C07`"):
        show_bug(bug("C07"))


def test_a_program_that_is_not_installed_is_refused() -> None:
    """With what to do."""
    with pytest.raises(Misuse, match="history/nothing is not installed"):
        program_file("history/nothing")


def test_rows_name_a_program_and_two_machines() -> None:
    """Each is another."""
    for one in SHOWN:
        rows = [(row.program, row.before, row.after) for row in one.shown]
        assert len(set(rows)) == len(rows)
        assert all(isinstance(row, ShownBy) and row.before != row.after for row in one.shown)
