"""``fuzz --json``: random programs on several machines; and the folders in which findings are filed."""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.document.blocks import Block, Bullets, Cell, Chapter, Code, Table, cell
from pfnlab.document.drawings import bars, story_of_text
from pfnlab.document.part import Part, done, program_code, section, short
from pfnlab.fuzz.filing import FindingFolder
from pfnlab.fuzz.hunt_state import FindingCause, FuzzResult, PrintedFinding, ReachedCoverage
from pfnlab.units import number_of

#: The most reasons and files that are listed.
_LISTED = 20


def part(content: FuzzResult) -> Part:
    """What is to be read of a campaign."""
    amount = f"{number_of(content.compared, 'program')} compared on {', '.join(content.machines)}"
    if content.findings:
        causes = f" of {number_of(len(content.causes), 'cause')}" if content.causes else ""
        says = f"{number_of(len(content.findings), 'finding')}{causes} in {amount}."
    elif content.unstable:
        says = f"{number_of(len(content.unstable), 'difference')} did not show again in {amount}."
    else:
        says = f"No difference in {amount}."
    return Part(
        title=f"Random programs, seed {content.seed}",
        says=says,
        outcome=content.outcome,
        blocks=tuple(_blocks(content)),
        facts=done(content.made, ("machines", content.machines), ("seed", str(content.seed))),
    )


def finding_part(content: FindingFolder) -> Part:
    """What is to be read of a filed finding: its own report, as text, and its program."""
    title = next((line[2:] for line in content.report.splitlines() if line.startswith("# ")), content.name)
    return Part(
        title=title,
        says=f"{content.name}: {title}.",
        outcome=content.outcome,
        blocks=(
            *program_code(content.program),
            *story_of_text(content.program, ()),
            Code("The report that was filed", content.report.strip("\n")),
        ),
        facts=(("finding", (content.name,)),),
    )


def _blocks(content: FuzzResult) -> Iterator[Block]:
    grouped = {key for cause in content.causes for key in cause.findings}
    causes = [*content.causes, *(FindingCause(key, (key,)) for key in content.findings if key not in grouped)]
    for number, cause in enumerate(causes, 1):
        shown = content.findings.get(cause.finding)
        if shown is not None:
            others = [
                content.findings[key]
                for key in cause.findings
                if key in content.findings and key != cause.finding
            ]
            yield Chapter(
                f"{number}. {short(shown.says, content.machines)}", tuple(_finding(content, shown, others))
            )
    if content.unstable:
        items = tuple(
            f"{short(each.says, content.machines)}: program {each.program}, {each.shown} of {each.runs} runs"
            for each in content.unstable
        )
        yield from section("What did not show again", Bullets(items))
    counts = (
        ("run", content.programs),
        ("compared", content.compared),
        ("undecided", content.undecided),
        ("different", content.differences),
    )
    yield Table(
        "What the campaign came to",
        ("programs", "count"),
        tuple((cell(name), cell(f"{count:,}")) for name, count in counts),
    )
    if content.reasons:
        ordered = sorted(content.reasons.items(), key=lambda item: -item[1])[:_LISTED]
        rows = tuple((cell(reason), cell(f"{count:,}")) for reason, count in ordered)
        yield from section(
            "Why programs were not compared", Table("Reasons", ("reason", "programs"), rows), folded=True
        )
    yield from _coverage(content.coverage)


def _finding(content: FuzzResult, shown: PrintedFinding, others: list[PrintedFinding]) -> Iterator[Block]:
    yield from program_code(shown.program or "")
    yield from story_of_text(shown.program, content.machines)
    alike = "; ".join(short(other.says, content.machines) for other in others)
    smallest = "" if shown.minimal else "; a shorter one may exist"
    said = [
        f"met in {number_of(shown.met, 'program')}, first in number {shown.first:,}",
        f"shown by {number_of(shown.operations, 'operation')}{smallest}",
        f"filed in {shown.folder}" if shown.folder else "",
        f"of the same cause: {alike}" if alike else "",
    ]
    yield Bullets(tuple(filter(None, said)))


def _coverage(coverage: ReachedCoverage) -> Iterator[Block]:
    def row(name: str, pair: tuple[int, int]) -> tuple[Cell, ...]:
        return cell(name), cell(f"{pair[0]:,}"), cell(f"{pair[1]:,}")

    rows = [row("pairs of operations", coverage.pairs), row("words of kernel calls", coverage.words)]
    if coverage.branches is not None:
        rows.append(row("branches of the model", coverage.branches))
    blocks: list[Block] = [Table("What was reached", ("of", "reached", "possible"), tuple(rows))]
    lowest = [(name, round(100 * seen / all_)) for name, (seen, all_) in coverage.files.items() if all_][
        :_LISTED
    ]
    blocks += bars("Branches reached in the least covered files, in percent", lowest, "%")
    if coverage.never:
        blocks.append(Bullets((f"never seen: {', '.join(coverage.never)}",)))
    yield from section("What the programs reached", *blocks, folded=True)
