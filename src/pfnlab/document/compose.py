"""Parts as one document: what was found first, every result with what was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from msgspec.structs import replace

from pfnlab.document.blocks import (
    Block,
    Chapter,
    Contents,
    ContentsEntry,
    Document,
    Drawn,
    Figure,
    Paragraph,
    Table,
    Tone,
)
from pfnlab.document.parts.part import Part, facts_of
from pfnlab.result import Outcome
from pfnlab.units import number_of

#: Results that are as expected are folded where there are more than so many results.
_OPEN = 3

#: The most bytes of all drawings of a document together, so that it can be mailed.
MOST_DRAWN = 700_000

_LEFT_OUT = "The picture is left out, so that the file stays small: pfnlab draw makes it."

_TONES: dict[Outcome, Tone] = {
    Outcome.DISCOVERY: "bad",
    Outcome.UNDECIDED: "lit",
    Outcome.AS_EXPECTED: "good",
}


def document_of(parts: Sequence[Part], title: str | None = None, *, unfolded: bool = False) -> Document:
    """The document of *parts*.

    :param title: its title; without it, that of the only part, or how many there are
    :param unfolded: show also what is as expected at once
    """
    ordered = sorted(parts, key=lambda part: part.outcome.weight)
    if len(ordered) == 1:
        (part,) = ordered
        blocks: tuple[Block, ...] = (facts_of(part), *part.blocks)
        return Document(title or part.title, part.says, _bounded(blocks))
    shown: list[Block] = [Contents(tuple(_entry(number, part) for number, part in enumerate(ordered, 1)))]
    for number, part in enumerate(ordered, 1):
        good = part.outcome is Outcome.AS_EXPECTED
        inside = (Paragraph(part.says), facts_of(part), *part.blocks)
        folded = good and len(ordered) > _OPEN and not unfolded
        shown.append(Chapter(f"{number}. {part.title}", inside, folded, _anchor(number)))
    return Document(title or "Results of pfnlab", _says(ordered), _bounded(tuple(shown)))


def _says(parts: Sequence[Part]) -> str:
    words = Counter(part.word for part in parts)
    said = [f"{count} {word}" for word, count in words.items()]
    return f"{number_of(len(parts), 'result')}: {', '.join(said)}."


def _entry(number: int, part: Part) -> ContentsEntry:
    return ContentsEntry(part.title, part.word, _TONES[part.outcome], part.says, _anchor(number))


def _anchor(number: int) -> str:
    return f"result-{number}"


def _bounded(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """The same, drawn, without the drawings behind the first :data:`MOST_DRAWN` bytes of them."""
    left = MOST_DRAWN

    def kept(block: Block) -> Iterator[Block]:
        nonlocal left
        match block:
            case Chapter():
                yield replace(block, blocks=tuple(chain.from_iterable(map(kept, block.blocks))))
            case Table():
                yield from chain.from_iterable(kept(chapter) for chapter in block.below if chapter)
                yield replace(block, below=())
            case Drawn():
                yield from chain.from_iterable(map(kept, block.figures()))
            case Figure():
                left -= len(block.svg.encode())
                yield block if left >= 0 else Paragraph(f"{block.caption}. {_LEFT_OUT}")
            case _:
                yield block

    return tuple(chain.from_iterable(map(kept, blocks)))
