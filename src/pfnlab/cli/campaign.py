"""``pfnlab campaign``: long work from a file, with its results in a store."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import msgspec

from pfnlab.campaign.executor import Executor
from pfnlab.campaign.local import LocalExecutor
from pfnlab.campaign.new_file import new_text
from pfnlab.campaign.on_cluster import ClusterExecutor
from pfnlab.campaign.plan import Plan
from pfnlab.campaign.plan_file import read_plan
from pfnlab.campaign.running import (
    CampaignEnd,
    CampaignProgress,
    begin_campaign,
    run_campaign,
    stored_plan,
)
from pfnlab.campaign.status import status_of, what_it_does
from pfnlab.cli.report import FORMS, form_of
from pfnlab.cli.results import ResultsRequest, files_of_store, print_results, store_address
from pfnlab.cluster.connection import check_address
from pfnlab.document.compose import document_of
from pfnlab.document.results_part import part, status_part
from pfnlab.document.terminal import terminal
from pfnlab.errors import Misuse, Undecided
from pfnlab.files import cannot_write, check_output, write_output, write_whole
from pfnlab.inert import one_line
from pfnlab.progress import Work, say, working
from pfnlab.report.campaigns import CampaignStatus, ListedResults, StatusResult
from pfnlab.result import Made
from pfnlab.schema_files import campaign_file_text
from pfnlab.store.store import Store
from pfnlab.store.stored import ResultFilter
from pfnlab.units import number_of


class CampaignRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of the command line.

    :param store: its address; None for the usual one
    :param jobs: shards that run at a time; None for as many as there are processors
    :param name: of the campaign; None for the only one
    :param cluster: the address of a scheduler whose workers run the shards, in place of this host
    """

    store: str | None = None
    jobs: int | None = None
    name: str | None = None
    cluster: str | None = None


def new_campaign(file: Path | None, *, schema: bool) -> int:
    """Write the file of a campaign to begin with, or print its schema; 0.

    :raises Misuse: the file exists, or cannot be written
    """
    if schema:
        print(campaign_file_text(), end="")
        return 0
    if file is None:
        raise Misuse("say which file: pfnlab campaign new nightly.toml")
    if os.path.lexists(file):
        raise Misuse(f"{file} exists: name a new file")
    try:
        write_whole(file, new_text(file))
    except OSError as trouble:
        raise cannot_write(file, trouble, "name another file") from trouble
    say(f"{file} written; then: pfnlab campaign check {file}")
    return 0


def check_campaign(file: Path) -> int:
    """Print what a file would do; 0."""
    plan = read_plan(file)
    shards = plan.shards(file.parent)
    with_qemu = sum(shard.needs_qemu for shard in shards)
    print(f"{plan.name}: {number_of(len(shards), 'shard')}, {with_qemu} with a kernel")
    for task, count in Counter(shard.task for shard in shards).items():
        first = next(shard for shard in shards if shard.task == task)
        what = one_line(what_it_does(task, first.work))
        print(f"  {task}: {number_of(count, 'shard')}, the first: {what}")
    print(
        f"  an attempt: {plan.limits.seconds:g} s; a shard: {number_of(plan.limits.tries, 'try', 'tries')}; "
        f"a discovery: {', '.join(plan.count.verdicts)}"
    )
    return 0


def run_file(file: Path, request: CampaignRequest) -> int:
    """Run the campaign of *file*; its exit code."""
    plan = read_plan(file)
    with Store(store_address(request.store)) as store:
        begin_campaign(store, plan, file.parent)
        return _run(store, plan, request)


def resume(request: CampaignRequest, *, isolated: bool) -> int:
    """Go on with a campaign; its exit code."""
    with Store(store_address(request.store), make=False) as store:
        plan = stored_plan(store, _name(store, request))
        if isolated:
            store.try_again(plan.name)
        return _run(store, plan, request)


def _run(store: Store, plan: Plan, request: CampaignRequest) -> int:
    total = len(store.shards(plan.name))
    with executor_of(request) as executor, working(f"campaign {plan.name}", total) as work:
        end = run_campaign(store, plan.name, executor, on_progress=_Shown(work).show)
    if end is CampaignEnd.NO_WORKER:
        raise Undecided(
            f"campaign {plan.name}: the shards that are left need QEMU, which no worker has: "
            f"{_HOW_QEMU[request.cluster is not None]}, then pfnlab campaign resume"
        )
    status = status_of(store, plan.name)
    if end is not CampaignEnd.OVER:
        say(f"campaign {plan.name}: {end}")
    print(terminal(status_part(_status(store, status))))
    return status.outcome.value


def executor_of(request: CampaignRequest) -> Executor:
    """Where shards run.

    :raises Misuse: it says both of this host and of a cluster
    """
    if request.cluster is None:
        return LocalExecutor(request.jobs)
    if request.jobs is not None:
        raise Misuse("--cluster does not go with --jobs: leave one out")
    return ClusterExecutor(check_address(request.cluster))


#: How a worker has QEMU: one of this host, one of a cluster.
_HOW_QEMU = ("install qemu-system-x86", 'start one that has it with --resources "qemu=1"')


class _Shown:
    """Shows how far a campaign is."""

    def __init__(self, work: Work) -> None:
        self._work, self._done = work, 0

    def show(self, progress: CampaignProgress) -> None:
        """Show it, and say what was given up."""
        if progress.isolated is not None:
            shard = progress.isolated
            what = what_it_does(shard.task, shard.work)
            say(f"shard {shard.number} is isolated, {shard.task} {what}: {shard.reason}")
        self._work.advance(progress.done - self._done)
        self._done = progress.done


def status(request: CampaignRequest, *, as_json: bool) -> int:
    """Print how far campaigns are; 0."""
    with Store(store_address(request.store), make=False) as store:
        names = [request.name] if request.name else [campaign.name for campaign in store.campaigns()]
        statuses = [status_of(store, name) for name in names]
        result = _status(store, *statuses)
        print(result.as_json() if as_json else terminal(status_part(result)))
    return 0


def _status(store: Store, *campaigns: CampaignStatus) -> StatusResult:
    return StatusResult(made=Made.now(), store=store.address, campaigns=campaigns)


def stop(request: CampaignRequest) -> int:
    """Ask the process that runs a campaign to stop; 0."""
    with Store(store_address(request.store), make=False) as store:
        name = _name(store, request)
        if not store.is_running(name):
            raise Misuse(f"campaign {name!r} is not running: there is nothing to stop")
        store.ask_to_stop(name)
        say(f"campaign {name} stops; pfnlab campaign resume {name} goes on")
    return 0


def campaign_results(request: CampaignRequest, *, verdict: str | None, full: bool, as_json: bool) -> int:
    """Print the results of one campaign; 0."""
    with Store(store_address(request.store), make=False) as store:
        name = _name(store, request)
    asked = ResultFilter(campaign=name, verdict=verdict)
    return print_results(ResultsRequest(store=request.store, asked=asked, full=full, as_json=as_json))


def report(request: CampaignRequest, output: Path | None, form: str | None, title: str | None) -> int:
    """Write the report of a campaign; 0.

    :raises Misuse: the form is unknown
    """
    chosen = form or form_of(output)
    if chosen not in FORMS:
        raise Misuse(f"there is no format {chosen!r}: write --format {'|'.join(FORMS)}")
    address = store_address(request.store)
    check_output(output, files_of_store(address))
    with Store(address, make=False) as store:
        name = _name(store, request)
        content = ListedResults.of(
            store.results(ResultFilter(campaign=name)), store.address, [status_of(store, name)]
        )
    write_output(output, FORMS[chosen](document_of([part(content)], title)))
    return 0


def _name(store: Store, request: CampaignRequest) -> str:
    """The campaign that a command is about.

    :raises Misuse: none is named, and there are several or none
    """
    if request.name is not None:
        return stored_plan(store, request.name).name
    names = [campaign.name for campaign in store.campaigns()]
    if len(names) == 1:
        return names[0]
    if not names:
        raise Misuse(f"{store.address} has no campaign: pfnlab campaign run FILE begins one")
    raise Misuse(f"{store.address} has several campaigns, name one: {', '.join(names)}")
