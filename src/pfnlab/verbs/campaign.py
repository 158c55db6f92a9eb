"""Run long jobs described in a file, in shards; safe to kill and resume."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.campaign_results import perform_results as perform_results
from pfnlab.verbs.option import (
    AsJson,
    CampaignName,
    Option,
    Request,
    Say,
    ShardClusterOf,
    ShardsOf,
    StoreOf,
    TrustOf,
)

if TYPE_CHECKING:
    from pfnlab.campaign.campaigns import CampaignStatus, StatusResult
    from pfnlab.campaign.executor import Executor
    from pfnlab.campaign.store.rows import Shard
    from pfnlab.campaign.store.store import Store


VERBS = ("new", "run", "resume", "status", "stop", "results")


#: The word for a file with a nightly hunt.
_HUNT = Path("hunt")


class NewCampaignRequest(Request, frozen=True, kw_only=True):
    """Write a campaign file to start from."""

    file: Annotated[
        Path | None,
        Option(
            "The file to create; it must not exist yet. The word hunt creates hunt.toml, a nightly hunt.",
            "CAMPAIGN.toml|hunt",
            positional=True,
        ),
    ] = None
    schema: Annotated[bool, Option("Print the JSON Schema of campaign files instead.", takes="")] = False


def perform_new(request: NewCampaignRequest, say: Say) -> Iterator[PlainText]:
    """Write the file, or print the schema; Misuse if no file is named, or it already exists."""
    from os.path import lexists

    from pfnlab.base.files import write_whole, writing
    from pfnlab.base.inert import shell_path, visible_name
    from pfnlab.base.schema_files import campaign_file_text

    file = request.file
    if request.schema:
        yield PlainText(campaign_file_text())
        return
    if file is None:
        raise Misuse("name a file: pfnlab campaign new nightly.toml")
    template = "new.toml"
    if file == _HUNT:
        file, template = Path("hunt.toml"), "hunt.toml"
    if lexists(file):
        raise Misuse(f"{file} exists: name a new file")
    with writing(file, "name another file"):
        write_whole(file, new_text(file, template), new=True)
    say(f"{visible_name(file)} written; then: pfnlab campaign run --check {shell_path(file)}")


def new_text(file: Path, template: str = "new.toml") -> str:
    """Return the content of a new file; the campaign is named after it, with permitted letters only."""
    name = re.sub(r"[^a-z0-9._-]+", "-", file.stem.lower()).strip("._-")[:64].rstrip("._-")
    text = files("pfnlab.campaign").joinpath(template).read_text(encoding="utf-8")
    return text.format(name=name or "campaign")


class ShardsRequest(Request, frozen=True, kw_only=True):
    """Run a campaign, skipping shards whose results are already in the store.

    Each shard runs in its own process. A shard that crashes or exceeds its limits is retried, then isolated;
    the others continue. Results are stored after each shard.

    Exit codes: 0 as expected, 1 a discovery, 3 some shards did not run or are isolated, or a result is
    undecided.
    """

    gradual = True

    file: Annotated[Path, Option("The campaign file.", "CAMPAIGN.toml", positional=True)]
    check: Annotated[bool, Option("Only check the file and print its plan.", takes="file trust")] = False
    store: StoreOf = None
    jobs: ShardsOf = None
    cluster: ShardClusterOf = None
    trust: TrustOf = False


def perform_run(request: ShardsRequest, say: Say) -> Iterator[CampaignStatus | PlainText]:
    """Run the campaign described in a file, or print its plan.

    :raises Misuse: if the file is not a campaign, or is not trusted
    :raises Undecided: if no worker can run the remaining shards
    """
    if request.check:
        yield from map(PlainText.line, _plan_lines(request))
        return
    from datetime import date

    from pfnlab.campaign.night import begin_night
    from pfnlab.campaign.plan_file import read_plan
    from pfnlab.campaign.running import begin_campaign
    from pfnlab.campaign.shard import check_trust
    from pfnlab.campaign.store.store import Store, store_address
    from pfnlab.lab.images.kernels import read_lists

    plan = read_plan(request.file, trust=request.trust)
    name, folder = plan.name, request.file.parent
    if not request.trust:
        check_trust(plan.shards(folder), str(request.file))
    with Store(store_address(request.store)) as store:
        if plan.nightly is None:
            begin_campaign(store, plan, folder)
        else:
            name = begin_night(store, plan, folder, date.today(), lambda: read_lists(say=say))
        yield shards_run(store, name, request.jobs, request.cluster, say)


def _plan_lines(request: ShardsRequest) -> Iterator[str]:
    """Yield the shards by task, the limits, and the policies not run; Misuse if it is not a campaign."""
    from collections import Counter

    from pfnlab.base.inert import one_line
    from pfnlab.base.units import number_of
    from pfnlab.campaign.campaigns import what_it_does
    from pfnlab.campaign.plan import NEXT
    from pfnlab.campaign.plan_file import read_plan
    from pfnlab.campaign.shard import policies_of

    plan = read_plan(request.file, trust=request.trust)
    shards = plan.shards(request.file.parent)
    with_qemu = sum(shard.needs_qemu for shard in shards)
    yield (f"{plan.name}: {number_of(len(shards), 'shard')}, {with_qemu} on real kernels")
    if plan.nightly is not None:
        kernel = "the next kernel of the archive" if plan.nightly.kernel == NEXT else plan.nightly.kernel
        yield (f"  every day: a separate campaign, on {kernel}")
    for task, count in Counter(shard.task for shard in shards).items():
        first = next(shard for shard in shards if shard.task == task)
        what = one_line(what_it_does(task, first.work))
        yield (f"  {task}: {number_of(count, 'shard')}, the first: {what}")
    yield (
        f"  an attempt: {plan.limits.seconds:g} s; a shard: {number_of(plan.limits.tries, 'try', 'tries')}; "
        f"a discovery: {', '.join(plan.count.verdicts)}"
    )
    if not request.trust and (files := policies_of(shards)):
        names = one_line(", ".join(files))
        yield (f"  not checked, because this would run code: {names}; review it, then add --trust")


def shards_run(store: Store, name: str, jobs: int | None, cluster: str | None, say: Say) -> CampaignStatus:
    """Run the shards of campaign *name*, *jobs* at a time or on a *cluster*, and return its progress."""
    from pfnlab.base.errors import Undecided
    from pfnlab.base.progress import working
    from pfnlab.campaign.campaigns import status_of, what_it_does
    from pfnlab.campaign.running import CampaignEnd, run_campaign
    from pfnlab.campaign.store.rows import WAITING

    shards = store.shards(name)
    with executor_of(jobs, cluster) as executor, working(f"campaign {name}", len(shards)) as work:

        def ended(isolated: Shard | None) -> None:
            if (shard := isolated) is not None:
                what = what_it_does(shard.task, shard.work)
                say(f"shard {shard.number} is isolated, {shard.task} {what}: {shard.reason}")
            work.advance()

        work.advance(sum(shard.state != WAITING for shard in shards))
        end = run_campaign(store, name, executor, on_end=ended)
    if end is CampaignEnd.NO_WORKER:
        raise Undecided(
            f"campaign {name}: the remaining shards need QEMU, which no worker has: "
            f"{_HOW_QEMU[cluster is not None]}, then pfnlab campaign resume"
        )
    if end is not CampaignEnd.OVER:
        say(f"campaign {name}: {end}")
    return status_of(store, name)


def executor_of(jobs: int | None, cluster: str | None) -> Executor:
    """Return the executor that runs shards, on this host or a cluster."""
    from pfnlab.campaign.cluster.connection import check_address
    from pfnlab.campaign.executor import LocalExecutor
    from pfnlab.campaign.on_cluster import ClusterExecutor

    if cluster is None:
        return LocalExecutor(jobs)
    return ClusterExecutor(check_address(cluster))


#: How to give a worker QEMU: on this host, and on a cluster.
_HOW_QEMU = ("install qemu-system-x86", 'start a worker that has it with --resources "qemu=1"')


class ResumeRequest(Request, frozen=True, kw_only=True):
    """Resume a campaign that was stopped or killed; its file is not needed.

    Exit codes: 0 as expected, 1 a discovery, 3 some shards did not run or are isolated, or a result is
    undecided.
    """

    gradual = True

    name: CampaignName = None
    store: StoreOf = None
    jobs: ShardsOf = None
    cluster: ShardClusterOf = None
    trust: TrustOf = False
    isolated: Annotated[bool, Option("Also retry isolated shards.")] = False


def perform_resume(request: ResumeRequest, say: Say) -> Iterator[CampaignStatus]:
    """Run the remaining shards. Misuse if no such campaign or not trusted, Undecided if no worker is
    found."""
    from pfnlab.campaign.running import campaign_named
    from pfnlab.campaign.shard import check_trust
    from pfnlab.campaign.store.store import Store, store_address

    with Store(store_address(request.store), make=False) as store:
        name = campaign_named(store, request.name)
        if not request.trust:
            check_trust(store.shards(name), f"campaign {name}")
        if request.isolated:
            store.try_again(name)
        yield shards_run(store, name, request.jobs, request.cluster, say)


class StatusRequest(Request, frozen=True, kw_only=True):
    """Show the progress of one campaign, or of all campaigns in a store."""

    name: CampaignName = None
    store: StoreOf = None
    as_json: AsJson = False


def perform_status(request: StatusRequest, say: Say) -> Iterator[StatusResult]:
    """Return the progress; Misuse if there is no such campaign."""
    from pfnlab.base.result import Made
    from pfnlab.campaign.campaigns import StatusResult, status_of
    from pfnlab.campaign.running import campaign_named
    from pfnlab.campaign.store.store import Store, store_address

    with Store(store_address(request.store), make=False, write=False) as store:
        names = (
            [campaign_named(store, request.name)]
            if request.name
            else [campaign.name for campaign in store.campaigns()]
        )
        statuses = tuple(status_of(store, name) for name in names)
        yield StatusResult(made=Made.now(), store=store.address, campaigns=statuses)


class StopRequest(Request, frozen=True, kw_only=True):
    """Stop a running campaign, from any host that can reach the store."""

    name: CampaignName = None
    store: StoreOf = None


def perform_stop(request: StopRequest, say: Say) -> Iterator[PlainText]:
    """Ask the campaign to stop, and print nothing. Misuse if it does not exist or is not running."""
    from pfnlab.base.inert import shell_word
    from pfnlab.campaign.running import campaign_named
    from pfnlab.campaign.store.store import Store, store_address

    with Store(store_address(request.store), make=False) as store:
        name = campaign_named(store, request.name)
        if not store.is_running(name):
            raise Misuse(f"campaign {name!r} is not running: there is nothing to stop")
        store.ask_to_stop(name)
        say(f"campaign {name} is stopping; to continue: pfnlab campaign resume {shell_word(name)}")
    yield from ()
