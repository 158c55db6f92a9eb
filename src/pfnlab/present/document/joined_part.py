"""Part for ``explain`` on a paste plus a machine's files: combined findings, then the lines' events."""

from collections.abc import Iterator

from pfnlab.base.units import number_of
from pfnlab.diagnosis.inspector.inspection import PlacedFinding
from pfnlab.diagnosis.joined_explanation import JoinedExplanation
from pfnlab.present.document.blocks import Block, Paragraph
from pfnlab.present.document.explanation_part import MOST_PART, brief, everything
from pfnlab.present.document.inspection_part import TONES, finding_blocks
from pfnlab.present.document.part import Part, part_of_result

#: The maximum number of findings on a screen.
_MOST = 10


def part(content: JoinedExplanation) -> Part:
    """Return the findings, then the boots with all their events."""
    return part_of_result(content, "Explanation", content.answer or content.says, _everything(content))


def screen(content: JoinedExplanation, *, full: bool) -> Iterator[Block]:
    """Yield the blocks for a terminal: the answer, and what to review; with *full*, everything."""
    yield Paragraph(content.answer)
    yield from _everything(content) if full else _brief(content)


def _everything(content: JoinedExplanation) -> Iterator[Block]:
    for shown in content.findings:
        yield from finding_blocks(shown)
    if content.untold:
        yield Paragraph(content.untold)
    yield from everything(content)


def _brief(content: JoinedExplanation) -> Iterator[Block]:
    wrong = content.wrong
    for number, shown in enumerate(wrong[:_MOST], 1):
        yield Paragraph("")
        yield from _summary(f"{number}. " if content.to_review > 1 else "", shown)
    if len(wrong) > _MOST:
        yield Paragraph(f"{len(wrong) - _MOST:,} more findings: --long has them all")
    # If there is only one undecided finding, it is the answer.
    if wrong or content.to_review or len(content.undecided) > 1:
        for shown in content.undecided[:_MOST]:
            yield Paragraph(f"undecided: {shown.finding.says}")
    if around := _around(content):
        yield Paragraph(around)
    if content.untold and content.untold not in content.answer:
        yield Paragraph(content.untold)
    yield from brief(content, len(wrong))


def _around(content: JoinedExplanation) -> str:
    """Return the numbers of holes and neighbours around the findings, or an empty string."""
    rows = {row for shown in content.findings for row in shown.around if not row.found}
    holes = sum(row.kind == "free" for row in rows)
    words = [number_of(holes, "hole")] * (holes > 0)
    words += [number_of(len(rows) - holes, "neighbour")] * (len(rows) > holes)
    return f"around the findings: {' and '.join(words)}; --long draws them" if words else ""


def _summary(lead: str, shown: PlacedFinding) -> Iterator[Paragraph]:
    """Yield a finding in a few lines: its line, its meaning, what to do, and the bug."""
    found = shown.finding
    tone = TONES[found.severity]
    if lead:
        yield Paragraph(f"{lead}{found.says}", tone, rows=MOST_PART)
    for line in found.evidence[:2]:
        yield Paragraph(f"  {line.source}: {line.line}", tone, rows=1)
    yield Paragraph(f"  {found.means}", tone, rows=MOST_PART)
    parts = {
        "do": found.advice[0].partition(" It costs")[0] if found.advice else "",
        "bug": f"{found.bugs[0].says}" if found.bugs else "",
    }
    for name, text in parts.items():
        if text:
            yield Paragraph(f"  {name}: {text}", tone, rows=MOST_PART)
