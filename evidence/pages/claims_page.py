"""The pages of claims: the index ``docs/claims.md``, and one page per discussion."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from evidence.pages.claim_block import WordExplanations, anchor, block, linked_date, plain, quotation
from evidence.pages.markdown import table
from pfnlab.discussions.claim_questions import PropertyQuestion, search_ahead
from pfnlab.discussions.evidence import range_words
from pfnlab.discussions.form import MOST_WORDS, Claim, ClaimStatus, Discussion, Message
from pfnlab.discussions.patch_evidence import has_patch
from pfnlab.discussions.posted_threads import PostedThread, posted_threads
from pfnlab.discussions.reading import discussions

_INTRO = f"""\
# What the discussions claim

Five discussions of kernel developers are behind this project, here by number.
Each claim in them has a block on the page of its discussion, to which links lead: `claims/004.md#004-22`.
`pfnlab discussions show 004.22` asks one again and prints all answers; `--mail` makes plain text for a reply.
`pfnlab discussions` lists the threads around them, and `show T2` every posted version of one.
A block has:

- at most {MOST_WORDS} words of the message, verbatim; words that hedge are in bold,
  and […] stands for words of the sentence between them;
- the author and the date, which leads to the message, and what we take the words to say.
  If that is wrong, so is the rest of the block;
- the status: *confirmed*; *confirmed in the thread*, where another author of it, or the same one later, says
  without a hedge what was hedged; *refuted*, which only what was said without a hedge can be; *refuted in
  the thread*, by another author of it, or later by the same one; *holds with a condition*, which follows;
  *open*, where nothing here decides it;
- two lines with the answer that decides: where it was asked, and what that shows; (+3) counts the others.

The two lines have three columns:

- **model**: a model and what the last operation of a program shows there, as *book*
  (which physical range is reserved with which cache mode) or *left* (the book once every process is gone).
  Or a property, searched for in a scope of [check](check.md): every sequence of three operations,
  in `race` every schedule. In a *scope that ends* it is every sequence of any length:
  there are so few states that the search sees all of them, and what holds there, holds *always*.
  Models of designs that nobody built, as `unmap_only`, are ours after the words of the discussion
  ([policies](policies.md)).
- **kernel**: a program in [litmus](../litmus/README.md), the series of real kernels that ran it, and what its
  *golden* has, the record of what they did. The models of these kernels show the same.
  Or the size of a structure, read from these kernels; or the source of older releases;
  or *model only* (*no stock kernel* where a patched one shows it), and why.
- **patched**: a kernel with a [patch](../evidence/patches/README.md) that is the policy of the model.
  Of a search that is violated it ran the shortest program. What a search finds to hold rests on the programs
  that patched kernel and model ran: how many, and how many of them differ.

What speaks against a claim begins with **but**.
The tests ask every question again, and look up every answer of a kernel.
"""

_HEADING = """\
# Claims of discussion {number}: {title}

[Claims](claims.md) says what a block has.

{short}"""


def claims(said: Sequence[Discussion] | None = None) -> str:
    """Return the index: claims by discussion, by author and by status.

    :param said: None for the discussions of the package
    :raises Misuse: the file of a discussion is malformed
    """
    said = discussions() if said is None else said
    rows = [row for one in said for row in one.numbered()]
    parts = [
        _INTRO,
        f"## By discussion\n\n{_summary(said)}",
        f"## By author\n\n{_by_author(rows)}",
        "## By status\n\nThe others are confirmed.",
    ]
    for status in ClaimStatus:
        found = [
            (
                *(f"[{number}](claims/{number[:3]}.md#{anchor(number)})", message.author),
                *(quotation(claim), plain(claim.because)),
            )
            for number, message, claim in rows
            if claim.status is status is not ClaimStatus.CONFIRMED
        ]
        if found:
            parts.append(f"### {status.capitalize()}\n\n{table(('', 'author', 'said', 'why'), found)}")
    return "\n".join(part if part.endswith("\n") else f"{part}\n" for part in parts)


def discussion_page(number: str, jobs: int | None = 1, said: Sequence[Discussion] | None = None) -> str:
    """The page of one discussion.

    :param number: ``004``
    :param jobs: number of parallel searches; None for the number of processors
    :param said: None for the discussions of the package
    :raises Discovery: an answer is not the one a claim rests on
    :raises Misuse: the file of a discussion is malformed
    """
    (discussion,) = (one for one in (discussions() if said is None else said) if one.number == number)
    asked = (question for _, _, claim in discussion.numbered() for question in claim.asks)
    search_ahead((question.search for question in asked if isinstance(question, PropertyQuestion)), jobs)
    parts = [
        _HEADING.format(number=number, title=discussion.title, short=discussion.short),
        *_threads(number),
    ]
    rows = list(discussion.numbered())
    surprises = [row for row in rows if row[2].status is not ClaimStatus.CONFIRMED]
    others = [row for row in rows if row[2].status is ClaimStatus.CONFIRMED]
    explained = WordExplanations()
    for heading, found in (("Surprises", surprises), ("Confirmed, in the order of the thread", others)):
        if found:
            parts += [f"## {heading}\n", *(block(*row, explained) for row in found)]
    messages = dict.fromkeys(message for _, message, _ in rows)
    parts.append("## The messages\n\n" + "".join(map(_message_line, messages)))
    return _below("\n".join(parts))


def _threads(number: str) -> Iterator[str]:
    """The threads of a discussion."""
    for one in (thread for thread in posted_threads() if number in thread.claims):
        yield f"{_thread_words(one)}\n"


def _thread_words(one: PostedThread) -> str:
    versions = ", ".join(version.name for version in one.versions)
    command = f"`pfnlab discussions show {one.number}`"
    return f"Thread {one.number}, {plain(one.title)}, {one.years}, has {versions} ({command})."


def _message_line(message: Message) -> str:
    return f"- {message.author}, {message.role}, {linked_date(message)}: {plain(message.subject)}\n"


def _below(text: str) -> str:
    """Adapt a docs/ text for use one folder down: its links go up first."""
    return re.sub(r"\]\((?!#|\w+:)", "](../", text)


def _summary(said: Sequence[Discussion]) -> str:
    rows = []
    for discussion in said:
        found = [claim for _, _, claim in discussion.numbered()]
        status = Counter(claim.status for claim in found)
        by_kernels = sum(bool(claim.kernels) for claim in found)
        by_patches = sum(has_patch(claim.asks) for claim in found)
        counts = (len(found), by_kernels, by_patches, *(status[one] for one in ClaimStatus))
        rows.append((f"[{discussion.number}](claims/{discussion.number}.md) {discussion.title}", *counts))
    rows.append(("all", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True))))
    return table(
        ("discussion", "claims", "shown by kernels", "by patched kernels", *ClaimStatus),
        ([str(cell) for cell in row] for row in rows),
    )


def _by_author(rows: Sequence[tuple[str, Message, Claim]]) -> str:
    """Return how many claims each author has, in one column per status."""
    authors = dict.fromkeys(message.author for _, message, _ in rows)
    by_author = {
        author: [
            [number for number, message, claim in rows if (message.author, claim.status) == (author, status)]
            for status in ClaimStatus
        ]
        for author in authors
    }
    return table(
        ("author", "claims", *ClaimStatus),
        (
            (author, str(sum(map(len, columns))), *map(_numbers, columns))
            for author, columns in by_author.items()
        ),
    )


def _numbers(numbers: Sequence[str]) -> str:
    """List claim numbers by discussion, with runs as ranges: ``002: 1 to 4, 7``."""
    parts = []
    for discussion, members in groupby(numbers, lambda number: number.partition(".")[0]):
        rows = (number.partition(".")[2] for number in members)
        shown = range_words({int(row): row for row in rows})
        parts.append(f"[{discussion}](claims/{discussion}.md): {shown}")
    return "<br>".join(parts) or "-"
