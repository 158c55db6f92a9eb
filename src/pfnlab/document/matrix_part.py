"""``matrix --json``: recorded behaviour; ``policies matrix --json``: policies against properties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pfnlab.document.blocks import Block, Bullets, Cell, Table, cell
from pfnlab.document.drawings import bars, lines, verdict_matrix
from pfnlab.document.part import Part, done, section
from pfnlab.programs.recorded.matrix import MatrixResult
from pfnlab.report.policies_matrix import PoliciesResult, PolicyRow
from pfnlab.result import Outcome
from pfnlab.units import number_of

#: The policies of each seam, as a heading names them.
_SEAMS = {"tracker": "Trackers", "flush": "Flush placements", "walker": "Walkers"}

#: What the cells of the drawn matrix say.
_LEGEND = "a number: violated, with a program or schedule so long; ok: holds; -: never asked"


def part(content: MatrixResult) -> Part:
    """What is to be read of a prediction."""
    counts = (("exact", content.exact), ("waiting", content.waiting), ("wrong", content.wrong))
    said = ", ".join(f"{count:,} {name}" for name, count in counts)
    details = tuple(content.details)
    blocks: list[Block] = []
    if details and content.wrong:
        blocks += section("What the model predicts wrongly, and what waits", Bullets(details))
    blocks += bars("Recorded cases by what the model says of them", counts, "case")
    blocks.append(
        Table(
            "Recorded cases",
            ("prediction", "cases"),
            tuple((cell(name), cell(f"{count:,}")) for name, count in counts),
        )
    )
    if details and not content.wrong:
        blocks += section("What waits", Bullets(details), folded=True)
    return Part(
        title="Recorded behaviour against the model",
        says=f"Of {number_of(content.cases, 'recorded case')}: {said}.",
        outcome=content.outcome,
        blocks=tuple(blocks),
        facts=done(content.made),
    )


def policies_part(content: PoliciesResult) -> Part:
    """What is to be read of the matrix of policies."""
    whole = [policy for seam in content.seams for policy in seam.policies]
    breaking = {
        policy.policy for policy in whole if any(length is not None for length in policy.verdicts.values())
    }
    names = dict.fromkeys(policy.policy for policy in whole)
    amount = number_of(len(names), "policy", "policies")
    return Part(
        title=f"Policies on {content.series}",
        says=f"{len(names) - len(breaking)} of {amount} keep every property.",
        outcome=Outcome.DISCOVERY if breaking else Outcome.AS_EXPECTED,
        blocks=tuple(_policies(content)),
        facts=done(
            content.made,
            ("kernel", f"model:{content.series}"),
            ("depth", number_of(content.depth, "operation")),
        ),
    )


def _policies(content: PoliciesResult) -> Iterator[Block]:
    for seam in content.seams:
        # Those that break most stand first; the eye then finds where the colour ends.
        rows = sorted(
            seam.policies,
            key=lambda row: (-sum(each is not None for each in row.verdicts.values()), row.policy),
        )
        columns = tuple(dict.fromkeys(name for row in rows for name in row.verdicts))
        table = Table(
            f"Every policy against every property, scope {seam.scope}",
            (seam.seam, "states", *columns),
            tuple(
                (
                    cell(row.policy, code=True),
                    cell(f"{row.states:,}"),
                    *(_verdict(row, name, seam.unit) for name in columns),
                )
                for row in rows
            ),
        )
        cells = [[_letter(row, name) for name in columns] for row in rows]
        yield from section(
            f"{_SEAMS[seam.seam]}, scope {seam.scope}",
            *verdict_matrix(
                f"Policies by property ({_LEGEND})", [row.policy for row in rows], columns, cells
            ),
            table,
        )
    for mapped, placements in content.flushes_by_distance.items():
        title = f"Flushes of a munmap of four mappings by their distance: {mapped}"
        yield from _counted(title, content.distances, placements)
    for title, costs in (
        ("TLB flushes by workload", content.flushes),
        ("Operations on the book by workload", content.book),
    ):
        workloads = tuple(dict.fromkeys(name for row in costs.values() for name in row))
        by_name = {name: [row.get(load, 0) for load in workloads] for name, row in costs.items()}
        yield from _counted(title, workloads, by_name)


def _counted(title: str, columns: tuple[str, ...], rows: Mapping[str, Sequence[int]]) -> Iterator[Block]:
    """Counts as lines, and as a table."""
    if rows and columns:
        cells = tuple(
            (cell(name, code=True), *(cell(f"{count:,}") for count in counts))
            for name, counts in rows.items()
        )
        yield from section(
            title, *lines("Drawn", columns, rows), Table("In numbers", ("policy", *columns), cells)
        )


def _verdict(row: PolicyRow, name: str, unit: str) -> Cell:
    if name not in row.verdicts:
        return cell("-", "pale")
    length = row.verdicts[name]
    if length is not None:
        return cell(f"in {length}{unit}", "bad")
    return cell("holds", "good") if name in row.asked else cell("never asked", "pale")


def _letter(row: PolicyRow, name: str) -> str:
    """The verdict for a small cell: a length, ``ok``, or ``-``."""
    length = row.verdicts.get(name)
    if length is not None:
        return str(length)
    return "ok" if name in row.asked else "-"
