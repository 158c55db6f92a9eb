"""Part for ``results`` and ``campaign status``: campaign results, discoveries first, and progress."""

from collections import Counter
from collections.abc import Iterator, Sequence

from pfnlab.base.inert import one_line, shell_word
from pfnlab.base.result import Outcome
from pfnlab.base.units import number_of
from pfnlab.campaign.campaigns import CampaignStatus, ListedResults, NightSummary
from pfnlab.campaign.store.rows import DISCOVERIES, StoredResult
from pfnlab.present.document.blocks import (
    Block,
    Bullets,
    Chapter,
    Paragraph,
    Table,
    Tone,
    cell,
    cells,
    headed,
)
from pfnlab.present.document.part import Part, origin_rows, program_code, section

#: The tone of a verdict; a verdict not listed is expected.
_TONES: dict[str, Tone] = {
    **dict.fromkeys(("differs", "unexpected"), "lit"),
    **dict.fromkeys(("violated", "alarm", "lost"), "bad"),
    **dict.fromkeys(("undecided", "unstable"), "lit"),
}

#: Verdicts that are discoveries, and verdicts that leave the question open.
_OPEN = frozenset({"undecided", "unstable"})
#: The maximum number of results shown together with their programs.
_SHOWN = 60


def part(content: ListedResults) -> Part:
    """Return campaign results, first discoveries, then undecided results."""
    told = [item for item in content.results if item.kind != "run"]
    counts = {verdict for campaign in content.campaigns for verdict in campaign.counts} or {*DISCOVERIES}
    found = sorted((item for item in told if item.verdict in counts), key=lambda item: len(item.program))
    open_ = [item for item in told if item.verdict in _OPEN - counts]
    isolated = any(campaign.isolated for campaign in content.campaigns)
    missing = sum(campaign.waiting for campaign in content.campaigns)
    blocks: list[Block] = [*_counts(told)] if told else []
    nights = [campaign.night for campaign in content.campaigns if campaign.night is not None]
    if nights:
        found = [item for item in found if any(item.digest in night.new for night in nights)]
    blocks += section("New" if nights else "Found", *map(_chapter, found[:_SHOWN]), *_more(found))
    for night in nights:
        blocks += _night_lists(night)
    blocks += section("Open", *map(_chapter, open_[:_SHOWN]), *_more(open_), folded=True)
    if content.campaigns:
        blocks += section("Progress of campaigns", *status_part(content.campaigns).blocks)
    outcome = Outcome.AS_EXPECTED
    if found:
        outcome = Outcome.DISCOVERY
    elif open_ or isolated or missing or not told:
        outcome = Outcome.UNDECIDED
    names = [campaign.name for campaign in content.campaigns]
    shards = sum(campaign.shards for campaign in content.campaigns)
    ready = sum(campaign.done for campaign in content.campaigns)
    says = (
        f"{number_of(len(told), 'result')}, {len(found)} to review; {ready} of "
        f"{number_of(shards, 'shard')} "
        "done."
    )
    facts = origin_rows(
        content.made,
        ("made by pfnlab", sorted({name for campaign in content.campaigns for name in campaign.versions})),
        ("hosts", sorted({name for campaign in content.campaigns for name in campaign.hosts})),
    )
    for night in nights:
        says = f"{_night_words(night)}; {says}"
    title = f"Campaign {names[0]}" if len(names) == 1 else "Results of campaigns"
    return Part(title, says, outcome, tuple(blocks), facts)


def _night_words(night: NightSummary) -> str:
    """The counts of a night."""
    counts = f"{len(night.new)} new, {len(night.gone)} gone, {len(night.known)} known"
    return f"night on {one_line(night.kernel)}: {counts}"


def _night_lists(night: NightSummary) -> Iterator[Block]:
    """The findings known before a night: those that are gone, and those that are still there."""
    yield from section("Gone", *([Bullets(tuple(map(one_line, night.gone)))] if night.gone else []))
    rows = (cells(one_line(name), f"{count:,}", code=False) for name, count in night.known.items())
    yield from section("Known", *headed("Known findings", ("finding", "programs"), rows, 2))


def listing_part(content: ListedResults, *, full: bool = False) -> Part:
    """Return every result on one line, in the order of the store."""
    rows = Table(
        "Results of the store",
        ("digest", "verdict", "result"),
        tuple(cells(item.digest[:8], item.verdict, _line(item), code=False) for item in content.results),
        glance=(0, 1, 2),
        below=tuple(map(_chapter, content.results)) if full else (),
    )
    count = number_of(len(content.results), "result")
    return Part(content.store, count, content.outcome, (rows, Paragraph(count)))


def _line(item: StoredResult) -> str:
    scope = f" scope {item.scope}" if item.scope else ""
    subject = "" if item.kind == "difference" else f" {item.subject}"
    often = f" ({len(item.sightings)} times)" if len(item.sightings) > 1 else ""
    return f"{item.task} {item.kind}: {' | '.join(item.machines)}{scope}{subject}: {item.says}{often}"


def _chapter(item: StoredResult) -> Chapter:
    return Chapter(f"{item.verdict}: {_line(item)}", tuple(program_code(item.program.strip())))


def status_part(campaigns: Sequence[CampaignStatus]) -> Part:
    """Return the state of each campaign."""
    shown = Bullets(tuple(tuple(_status(campaign)) for campaign in campaigns))
    says = number_of(len(campaigns), "campaign")
    return Part("Progress of campaigns", says, Outcome.AS_EXPECTED, (shown,))


def _status(campaign: CampaignStatus) -> Iterator[str]:
    state = "running" if campaign.running else "over" if not campaign.waiting else "not running"
    yield f"{campaign.name}: {state}, {campaign.done} of {number_of(campaign.shards, 'shard')} done"
    if campaign.says:
        yield one_line(campaign.says)
    yield f"{number_of(campaign.programs, 'program')}, {number_of(campaign.results, 'result')}"
    if campaign.night is not None:
        yield _night_words(campaign.night)
    yield from (f"{count:>6} {verdict}" for verdict, count in campaign.verdicts.items())
    yield from (f"{count:>6} known: {name}" for name, count in campaign.known.items())
    for shard in campaign.isolated:
        tried = f"{number_of(shard.tries, 'try', 'tries')}, {shard.lost} lost"
        what = one_line(f"{shard.task} {shard.what} ({tried}): {shard.reason}")
        yield f"isolated: shard {shard.number}, {what}"
    if campaign.waiting and not campaign.running:
        shards = number_of(campaign.waiting, "shard")
        yield f"{shards} to be done: pfnlab campaign resume {shell_word(campaign.name)}"
    if campaign.isolated:
        yield f"retry: pfnlab campaign resume {shell_word(campaign.name)} --isolated"


def _counts(results: Sequence[StoredResult]) -> Sequence[Block]:
    """Return how many results there are, by task and verdict."""
    tasks = sorted({item.task for item in results})
    counts = Counter((item.verdict, item.task) for item in results)
    rows = tuple(
        cells(cell(word, _TONES.get(word, "good")), *(str(counts[word, task] or "-") for task in tasks))
        for word in sorted({item.verdict for item in results})
    )
    return [Table("Results by verdict and task", ("verdict", *tasks), rows)]


def _more(items: Sequence[StoredResult]) -> Sequence[Block]:
    left = len(items) - _SHOWN
    return [Paragraph(f"And {left} more: pfnlab campaign results lists them.")] if left > 0 else []
