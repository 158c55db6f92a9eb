"""Results that are lists or entries, and no report takes: programs, claims, threads, sizes.

``BLOCKS`` has the function for each structure; a result of a verb's own module has its ``blocks`` itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pfnlab.base.inert import shell_word
from pfnlab.base.units import number_of
from pfnlab.present.document.blocks import Block, Paragraph, Table, cells, headed, named_rows

if TYPE_CHECKING:
    from pfnlab.discussions.lookup import ClaimList, ListedClaim
    from pfnlab.discussions.posted_threads import LaterWord, PostedDefect, PostedVersion
    from pfnlab.discussions.thread_result import DefectResult, DiscussionList, ThreadResult
    from pfnlab.lab.sizes.kernel_sizes import ListedSizes
    from pfnlab.programs.lang.library_list import LibraryList


def library(content: LibraryList) -> Iterator[Block]:
    """Yield the programs of the library by section."""
    for heading, entries in groupby(content.programs, key=lambda entry: entry.section):
        yield from named_rows(heading, ((entry.name, entry.question) for entry in entries))


def sizes(content: ListedSizes) -> Iterator[Block]:
    """Yield the structures of each kernel."""
    from pfnlab.lab.sizes.kernel_sizes import holes_in_words

    for label, structures in content.kernels:
        rows = (
            cells(name, str(one.size), str(one.padding or "-"), holes_in_words(one))
            for name, one in structures.items()
        )
        yield from headed(f"{label}:", ("structure", "bytes", "padding", "holes"), rows, 4)


def claims(content: ClaimList) -> Iterator[Block]:
    """Yield claims with their authors and wording."""
    rows = ((one.number, one.author, one.status, f"“{one.quote}”") for one in content.claims)
    yield from named_rows("", rows, ("",) * 4)


def discussions(content: DiscussionList) -> Iterator[Block]:
    """Yield the threads, then the discussions."""
    threads = (
        (
            *(one.number, one.years, number_of(one.versions, "version")),
            *(number_of(one.defects, "defect") if one.defects else "-", " ".join(one.claims), one.title),
        )
        for one in content.threads
    )
    of_claims = (
        (one.number, " ".join(one.threads), number_of(one.claims, "claim"), one.title)
        for one in content.discussions
    )
    yield from named_rows("", threads, ("",) * 6)
    yield from named_rows("", of_claims, ("",) * 4)


#: The width set aside for the names of rows about a thread.
_NAMES = 15


def _entry(title: str, rows: Iterator[tuple[str, str]]) -> Table | Paragraph:
    """Return the rows that have a text, below a title."""
    found = tuple(cells(name, text, code=False) for name, text in rows if text)
    if not found:
        return Paragraph(title)
    return Table(title, ("", ""), found, (0, 1), under=_NAMES, listed=True)


def thread(content: ThreadResult) -> Iterator[Block]:
    """Yield a thread's versions with their defects, then what came later, and the claims about it."""
    one = content.thread
    yield _entry(f"{one.number}  {one.title}, {one.years}", iter([("before", one.stock)]))
    shown: dict[str, str] = {}
    for version in one.versions:
        head = ", ".join(filter(None, (version.name, _date(version.date))))
        machine = f"  --on {shell_word(version.machine)}" if version.machine else ""
        yield _entry(f"{head}{machine}", _version(version, one.defects, shown))
    if kernels := [defect for defect in one.defects if not defect.versions]:
        rows = (row for defect in kernels for row in _in_full(defect))
        yield _entry("In kernels, and in no version alone", rows)
    if one.later:
        yield _entry("What came later", (row for word in one.later for row in _later(word)))
    for number in one.claims:
        yield from named_rows("", [(f"claims {number}", _counted(content.claims, number))])
    if one.remarks:
        yield _entry("", (("remark", remark) for remark in one.remarks))


def _version(
    version: PostedVersion, defects: Sequence[PostedDefect], shown: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield a version's design, what became of it, and its defects: in full below the first that has them."""
    yield "design", version.design
    landed = ", ".join(version.landed)
    yield "landed", f"{landed} ({version.release})" if version.release and landed else landed
    yield "fate", version.fate
    yield "base", "" if version.machine or not version.base else f"model:{version.base}"
    yield "patch", f"evidence/patches/{version.patch}" if version.patch else ""
    yield from _messages("mail", version.message_ids, version.mail, version.named_in)
    for defect in defects:
        if version.name in defect.versions and defect.number in shown:
            yield defect.number, f"as in {shown[defect.number]}"
        elif version.name in defect.versions:
            shown[defect.number] = version.name
            yield from _in_full(defect)


def _in_full(defect: PostedDefect) -> Iterator[tuple[str, str]]:
    kernels = f"{defect.kernels}: " if defect.kernels else ""
    yield defect.number, f"{kernels}{defect.scenario}"
    when = f", {_date(defect.when)}" if defect.when else ""
    yield "", f"{defect.found_by}{when}; {defect.fate}."


def _later(word: LaterWord) -> Iterator[tuple[str, str]]:
    yield word.claim, f"{_date(word.date)}, {word.who}: {word.says}"
    yield from _messages("", word.message_ids, word.mail)


def _counted(found: Sequence[ListedClaim], discussion: str) -> str:
    """Return a text with the number of claims in a discussion."""
    found = [one for one in found if one.number.startswith(f"{discussion}.")]
    counts = ", ".join(f"{status} {count}" for status, count in Counter(one.status for one in found).items())
    command = f"pfnlab discussions list --discussion {discussion}"
    return f"{found[0].number} to {found[-1].number}: {counts}; {command}"


def defect(content: DefectResult) -> Iterator[Block]:
    """Yield a defect of posted versions."""
    yield _entry(f"{content.defect.number}  {content.thread}, {content.title}", _defect(content))


def _defect(content: DefectResult) -> Iterator[tuple[str, str]]:
    one = content.defect
    yield "in", "; ".join(filter(None, (", ".join(one.versions), one.kernels)))
    yield "scenario", one.scenario
    yield "found by", ": ".join(filter(None, (one.found_by, one.how)))
    yield "when", _date(one.when)
    yield from _messages("mail", one.message_ids, one.mail)
    yield "fate", one.fate
    yield "to be shown", one.expressible
    yield "breaks", ", ".join(one.properties)
    yield "not asked yet", one.new
    yield "bugs", ", ".join(one.bugs)
    yield "program", one.program
    yield "on", ", ".join(content.on)


def _messages(
    name: str, message_ids: Sequence[str], mail: Sequence[str], named_in: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """Yield the places to find messages: addresses, one per row, and numbers in the stored archive."""
    from pfnlab.discussions.posted_threads import archive_address

    stored = (("stored as", mail), ("named in mail", named_in))
    numbers = [f"{words} {', '.join(found)}" for words, found in stored if found]
    for text in (*map(archive_address, message_ids), *numbers):
        yield name, text
        name = ""


def _date(date: str) -> str:
    from pfnlab.discussions.posted_threads import date_words

    return date_words(date) if date else ""


#: The blocks of a result, by the name of its structure.
BLOCKS: dict[str, Callable[[Any], Iterator[Block]]] = {
    "LibraryList": library,
    "ListedSizes": sizes,
    "ClaimList": claims,
    "DiscussionList": discussions,
    "ThreadResult": thread,
    "DefectResult": defect,
}
