"""``policies matrix --json``: policies against properties."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from pfnlab.base.units import number_of
from pfnlab.present.document.blocks import Block, Cell, Table, cell, cells
from pfnlab.present.document.part import Part, drawn, told
from pfnlab.present.report.policies_matrix import REPORT, PoliciesResult, PolicyRow, SeamPolicies

#: The policies of each seam, as a heading names them.
_SEAMS = {
    "tracker": "Trackers",
    "flush": "Flush placements",
    "walker": "Walkers",
    REPORT: "Reports of a free in vain",
}

#: The meaning of the cells of the drawn matrix.
_LEGEND = "a number: violated, with a program or schedule so long; ok: holds; -: never asked"


def part(content: PoliciesResult) -> Part:
    """The verdicts of every policy by property, and the costs."""
    own = [seam for seam in content.seams if seam.series in ("", content.series)]
    whole = [policy for seam in own for policy in seam.policies]
    breaking = {policy.policy for policy in whole if any(one is not None for one in policy.verdicts.values())}
    names = dict.fromkeys(policy.policy for policy in whole)
    amount = number_of(len(names), "policy", "policies")
    says = f"{len(names) - len(breaking)} of {amount} keep every property"
    facts = ("kernel", f"model:{content.series}"), ("depth", number_of(content.depth, "operation"))
    return told(content, f"Policies on {content.series}", f"{says}.", _policies(content), *facts, first=says)


def _policies(content: PoliciesResult) -> Iterator[Block]:
    for (seam, scope, depth), members in groupby(content.seams, lambda one: (one.seam, one.scope, one.depth)):
        title = f"{_SEAMS[seam]}, scope {scope}"
        if depth is not None:
            title += f", at most {number_of(depth, 'operation')}"
        kernels = list(members)
        if len(kernels) > 1:
            yield _by_kernel(title, kernels)
        else:
            yield from _by_property(title, kernels[0])
    for mapped, placements in content.flushes_by_distance.items():
        caption = f"Flushes of a munmap of four mappings by their distance: {mapped}"
        yield from _counted(caption, content.distances, placements, glance=False)
    for title, costs in (
        ("TLB flushes by workload", content.flushes),
        ("Operations on the book by workload", content.book),
    ):
        workloads = tuple(dict.fromkeys(name for row in costs.values() for name in row))
        by_name = {name: [row.get(load, 0) for load in workloads] for name, row in costs.items()}
        yield from _counted(title, workloads, by_name)
    if content.bytes:
        rows = [(name, *map(str, sizes)) for name, sizes in content.bytes.items()]
        yield _table("Bytes of a tracker", ("policy", "per VMA", "per context"), rows)
    if content.read_again:
        series = tuple(dict.fromkeys(name for row in content.read_again.values() for name in row))
        rows = [(name, *(row.get(one, "-") for one in series)) for name, row in content.read_again.items()]
        yield _table("A read through vfio-pci after memory was off and on", ("policy", *series), rows)


def _by_property(title: str, seam: SeamPolicies) -> Iterator[Block]:
    columns = tuple(dict.fromkeys(name for row in seam.policies for name in row.verdicts))
    # Those that break most stand first; the eye then finds where the colour ends.
    drawn_rows = sorted(
        seam.policies, key=lambda row: (-sum(each is not None for each in row.verdicts.values()), row.policy)
    )
    names = [row.policy for row in drawn_rows]
    letters = [[_letter(row, name) for name in columns] for row in drawn_rows]
    yield drawn(lambda draw: draw.verdict_matrix(f"{title} ({_LEGEND})", names, columns, letters))
    holders = any(row.kernels for row in seam.policies)
    rows = [
        (
            *(row.policy, f"{row.states:,}", *(_verdict(row, name, seam.unit) for name in columns)),
            *((row.kernels,) if holders else ()),
        )
        for row in seam.policies
    ]
    yield _table(title, (seam.seam, "states", *columns, *(("kernels",) if holders else ())), rows)


def _by_kernel(title: str, kernels: Sequence[SeamPolicies]) -> Table:
    """The properties that are violated in each kernel."""
    rows = [
        (row[0].policy, *map(_violated, row)) for row in zip(*(one.policies for one in kernels), strict=False)
    ]
    return _table(title, (kernels[0].seam, *(one.series for one in kernels)), rows)


def _table(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[str | Cell]], *, glance: bool = True
) -> Table:
    """A table of policies, whose names come first."""
    shown = tuple(range(len(head))) if glance else ()
    return Table(caption, tuple(head), tuple(cells(*row) for row in rows), shown, headed=True)


def _counted(
    title: str, columns: tuple[str, ...], rows: Mapping[str, Sequence[int]], *, glance: bool = True
) -> Iterator[Block]:
    """Counts as lines, and as a table."""
    if rows and columns:
        yield drawn(lambda draw: draw.lines(title, columns, rows))
        lines = [(name, *(f"{count:,}" for count in counts)) for name, counts in rows.items()]
        yield _table(title, ("policy", *columns), lines, glance=glance)


def _verdict(row: PolicyRow, name: str, unit: str) -> Cell:
    if name not in row.verdicts:
        return cell("-", "pale")
    length = row.verdicts[name]
    if length is not None:
        return cell(f"in {length}{unit}", "bad")
    return cell("holds", "good") if name in row.asked else cell("never asked", "pale")


def _violated(row: PolicyRow) -> Cell:
    """The properties that are violated, with the length of the shortest program of each."""
    broken = tuple(f"{name} in {length}" for name, length in row.verdicts.items() if length is not None)
    return Cell(broken, "bad") if broken else cell("holds", "good")


def _letter(row: PolicyRow, name: str) -> str:
    """The verdict for a small cell: a length, ``ok``, or ``-``."""
    length = row.verdicts.get(name)
    if length is not None:
        return str(length)
    return "ok" if name in row.asked else "-"
