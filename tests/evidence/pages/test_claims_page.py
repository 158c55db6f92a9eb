"""Every claim of the page is asked again, every kernel looked up, and the page is what they make."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from for_each import for_each
from made_goldens import made_golden, only, with_value

from evidence.pages import claims_page as page
from evidence.pages.__main__ import made
from evidence.pages.claim_block import LINE, MOST, anchor, columns_of, linked_date, quotation, verdict
from evidence.pages.claims_page import claims, discussion_page
from pfnlab.base.errors import Discovery, Misuse
from pfnlab.checker.check import VIOLATED
from pfnlab.discussions.claim_questions import ClaimQuestion, PropertyQuestion, StepQuestion
from pfnlab.discussions.form import AuthorClaims, Claim, ClaimStatus, Discussion, Message
from pfnlab.discussions.patch_evidence import counterexample, has_patch, patched_answer, patched_answers
from pfnlab.discussions.reading import discussion_numbers, discussions
from pfnlab.discussions.step_parts import book, flushes
from pfnlab.programs.lang.load import load_text

LITMUS = Path(__file__).parents[3] / "litmus"
DOCS = Path(__file__).parents[3] / "docs"


def kept(number: str) -> str:
    """The page of a discussion, as docs/ has it."""
    return (DOCS / "claims" / f"{number}.md").read_text(encoding="utf-8")


@cache
def all_claims() -> dict[str, Claim]:
    """The claims of all discussions, by number."""
    return {number: claim for one in discussions() for number, _, claim in one.numbered()}


def asked() -> list[str]:
    """The claims that ask programs or costs."""
    return [number for number, claim in all_claims().items() if not all(one.searches for one in claim.asks)]


def searched() -> list[str]:
    """The claims that ask searches."""
    return [number for number, claim in all_claims().items() if any(one.searches for one in claim.asks)]


def shown() -> list[str]:
    """The claims for which kernels were asked."""
    return [number for number, claim in all_claims().items() if claim.kernels]


def patched() -> list[str]:
    """The claims that patched kernels answer."""
    return [number for number, claim in all_claims().items() if has_patch(claim.asks)]


#: A program and an answer that it does not give.
WRONG = StepQuestion("7.2", ["a = mmap bar[0:4] wc shared rw", "munmap a"], book, "bar[0:4] wc")


def unlike(asked: ClaimQuestion) -> str:
    """How an answer differs from what was expected; empty where it does not."""
    answer = asked.ask()
    return "" if answer.right else f"model:{answer.machine} {answer.asked}: {answer.shown}"


@for_each("number", asked)
def test_models_answer_as_the_claim_says(number: str) -> None:
    """Programs and costs are asked again; searches with the page."""
    assert [] == [said for one in all_claims()[number].asks if not one.searches and (said := unlike(one))]


@pytest.mark.target("pages")
@pytest.mark.xdist_group("searches")
@pytest.mark.timeout(1800)
@for_each("number", searched)
def test_searches_answer_as_the_claim_says(number: str) -> None:
    """Many are the same search, which is made once."""
    assert [] == [said for one in all_claims()[number].asks if one.searches and (said := unlike(one))]


@for_each("number", shown)
def test_kernels_show_what_the_claim_says(number: str) -> None:
    """The golden is there, has the series, and its step and the model's show what stands on the page."""
    assert [] == [said for one in all_claims()[number].kernels for said in one.unlike(LITMUS)]


@for_each("number", patched)
def test_patched_kernels_answer_as_the_claim_says(number: str) -> None:
    """The golden of each patch has the answer that the model was expected to give, and the model gives it."""
    wrong = [answer for answer in patched_answers(all_claims()[number].asks) if not answer.right]
    differing = [answer for answer in patched_answers(all_claims()[number].asks) if answer.differences]

    assert ([], []) == (wrong, differing)


@pytest.mark.target("pages")
@pytest.mark.xdist_group("searches")
@pytest.mark.timeout(1800)
@for_each("number", searched)
def test_patched_kernels_ran_what_searches_find(number: str) -> None:
    """The recorded program is the shortest that violates the property."""
    asks = [
        one
        for one in all_claims()[number].asks
        if isinstance(one, PropertyQuestion) and one.expected == VIOLATED
    ]
    answers = [(asked, found) for asked in asks if (found := patched_answer(asked)) is not None]

    assert [] == [
        found.golden.again
        for asked, found in answers
        if load_text(found.text).ops != counterexample(asked).ops
    ]


@pytest.mark.target("pages")
@pytest.mark.xdist_group("searches")
@pytest.mark.timeout(600)
@for_each("number", discussion_numbers)
def test_the_page_of_a_discussion_is_current(number: str) -> None:
    """Write it anew with ``python -m evidence.pages claims --write``."""
    assert made(f"claims/{number}") == kept(number)


def test_the_index_is_current() -> None:
    """It needs no search, and is written with the same command."""
    assert made("claims") == (DOCS / "claims.md").read_text(encoding="utf-8")


@for_each("number", all_claims)
def test_the_page_has_every_claim_with_its_status(number: str) -> None:
    """A claim that was changed without making the page anew is noticed without a search."""
    _, _, behind = kept(number[:3]).partition(f"\n### {anchor(number)}\n")

    found = behind.partition("\n### ")[0]

    assert verdict(all_claims()[number]) in found
    assert f"> {quotation(all_claims()[number])}\n" in found


@for_each("number", discussion_numbers)
def test_surprises_stand_first(number: str) -> None:
    """Then what is confirmed; both in the order of the thread."""
    claims = [claim for claim in all_claims() if claim.startswith(f"{number}.")]
    surprises = [one for one in claims if all_claims()[one].status is not ClaimStatus.CONFIRMED]

    found = re.findall(r"^### (\d{3}-\d+)$", kept(number), re.MULTILINE)

    assert [anchor(one) for one in sorted(claims, key=lambda one: one not in surprises)] == found


def kept_pages() -> list[str]:
    """The index and the page of each discussion, by their places in docs/."""
    return ["claims.md", *(f"claims/{number}.md" for number in discussion_numbers())]


@for_each("name", kept_pages)
def test_no_line_is_longer_than_a_reader_follows(name: str) -> None:
    """Of rows, paragraphs and items alike."""
    lines = (DOCS / name).read_text(encoding="utf-8").splitlines()

    assert [] == [line[:60] for line in lines if len(line) > MOST]


@for_each("number", discussion_numbers)
def test_the_two_lines_of_a_claim_are_short(number: str) -> None:
    """Without the addresses of their links."""
    rows = [line for line in kept(number).splitlines() if line.startswith("| ")]

    assert rows
    assert [] == [row for row in rows if columns_of(row[2:-2].split(" | ")) > LINE]


@for_each("number", discussion_numbers)
def test_a_message_leads_to_the_archive(number: str) -> None:
    """Each with a Message-ID, from each of its claims and from the list at the end; later words apart."""
    (discussion,) = (one for one in discussions() if one.number == number)
    text = kept(number)

    claims = {said.message: len(said.claims) for said in discussion.said if said.message.message_id}

    assert claims
    for message, count in claims.items():
        later = text.count(f"Later, {linked_date(message)}")
        assert count + 1 == text.count(f", {linked_date(message)}") - later


def test_every_discussion_claims_something() -> None:
    """None of the five is left out, and each is summed up."""
    assert ["000", "001", "002", "003", "004"] == [one.number for one in discussions() if one.short.strip()]


def test_enough_is_claimed() -> None:
    """At least seventy sentences have a row."""
    assert len(all_claims()) >= 70


def test_no_sentence_has_two_statuses_for_one_reading() -> None:
    """What is quoted twice is read in two ways."""
    numbered = (row for discussion in discussions() for row in discussion.numbered())
    read = Counter((message, claim.quote, claim.reading) for _, message, claim in numbered)

    assert {1} == set(read.values())


def test_an_answer_that_does_not_come_is_noticed() -> None:
    """The claim's test fails for it, and no page is made."""
    assert unlike(WRONG)


def test_a_search_with_another_verdict_is_noticed() -> None:
    """A violated property does not hold."""
    assert "violated" in unlike(PropertyQuestion("6.1", "freed_once", "holds", scope="small"))


def test_a_wrong_claim_makes_no_page() -> None:
    """The row says which answer is another one."""
    claim = Claim("So.", "", "So.", ClaimStatus.CONFIRMED, asks=[WRONG], model_only="a test")
    message = Message("A test", "today", "Nobody", "tester")
    discussion = Discussion("000", "a test", "Nothing.\n", [AuthorClaims(message, [claim])])

    with pytest.raises(Discovery, match="answers otherwise"):
        discussion_page("000", said=[discussion])


def test_the_index_counts_every_author_and_status() -> None:
    """Numbers that follow each other are a range, and lead to the page of their discussion."""
    claim = Claim("So.", "", "So.", ClaimStatus.OPEN, "who knows", model_only="a test")
    of_one = AuthorClaims(Message("A test", "today", "A. Nobody", "tester"), [claim] * 4)
    of_other = AuthorClaims(Message("A test", "today", "B. Nobody", "tester"), [claim])

    index = claims([Discussion("009", "a test", "Nothing.\n", [of_one, of_other, of_one])])

    rows = [line for line in index.splitlines() if line.startswith(("| A. Nobody", "| B. Nobody"))]
    assert rows[0].endswith("| [009](claims/009.md): 1 to 4, 6 to 9 |")
    assert rows[1].endswith("| [009](claims/009.md): 5 |")
    assert rows[0].startswith("| A. Nobody | 8 | - |")
    assert "### Open\n" in index and "### Confirmed" not in index


def test_links_of_a_page_below_go_up_first() -> None:
    """Those to headings of the page and to addresses stay."""
    text = "[a](claims.md) [b](../litmus/x.pfn#y) [c](#here) [d](https://x.org)"

    assert "[a](../claims.md) [b](../../litmus/x.pfn#y) [c](#here) [d](https://x.org)" == page._below(text)


#: A question that a patched kernel answers too.
PLACED = StepQuestion("7.2,flush=end_vma", ["a = mmap bar[0:4] wc shared rw", "munmap a"], flushes, "2")


def placed() -> Discussion:
    """A discussion of one claim, which asks that."""
    claim = Claim("So.", "", "So.", ClaimStatus.CONFIRMED, asks=[PLACED])
    return Discussion(
        "000", "a test", "Nothing.\n", [AuthorClaims(Message("A test", "today", "Nobody", "tester"), [claim])]
    )


def test_a_patched_kernel_has_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patch, kernel, answer, programs and differences; and the claim counts as shown by one."""
    only(monkeypatch, made_golden("flush-end_vma", [PLACED]))

    text = discussion_page("000", said=[placed()])

    link = "[flush-end_vma](../../evidence/patches/flush-end_vma.patch), 7.2.13"
    assert f"| `7.2,flush=end_vma` | no stock kernel | {link} |\n" in text
    assert "| `flushes: 2` | - | `flushes: 2 (1 program, 0 differences)` |\n" in text
    assert "a test | 1 | 0 | 1 |" in claims([placed()])


def test_a_patched_kernel_that_does_otherwise_makes_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The patch, the program and what it showed."""
    golden = made_golden("flush-end_vma", [PLACED])
    only(monkeypatch, with_value(golden, -2, flushes=7))

    with pytest.raises(Discovery, match=r"flush-end_vma answers otherwise: .*munmap a shows flushes: 7"):
        discussion_page("000", said=[placed()])


def test_a_program_that_was_not_recorded_makes_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that records it."""
    only(monkeypatch, made_golden("flush-end_vma", []))

    with pytest.raises(Misuse, match=r"run `python evidence/tools/record_claims\.py flush-end_vma`"):
        discussion_page("000", said=[placed()])
