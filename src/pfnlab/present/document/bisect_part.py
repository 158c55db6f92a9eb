"""Part for ``bisect``: the boundary that was found, and every candidate that was tested."""

from collections.abc import Iterator

from pfnlab.base.units import number_of
from pfnlab.hunt.meeting.bisect import BisectedRule, BisectResult
from pfnlab.present.document.blocks import Block, Bullets, Paragraph, cell, cells, headed
from pfnlab.present.document.part import Part, part_of_result, program_code

#: The maximum number of changes to a model that are listed by name.
_CHANGES = 2


def part(content: BisectResult) -> Part:
    """Return the rules, versions or commits at the boundary, and the steps that led to it."""
    says = f"{content.sought}: {_found(content)}"
    title = f"{content.sought} from {content.good} to {content.bad}"
    ends = ("good", content.good), ("bad", content.bad)
    return part_of_result(content, title, says, _blocks(content), *ends, first=says)


def _found(content: BisectResult) -> str:
    if content.over == "rules":
        return "; ".join(map(_rule, content.rules)) or "no rule, alone or combined, explains it."
    what = "version" if content.over == "versions" else "commit"
    said = f"the last good {what} is {content.last_good}, the first bad one {content.first_bad}"
    left = f", {number_of(len(content.left), what)} between them could not be tested" if content.left else ""
    rules = f": {'; '.join(map(_rule, content.rules))}" if content.rules else "."
    return f"{said}{left}{rules}"


def _short(candidate: str) -> str:
    """Return a candidate's name; a model with many changes is named by its first change and their number."""
    machine, *changes = candidate.split(",")
    if len(changes) <= _CHANGES:
        return candidate
    return f"{machine} with {changes[0]} and {len(changes) - 1} more"


def _rule(rule: BisectedRule) -> str:
    does = "mends" if rule.mends else "breaks"
    name = f"{rule.commit} {does} it: {rule.change}" if rule.commit else f"{rule.change} {does} it"
    return f"{name}, {rule.source}{f' ({rule.bug})' if rule.bug else ''}."


def _blocks(content: BisectResult) -> Iterator[Block]:
    yield Paragraph(f"Difference: {content.says}.")
    rows = (
        cells(
            _short(tried.candidate),
            cell(tried.word, "bad" if tried.word == "bad" else ""),
            *(str(tried.runs or "before"), tried.says or "-"),
        )
        for tried in content.tried
    )
    caption = f"Candidates tested, of {content.unasked} between the ends"
    yield from headed(caption, ("candidate", "word", "runs", "why"), rows, 3)
    if content.left:
        yield Paragraph("Not known:")
        yield Bullets(content.left)
    yield from program_code(content.program, glance="")
