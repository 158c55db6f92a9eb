"""``results --json``: what campaigns found, discoveries first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pfnlab.campaign.listing import ListedResult, ListedResults
from pfnlab.document.blocks import Block, Bullets, Chapter, Paragraph, Table, Tone, cell
from pfnlab.document.parts.part import Part, done, program_code, section
from pfnlab.result import Outcome
from pfnlab.store.rows import DISCOVERIES
from pfnlab.units import number_of

#: The tone of a verdict; every other is as expected.
_TONES: dict[str, Tone] = {
    **dict.fromkeys(("differs", "unexpected"), "lit"),
    **dict.fromkeys(("violated", "alarm", "lost"), "bad"),
    **dict.fromkeys(("undecided", "unstable"), "lit"),
}

#: Verdicts that are a discovery, and those that leave the question open.
_OPEN = frozenset({"undecided", "unstable"})

#: The most results that are shown with their programs.
_SHOWN = 60


def part(content: ListedResults) -> Part:
    """What is to be read of results."""
    told = [item for item in content.results if item.kind != "run"]
    counts = {verdict for campaign in content.campaigns for verdict in campaign.counts} or {*DISCOVERIES}
    found = sorted((item for item in told if item.verdict in counts), key=lambda item: len(item.program))
    open_ = [item for item in told if item.verdict in _OPEN - counts]
    isolated = [(campaign, shard) for campaign in content.campaigns for shard in campaign.isolated]
    missing = sum(campaign.waiting for campaign in content.campaigns)
    blocks: list[Block] = [*_counts(told)] if told else []
    blocks += section("Found", *map(_result, found[:_SHOWN]), *_more(found))
    blocks += section("Open", *map(_result, open_[:_SHOWN]), *_more(open_), folded=True)
    if isolated:
        items = tuple(
            f"{campaign.name}, shard {shard.number}, {shard.task} {shard.what}: {shard.reason}"
            for campaign, shard in isolated
        )
        blocks += section("Shards that were given up", Bullets(items))
    outcome = Outcome.AS_EXPECTED
    if found:
        outcome = Outcome.DISCOVERY
    elif open_ or isolated or missing or not told:
        outcome = Outcome.UNDECIDED
    names = [campaign.name for campaign in content.campaigns]
    shards = sum(campaign.shards for campaign in content.campaigns)
    ready = sum(campaign.done for campaign in content.campaigns)
    says = (
        f"{number_of(len(told), 'result')}, {len(found)} to look at; {ready} of {number_of(shards, 'shard')} "
        "done."
    )
    facts = done(
        content.made,
        ("campaign", names),
        ("what for", [campaign.says for campaign in content.campaigns if campaign.says]),
        ("made by pfnlab", sorted({name for campaign in content.campaigns for name in campaign.versions})),
        ("hosts", sorted({name for campaign in content.campaigns for name in campaign.hosts})),
    )
    title = f"Campaign {names[0]}" if len(names) == 1 else "Results of campaigns"
    return Part(title, says, outcome, tuple(blocks), facts)


def _counts(told: Sequence[ListedResult]) -> Sequence[Block]:
    """How many of each verdict each task gave."""
    tasks = sorted({item.task for item in told})
    counts = Counter((item.verdict, item.task) for item in told)
    rows = tuple(
        (
            cell(verdict, _TONES.get(verdict, "good")),
            *(cell(str(counts[verdict, task] or "-")) for task in tasks),
        )
        for verdict in sorted({item.verdict for item in told})
    )
    return [Table("Results by verdict and by what found them", ("verdict", *tasks), rows)]


def _result(item: ListedResult) -> Chapter:
    where = f" in scope {item.scope}" if item.scope else ""
    name = item.says if item.kind == "difference" else f"{item.subject}: {item.says}"
    seen = len(item.sightings)
    lines: list[Block] = [
        Paragraph(f"{item.task} on {' | '.join(item.machines)}{where}; met {number_of(seen, 'time')}.")
    ]
    return Chapter(f"{item.verdict}: {name}", (*lines, *program_code(item.program)))


def _more(items: Sequence[ListedResult]) -> Sequence[Block]:
    left = len(items) - _SHOWN
    return [Paragraph(f"And {left} more: pfnlab results lists them.")] if left > 0 else []
