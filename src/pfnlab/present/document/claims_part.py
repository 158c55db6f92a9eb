"""``discussions show``: a claim, its programs, and the answers of models and kernels side by side."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent

from pfnlab.base.inert import one_line, recorded_line
from pfnlab.discussions.asked_again import ClaimAnswer, ClaimResult
from pfnlab.present.document.blocks import Block, Bullets, Cell, Code, Facts, Paragraph, Table, Tone, cell
from pfnlab.present.document.part import Part, done


def part(content: ClaimResult) -> Part:
    """The words, what became of them, and the answers."""
    claim = content.claim
    said = f"{claim.author}, {content.role}, {claim.date}: {claim.message}"
    return Part(
        title=f"Claim {claim.number}",
        says=f"{claim.number}, {claim.author}: {content.says}",
        outcome=content.outcome,
        blocks=tuple(_blocks(content)),
        facts=done(content.made, ("discussion", content.discussion)),
        first=one_line(f"{claim.number}  {said}"),
    )


def commands_of(content: ClaimResult) -> tuple[str, ...]:
    """The commands that ask everything again."""
    of_programs = (program.command for program in content.programs)
    of_answers = (answer.command for answer in content.answers if answer.command)
    return tuple(dict.fromkeys(map(recorded_line, (*content.builds, *of_programs, *of_answers))))


def _blocks(content: ClaimResult) -> Iterator[Block]:
    claim = content.claim
    yield Paragraph(f"“{claim.quote}”")
    because = f": {claim.because}" if claim.because else ""
    lines = (
        f"hedged: {claim.hedge}" if claim.hedge else "",
        f"read as: {claim.reading}",
        f"status: {claim.status}{because}",
        f"no stock kernel: {content.model_only}" if content.model_only else "",
        *(f"source: {source}" for source in content.sources),
    )
    yield Bullets(tuple(line for line in lines if line))
    for program in content.programs:
        yield Code(program.file, program.text, f"{program.file}\n{indent(program.text, '  ')}")
    if content.answers:
        yield Table(
            "What each shows",
            ("asked", "program", "on", "models", "stock kernels", "patched kernels", ""),
            tuple(tuple(_row(answer)) for answer in content.answers),
            glance=(0, 1, 2, 3, 4, 5, 6),
            headed=True,
        )
    commands = commands_of(content)
    if commands:
        yield Facts((("again", commands),))
    yield Paragraph(content.says)


def _row(answer: ClaimAnswer) -> Iterator[Cell]:
    yield cell(answer.asked, code=True)
    yield cell(answer.file)
    yield cell(answer.on)
    tone: Tone = "bad" if answer.word == "otherwise" else ""
    for shown in (answer.model, answer.kernel):
        yield cell("-" if shown is None else shown, "" if shown in (None, answer.expected) else tone)
    yield cell("-" if answer.patched is None else answer.patched, tone)
    yield cell(", ".join(remarks(answer)), tone)


def remarks(answer: ClaimAnswer) -> Iterator[str]:
    """The remarks on an answer: where it speaks against the claim, or is not what was expected."""
    if answer.against:
        yield "but"
    if answer.word != "as expected":
        yield f"{answer.word}, expected {answer.expected}"
