"""``pfnlab campaign`` and ``results`` with their options; what they do is imported when they run."""

# No annotations as strings here: the framework would evaluate each several times before every command.

from pathlib import Path
from typing import Annotated

import typer

from pfnlab.cli.options import typer_option
from pfnlab.cli.plain import PLAIN, AsJson, ReportFile, ReportForm, ReportTitle, Verbs
from pfnlab.verbs import option

campaign = Verbs(
    help="Long work from a file, in shards: it may be killed at any time, and goes on where it was.",
    no_args_is_help=True,
    **PLAIN,
)

StoreOf = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="STORE",
        help="Where results are kept: a file, or postgresql://USER@HOST/NAME. Without it: $PFNLAB_STORE, "
        "else pfnlab.db.",
    ),
]

JobsOf = Annotated[
    int | None,
    typer_option(
        option.JOBS._replace(
            help="Shards that run at a time, at most eight a processor. Default: as many as processors."
        )
    ),
]

ClusterOf = Annotated[
    str | None,
    typer.Option("--cluster", metavar="ADDRESS", help="Run shards on the workers of a dask scheduler there."),
]

CampaignName = Annotated[
    str | None,
    typer.Argument(metavar="CAMPAIGN", help="Its name; may be left out where the store has one only."),
]

CampaignFile = Annotated[Path, typer.Argument(metavar="CAMPAIGN.toml", help="What to run.")]


@campaign.command("new")
def campaign_new(
    file: Annotated[
        Path | None, typer.Argument(metavar="CAMPAIGN.toml", help="The new file; it must not exist.")
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of such files instead.")
    ] = False,
) -> int:
    """Write a file of a campaign to begin with."""
    from pfnlab.cli.campaign import new_campaign

    return new_campaign(file, schema=schema)


@campaign.command("check")
def campaign_check(file: CampaignFile) -> int:
    """Check the file of a campaign, and print what it would do."""
    from pfnlab.cli.campaign import check_campaign

    return check_campaign(file)


@campaign.command("run")
def campaign_run(
    file: CampaignFile, store: StoreOf = None, jobs: JobsOf = None, cluster: ClusterOf = None
) -> int:
    """Run a campaign; what its store has of it already is not run again.

    Each shard runs in a process of its own. One that crashes or passes its limit is tried again, and after so
    many tries isolated; the others go on. Results are in the store after each shard.

    Exit codes: 0 as expected, 1 a discovery, 3 shards are left or isolated, or something is undecided.
    """
    from pfnlab.cli.campaign import CampaignRequest, run_file

    return run_file(file, CampaignRequest(store=store, jobs=jobs, cluster=cluster))


@campaign.command("resume")
def campaign_resume(
    name: CampaignName = None,
    store: StoreOf = None,
    jobs: JobsOf = None,
    cluster: ClusterOf = None,
    isolated: Annotated[
        bool, typer.Option("--isolated", help="Try shards that were isolated once more too.")
    ] = False,
) -> int:
    """Go on with a campaign that was stopped or killed; its file is not needed.

    Exit codes: 0 as expected, 1 a discovery, 3 shards are left or isolated, or something is undecided.
    """
    from pfnlab.cli.campaign import CampaignRequest, resume

    request = CampaignRequest(store=store, jobs=jobs, name=name, cluster=cluster)
    return resume(request, isolated=isolated)


@campaign.command("status")
def campaign_status(name: CampaignName = None, store: StoreOf = None, as_json: AsJson = False) -> int:
    """Print how far campaigns are; of all of a store where none is named."""
    from pfnlab.cli.campaign import CampaignRequest, status

    return status(CampaignRequest(store=store, name=name), as_json=as_json)


@campaign.command("stop")
def campaign_stop(name: CampaignName = None, store: StoreOf = None) -> int:
    """Ask the process that runs a campaign to stop, from anywhere that reaches the store."""
    from pfnlab.cli.campaign import CampaignRequest, stop

    return stop(CampaignRequest(store=store, name=name))


@campaign.command("results")
def campaign_results(
    name: CampaignName = None,
    store: StoreOf = None,
    verdict: Annotated[
        str | None, typer.Option(metavar="VERDICT", help="Only these: differs, violated, holds ...")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="With their programs.")] = False,
    as_json: AsJson = False,
) -> int:
    """Print the results of one campaign; `pfnlab results` has more filters and exports."""
    from pfnlab.cli.campaign import CampaignRequest, campaign_results

    return campaign_results(
        CampaignRequest(store=store, name=name), verdict=verdict, full=full, as_json=as_json
    )


@campaign.command("report")
def campaign_report(
    name: CampaignName = None,
    store: StoreOf = None,
    output: ReportFile = None,
    form: ReportForm = None,
    title: ReportTitle = None,
) -> int:
    """Make a report of a campaign: a file that needs nothing else, what was found first."""
    from pfnlab.cli.campaign import CampaignRequest, report

    return report(CampaignRequest(store=store, name=name), output, form, title)


def results(
    store: Annotated[
        str | None,
        typer.Argument(
            metavar="STORE", help="A file, or postgresql://... Default: $PFNLAB_STORE or pfnlab.db."
        ),
    ] = None,
    of: Annotated[
        str | None, typer.Option("--campaign", metavar="CAMPAIGN", help="Only of this campaign.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(metavar="run|verdict|difference", help="Only results of this kind.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="fuzz|check|catalogue|meet", help="Only those that this found.")
    ] = None,
    machine: Annotated[
        str | None,
        typer.Option(metavar="MACHINE", help="Only of this machine; model:7.2 stands for its versions too."),
    ] = None,
    verdict: Annotated[
        str | None, typer.Option(metavar="VERDICT", help="Only these: differs, violated, holds ...")
    ] = None,
    scope: Annotated[str | None, typer.Option(metavar="NAME|FILE", help="Only of this scope.")] = None,
    full: Annotated[bool, typer.Option("--full", help="With their programs.")] = False,
    as_json: AsJson = False,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="csv|parquet", help="Write a table to the file of -o instead."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="The file of that table.")
    ] = None,
    backup: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Copy the whole store there, also while it is in use."),
    ] = None,
) -> int:
    """Print what campaigns found and a store keeps: a line each, or JSON, or a table in a file.

    A result is recorded once, however many shards and campaigns see it.
    """
    from pfnlab.cli.results import ResultsRequest, print_results
    from pfnlab.store.stored import ResultFilter

    asked = ResultFilter(campaign=of, kind=kind, task=task, machine=machine, verdict=verdict, scope=scope)
    return print_results(
        ResultsRequest(
            store=store, asked=asked, full=full, as_json=as_json, form=form, output=output, backup=backup
        )
    )
