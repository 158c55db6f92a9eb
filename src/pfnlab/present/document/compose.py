"""Combine parts into one document: findings first, each result with its command; and the writers."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from pfnlab.base.errors import Misuse
from pfnlab.base.result import Outcome
from pfnlab.base.units import number_of
from pfnlab.present.document.blocks import (
    Block,
    Chapter,
    Contents,
    ContentsEntry,
    Document,
    Facts,
    Paragraph,
    Table,
    Tone,
)
from pfnlab.present.document.html import html
from pfnlab.present.document.mail import mail
from pfnlab.present.document.part import Part

#: Results that are as expected are folded if there are more than this many.
_OPEN = 3

_TONES: dict[Outcome, Tone] = {
    Outcome.DISCOVERY: "bad",
    Outcome.UNDECIDED: "lit",
    Outcome.AS_EXPECTED: "good",
}


def document_of(parts: Sequence[Part], title: str | None = None, *, unfolded: bool = False) -> Document:
    """The document of *parts*.

    :param title: its title; by default that of the only part, or the number of parts
    :param unfolded: show results that are as expected too
    """
    ordered = sorted(parts, key=lambda part: part.outcome.weight)
    if len(ordered) == 1:
        (part,) = ordered
        blocks: tuple[Block, ...] = (Facts(part.facts), *part.blocks)
        return Document(title or part.title, part.says, tuple(_whole(blocks)))
    entries = (
        ContentsEntry(part.title, part.word, _TONES[part.outcome], part.says, f"result-{number}")
        for number, part in enumerate(ordered, 1)
    )
    shown: list[Block] = [Contents(tuple(entries))]
    for number, part in enumerate(ordered, 1):
        good = part.outcome is Outcome.AS_EXPECTED
        inside = (Paragraph(part.says), Facts(part.facts), *_whole(part.blocks))
        folded = good and len(ordered) > _OPEN and not unfolded
        shown.append(Chapter(f"{number}. {part.title}", inside, folded, f"result-{number}"))
    words = Counter(part.word for part in ordered)
    counts = ", ".join(f"{count} {word}" for word, count in words.items())
    says = f"{number_of(len(ordered), 'result')}: {counts}."
    return Document(title or "Results of pfnlab", says, tuple(shown))


def _whole(blocks: Iterable[Block]) -> Iterator[Block]:
    """The same, with what is below rows of tables before them."""
    for block in blocks:
        if isinstance(block, Table) and block.below:
            yield from _whole(chapter for chapter in block.below if chapter is not None)
            yield replace(block, below=())
        else:
            yield block


WRITERS: dict[str, Callable[[Document], str]] = {"html": html, "md": mail}


def writer_of(form: str | None, output: Path | None) -> Callable[[Document], str]:
    """The writer of html or md; None is Markdown for *output* in .md or .txt; raises Misuse for no form."""
    by_name = "md" if output is not None and output.suffix.lower() in (".md", ".txt") else "html"
    chosen = form or by_name
    if chosen not in WRITERS:
        raise Misuse(f"unknown format {chosen!r}: write --format {'|'.join(WRITERS)}")
    return WRITERS[chosen]
