"""Results as one document: what was found first, every result with what was done."""

from __future__ import annotations

from collections.abc import Sequence

from pfnlab.document.blocks import Block, Chapter, Document, Paragraph, Picture, Table, Tone, cell
from pfnlab.document.parts.part import WEIGHT, WORDS, Part, facts_of
from pfnlab.document.read import Result
from pfnlab.programs.runs.compare import Outcome
from pfnlab.units import number_of

#: Results that are as expected are folded where there are more than so many results.
_OPEN = 3

#: The most bytes of all drawings of a document together, so that it can be mailed.
MOST_DRAWN = 1_400_000

_LEFT_OUT = "The picture is left out, so that the file stays small: pfnlab draw makes it."

_TONES: dict[Outcome, Tone] = {
    Outcome.DISCOVERY: "bad",
    Outcome.UNDECIDED: "lit",
    Outcome.AS_EXPECTED: "good",
}


def document_of(results: Sequence[Result], title: str | None = None) -> Document:
    """The document of *results*.

    :param title: its title; without it, that of its only result, or how many there are
    """
    parts = sorted(
        (result.kind.part(result.content) for result in results), key=lambda part: WEIGHT[part.outcome]
    )
    if len(parts) == 1:
        (part,) = parts
        blocks: tuple[Block, ...] = (facts_of(part), *part.blocks)
        return Document(title or part.title, part.says, _bounded(blocks))
    shown: list[Block] = [_overview(parts)]
    for number, part in enumerate(parts, 1):
        folded = len(parts) > _OPEN and part.outcome is Outcome.AS_EXPECTED
        inside = (Paragraph(part.says), facts_of(part), *part.blocks)
        shown.append(Chapter(f"{number}. {part.title}", inside, folded, anchor=_anchor(number)))
    return Document(title or number_of(len(parts), "result"), _says(parts), _bounded(tuple(shown)))


def _says(parts: Sequence[Part]) -> str:
    counts = [(sum(part.outcome is outcome for part in parts), word) for outcome, word in WORDS.items()]
    names = {"found": "found something", "undecided": "undecided", "as expected": "as expected"}
    said = ", ".join(f"{count} {names[word]}" for count, word in counts if count)
    return f"{number_of(len(parts), 'result')}: {said}."


def _overview(parts: Sequence[Part]) -> Table:
    """A line for each result, which leads to it."""
    rows = tuple(
        (
            cell(str(number)),
            cell(part.title),
            cell(WORDS[part.outcome], _TONES[part.outcome]),
            cell(part.says),
        )
        for number, part in enumerate(parts, 1)
    )
    return Table("All results, what was found first", ("", "result", "is", "in one sentence"), rows)


def _anchor(number: int) -> str:
    return f"result-{number}"


def _bounded(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """The same, without the drawings behind the first :data:`MOST_DRAWN` bytes of them."""
    left = MOST_DRAWN

    def kept(block: Block) -> Block:
        nonlocal left
        if isinstance(block, Chapter):
            return Chapter(block.title, tuple(map(kept, block.blocks)), block.folded, block.anchor)
        if isinstance(block, Picture):
            left -= len(block.svg.encode())
            return block if left >= 0 else Paragraph(f"{block.says} {_LEFT_OUT}")
        return block

    return tuple(map(kept, blocks))
