"""Claims looked up by discussion, number and author, and one line where there is none."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.discussions.lookup import ClaimList, claim_numbered, claims_by, claims_of
from pfnlab.present.document.lists import claims
from pfnlab.present.document.terminal import text_of


def test_a_discussion_has_its_claims_in_order() -> None:
    """Without one named, those of all."""
    numbers = [found.number for found in claims_of("004")]

    assert [f"004.{count}" for count in range(1, len(numbers) + 1)] == numbers
    assert {"000", "001", "002", "003", "004"} == {found.discussion.number for found in claims_of()}


def test_a_number_is_one_claim() -> None:
    """With the message it stands in, and its discussion."""
    found = claim_numbered("004.2")

    assert ("004.2", "Peter Zijlstra", "004") == (
        found.number,
        found.message.author,
        found.discussion.number,
    )


@for_each("number", ["4.2", "04.2", "004.02"])
def test_a_number_may_lack_zeros(number: str) -> None:
    """Or have more."""
    assert "004.2" == claim_numbered(number).number


@for_each(
    ("author", "discussion"),
    [("Peter Zijlstra", None), ("peter zijlstra", None), ("zijlstra", "004")],
)
def test_an_author_has_the_claims_of_that_name(author: str, discussion: str | None) -> None:
    """The whole name or a word of it, in any case; of one discussion where that is said."""
    found = claims_by(author, discussion)

    assert found
    assert {"Peter Zijlstra"} == {one.message.author for one in found}


def test_a_discussion_narrows_the_claims_of_an_author() -> None:
    """An author of several."""
    assert {"002"} == {one.discussion.number for one in claims_by("Hildenbrand", "002")}


@for_each(
    ("number", "said"),
    [
        ("004-22", "there is no claim '004-22': did you mean `004.22`?"),
        ("x", "there is no claim 'x': `pfnlab discussions list --claims` has all"),
    ],
)
def test_an_unknown_number_is_one_line(number: str, said: str) -> None:
    """With the nearest one, or where all are."""
    with pytest.raises(Misuse) as refused:
        claim_numbered(number)

    assert said == str(refused.value)


def test_a_number_past_the_end_is_answered_with_the_numbers_there_are() -> None:
    """Those of its discussion."""
    last = [found.number for found in claims_of("004")][-1]

    with pytest.raises(Misuse, match=rf"'004\.999': discussion 004 has 004\.1 to {last}"):
        claim_numbered("004.999")


def test_a_misspelt_author_is_named() -> None:
    """By the word that is nearest."""
    with pytest.raises(Misuse, match="no author 'Zijlstar': did you mean `Peter Zijlstra`"):
        claims_by("Zijlstar")


def test_a_name_of_two_authors_is_refused() -> None:
    """Both are named."""
    with pytest.raises(Misuse, match=r"'peter' is Peter .+ and Peter .+: write the whole name of one"):
        claims_by("peter")


def test_an_unknown_discussion_is_one_line() -> None:
    """Whatever else is asked."""
    with pytest.raises(Misuse, match="there is no discussion '0044': did you mean `004`"):
        list(claims_of("0044"))


def test_a_discussion_may_be_written_short() -> None:
    """As the number of a claim may."""
    assert list(claims_of("4")) == list(claims_of("004"))


def test_a_list_is_read_in_columns() -> None:
    """Number, author, status, words; nothing stands behind the words."""
    found = ClaimList.of([claim_numbered("004.2"), claim_numbered("004.3")])

    lines = text_of(claims(found)).splitlines()

    assert ["004.2", "004.3"] == [line.split()[0] for line in lines]
    assert [f"“{one.quote}”" for one in found.claims] == [line[line.index("“") :] for line in lines]
