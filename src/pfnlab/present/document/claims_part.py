"""Part for ``discussions show``: a claim and its programs, with models and kernels side by side.

A reply for a mailing list has the same tables, no markup, and lines that mail clients do not break; only
program lines and quoted words may be longer, because they are copied as a whole.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise

from pfnlab.base.inert import one_line, recorded_line, visible_name
from pfnlab.discussions.claim_results import ClaimAnswer, ClaimResult
from pfnlab.present.document import blocks
from pfnlab.present.document.mail import WIDTH
from pfnlab.present.document.part import Part, part_of_result
from pfnlab.present.document.terminal import text_of


def part(content: ClaimResult) -> Part:
    """Return the wording of the claim, its outcome and the results."""
    claim = content.claim
    first = f"{claim.number}  {claim.author}, {content.role}, {claim.date}: {claim.message}"
    says = f"{claim.number}, {claim.author}: {content.says}"
    fact = "discussion", content.discussion
    return part_of_result(
        content, f"Claim {claim.number}", says, _blocks(content), fact, first=one_line(first)
    )


def commands_of(content: ClaimResult) -> tuple[str, ...]:
    """Return the commands that reproduce all of it."""
    of_programs = (program.command for program in content.programs)
    of_answers = (answer.command for answer in content.answers if answer.command)
    return tuple(dict.fromkeys(map(recorded_line, (*content.builds, *of_programs, *of_answers))))


def _blocks(content: ClaimResult) -> Iterator[blocks.Block]:
    claim = content.claim
    yield blocks.Paragraph(f"“{claim.quote}”")
    because = f": {claim.because}" if claim.because else ""
    lines = (
        f"hedged: {claim.hedge}" if claim.hedge else "",
        f"read as: {claim.reading}",
        f"status: {claim.status}{because}",
        f"no stock kernel: {content.model_only}" if content.model_only else "",
        *(f"source: {source}" for source in content.sources),
    )
    yield blocks.Bullets(tuple(line for line in lines if line))
    for program in content.programs:
        yield blocks.Code(program.file, program.text, f"{program.file}\n{_indented(program.text, 2)}")
    yield from _results(content.answers)
    commands = commands_of(content)
    if commands:
        yield blocks.Facts((("again", commands),))
    yield blocks.Paragraph(content.says)


#: The columns of results; one that no machine has anything for is left out.
_COLUMNS = ("on", "models", "stock kernels", "patched kernels", "")


def _results(answers: Iterable[ClaimAnswer]) -> Iterator[blocks.Block]:
    """Yield a table for each program and operation, with a row for each machine."""
    for (file, asked), members in groupby(answers, key=lambda answer: (answer.file, answer.asked)):
        columns = zip(_COLUMNS, *map(_row, members), strict=True)
        shown = [one for one in columns if one[0] == _COLUMNS[0] or any(cell.lines for cell in one[1:])]
        head, *rows = zip(*shown, strict=True)
        yield from blocks.headed(f"{asked} ({file})" if file else asked, head, rows, len(head))


def _row(answer: ClaimAnswer) -> tuple[blocks.Cell, ...]:
    tone: blocks.Tone = "bad" if answer.word == "otherwise" else ""
    shown = (
        blocks.cell(text or "", "" if text == answer.expected else tone)
        for text in (answer.model, answer.kernel, answer.patched)
    )
    remark = blocks.cell(", ".join(_remarks(answer)), tone)
    return blocks.cells(answer.on.removeprefix("model:"), *shown, remark)


def _remarks(answer: ClaimAnswer) -> Iterator[str]:
    """Yield remarks on a result, e.g. that it contradicts the claim or is unexpected."""
    if answer.against:
        yield "contradicts the claim"
    if answer.word != "as expected":
        yield f"{answer.word}, expected {answer.expected}"


def claim_mail(content: ClaimResult) -> str:
    """Return the reply for a mailing list, ending in a newline."""
    reply = tuple(_reply(content))
    # A table has space around it already.
    kept = [
        one
        for before, one in pairwise((reply[0], *reply))
        if one != blocks.Paragraph("") or not isinstance(before, blocks.Table)
    ]
    return text_of(kept, WIDTH)


def _reply(content: ClaimResult) -> Iterator[blocks.Block]:
    claim = content.claim
    # If only the month is known, it is "In January 2025".
    when = f"{'On' if claim.date[:1].isdigit() else 'In'} {claim.date}"
    yield from _lines(f"{when} {claim.author} wrote ({claim.message}):", "")
    yield blocks.Paragraph(f"> {one_line(claim.quote)}", whole=True)
    yield from _lines("", f"We read this as: {claim.reading}")
    if claim.hedge:
        yield from _lines(f"The author hedged: “{claim.hedge}”.")
    yield from _lines(f"Status: {claim.status}{f': {claim.because}' if claim.because else ''}.")
    for program in content.programs:
        yield from _lines("", f"{one_line(program.file)}:", "")
        yield blocks.Code("", _indented(program.text, 4))
    if content.answers:
        yield from _lines("", "Results:")
        yield from _results(content.answers)
    if content.model_only:
        yield from _lines("", f"No stock kernel shows it: {content.model_only}.")
    for source in content.sources:
        yield from _lines("", f"The source says: {source}.")
    if commands := commands_of(content):
        yield from _lines("", "To repeat it:", "")
        yield blocks.Code("", "\n".join(line for one in commands for line in _command(one)))
    yield from _lines("", f"{content.says} (claim {claim.number}, pfnlab {content.made.pfnlab})")


def _lines(*texts: str) -> Iterator[blocks.Block]:
    return map(blocks.Paragraph, texts)


def _indented(text: str, columns: int) -> str:
    return "\n".join(f"{' ' * columns}{line}".rstrip() for line in text.splitlines())


def _command(command: str) -> Iterator[str]:
    """Yield a command as lines that a shell reads as one, broken before options."""
    words = visible_name(command).split(" --")
    line = f"    {words[0]}"
    for option in (f"--{word}" for word in words[1:]):
        if len(f"{line} {option} \\") > WIDTH:
            yield f"{line} \\"
            line = f"        {option}"
        else:
            line = f"{line} {option}"
    yield line
