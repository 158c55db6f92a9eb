"""The page ``docs/messages.md``: how to read a message, from the table that ``pfnlab explain`` uses.

``python -m evidence.pages messages --write`` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from evidence.pages.message_example import example_of
from pfnlab.diagnosis.messages.family_files import Family, FamilyKind, FamilyVerdict, families

#: Chapters, by the verdict of their families.
CHAPTERS = {
    FamilyVerdict.DEPENDS: "Messages that alone do not say how bad it is",
    FamilyVerdict.LOOK: "Messages to look at",
    FamilyVerdict.HARMLESS: "Harmless messages",
    FamilyVerdict.OTHER: "Messages about another subject",
}

_INTRO = """\
# Reading a PAT message

`pfnlab explain 'LINE'` recognizes every wording of these messages, in any version, and applies them to the
ranges and the kernel of the line. It takes a whole log or a mail too: `dmesg | pfnlab explain -`.
`--long` adds what this page leaves out: what to send, what helped elsewhere, reproducers and rules.

Three things mislead nearly everybody:

- The last number of a range is the last byte in `[mem A-B]` of messages.
  It is the byte behind the last in `conflicting memory types A-B`, and in the memtype list.
- Both modes of `conflicting memory types A-B M1<->M2` may be modes that are there already.
  What was asked for is in the next line, after `req`.
- `freeing invalid memtype` alone does not say that anything leaked.
  The memtype list says it: `pfnlab inspect` compares it with its owners.
"""


def messages_page() -> str:
    """The page."""
    return "\n".join(_parts())


def _parts() -> Iterator[str]:
    yield _INTRO
    known = [family for family in families() if family.kind is FamilyKind.LOG]
    for verdict, title in CHAPTERS.items():
        yield f"## {title}\n"
        for family in known:
            if family.verdict is verdict:
                yield "\n".join(_section(family))


def _section(family: Family) -> Iterator[str]:
    yield f"### {family.title}\n"
    # A family has no example if all its wordings leave room for other text.
    example = example_of(family) or "\n".join(dict.fromkeys(wording.text for wording in family.wording))
    yield f"```text\n{example}\n```\n"
    yield from sentences(family.meaning)
    if family.leak:
        yield "\nLeaked?"
        yield from sentences(family.leak)
    yield ""
    for ending in family.endings:
        title = f"{ending.title}. " if ending.title else ""
        yield f"- With other lines of the boot, *{ending.verdict.value}*: {_plain(title + ending.meaning)}"
    for advice in family.advice:
        yield f"- {_plain(advice.do)} Costs: {_plain(advice.costs)}"
    if family.bugs:
        yield f"- Known bugs: {', '.join(family.bugs)}"
    yield ""


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, one per line."""
    yield from re.split(r"(?<=[.?!]) (?=[A-Z])", _plain(text))


def _plain(text: str) -> str:
    # Table text is not Markdown: a star or an angle bracket in it is literal.
    return re.sub(r"(?<!`)([*<>])(?!`)", r"\\\1", text)
