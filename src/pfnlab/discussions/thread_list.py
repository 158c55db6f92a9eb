"""The list of threads, and of the discussions whose claims are asked again."""

from __future__ import annotations

from collections import Counter

import msgspec

from pfnlab.base.result import Count, Printed, in_columns
from pfnlab.base.units import number_of
from pfnlab.discussions.form import ClaimStatus, Discussion
from pfnlab.discussions.posted import PostedThread, posted_threads
from pfnlab.discussions.reading import discussions


class ListedThread(msgspec.Struct, frozen=True, kw_only=True):
    """One thread of the list.

    :param number: ``T2``
    :param years: when it was written
    :param title: its subject
    :param versions: how many versions were posted or landed
    :param defects: how many defects were found in them
    :param claims: the discussions whose claims are about it
    """

    number: str
    years: str
    title: str
    versions: Count
    defects: Count
    claims: tuple[str, ...]

    @classmethod
    def of(cls, one: PostedThread) -> ListedThread:
        """A thread, as the list has it."""
        return cls(
            number=one.number,
            years=one.years,
            title=one.title,
            versions=len(one.versions),
            defects=len(one.defects),
            claims=one.claims,
        )


class ListedDiscussion(msgspec.Struct, frozen=True, kw_only=True):
    """One discussion with claims.

    :param number: ``004``
    :param title: its subject
    :param claims: how many there are
    :param statuses: how many of them have each status
    :param threads: the threads that its claims are about
    """

    number: str
    title: str
    claims: Count
    statuses: dict[ClaimStatus, Count]
    threads: tuple[str, ...]

    @classmethod
    def of(cls, one: Discussion) -> ListedDiscussion:
        """A discussion, as the list has it."""
        found = Counter(claim.status for _, _, claim in one.numbered())
        return cls(
            number=one.number,
            title=one.title,
            claims=found.total(),
            statuses={status: found[status] for status in ClaimStatus if found[status]},
            threads=tuple(thread.number for thread in posted_threads() if one.number in thread.claims),
        )


class DiscussionList(Printed, frozen=True, kw_only=True, tag="pfnlab-discussions/1"):
    """The threads behind this project, and the discussions whose claims are asked again.

    :param threads: by their numbers
    :param discussions: by their numbers
    """

    threads: tuple[ListedThread, ...]
    discussions: tuple[ListedDiscussion, ...]

    @classmethod
    def now(cls) -> DiscussionList:
        """All there are."""
        return cls(
            threads=tuple(map(ListedThread.of, posted_threads())),
            discussions=tuple(map(ListedDiscussion.of, discussions())),
        )

    def __str__(self) -> str:
        threads = [
            (
                *(one.number, one.years, number_of(one.versions, "version")),
                *(number_of(one.defects, "defect") if one.defects else "-", " ".join(one.claims), one.title),
            )
            for one in self.threads
        ]
        of_claims = [
            (one.number, " ".join(one.threads), number_of(one.claims, "claim"), one.title)
            for one in self.discussions
        ]
        return "\n".join([*in_columns(threads), "", *in_columns(of_claims)])
