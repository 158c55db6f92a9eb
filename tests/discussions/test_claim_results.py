"""A claim asked again: its programs as files, the answers of models and kernels, and what is not asked."""

from __future__ import annotations

from typing import Any

import pytest
from for_each import for_each
from made_goldens import made_golden, only, with_value

from pfnlab.base.result import Outcome
from pfnlab.checker.check import VIOLATED
from pfnlab.discussions import claim_results, evidence
from pfnlab.discussions.claim_questions import CostQuestion, PropertyQuestion, StepQuestion
from pfnlab.discussions.claim_results import ClaimResult, ask_again
from pfnlab.discussions.evidence import SizeEvidence, SourceStatement, StepEvidence
from pfnlab.discussions.form import Claim, ClaimStatus, Discussion, Message
from pfnlab.discussions.lookup import NumberedClaim, claims_of
from pfnlab.discussions.step_parts import book, flushes, log
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.runs.golden import NO_GOLDENS

WC = "a = mmap bar[0:4] wc shared rw"
EMPTY = StepQuestion("7.2", [WC, "munmap a"], book, "empty")
WHOLE = StepEvidence("unmapping/munmap-whole", ["6.1", "6.12"], "munmap a", book, "empty")
LEAKS = PropertyQuestion("6.1", "freed_once", VIOLATED, scope="small")


def asked(search: bool = False, **fields: Any) -> ClaimResult:
    """A claim with *fields*, asked again."""
    claim = Claim("It might be so.", "might", "It is so.", ClaimStatus.CONFIRMED, **fields)
    message = Message("Re: a test", "today", "A. Nobody", "tester")
    found = NumberedClaim("009.1", Discussion("009", "a test", "", []), message, claim)
    return ask_again(found, search=search)


def test_a_model_is_asked_again() -> None:
    """Its answer, the one that is expected, and the operation."""
    (answer,) = asked(asks=[EMPTY]).answers

    assert ("munmap a", "model:7.2", "book: empty", "book: empty", None, "as expected") == (
        answer.asked,
        answer.on,
        answer.model,
        answer.expected,
        answer.kernel,
        answer.word,
    )


def test_another_answer_is_a_discovery() -> None:
    """Both answers are there, and the exit code says so."""
    found = asked(asks=[EMPTY, EMPTY._replace(expected="bar[0:4] wc")])

    assert Outcome.DISCOVERY is found.outcome
    assert ["as expected", "otherwise"] == [answer.word for answer in found.answers]
    assert ("book: empty", "book: bar[0:4] wc") == (found.answers[1].model, found.answers[1].expected)
    assert "Not those on which the claim rests: 1 of 2 answers." == found.says


def test_without_goldens_the_models_alone_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a wheel, which says where the kernels' answers are."""
    for module in (claim_results, evidence):
        monkeypatch.setattr(module, "has_goldens", lambda: False)

    found = asked(kernels=[WHOLE])

    (answer,) = found.answers
    assert (None, "book: empty", "as expected") == (answer.kernel, answer.model, answer.word)
    assert f"The answer is that on which the claim rests. {NO_GOLDENS}" == found.says


def test_a_kernel_stands_beside_its_model() -> None:
    """Series that show the same are one answer."""
    (answer,) = asked(kernels=[WHOLE]).answers

    assert ("6.1, 6.12", "book: empty", "book: empty") == (answer.on, answer.model, answer.kernel)


def test_series_that_show_different_things_are_two_answers() -> None:
    """One of them is not what is expected."""
    first = StepEvidence("unmapping/munmap-middle", ["6.1", "7.2"], "munmap a", book, "empty")

    answers = asked(kernels=[first]).answers

    assert [("6.1", "otherwise"), ("7.2", "as expected")] == [(one.on, one.word) for one in answers]


def test_a_size_is_that_of_kernels_alone() -> None:
    """No model has it; the command that reads it is there."""
    (answer,) = asked(kernels=[SizeEvidence("vm_area_struct", ["6.1"], 152)]).answers

    assert ("152 bytes", None, "pfnlab kernels sizes 6.1") == (answer.kernel, answer.model, answer.command)


def test_a_program_is_a_file_that_runs() -> None:
    """Whole, with the claim as its title, and the command that runs it on every machine asked."""
    found = asked(asks=[EMPTY, EMPTY._replace(machine="6.1")], model_only="x")

    (program,) = found.programs
    assert "claim-009.1.pfn" == program.file == found.answers[0].file
    assert "claim 009.1: It is so." == load_text(program.text).title
    assert EMPTY.program.ops == load_text(program.text).ops
    assert "pfnlab run claim-009.1.pfn --on model:7.2 --on model:6.1" == program.command


def test_programs_are_counted() -> None:
    """Where there are several."""
    other = EMPTY._replace(lines=[WC, "munmap a[0]"], observed=log, expected="nothing")

    assert ["claim-009.1-1.pfn", "claim-009.1-2.pfn"] == [
        one.file for one in asked(asks=[EMPTY, other]).programs
    ]


def test_what_run_prints_only_when_asked_is_asked_for() -> None:
    """Flushes stand in the trace."""
    (program,) = asked(asks=[EMPTY._replace(observed=flushes, expected="2")]).programs

    assert program.command.endswith(" --trace")


def test_a_program_that_comes_with_pfnlab_is_run_by_its_name() -> None:
    """On the first and the last kernel that showed it, each beside its model."""
    (program,) = asked(kernels=[WHOLE]).programs

    assert "unmapping/munmap-whole" == program.file
    assert program.text.startswith("pfnlab program 1\n")
    assert (
        "pfnlab run unmapping/munmap-whole --on qemu:6.1 --on model:6.1 --on qemu:6.12 --on model:6.12"
        == program.command
    )


def test_a_search_is_not_asked_unasked() -> None:
    """It is said, with the command that makes it."""
    found = asked(asks=[EMPTY, LEAKS])

    answer = found.answers[1]
    assert ("not asked", None, VIOLATED) == (answer.word, answer.model, answer.expected)
    assert "pfnlab check --on model:6.1 --scope small --depth 3 --property freed_once" == answer.command
    assert Outcome.AS_EXPECTED is found.outcome
    assert found.says.endswith("1 search not asked: add --search.")


def test_a_search_that_is_asked_has_its_program() -> None:
    """The shortest one that violates the property."""
    found = asked(search=True, asks=[LEAKS])

    (answer,), (program,) = found.answers, found.programs
    assert ("as expected", VIOLATED, program.file) == (answer.word, answer.model, answer.file)
    assert 2 == len(load_text(program.text).ops)


@for_each(
    ("asks", "says"),
    [
        ([LEAKS], "Nothing was asked. 1 search not asked: add --search."),
        ([EMPTY], "The answer is that on which the claim rests."),
        ([], "Nothing was asked."),
    ],
)
def test_the_result_in_one_sentence(asks: list[Any], says: str) -> None:
    """How many answers, and what was left out."""
    assert says == asked(asks=asks).says


def test_a_patched_kernel_stands_beside_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a patch has the policy: its answer, its name, how to build it, and the program runs on it too."""
    placed = StepQuestion("7.2,flush=end_vma", [WC, "munmap a"], flushes, "2")
    only(monkeypatch, made_golden("flush-end_vma", [placed]))

    found = asked(asks=[placed])

    (answer,), (program,) = found.answers, found.programs
    assert "flushes: 2 (1 program, 0 differences); flush-end_vma on 7.2.13" == answer.patched
    assert (
        "pfnlab kernels build 7.2 --patch evidence/patches/flush-end_vma.patch --name flush-end_vma",
    ) == found.builds
    assert "--on model:7.2,flush=end_vma --on qemu:flush-end_vma" in program.command


def test_a_patched_kernel_that_does_otherwise_is_a_discovery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the model says."""
    placed = StepQuestion("7.2,flush=end_vma", [WC, "munmap a"], flushes, "2")
    only(monkeypatch, with_value(made_golden("flush-end_vma", [placed]), -2, flushes=7))

    found = asked(asks=[placed])

    assert ("otherwise", Outcome.DISCOVERY) == (found.answers[0].word, found.outcome)


def test_a_patched_kernel_that_was_not_asked_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that records it; nothing speaks against the claim."""
    only(monkeypatch, made_golden("flush-end_vma", []))

    found = asked(asks=[StepQuestion("7.2,flush=end_vma", [WC, "munmap a"], flushes, "2")])

    assert Outcome.AS_EXPECTED is found.outcome
    assert (found.answers[0].patched or "").startswith("not recorded: ")
    assert "record_claims.py flush-end_vma" in (found.answers[0].patched or "")


def test_a_source_is_named_with_its_releases() -> None:
    """File and function."""
    read = SourceStatement("mm/memory.c", "unmap_vmas()", ("3.0.27", "3.2"), "untracks")

    assert ("mm/memory.c, unmap_vmas(), 3.0.27, 3.2: untracks",) == asked(sources=[read]).sources


def test_a_price_is_an_answer() -> None:
    """With the source that has it."""
    (answer,) = asked(asks=[CostQuestion("track_ctx", (8, 24))]).answers

    assert ("bytes it takes", "pfnlab policies show track_ctx") == (answer.asked, answer.command)
    assert answer.expected == answer.model


def test_a_result_is_read_back() -> None:
    """As reports do."""
    import msgspec

    found = asked(asks=[EMPTY], kernels=[WHOLE])

    assert found == msgspec.json.decode(found.as_json(), type=ClaimResult)


def test_the_programs_of_every_claim_have_a_title() -> None:
    """It is short enough, whatever is read into the words."""
    from pfnlab.discussions.claim_results import _Programs

    for found in claims_of():
        programs = _Programs(found.number, found.claim.reading, found.claim.asks)
        for question in found.claim.asks:
            if isinstance(question, StepQuestion):
                programs.add(question.program, question.machine)
        assert all(load_text(program.text).title for program in programs.all())
