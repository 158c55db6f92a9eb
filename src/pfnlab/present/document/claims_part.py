"""Part for ``discussions show``: a claim and its programs, with models and kernels side by side.

The plain text, meant for a mailing list, has no markup. Its lines are short enough that mail clients do not
break them; only program lines and commands may be longer, because they are copied as a whole.
"""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from textwrap import indent

from pfnlab.base.inert import one_line, recorded_line, visible, visible_name
from pfnlab.discussions.claim_results import ClaimAnswer, ClaimResult
from pfnlab.present.document import blocks
from pfnlab.present.document.mail import WIDTH
from pfnlab.present.document.part import Part, part_of_result


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
        yield blocks.Code(program.file, program.text, f"{program.file}\n{indent(program.text, '  ')}")
    head = ("asked", "program", "on", "models", "stock kernels", "patched kernels", "")
    yield from blocks.headed("Results", head, map(_row, content.answers), 7)
    commands = commands_of(content)
    if commands:
        yield blocks.Facts((("again", commands),))
    yield blocks.Paragraph(content.says)


def _row(answer: ClaimAnswer) -> tuple[blocks.Cell, ...]:
    tone: blocks.Tone = "bad" if answer.word == "otherwise" else ""
    shown = (
        blocks.cell("-" if shown is None else shown, "" if shown in (None, answer.expected) else tone)
        for shown in (answer.model, answer.kernel)
    )
    patched = blocks.cell("-" if answer.patched is None else answer.patched, tone)
    return blocks.cells(
        answer.asked, answer.file, answer.on, *shown, patched, blocks.cell(", ".join(remarks(answer)), tone)
    )


def remarks(answer: ClaimAnswer) -> Iterator[str]:
    """Yield remarks on a result, e.g. that it contradicts the claim or is unexpected."""
    if answer.against:
        yield "but"
    if answer.word != "as expected":
        yield f"{answer.word}, expected {answer.expected}"


#: The indent of table rows, and the gap between columns.
_INDENT, _GAP = "  ", "  "
#: The minimum width of a table column.
_NARROWEST = 9


def claim_mail(content: ClaimResult) -> str:
    """Return the text, ending in a newline."""
    claim = content.claim
    # If only the month is known, it is "In January 2025".
    when = f"{'On' if claim.date[:1].isdigit() else 'In'} {claim.date}"
    lines = [
        *_wrapped(f"{when} {claim.author} wrote ({claim.message}):"),
        "",
        f"> {one_line(claim.quote)}",
        "",
        *_wrapped(f"We read this as: {claim.reading}"),
        *_wrapped(f"The author hedged: “{claim.hedge}”." if claim.hedge else ""),
        *_wrapped(f"Status: {claim.status}{f': {claim.because}' if claim.because else ''}."),
    ]
    for program in content.programs:
        text = (f"    {line}".rstrip() for line in visible(program.text).splitlines())
        lines += ["", f"{one_line(program.file)}:", "", *text]
    if content.answers:
        lines += ["", "Results:", "", *_mail_answers(content.answers)]
    if content.model_only:
        lines += ["", *_wrapped(f"No stock kernel shows it: {content.model_only}.")]
    for source in content.sources:
        lines += ["", *_wrapped(f"The source says: {source}.")]
    commands = commands_of(content)
    if commands:
        lines += ["", "To repeat it:", "", *(line for one in commands for line in _command(one))]
    version = content.made.pfnlab
    lines += ["", *_wrapped(f"{content.says} (claim {claim.number}, pfnlab {version})")]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _wrapped(text: str, margin: str = "") -> list[str]:
    return textwrap.wrap(
        one_line(text),
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


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


def _mail_answers(answers: Sequence[ClaimAnswer]) -> Iterator[str]:
    """Yield a table for each program and operation, with a row for each machine."""
    columns = ["on", "models", "stock kernels", "patched kernels"]
    shown = [name for at, name in enumerate(columns) if not at or any(_cells(one)[at] for one in answers)]
    keep = [columns.index(name) for name in shown]
    rows = [[_cells(one)[place] or "-" for place in keep] for one in answers]
    # The widest columns shrink until all of them fit.
    widths = [max(map(len, column)) for column in zip(shown, *rows, strict=True)]
    room = WIDTH - len(_INDENT) - len(_GAP) * (len(widths) - 1)
    while sum(widths) > room and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    yield from _mail_row(shown, widths)
    yield f"{_INDENT}{_GAP.join('-' * width for width in widths)}"
    about = groupby(zip(answers, rows, strict=True), key=lambda pair: (pair[0].file, pair[0].asked))
    for (file, asked), members in about:
        yield from _wrapped(f"{asked} ({file})" if file else asked)
        for answer, row in members:
            yield from _mail_row(row, widths)
            for remark in remarks(answer):
                yield from _wrapped(f"^ {_REMARKS.get(remark, remark)}", _INDENT * 2)


#: Remarks that are too long for a column.
_REMARKS = {"but": "this contradicts the claim"}


def _cells(answer: ClaimAnswer) -> list[str]:
    texts = answer.on.removeprefix("model:"), answer.model, answer.kernel, answer.patched
    return [one_line(text or "") for text in texts]


def _mail_row(cells: Iterable[str], widths: Sequence[int]) -> Iterator[str]:
    """Yield the lines of a row, with each cell wrapped to its column's width."""
    pieces = [
        textwrap.wrap(text, width, break_on_hyphens=False) for text, width in zip(cells, widths, strict=True)
    ]
    for place in range(max(map(len, pieces), default=0)):
        line = _GAP.join(
            (piece[place] if place < len(piece) else "").ljust(width)
            for piece, width in zip(pieces, widths, strict=True)
        )
        yield f"{_INDENT}{line}".rstrip()
