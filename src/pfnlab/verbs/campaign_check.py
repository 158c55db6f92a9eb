"""Check the file of a campaign, and print what it would do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pfnlab.base.result import PlainText
from pfnlab.verbs.option import CAMPAIGN_FILE, Request, Say, TrustOf

EXAMPLES = (
    ("pfnlab campaign check examples/campaign.toml", "What a file would do, in how many shards"),
    ("pfnlab campaign check nightly.toml", "A line for each mistake, with what to write instead"),
)


class CampaignCheckRequest(Request, frozen=True, kw_only=True):
    file: Annotated[Path, CAMPAIGN_FILE]
    trust: TrustOf = False


def perform(request: CampaignCheckRequest, say: Say) -> Iterator[PlainText]:
    """The campaign's shards by task, its limits, and policies that were not run; Misuse if it is none."""
    from collections import Counter

    from pfnlab.base.inert import one_line
    from pfnlab.base.units import number_of
    from pfnlab.campaign.campaigns import what_it_does
    from pfnlab.campaign.plan_file import read_plan
    from pfnlab.campaign.shard import policies_of

    plan = read_plan(request.file, trust=request.trust)
    shards = plan.shards(request.file.parent)
    with_qemu = sum(shard.needs_qemu for shard in shards)
    yield PlainText.line(f"{plan.name}: {number_of(len(shards), 'shard')}, {with_qemu} with a kernel")
    for task, count in Counter(shard.task for shard in shards).items():
        first = next(shard for shard in shards if shard.task == task)
        what = one_line(what_it_does(task, first.work))
        yield PlainText.line(f"  {task}: {number_of(count, 'shard')}, the first: {what}")
    yield PlainText.line(
        f"  an attempt: {plan.limits.seconds:g} s; a shard: {number_of(plan.limits.tries, 'try', 'tries')}; "
        f"a discovery: {', '.join(plan.count.verdicts)}"
    )
    if not request.trust and (files := policies_of(shards)):
        names = one_line(", ".join(files))
        yield PlainText.line(f"  not run, and so not checked: {names}; read that policy, then say --trust")
