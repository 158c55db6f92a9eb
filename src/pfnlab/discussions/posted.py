"""Threads of mailing lists behind the designs: posted versions, what was wrong with them, what came later.

Each is a file of ``threads/``, ``T02.toml``, whose tables are the structures below: ``[[version]]``,
``[[defect]]`` and ``[[later]]``. A list of defects is not complete: a version without one may have one.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.files import read_text
from pfnlab.base.inert import url_part
from pfnlab.base.toml_text import MOST_TOML, toml_content
from pfnlab.programs.lang.words import did_you_mean

_HERE = Path(__file__).parent / "threads"

#: A day, a month or a year, as far as it is known.
IsoDate = Annotated[str, msgspec.Meta(pattern=r"^(\d{4}(-\d\d){0,2})?$")]

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
    *("November", "December"),
)

#: The public archive of the lists, by Message-ID.
_ARCHIVE = "https://lore.kernel.org/all"


#: What comes out of the review of a row.
ReviewOutcome = Literal["broken", "cost", "changed", "same", "holds"]


class PostedReview(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A review of a version or a defect: the models, and what comes out.

    :param base: the model it is compared with, ``7.2``: without the defect
    :param design: the model with it, ``7.2,flush=gather_v1``
    :param expected: ``broken``: the properties are newly broken; ``cost``: the operation takes more
        flushes, and nothing is newly broken; ``changed``: it answers or prints otherwise; ``same``: nothing
        differs on mappings of the kind; ``holds``: nothing is newly broken
    :param properties: those that are newly broken, or hold; empty: those of the defect, or all
    :param operation: the word of the operation
    :param kind: the kind of mappings, of which a review says on how many it differs
    """

    base: str
    design: str
    expected: ReviewOutcome
    properties: tuple[str, ...] = ()
    operation: str = ""
    kind: str = ""


class PostedVersion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of a patch or series, or what landed of it.

    :param name: unique in its thread, ``v4``
    :param design: what it does, in our words
    :param date: of the message; empty where nobody noted it
    :param message_ids: of the message, without angle brackets
    :param mail: numbers under which a stored public archive has the message
    :param named_in: the same of other mails that speak of it
    :param base: the model to compare it with, ``7.2``
    :param policy: the design as a policy, as ``--on`` takes it behind *base*; empty where none is it
    :param patch: a file of evidence/patches that gives a kernel this policy; empty where none does
    :param landed: the commits; those of stable series too
    :param release: the first releases with them
    :param fate: what became of it otherwise
    :param reviews: of a version with a defect that nobody posted
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
        """The design as ``--on`` takes it; empty where no policy is it."""
        return f"model:{self.base},{self.policy}" if self.policy else ""


class PostedDefect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A defect of posted versions, or of the kernels they are about.

    :param number: ``R11``, unique among all threads
    :param versions: the versions of the thread that have it
    :param kernels: releases or commits that have it
    :param scenario: what happens
    :param found_by: who found it
    :param how: reading, a user, fuzzing, a measurement; empty where nobody says it
    :param when: the day; empty where nobody noted it
    :param message_ids: of the messages that tell it
    :param mail: the same as numbers of a stored public archive
    :param fate: what became of it
    :param expressible: whether a program or a search of the model can show it, and which, or what is missing
    :param properties: the properties of ``check`` that it violates
    :param new: the property that would ask it, where there is none
    :param bugs: its rows of docs/bugs.md
    :param program: a program that comes with pfnlab and is about it
    :param reviews: what a review says of it
    :param not_reviewed: why no review says anything of it, where that is so
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
    program: str = ""
    reviews: tuple[PostedReview, ...] = msgspec.field(default=(), name="review")
    not_reviewed: str = ""


class LaterWord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A remark that somebody of the thread made after a claim.

    :param claim: the number of the claim, ``000.7``
    :param who: said it
    :param says: in our words
    :param date: of the message
    :param message_ids: of the message
    :param mail: the same as numbers of a stored public archive
    """

    claim: str
    who: str
    says: str
    date: IsoDate
    message_ids: tuple[str, ...] = ()
    mail: tuple[str, ...] = ()


class PostedThread(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thread.

    :param number: ``T2``
    :param title: its subject
    :param years: when it was written
    :param versions: in the order of their dates
    :param defects: what was found in them
    :param later: what was said after claims about it
    :param claims: the discussions whose claims are about it, ``004``
    :param stock: what kernels did before it
    :param remarks: objections that name no defect, and other mails
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
    """All threads, by their numbers.

    :raises Misuse: a file is malformed
    """
    return tuple(
        read_thread(read_text(path, "threads", MOST_TOML), path.stem)
        for path in sorted(_HERE.glob("T*.toml"))
    )


def read_thread(text: str, stem: str) -> PostedThread:
    """The thread that *text* describes.

    :param stem: the name of its file without suffix, ``T02``
    :raises Misuse: it is malformed; the line says where
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

    :param number: ``T2``, in any case of letters; ``T02`` is the same
    :raises Misuse: there is none
    """
    found = {one.number: one for one in posted_threads()}
    meant = f"T{number[1:].lstrip('0')}"
    if meant not in found:
        raise Misuse(f"there is no thread {number!r}: there are T1 to {[*found][-1]}")
    return found[meant]


def defect_numbered(number: str) -> tuple[PostedThread, PostedDefect]:
    """The defect with this number, and its thread.

    :param number: ``R11``, in any case of letters
    :raises Misuse: there is none
    """
    found = {defect.number: (one, defect) for one in posted_threads() for defect in one.defects}
    if (meant := number.upper()) not in found:
        raise Misuse(f"there is no defect {number!r}{did_you_mean(meant, found)}")
    return found[meant]


def later_words(claim: str) -> Iterator[LaterWord]:
    """The remarks that were made after a claim.

    :param claim: its number, ``004.21``
    """
    return (word for one in posted_threads() for word in one.later if word.claim == claim)


def date_words(date: str) -> str:
    """A date in words: ``21 January 2025``, ``April 2025``, ``2012``.

    :param date: ``2025-01-21``, ``2025-04`` or ``2012``
    """
    year, *rest = date.split("-")
    words = [str(int(rest[1]))] if len(rest) > 1 else []
    return " ".join([*words, *([_MONTHS[int(rest[0]) - 1]] if rest else []), year])


def archive_address(message_id: str) -> str:
    """The address of a message in the public archive of the lists.

    :param message_id: without angle brackets
    """
    return f"{_ARCHIVE}/{url_part(message_id)}/"
