"""Part for ``review``: what a design newly breaks, fixes, costs and changes."""

from collections.abc import Iterator

from pfnlab.base.units import number_of
from pfnlab.checker.review.review_result import Broken, ChangedField, CostKind, OperationCost, ReviewResult
from pfnlab.present.document.blocks import (
    Block,
    Bullets,
    Chapter,
    Code,
    Paragraph,
    Table,
    cell,
    cells,
    headed,
)
from pfnlab.present.document.part import Part, drawn_program, operations_of, part_of_result

#: The words for changes, and the fields they are about.
_CHANGED: dict[str, tuple[ChangedField, ...]] = {
    "other results": ("result",),
    "other messages": ("log",),
    "other reservations": ("book",),
    "other entries": ("entries", "walks"),
}

#: The words for costs.
_COSTS: dict[CostKind, str] = {
    "flushes": "other flushes",
    "needless": "other needless flushes",
    "reservations": "other calls that reserve",
    "allocations": "other allocations",
    "instructions": "other numbers of instructions",
    "interrupts": "other numbers of interrupts",
}

#: The maximum number of changes shown, and of functions that a measured cost is in; the JSON has the rest.
_SHOWN, _FUNCTIONS = 8, 3


def part(content: ReviewResult) -> Part:
    """Return the verdict, then violations, fixes, costs, changes, and questions that were not asked."""
    says = verdict(content)
    return part_of_result(
        content, f"{content.design} against {content.base}", says, _blocks(content), first=says
    )


def verdict(content: ReviewResult) -> str:
    """Return the result in one line."""
    who = f"{content.design}, against {content.base}"
    # A core that was cut short is not an all-clear, so that comes first.
    so_far = "" if content.complete else "undecided, because the core questions were cut short; so far "
    if content.broken:
        names = ", ".join(found.name for found in content.broken)
        more = "" if content.complete else "; the core questions were cut short, so there may be more"
        return f"{who}: newly broken: {names}{more}."
    if content.is_unchanged:
        return f"{who}: {so_far}no difference in any question."
    extra = [
        f"{number_of(len(content.repaired), 'property', 'properties')} repaired" if content.repaired else "",
        *(words for kind, words in _COSTS.items() if any(cost.kind == kind for cost in _differing(content))),
        *(words for words, fields in _CHANGED.items() if any(one.field in fields for one in content.changes)),
        "other bytes in each VMA" if len(set(content.bytes_per_vma or ())) > 1 else "",
    ]
    return f"{who}: {so_far}nothing is newly broken; {', '.join(filter(None, extra))}."


def chapters(content: ReviewResult) -> Iterator[Block]:
    """Yield the review as a part of another result: its verdict, then the rest."""
    yield Paragraph(verdict(content))
    yield from _blocks(content)


def _blocks(content: ReviewResult) -> Iterator[Block]:
    found = (*content.broken, *content.repaired)
    if found:
        yield Table(
            "Newly broken, and fixed",
            ("property", "verdict", "what happens", "noticed by", "where"),
            tuple(
                cells(
                    one.name,
                    cell("BROKEN", "bad") if one in content.broken else cell("repaired", "good"),
                    *(one.happens, one.noticed, one.where),
                )
                for one in found
            ),
            glance=(1, 0, 2),
            below=tuple(_shown(one, content.design) for one in content.broken),
            under=14,
        )
    for one in content.repaired:
        yield Chapter(f"{one.name} is fixed", _shown(one, content.base).blocks, folded=True)
    yield from _costs(content)
    yield from _changes(content)
    if content.same:
        names = ", ".join(f"{one.name} ({one.states:,})" for one in content.same)
        yield Paragraph(f"also in the base, by number of states: {names}")
    if content.differs:
        kinds = ", ".join(f"{kind} ({count:,})" for kind, count in content.differs.items())
        yield Paragraph(f"differences, by number of states and pairs: {kinds}")
    yield Bullets(tuple(_scope_lines(content)))


def _shown(found: Broken, machine: str) -> Chapter:
    """Return the chapter on a property: who would notice, and the shortest program or schedule."""
    blocks: list[Block] = [Paragraph(f"noticed by: {found.noticed}")]
    if found.schedule:
        blocks.append(Code("The schedule", "\n".join(found.schedule)))
        if found.text is not None:
            blocks.append(Paragraph("as a program:"))
    if found.text is not None:
        glance = operations_of(found.text)
        blocks += drawn_program(found.text, [machine], "The shortest program", glance=glance)
    return Chapter(f"{found.name} is newly broken", tuple(blocks))


def _costs(content: ReviewResult) -> Iterator[Block]:
    rows = (
        cells(
            *(cost.operation, cost.kind),
            *(f"{number:,}" for number in (cost.base, cost.design, cost.more, cost.fewer)),
            cell("; ".join(cost.program.splitlines()), code=True),
        )
        for cost in _differing(content)
        if not cost.is_measured
    )
    counts = "of the base", "of the design", "more in", "fewer in"
    yield from headed("Costs in all sequences", ("operation", "cost", *counts, "first"), rows, 6)
    yield from _measured(content)
    base, design = content.bytes_per_vma or (0, 0)
    if base != design:
        yield Paragraph(f"each VMA of the system: {number_of(design, 'byte')}, was {number_of(base, 'byte')}")


def _differing(content: ReviewResult) -> list[OperationCost]:
    return [cost for cost in content.costs if cost.differs]


def _measured(content: ReviewResult) -> Iterator[Block]:
    rows = (
        cells(
            *(cost.operation, f"{cost.base:,} {cost.kind}", f"{cost.design:,}", _ratio(cost)),
            ", ".join(f"{name} {more:+,}" for name, more in [*cost.functions.items()][:_FUNCTIONS]),
            code=False,
        )
        for cost in _differing(content)
        if cost.is_measured
    )
    heads = "operation", "base", "design", "ratio", "functions"
    yield from headed("Measured costs", heads, rows, 5)
    measured = [cost for cost in content.costs if cost.is_measured]
    if equal := sum(not cost.differs for cost in measured):
        yield Paragraph(f"measured and equal, within 0.5 %: {equal} of {len(measured)}")
    for line in content.unmeasured:
        yield Paragraph(f"not measured: {line}")


def _ratio(cost: OperationCost) -> str:
    return f"{cost.design / cost.base:.2f}" if cost.base else "-"


def _changes(content: ReviewResult) -> Iterator[Block]:
    rows = (
        cells(
            *(change.operation, change.field, change.base or "-", change.design or "-"),
            *(f"{change.times:,}", cell("; ".join(change.program.splitlines()), code=True)),
        )
        for change in content.changes[:_SHOWN]
    )
    heads = ("operation", "field", "base", "design", "in", "first")
    yield from headed("Other differences", heads, rows, 5)
    if more := content.changes[_SHOWN:]:
        yield Paragraph(f"{number_of(len(more), 'more change')} (--json lists all)")


def _scope_lines(content: ReviewResult) -> Iterator[str]:
    pairs = number_of(content.schedules, "pair")
    # A part that was cut counts as unfinished, whatever it compared until then.
    unfinished = ", also in unfinished parts" if content.cut else ""
    yield f"asked: {content.states:,} states of sequences, {pairs} concurrently{unfinished}"
    for stage in content.stages:
        if stage.asked < stage.planned:
            core = "core, " if stage.core else ""
            yield f"cut: {stage.name} ({core}{stage.asked:,} of {stage.planned:,} parts finished)"
    yield from (f"no rule: {reason} ({count:,} left out)" for reason, count in content.left_out.items())
