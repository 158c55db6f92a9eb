"""A thread, a defect in it, and the list of threads and discussions, for printing."""

from __future__ import annotations

from collections import Counter

import msgspec

from pfnlab.base.result import Count, PrintedStruct
from pfnlab.discussions.form import ClaimStatus, Discussion
from pfnlab.discussions.lookup import ListedClaim, claims_of
from pfnlab.discussions.posted_threads import PostedDefect, PostedThread, posted_threads
from pfnlab.discussions.reading import discussions


class ThreadResult(PrintedStruct, frozen=True, kw_only=True, tag="pfnlab-thread/1"):
    """A thread with its versions, their defects, and the claims about it.

    :param thread: its data
    :param claims: the claims that discussions make about it
    """

    thread: PostedThread
    claims: tuple[ListedClaim, ...]

    @classmethod
    def of(cls, thread: PostedThread) -> ThreadResult:
        """A thread, with the claims about it."""
        claims = (found for number in thread.claims for found in claims_of(number))
        return cls(thread=thread, claims=tuple(map(ListedClaim.of, claims)))


class DefectResult(PrintedStruct, frozen=True, kw_only=True, tag="pfnlab-defect/1"):
    """A defect in posted versions, with its thread.

    :param thread: the thread's number
    :param title: the thread's subject
    :param defect: its data
    :param on: the versions that have it and can be run as a policy, in the form of ``--on``
    """

    thread: str
    title: str
    defect: PostedDefect
    on: tuple[str, ...]

    @classmethod
    def of(cls, thread: PostedThread, defect: PostedDefect) -> DefectResult:
        """A defect in *thread*."""
        having = (one.machine for one in thread.versions if one.name in defect.versions)
        return cls(
            thread=thread.number,
            title=thread.title,
            defect=defect,
            on=tuple(dict.fromkeys(filter(None, having))),
        )


class ListedThread(msgspec.Struct, frozen=True, kw_only=True):
    """One thread in the list.

    :param number: e.g. ``T2``
    :param years: the years its messages are from
    :param title: its subject
    :param versions: how many versions were posted or landed
    :param defects: how many defects they have
    :param claims: the discussions with claims about it
    """

    number: str
    years: str
    title: str
    versions: Count
    defects: Count
    claims: tuple[str, ...]

    @classmethod
    def of(cls, one: PostedThread) -> ListedThread:
        """A thread in the form of the list."""
        return cls(
            number=one.number,
            years=one.years,
            title=one.title,
            versions=len(one.versions),
            defects=len(one.defects),
            claims=one.claims,
        )


class ListedDiscussion(msgspec.Struct, frozen=True, kw_only=True):
    """One discussion that has claims.

    :param number: its number, e.g. ``004``
    :param title: its subject
    :param claims: the number of claims
    :param statuses: the number of claims with each status
    :param threads: the threads that its claims concern
    """

    number: str
    title: str
    claims: Count
    statuses: dict[ClaimStatus, Count]
    threads: tuple[str, ...]

    @classmethod
    def of(cls, one: Discussion) -> ListedDiscussion:
        """A discussion in the form of the list."""
        found = Counter(claim.status for _, _, claim in one.numbered())
        return cls(
            number=one.number,
            title=one.title,
            claims=found.total(),
            statuses={status: found[status] for status in ClaimStatus if found[status]},
            threads=tuple(thread.number for thread in posted_threads() if one.number in thread.claims),
        )


class DiscussionList(PrintedStruct, frozen=True, kw_only=True, tag="pfnlab-discussions/1"):
    """The threads that pfnlab rests on, and the discussions whose claims can be re-evaluated.

    :param threads: all threads, by number
    :param discussions: all discussions, by number
    """

    threads: tuple[ListedThread, ...]
    discussions: tuple[ListedDiscussion, ...]

    @classmethod
    def now(cls) -> DiscussionList:
        """The current list."""
        return cls(
            threads=tuple(map(ListedThread.of, posted_threads())),
            discussions=tuple(map(ListedDiscussion.of, discussions())),
        )
