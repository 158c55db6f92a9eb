"""Part for ``kernels diff --model``: the rules of two kernels, and how each rule affects a user."""

from collections.abc import Iterator, Sequence

from pfnlab.base.units import first_of_many, number_of
from pfnlab.hunt.meeting.rules_between import RuleChange, RulesBetween, SeenChange
from pfnlab.present.document.blocks import Block, Bullets, Chapter, Paragraph, Table, cell, cells, headed
from pfnlab.present.document.part import Part, part_of_result

#: The maximum number of programs listed for a rule.
_NAMED = 6
#: The maximum number of lines shown from one field.
_LINES = 4


def part(content: RulesBetween) -> Part:
    """Return the rules that differ, with their effects, then the programs in which a user notices."""
    names = " and ".join(content.versions)
    seen = sum(change.by_user for change in content.changes)
    says = (
        f"{number_of(len(content.changes), 'rule')} changed, {seen} of them visible to users; of "
        f"{number_of(content.asked, 'program')} {len(content.programs)} show users a difference, "
        f"{len(content.inside)} differ only inside the kernel"
    )
    if not content.changes:
        says = "the same rules"
    whole = f"{names}: {says}."
    return part_of_result(content, names, whole, _blocks(content), ("profile", content.profiles), first=whole)


def _blocks(content: RulesBetween) -> Iterator[Block]:
    others = [change for change in content.changes if not change.by_user]
    shown = [change for change in others if change.seen is not None]
    moot = [change for change in shown if change.seen is not None and change.seen.by_user]
    by_user = [change for change in content.changes if change.by_user]
    yield from _rules("Changes with an effect users can see", by_user)
    yield from _rules("Changes hidden by another change", moot)
    inside = [change for change in shown if change not in moot]
    yield from _rules("Changes with an effect only inside the kernel", inside)
    yield from _rules("Changes with no effect in any program", [one for one in others if one.seen is None])
    rows = (
        cells(one.program, str(one.seen.step), one.seen.field, ", ".join(one.rules), one.asks)
        for one in content.programs
    )
    head = ("program", "step", "field", "changes", "question")
    yield from headed("Programs with a difference users can see", head, rows, 4)
    if content.titles:
        yield Paragraph("Stable commits between them in this area:")
        yield Bullets(content.titles)
    if content.undecided:
        yield Paragraph(f"Undecided, because the model has no rule: {', '.join(content.undecided)}.")


def _rules(caption: str, changes: Sequence[RuleChange]) -> Iterator[Table]:
    """Yield a table of changes, with the evidence below each."""
    rows = (
        cells(change.change, change.bug or "-", cell(change.program or "-", code=True), change.source)
        for change in changes
    )
    below = (Chapter(change.change, (Bullets(tuple(_lines(change))),)) for change in changes)
    return headed(caption, ("change", "bug", "program", "since"), rows, 3, below)


def _lines(change: RuleChange) -> Iterator[str]:
    yield change.source
    if change.seen is not None:
        yield f"{change.program}, step {change.seen.step}: {change.seen.op}"
        if change.seen.by_user:
            yield from _values(change.seen)
        else:
            yield change.seen.field
    if change.others:
        yield f"also in {first_of_many(change.others, _NAMED)}"


def _values(seen: SeenChange) -> Iterator[str]:
    """Yield the lines of the field without the change, and with it."""
    for rule, lines in (("without the change", seen.first), ("with the change", seen.second)):
        yield f"{seen.field} {rule}: {first_of_many(lines, _LINES, '; ') or '-'}"
