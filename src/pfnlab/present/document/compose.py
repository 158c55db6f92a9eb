"""Combine parts into one document, findings first and each result with its command; choose the writer."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

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

#: If there are more expected results than this, they are folded.
_OPEN = 3
#: If there are more results than this, those that agree get one line each, and the others get no tables.
_WHOLE = 50

_TONES: dict[Outcome, Tone] = {
    Outcome.DISCOVERY: "bad",
    Outcome.UNDECIDED: "lit",
    Outcome.AS_EXPECTED: "good",
}
_SHORT = (
    "Each result shows its differences. Results without a link agree in everything a user can see. "
    "pfnlab run NAME with the same machines shows every step."
)


def document_of(parts: Sequence[Part], title: str | None = None, *, unfolded: bool = False) -> Document:
    """Return a document made of *parts*.

    :param title: its title; by default that of the only part, or the number of parts
    :param unfolded: show every result in full
    """
    ordered = sorted(parts, key=_weight)
    if len(ordered) == 1:
        (part,) = ordered
        blocks: tuple[Block, ...] = (Facts(part.facts), *part.blocks, *part.more)
        return Document(title or part.title, part.says, tuple(_whole(blocks)))
    whole = unfolded or len(ordered) <= _WHOLE
    common = tuple(fact for fact in ordered[0].facts if all(fact in part.facts for part in ordered))
    entries: list[ContentsEntry] = []
    chapters: list[Chapter] = []
    for number, part in enumerate(ordered, 1):
        if not whole and _agrees(part):
            entries.append(_line(part))
            continue
        anchor = f"result-{number}"
        entries.append(ContentsEntry(part.title, part.word, _tone(part), part.says, anchor))
        own = tuple(fact for fact in part.facts if fact not in common)
        blocks = (*part.blocks, *part.more) if whole else part.blocks
        inside = (Paragraph(part.says), *_facts(own), *_whole(blocks))
        folded = part.outcome is Outcome.AS_EXPECTED and len(ordered) > _OPEN and not unfolded
        chapters.append(Chapter(f"{number}. {part.title}", inside, folded, anchor))
    words = Counter(part.word for part in ordered)
    counts = ", ".join(f"{count} {word}" for word, count in words.items())
    says = f"{number_of(len(ordered), 'result')}: {counts}."
    short = () if whole else (Paragraph(_SHORT),)
    blocks = (*_facts(common), *short, Contents(tuple(entries)), *chapters)
    return Document(title or "Results of pfnlab", says, blocks)


def _facts(rows: tuple[tuple[str, tuple[str, ...]], ...]) -> Iterator[Facts]:
    if rows:
        yield Facts(rows)


def _agrees(part: Part) -> bool:
    """Return True if the machines agree, as expected, in everything that a user of the kernel can see."""
    return part.inside or part.outcome is Outcome.AS_EXPECTED


def _weight(part: Part) -> tuple[int, bool]:
    """Return the sort key: findings, then undecided results, internal differences, and expected results."""
    return (Outcome.AS_EXPECTED if part.inside else part.outcome).weight, not part.inside


def _tone(part: Part) -> Tone:
    return "lit" if part.inside else _TONES[part.outcome]


def _line(part: Part) -> ContentsEntry:
    """Return a result as a line with its program's title; internal differences are only counted."""
    title = f"{part.title}: {part.about}" if part.about else part.title
    return ContentsEntry(
        title, part.word, _tone(part), part.says.rpartition(": ")[2] if part.inside else "", ""
    )


def _whole(blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield the same blocks, moving the chapters of table rows to before the tables, in chapters too."""
    for block in blocks:
        if isinstance(block, Table) and block.below:
            yield from _whole(chapter for chapter in block.below if chapter is not None)
            yield replace(block, below=())
        elif isinstance(block, Chapter):
            yield replace(block, blocks=tuple(_whole(block.blocks)))
        else:
            yield block


WRITERS: dict[str, Callable[[Document], str]] = {"html": html, "md": mail}


def writer_of(form: str | None, output: Path | None) -> Callable[[Document], str]:
    """Return the writer for html or md; None means Markdown for .md or .txt."""
    by_name = "md" if output is not None and output.suffix.lower() in (".md", ".txt") else "html"
    return WRITERS[form or by_name]
