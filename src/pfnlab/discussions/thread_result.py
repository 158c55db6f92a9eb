"""A thread, a defect in it, and the list of threads and discussions, for printing."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from pfnlab.base.inert import shell_word
from pfnlab.base.result import Count, PrintedStruct, in_columns
from pfnlab.base.units import number_of
from pfnlab.discussions.form import ClaimStatus, Discussion
from pfnlab.discussions.lookup import ListedClaim, claims_of
from pfnlab.discussions.posted_threads import (
    PostedDefect,
    PostedThread,
    PostedVersion,
    archive_address,
    date_words,
    posted_threads,
)
from pfnlab.discussions.reading import discussions

#: The maximum number of columns in a line; only an address may be longer.
_WIDTH = 100

#: The columns set aside for the name of a row.
_NAME = 13


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

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        thread = self.thread
        yield from _wrapped(f"{thread.number}  {thread.title}, {thread.years}")
        if thread.stock:
            yield from _row("before", thread.stock)
        shown: dict[str, str] = {}
        for version in thread.versions:
            yield from ("", *_version_lines(version))
            for defect in thread.defects:
                if version.name in defect.versions:
                    yield from _in_version(defect, version, shown)
        kernels = [defect for defect in thread.defects if not defect.versions]
        if kernels:
            yield from ("", "In kernels, and in no version alone")
            for defect in kernels:
                yield from _defect_row(defect)
        if thread.later:
            yield from ("", "What came later")
        for word in thread.later:
            yield from _row(word.claim, f"{date_words(word.date)}, {word.who}: {word.says}")
            yield from _messages("", word.message_ids, word.mail)
        for number in thread.claims:
            yield from ("", *_row(f"claims {number}", self._counted(number)))
        if thread.remarks:
            yield ""
        for remark in thread.remarks:
            yield from _row("remark", remark)

    def _counted(self, discussion: str) -> str:
        """A text with the number of claims in a discussion."""
        found = [one for one in self.claims if one.number.startswith(f"{discussion}.")]
        statuses = Counter(one.status for one in found)
        counts = ", ".join(f"{status} {count}" for status, count in statuses.items())
        listed = f"pfnlab discussions list --discussion {discussion}"
        return f"{found[0].number} to {found[-1].number}: {counts}; {listed}"


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

    def __str__(self) -> str:
        lines = [
            *_wrapped(f"{self.defect.number}  {self.thread}, {self.title}"),
            *_row("in", "; ".join(filter(None, (", ".join(self.defect.versions), self.defect.kernels)))),
            *_row("scenario", self.defect.scenario),
            *_defect_rows(self.defect),
            *_row("on", ", ".join(self.on)),
        ]
        return "\n".join(lines)


def _version_lines(version: PostedVersion) -> Iterator[str]:
    """A version: a line with its date and policy, then its design and what became of it."""
    head = ", ".join(filter(None, (version.name, date_words(version.date) if version.date else "")))
    yield from _wrapped(f"{head}  --on {shell_word(version.machine)}" if version.machine else head)
    yield from _row("design", version.design)
    landed = ", ".join(version.landed)
    yield from _row("landed", f"{landed} ({version.release})" if version.release and landed else landed)
    yield from _row("fate", version.fate)
    yield from _row("base", "" if version.machine or not version.base else f"model:{version.base}")
    yield from _row("patch", f"evidence/patches/{version.patch}" if version.patch else "")
    yield from _messages("mail", version.message_ids, version.mail, version.named_in)


def _in_version(defect: PostedDefect, version: PostedVersion, printed: dict[str, str]) -> Iterator[str]:
    """A defect, printed in full below the first version that has it and by number below the others.

    :param printed: the version below which each defect is printed in full; the defect printed here is added
    """
    if defect.number in printed:
        yield from _row(defect.number, f"as in {printed[defect.number]}")
        return
    printed[defect.number] = version.name
    yield from _defect_row(defect)


def _defect_row(defect: PostedDefect) -> Iterator[str]:
    kernels = f"{defect.kernels}: " if defect.kernels else ""
    yield from _row(defect.number, f"{kernels}{defect.scenario}")
    when = f", {date_words(defect.when)}" if defect.when else ""
    yield from _row("", f"{defect.found_by}{when}; {defect.fate}.")


def _defect_rows(defect: PostedDefect) -> Iterator[str]:
    yield from _row("found by", ": ".join(filter(None, (defect.found_by, defect.how))))
    yield from _row("when", date_words(defect.when) if defect.when else "")
    yield from _messages("mail", defect.message_ids, defect.mail)
    yield from _row("fate", defect.fate)
    yield from _row("to be shown", defect.expressible)
    yield from _row("breaks", ", ".join(defect.properties))
    yield from _row("not asked yet", defect.new)
    yield from _row("bugs", ", ".join(defect.bugs))
    yield from _row("program", defect.program)


def _messages(
    name: str, message_ids: Sequence[str], mail: Sequence[str], named_in: Sequence[str] = ()
) -> Iterator[str]:
    """The places to find messages: addresses, one per line, and numbers in the stored archive."""
    stored = [
        f"{words} {', '.join(found)}"
        for words, found in (("stored as", mail), ("named in mail", named_in))
        if found
    ]
    for text in (*map(archive_address, message_ids), *stored):
        yield from _row(name, text)
        name = ""


def _row(name: str, text: str) -> list[str]:
    """A name and its text; nothing if the text is empty."""
    return _wrapped(text, f"  {name}".ljust(_NAME) + "  ", " " * (_NAME + 2)) if text else []


def _wrapped(text: str, first: str = "", other: str = "    ") -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=other,
        break_long_words=False,
        break_on_hyphens=False,
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
