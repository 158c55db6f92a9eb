"""``fuzz --json``: random programs on several machines; and the folders in which findings are filed."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pfnlab.document.blocks import Block, Bullets, Cell, Chapter, Code, Table, cell
from pfnlab.document.drawings import bars, story_of_text
from pfnlab.document.parts.part import Part, done, program_code, section, short
from pfnlab.result import Made, Outcome
from pfnlab.units import number_of

#: The most reasons and files that are listed.
_LISTED = 20


class FindingItem(msgspec.Struct, frozen=True):
    """One finding of a campaign (:class:`pfnlab.fuzz.campaign_state.KnownSignature`)."""

    folder: str
    met: int
    first: int
    operations: int
    says: str
    minimal: bool
    program: str | None = None


class CauseItem(msgspec.Struct, frozen=True):
    """Findings of one cause, by their keys."""

    finding: str
    findings: tuple[str, ...]


class UnstableItem(msgspec.Struct, frozen=True):
    """A difference that not every run showed."""

    program: str
    says: str
    shown: int
    runs: int


class CoverageItem(msgspec.Struct, frozen=True):
    """What was reached of what can be reached (:func:`pfnlab.fuzz.summary.coverage_of`)."""

    pairs: tuple[int, int]
    branches: tuple[int, int] | None
    files: dict[str, tuple[int, int]]
    words: tuple[int, int]
    never: tuple[str, ...]


class CampaignContent(msgspec.Struct, frozen=True):
    """``pfnlab-fuzz/2``, as ``--json`` prints it."""

    machines: tuple[str, ...]
    seed: int
    programs: int
    compared: int
    undecided: int
    differences: int
    findings: dict[str, FindingItem]
    causes: tuple[CauseItem, ...]
    unstable: tuple[UnstableItem, ...]
    reasons: dict[str, int]
    coverage: CoverageItem
    made: Made = Made("", None)


class FindingContent(msgspec.Struct, frozen=True):
    """``pfnlab-finding/1``: the folder of a finding, read by :mod:`pfnlab.document.read`."""

    name: str
    program: str
    report: str


def part(content: CampaignContent) -> Part:
    """What is to be read of a campaign."""
    amount = f"{number_of(content.compared, 'program')} compared on {', '.join(content.machines)}"
    if content.findings:
        causes = f" of {number_of(len(content.causes), 'cause')}" if content.causes else ""
        says = f"{number_of(len(content.findings), 'finding')}{causes} in {amount}."
    elif content.unstable:
        says = f"{number_of(len(content.unstable), 'difference')} did not show again in {amount}."
    else:
        says = f"No difference in {amount}."
    undecided = content.unstable or content.reasons or not content.compared
    return Part(
        title=f"Random programs, seed {content.seed}",
        says=says,
        outcome=Outcome.DISCOVERY
        if content.findings
        else Outcome.UNDECIDED
        if undecided
        else Outcome.AS_EXPECTED,
        blocks=tuple(_blocks(content)),
        facts=done(content.made, ("machines", content.machines), ("seed", str(content.seed))),
    )


def finding_part(content: FindingContent) -> Part:
    """What is to be read of a filed finding: its own report, as text, and its program."""
    title = next((line[2:] for line in content.report.splitlines() if line.startswith("# ")), content.name)
    return Part(
        title=title,
        says=f"{content.name}: {title}.",
        outcome=Outcome.DISCOVERY,
        blocks=(
            *program_code(content.program),
            *story_of_text(content.program, ()),
            Code("The report that was filed", content.report.strip("\n")),
        ),
        facts=(("finding", (content.name,)),),
    )


def _blocks(content: CampaignContent) -> Iterator[Block]:
    grouped = {key for cause in content.causes for key in cause.findings}
    causes = [*content.causes, *(CauseItem(key, (key,)) for key in content.findings if key not in grouped)]
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


def _finding(content: CampaignContent, shown: FindingItem, others: list[FindingItem]) -> Iterator[Block]:
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


def _coverage(coverage: CoverageItem) -> Iterator[Block]:
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
