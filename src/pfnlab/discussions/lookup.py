"""Looking up claims by discussion, by author or by number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PrintedStruct
from pfnlab.base.spelling import did_you_mean, nearest
from pfnlab.discussions.form import Claim, ClaimStatus, Discussion, Message
from pfnlab.discussions.reading import discussions

#: A claim's number, with or without leading zeros.
_SHORT = re.compile(r"(\d{1,3})\.0*(\d+)")


class NumberedClaim(NamedTuple):
    """A claim with its number and its message."""

    number: str
    discussion: Discussion
    message: Message
    claim: Claim


class ListedClaim(msgspec.Struct, frozen=True, kw_only=True):
    """One claim in a list.

    :param number: its number, e.g. ``004.22``
    :param author: who wrote the words
    :param date: the date of the message, as precisely as the archive has it
    :param message: the message's subject
    :param quote: the author's words, verbatim
    :param hedge: those words in the quotation that hedge; may be empty
    :param reading: how we understand it
    :param status: its status
    :param because: the condition, the refutation, or why it is open; empty if the status needs no reason
    """

    number: str
    author: str
    date: str
    message: str
    quote: str
    hedge: str
    reading: str
    status: ClaimStatus
    because: str

    @classmethod
    def of(cls, found: NumberedClaim) -> ListedClaim:
        """A claim in the form of lists."""
        number, _, message, claim = found
        return cls(
            number=number,
            author=message.author,
            date=message.date,
            message=message.subject,
            **{name: getattr(claim, name) for name in ("quote", "hedge", "reading", "status", "because")},
        )


class ClaimList(PrintedStruct, frozen=True, kw_only=True, tag="pfnlab-claims/1"):
    """Claims from the discussions that pfnlab rests on.

    :param claims: the claims that match ``--discussion`` and the author
    """

    claims: tuple[ListedClaim, ...]

    @classmethod
    def of(cls, found: Iterable[NumberedClaim]) -> ClaimList:
        """A list of the claims *found*."""
        return cls(claims=tuple(map(ListedClaim.of, found)))


def claims_of(discussion: str | None = None) -> Iterator[NumberedClaim]:
    """The claims in a discussion, e.g. ``004``, or in all if None; raises Misuse if there is no such one."""
    numbers = [one.number for one in discussions()]
    discussion = discussion and discussion.zfill(3)
    if discussion is not None and discussion not in numbers:
        raise Misuse(f"there is no discussion {discussion!r}{did_you_mean(discussion, numbers)}")
    for one in discussions():
        if discussion in (None, one.number):
            for number, message, claim in one.numbered():
                yield NumberedClaim(number, one, message, claim)


def claim_numbered(number: str) -> NumberedClaim:
    """The claim with this number, ``004.22`` or ``4.22``; raises Misuse if not found."""
    found = {one.number: one for one in claims_of()}
    if short := _SHORT.fullmatch(number):
        number = f"{short[1].zfill(3)}.{short[2]}"
    if number in found:
        return found[number]
    discussion = number.partition(".")[0]
    there = [one for one in found if one.startswith(f"{discussion}.")]
    if there:
        raise Misuse(f"there is no claim {number!r}: discussion {discussion} has {there[0]} to {there[-1]}")
    meant = nearest(number, found)
    # There are too many to list.
    instead = (
        f"did you mean `{meant}`?" if meant is not None else "`pfnlab discussions list --claims` has all"
    )
    raise Misuse(f"there is no claim {number!r}: {instead}")


def claims_by(author: str, discussion: str | None = None) -> list[NumberedClaim]:
    """The claims of an author, by part of the name; raises Misuse unless one author and discussion match."""
    found = list(claims_of(discussion))
    names = list(dict.fromkeys(one.message.author for one in found))
    asked = author.lower()
    meant = [name for name in names if name.lower() == asked]
    meant = meant or [name for name in names if asked in name.lower().split()]
    if len(meant) > 1:
        raise Misuse(f"{author!r} is {' and '.join(meant)}: write the whole name of one")
    if not meant:
        words = {word: name for name in names for word in name.split()}
        # The nearest name, or the name with the nearest word.
        word = nearest(author, words)
        meant_one = f": did you mean `{words[word]}`?" if word is not None else did_you_mean(author, names)
        raise Misuse(f"there is no author {author!r}{meant_one}")
    return [one for one in found if one.message.author == meant[0]]
