"""Mailing-list threads behind the designs: posted versions, their defects, and later remarks.

Each has a file in ``threads/``, e.g. ``T02.toml``, whose tables are the structures below: ``[[version]]``,
``[[defect]]`` and ``[[later]]``. A list of defects may be incomplete.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.files import read_text
from pfnlab.base.inert import url_part
from pfnlab.base.spelling import did_you_mean
from pfnlab.base.toml_text import MOST_TOML, toml_content

_HERE = Path(__file__).parent / "threads"

#: A day, a month or a year, as far as it is known.
IsoDate = Annotated[str, msgspec.Meta(pattern=r"^(\d{4}(-\d\d){0,2})?$")]

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
    *("November", "December"),
)

#: The public archive of the lists, by Message-ID.
_ARCHIVE = "https://lore.kernel.org/all"


#: The possible outcomes of a row's review.
ReviewOutcome = Literal["broken", "cost", "changed", "same", "holds"]


class PostedReview(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A review of a version or a defect: the models, and the expected outcome.

    :param base: the model without the defect, e.g. ``7.2``
    :param design: the model with it, e.g. ``7.2,flush=gather_v1``
    :param expected: ``broken``: the properties are newly violated; ``cost``: the operation takes more
        flushes, and nothing is newly violated; ``changed``: the result or a message is different; ``same``:
        nothing differs on mappings of the kind; ``holds``: nothing is newly violated
    :param properties: the properties that are newly violated, or hold; if empty, those of the defect, or all
    :param operation: the operation's word
    :param kind: the kind of mapping; a review reports on how many mappings of this kind it differs
    """

    base: str
    design: str
    expected: ReviewOutcome
    properties: tuple[str, ...] = ()
    operation: str = ""
    kind: str = ""


class PostedVersion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of a patch or series, or the part of it that landed.

    :param name: unique within its thread, e.g. ``v4``
    :param design: its design, in our words
    :param date: the date of the message; empty if unknown
    :param message_ids: the message's Message-IDs, without angle brackets
    :param mail: the message's numbers in a stored public archive
    :param named_in: the numbers of other mails there that mention it
    :param base: the model to compare it with, e.g. ``7.2``
    :param policy: the design as a policy for ``--on``, written after *base*; may be empty
    :param patch: a file in evidence/patches that gives a kernel this policy; may be empty
    :param landed: the commits, including those in stable series
    :param release: the first releases that contain them
    :param fate: what became of it, if it did not land
    :param reviews: reviews of a version with a defect that was not reported on the list
    """

    name: str
    design: str
    date: IsoDate = ""
    message_ids: tuple[str, ...] = ()
    mail: tuple[str, ...] = ()
    named_in: tuple[str, ...] = ()
    base: str = ""
    policy: str = ""
    patch: str = ""
    landed: tuple[str, ...] = ()
    release: str = ""
    fate: str = ""
    reviews: tuple[PostedReview, ...] = msgspec.field(default=(), name="review")

    @property
    def machine(self) -> str:
        """The design as ``--on`` takes it; empty if there is no such policy."""
        return f"model:{self.base},{self.policy}" if self.policy else ""


class PostedDefect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A defect in posted versions, or in the kernels they concern.

    :param number: its number, e.g. ``R11``, unique among all threads
    :param versions: the versions in the thread that have it
    :param kernels: releases or commits that have it
    :param scenario: how it happens, step by step
    :param found_by: who found it
    :param how: reading, a user, fuzzing, a measurement; empty if unknown
    :param when: the day; empty if unknown
    :param message_ids: the Message-IDs of the messages that report it
    :param mail: the numbers of these messages in a stored public archive
    :param fate: what became of it
    :param expressible: whether a program or a search of the model can show it, and which, or what is missing
    :param properties: the ``check`` properties that it violates
    :param new: the property that would detect it, if it does not exist yet
    :param bugs: its rows in docs/bugs.md
    :param functions: the kernel functions whose change has it, or of which it is known
    :param rules: the sections of docs/semantics that it violates, or that describe it
    :param program: a program in pfnlab's library that concerns it
    :param reviews: its reviews
    :param not_reviewed: why it has no review, if it has none
    """

    number: Annotated[str, msgspec.Meta(pattern=r"^R\d\d$")]
    scenario: str
    found_by: str
    fate: str
    expressible: str
    how: str = ""
    versions: tuple[str, ...] = ()
    kernels: str = ""
    when: IsoDate = ""
    message_ids: tuple[str, ...] = ()
    mail: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    new: str = ""
    bugs: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    program: str = ""
    reviews: tuple[PostedReview, ...] = msgspec.field(default=(), name="review")
    not_reviewed: str = ""


class LaterWord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A remark made in the thread after a claim.

    :param claim: the claim's number, e.g. ``000.7``
    :param who: its author
    :param says: the remark, in our words
    :param date: the date of the message
    :param message_ids: the message's Message-IDs
    :param mail: the message's numbers in a stored public archive
    """

    claim: str
    who: str
    says: str
    date: IsoDate
    message_ids: tuple[str, ...] = ()
    mail: tuple[str, ...] = ()


class PostedThread(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thread.

    :param number: its number, e.g. ``T2``
    :param title: its subject
    :param years: the years its messages are from
    :param versions: its versions, in date order
    :param defects: their defects
    :param later: remarks made after claims about it
    :param claims: the discussions with claims about it, e.g. ``004``
    :param stock: how kernels behaved before it
    :param remarks: objections without a defect, and other mails
    """

    number: Annotated[str, msgspec.Meta(pattern=r"^T\d{1,2}$")]
    title: str
    years: str
    versions: Annotated[tuple[PostedVersion, ...], msgspec.Meta(min_length=1)]
    defects: tuple[PostedDefect, ...] = ()
    later: tuple[LaterWord, ...] = ()
    claims: tuple[str, ...] = ()
    stock: str = ""
    remarks: tuple[str, ...] = ()


@cache
def posted_threads() -> tuple[PostedThread, ...]:
    """All threads, by number.

    :raises Misuse: if a file is malformed
    """
    return tuple(
        read_thread(read_text(path, "threads", MOST_TOML), path.stem)
        for path in sorted(_HERE.glob("T*.toml"))
    )


def read_thread(text: str, stem: str) -> PostedThread:
    """The thread that *text* describes.

    :param stem: the name of its file without suffix, e.g. ``T02``
    :raises Misuse: if it is malformed; the message has the line
    """
    source = f"discussions/threads/{stem}.toml"
    content = toml_content(text, source)
    tables = {"versions": content.pop("version", ()), "defects": content.pop("defect", ())}
    try:
        found = msgspec.convert({**content, **tables, "number": f"T{int(stem[1:])}"}, PostedThread)
    except msgspec.ValidationError as wrong:
        raise Misuse(f"{source}: {wrong}") from None
    names = [version.name for version in found.versions]
    for defect in found.defects:
        for name in defect.versions:
            if name not in names:
                raise Misuse(f"{source}: {defect.number} has no version {name!r}{did_you_mean(name, names)}")
    return found


def thread_numbered(number: str) -> PostedThread:
    """The thread with this number.

    :param number: e.g. ``T2``, in upper or lower case; ``T02`` is the same
    :raises Misuse: if there is no such thread
    """
    found = {one.number: one for one in posted_threads()}
    meant = f"T{number[1:].lstrip('0')}"
    if meant not in found:
        raise Misuse(f"there is no thread {number!r}: there are T1 to {[*found][-1]}")
    return found[meant]


def defect_numbered(number: str) -> tuple[PostedThread, PostedDefect]:
    """The defect with this number, and its thread.

    :param number: e.g. ``R11``, in upper or lower case
    :raises Misuse: if there is no such defect
    """
    found = {defect.number: (one, defect) for one in posted_threads() for defect in one.defects}
    if (meant := number.upper()) not in found:
        raise Misuse(f"there is no defect {number!r}{did_you_mean(meant, found)}")
    return found[meant]


def date_words(date: str) -> str:
    """A date as text: ``21 January 2025``, ``April 2025``, ``2012``.

    :param date: ``2025-01-21``, ``2025-04`` or ``2012``
    """
    year, *rest = date.split("-")
    words = [str(int(rest[1]))] if len(rest) > 1 else []
    return " ".join([*words, *([_MONTHS[int(rest[0]) - 1]] if rest else []), year])


def archive_address(message_id: str) -> str:
    """The address of a message in the public archive of the lists.

    :param message_id: its Message-ID without angle brackets
    """
    return f"{_ARCHIVE}/{url_part(message_id)}/"
