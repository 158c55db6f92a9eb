"""Answers of patched kernels: derived from the questions to models, right or wrong by the golden alone."""

from __future__ import annotations

import msgspec
import pytest
from for_each import for_each
from made_goldens import made_golden, only, with_value

from pfnlab.base.errors import Misuse
from pfnlab.checker.check import HOLDS, VIOLATED
from pfnlab.discussions.claim_questions import CostQuestion, PropertyQuestion, StepQuestion
from pfnlab.discussions.patch_evidence import (
    by_kernel,
    compared_alone,
    compared_words,
    has_patch,
    patch_programs,
    patched_answers,
)
from pfnlab.discussions.patch_goldens import TrackerSizes
from pfnlab.discussions.step_parts import book, flushes, log
from pfnlab.kernel.policies.patched import patched_kernels

MACHINE = "7.2,flush=end_vma"
LINES = ["a = mmap bar[0:4] wc shared rw", "munmap a"]
FLUSHES = StepQuestion(MACHINE, LINES, flushes, "2")
BOOK = FLUSHES._replace(observed=book, expected="empty")
HELD = PropertyQuestion(MACHINE, "told_free", HOLDS, scope="race")
LEAK = PropertyQuestion("6.1,tracker=unmap_only", "no_leak", VIOLATED, scope="small")
RACE = PropertyQuestion("7.2,flush=none", "told_free", VIOLATED, scope="race")


def test_a_stock_kernel_is_no_patched_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is another series with the policy."""
    only(monkeypatch, made_golden("flush-end_vma", [FLUSHES]))

    asks = [FLUSHES._replace(machine="7.2"), FLUSHES._replace(machine="6.12,flush=end_vma")]

    assert not has_patch(asks)
    assert [] == list(patched_answers(asks))


def test_a_kernel_that_was_only_compared_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its run of the question is missing."""
    only(monkeypatch)

    assert "flush-end_vma" == compared_alone(FLUSHES)
    assert compared_words("flush-end_vma").endswith(" programs, 0 differences")


def test_a_kernel_that_answers_was_not_only_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded run is the evidence; a series without a patched kernel has none at all."""
    only(monkeypatch, made_golden("flush-end_vma", [FLUSHES]))

    assert [None, None] == [compared_alone(asked) for asked in (FLUSHES, FLUSHES._replace(machine="7.2"))]


def test_a_program_shows_what_the_model_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same part of the same step, and no difference."""
    only(monkeypatch, made_golden("flush-end_vma", [FLUSHES]))

    (answer,) = patched_answers([FLUSHES])

    assert ("flushes: 2", True, 1, 0) == (answer.shown, answer.right, answer.programs, answer.differences)


def test_another_answer_of_the_kernel_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the program is a difference."""
    golden = made_golden("flush-end_vma", [FLUSHES])
    only(monkeypatch, with_value(golden, -2, flushes=7))

    (answer,) = patched_answers([FLUSHES])

    assert ("flushes: 7", False, 1) == (answer.shown, answer.right, answer.differences)


def test_what_differs_elsewhere_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The part that was asked for is as expected, the program differs all the same."""
    golden = made_golden("flush-end_vma", [FLUSHES])
    only(monkeypatch, with_value(golden, 0, result="EINVAL"))

    (answer,) = patched_answers([FLUSHES])

    assert (True, 1) == (answer.right, answer.differences)


def test_a_kernel_breaks_a_property_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own run is judged, not the model's."""
    only(monkeypatch, made_golden("tracker-unmap_only-6.1", [LEAK]))

    (answer,) = patched_answers([LEAK])

    assert ("`no_leak` violated", True, 1, 0) == (
        answer.shown,
        answer.right,
        answer.programs,
        answer.differences,
    )


def test_a_kernel_that_keeps_the_property_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves nothing behind where the model leaks."""
    golden = made_golden("tracker-unmap_only-6.1", [LEAK])
    (leaking,) = golden.runs
    steps = tuple(msgspec.structs.replace(step, book=()) for step in leaking.steps)
    only(monkeypatch, msgspec.structs.replace(golden, runs=(msgspec.structs.replace(leaking, steps=steps),)))

    (answer,) = patched_answers([LEAK])

    assert ("`no_leak` not violated", False) == (answer.shown, answer.right)


@for_each(
    ("does", "shown", "right"),
    [
        ("", "a processor still reads a frame reported free", True),
        ("7.2", "no processor reads a frame reported free", False),
    ],
)
def test_a_race_is_decided_by_a_read(
    monkeypatch: pytest.MonkeyPatch, does: str, shown: str, right: bool
) -> None:
    """A processor that remembers the entry reads on; with the flush of 7.2 none does."""
    only(monkeypatch, made_golden("flush-none", [RACE], does))

    (answer,) = patched_answers([RACE])

    assert (shown, right) == (answer.shown, answer.right)


@for_each(("does", "right"), [("", True), ("7.2,tracker=exact", False)])
def test_what_no_run_shows_is_compared_with_the_model(
    monkeypatch: pytest.MonkeyPatch, does: str, right: bool
) -> None:
    """What a mapping may still map is the model's knowledge; the kernel's run is the same run, or not."""
    asked = PropertyQuestion("7.2,tracker=ctx_adjust", "exact", VIOLATED, scope="small")
    only(monkeypatch, made_golden("tracker-ctx_adjust", [asked], does))

    (answer,) = patched_answers([asked])

    assert right is answer.right


def test_what_holds_rests_on_the_programs_that_were_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """No run shows it."""
    only(monkeypatch, made_golden("flush-end_vma", [HELD]))
    held = patched_kernels()["flush-end_vma"]

    (answer,) = patched_answers([HELD])

    assert (True, held.programs, 0) == (answer.right, answer.programs, answer.differences)


def test_what_holds_has_no_answer_where_nothing_was_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its programs have one, for they ran."""
    only(monkeypatch, msgspec.structs.replace(made_golden("flush-end_vma", [FLUSHES]), patch="another"))

    answers = list(patched_answers([HELD, FLUSHES]))

    assert ["flushes: 2"] == [answer.shown for answer in answers]
    assert not has_patch([HELD])


def test_what_holds_does_not_rest_on_another_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The golden is of a build that was compared with nothing."""
    golden = made_golden("flush-end_vma", [HELD])
    only(monkeypatch, msgspec.structs.replace(golden, kernel="7.2.13+000000000000"))

    (answer,) = patched_answers([HELD])

    assert not answer.right


@for_each(
    ("sizes", "right"),
    [
        (TrackerSizes({"pfnmap_track_ctx": 8, "pfnmap_track_node": 16}, 48), True),
        (TrackerSizes({"pfnmap_track_ctx": 8}, 48), False),
    ],
)
def test_a_cost_is_read_from_the_kernel(
    monkeypatch: pytest.MonkeyPatch, sizes: TrackerSizes, right: bool
) -> None:
    """The members of a VMA together, and the context."""
    asked = CostQuestion("ctx_adjust", (24, 48))
    golden = made_golden("tracker-ctx_adjust", [asked])
    only(monkeypatch, msgspec.structs.replace(golden, sizes=sizes))

    (answer,) = patched_answers([asked])

    assert right is answer.right


def test_the_answers_of_a_kernel_stand_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that shows two things is one program."""
    only(monkeypatch, made_golden("flush-end_vma", [FLUSHES]))
    held = patched_kernels()["flush-end_vma"].programs

    (found,) = by_kernel([FLUSHES, BOOK, HELD])

    said = (
        f"flushes: 2; book: empty (1 program, 0 differences); `told_free`: {held:,} programs, 0 differences"
    )
    assert said == str(found)


def test_what_speaks_against_a_claim_stands_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two answers of one kernel."""
    only(monkeypatch, made_golden("flush-end_vma", [FLUSHES]))

    found = by_kernel([FLUSHES, BOOK._replace(against=True)])

    assert [("flushes: 2", False), ("book: empty", True)] == [
        (one.answers[0].shown, one.against) for one in found
    ]


def test_a_program_that_is_asked_twice_runs_once() -> None:
    """Also where a search finds what a row writes out."""
    found = patch_programs([FLUSHES, BOOK, FLUSHES._replace(observed=log), LEAK, LEAK])

    assert [(), ("small no_leak",)] == [one.violates for one in found]


def test_a_program_that_is_missing_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said to be shown."""
    only(monkeypatch, made_golden("tracker-unmap_only-6.1", []))

    with pytest.raises(Misuse, match=r"run `python evidence/tools/record_claims.py tracker-unmap_only-6.1`"):
        list(patched_answers([LEAK]))
