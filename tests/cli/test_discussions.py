"""``pfnlab discussions``: lists, threads, a claim asked again, and one line for what there is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asking import Ask
from for_each import for_each

from pfnlab.discussions import lookup, thread_reviews
from pfnlab.discussions.claim_questions import StepQuestion
from pfnlab.discussions.form import AuthorClaims, Claim, ClaimStatus, Discussion, Message
from pfnlab.discussions.posted_threads import posted_threads
from pfnlab.discussions.step_parts import book
from pfnlab.discussions.thread_reviews import PostedReviews, PostedRow


def test_every_claim_is_listed(ask: Ask) -> None:
    """A line each."""
    answer = ask("discussions", "list", "--claims")

    assert [found.number for found in lookup.claims_of()] == [
        line.split()[0] for line in answer.out.splitlines()
    ]


def test_threads_and_discussions_are_listed(ask: Ask) -> None:
    """A line each; so it is where no verb is named."""
    answer = ask("discussions", "list")

    threads, _, of_claims = answer.out.partition("\n\n")
    assert [one.number for one in posted_threads()] == [line.split()[0] for line in threads.splitlines()]
    assert ["000", "001", "002", "003", "004"] == [line.split()[0] for line in of_claims.splitlines()]
    assert answer.out == ask("discussions").out


@for_each(
    ("numbers", "rows"),
    [(("R11",), ["R11"]), (("R47", "R11", "R47"), ["R47", "R11"]), (("T8",), None), ((), None)],
)
def test_a_review_is_of_the_named_rows(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, numbers: tuple[str, ...], rows: list[str] | None
) -> None:
    """Each once; without a number, of all."""
    taken: list[PostedRow] = []

    def reviewed(rows: list[PostedRow], *_: object) -> PostedReviews:
        taken.extend(rows)
        return PostedReviews(rows=(), not_reviewed={}, limit=0.0)

    monkeypatch.setattr(thread_reviews, "review_rows", reviewed)
    assert 0 == ask("discussions", "review", *numbers).code

    expected = rows or [row.row for row in thread_reviews.posted_rows(*numbers)]
    assert expected == [row.row for row in taken]


@for_each("words", [("show", "R11"), ("by", "Zijlstra"), ("--help",), ("show", "--help")])
def test_the_earlier_name_does_the_same(ask: Ask, words: tuple[str, ...]) -> None:
    """For one release more."""
    assert ask("discussions", *words) == ask("claims", *words)


@for_each("words", [(), ("list",), ("list", "--json"), ("list", "--discussion", "4")])
def test_the_earlier_list_is_of_claims(ask: Ask, words: tuple[str, ...]) -> None:
    """As it was, with the form that programs read."""
    now = ("discussions", "list", "--claims", *words[1:])

    assert [ask(*now).out.count("\n")] == [ask("claims", *words).out.count("\n")]
    assert ask(*now).out.partition('"made"')[0] == ask("claims", *words).out.partition('"made"')[0]


def test_the_earlier_name_has_its_schemas(ask: Ask) -> None:
    """Those of the forms, which are the same."""
    assert ask("help", "--schema", "discussions", "by").out == ask("help", "--schema", "claims", "list").out


def test_the_earlier_name_is_in_no_help(ask: Ask) -> None:
    """Nor is it a second page."""
    answer = ask("--help").out

    assert "  discussions " in answer
    assert "  claims " not in answer


def test_several_are_shown_in_the_order_of_the_line(ask: Ask) -> None:
    """Threads, defects and claims, with an empty line between."""
    answer = ask("discussions", "show", "R11", "T18", "4.4")

    assert 0 == answer.code
    heads = [part.split()[0] for part in answer.out.split("\n\n") if part.startswith(("R11", "T18", "004.4"))]
    assert ["R11", "T18", "004.4"] == heads


@for_each(("words", "form"), [(("T2",), "pfnlab-thread/1"), (("r11",), "pfnlab-defect/1")])
def test_a_thread_and_a_defect_are_json_too(ask: Ask, words: tuple[str, ...], form: str) -> None:
    """With their form."""
    assert form == json.loads(ask("discussions", "show", *words, "--json").out)["format"]


def test_a_list_may_be_of_one_discussion_and_one_author(ask: Ask) -> None:
    """Both hold then."""
    lines = ask("discussions", "by", "Zijlstra", "--discussion", "004").out.splitlines()

    assert lines
    assert all(line.startswith("004.") and "Peter Zijlstra" in line for line in lines)


def test_what_is_shown_for_a_mail_runs_as_it_is_pasted(ask: Ask, tmp_path: Path) -> None:
    """The program below the name of its file, with what the table has."""
    text = ask("discussions", "show", "004.22", "--mail").out

    pasted = text.partition(".pfn:\n\n")[2].partition("\n\nclaim-")[0]
    program = tmp_path / "claim.pfn"
    program.write_text("".join(f"{line[4:]}\n" for line in pasted.splitlines()), encoding="utf-8")
    answer = ask("run", str(program), "--on", "model:7.2,flush=gather_v4", "--json")
    (run,) = json.loads(answer.out)["machines"]
    assert 0 == answer.code
    assert f"flushes: {run['steps'][-2]['flushes']}" in text


@for_each(
    ("words", "said"),
    [
        (("show", "004.999"), "there is no claim '004.999'"),
        (("show", "004-22"), "there is no claim '004-22': did you mean `004.22`?"),
        (("show", "T21"), "there is no thread 'T21': there are T1 to T20"),
        (("show", "R02"), "there is no defect 'R02': did you mean `R"),
        (("show", "004.22", "T2", "--mail"), "--mail is for claims, e.g. 004.22: drop it or T2"),
        (("show", "R11", "--search"), "--search is for claims, e.g. 004.22: drop it or R11"),
        (("by", "Zijlstar"), "there is no author 'Zijlstar': did you mean `Peter Zijlstra`?"),
        (("list", "--discussion", "0044"), "there is no discussion '0044': did you mean `004`?"),
        (("show", "004.22", "--mail", "--json"), "--mail excludes --json: drop --json"),
    ],
)
def test_what_there_is_not_is_one_line(ask: Ask, words: tuple[str, ...], said: str) -> None:
    """Misuse, with nothing printed."""
    answer = ask("discussions", *words)

    assert (2, "") == (answer.code, answer.out)
    assert said in answer.err
    assert 1 == len(answer.err.splitlines())


def test_another_answer_ends_with_a_discovery(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim rests on an answer that the model does not give."""
    wrong = StepQuestion("7.2", ["a = mmap bar[0:4] wc shared rw", "munmap a"], book, "bar[0:4] wc")
    claim = Claim("So.", "", "So.", ClaimStatus.CONFIRMED, asks=[wrong], model_only="a test")
    said = [AuthorClaims(Message("A test", "today", "A. Nobody", "tester"), [claim])]
    monkeypatch.setattr(lookup, "discussions", lambda: (Discussion("009", "a test", "", said),))

    answer = ask("discussions", "show", "009.1")

    assert 1 == answer.code
    assert "otherwise, expected book: bar[0:4] wc" in answer.out
