"""Part for ``discussions review``: the defects in threads, and what a review says about each."""

from collections.abc import Iterator

from pfnlab.base.units import number_of
from pfnlab.discussions.thread_reviews import PostedReviews, ReviewedRow
from pfnlab.present.document.blocks import Block, Bullets, Cell, Chapter, Table, cell, cells
from pfnlab.present.document.part import Part, part_of_result, program_code

#: The cell that shows a row's outcome.
_CAME = {
    True: cell("as expected", "good"),
    False: cell("NOT as expected", "bad"),
    None: cell("cut", "lit"),
}


def part(content: PostedReviews) -> Part:
    """Return a table of the rows, the programs that show them, and the rows that cannot be reviewed."""
    says = verdict(content)
    return part_of_result(content, "Reviews of posted patches", says, _blocks(content), first=says)


def verdict(content: PostedReviews) -> str:
    """Return the result in one line."""
    came = [row.as_expected for row in content.rows]
    cut = f", {came.count(None)} cut" if None in came else ""
    reviews = f"{number_of(len(came), 'review')} of at most {content.limit:g} s"
    return f"{reviews}: {came.count(True)} as expected, {came.count(False)} not{cut}"


def length_of(row: ReviewedRow) -> str:
    """Return the lengths of the shortest programs, e.g. ``told_free 8``, or else that of the schedule."""
    return ", ".join(
        f"{one.name} {one.length}" + (" (schedule)" if one.text is None else "") for one in row.shown
    )


def _blocks(content: PostedReviews) -> Iterator[Block]:
    heads = ("row", "base", "design", "expected", "came out", "", "operations", "s")
    if content.rows:
        yield Table("Reviews", heads, tuple(map(_cells, content.rows)), glance=tuple(range(len(heads))))
    for row in content.rows:
        programs = [
            block for one in row.shown if one.text is not None for block in program_code(one.text, one.name)
        ]
        if programs:
            yield Chapter(f"{row.row}: {row.design}", tuple(programs), folded=True)
    yield Bullets(tuple(f"not reviewed: {row}: {why}" for row, why in content.not_reviewed.items()))


def _cells(row: ReviewedRow) -> tuple[Cell, ...]:
    expected = " ".join((row.expected, *row.of))
    return cells(
        *(row.row, row.base, row.design, expected, row.says, _CAME[row.as_expected]),
        *(length_of(row), f"{row.seconds:.0f}"),
    )
