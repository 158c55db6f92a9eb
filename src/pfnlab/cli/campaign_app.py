"""The group of the verbs of campaigns, with those that have no results: each imports what it needs."""

# No annotations as strings here: the framework would evaluate each several times before every command.

from pathlib import Path
from typing import Annotated

import typer

from pfnlab.cli.options import typer_option
from pfnlab.cli.plain import PLAIN, Verbs
from pfnlab.verbs import option

campaign = Verbs(
    help="Long work from a file, in shards: it may be killed at any time, and goes on where it was.",
    no_args_is_help=True,
    **PLAIN,
)


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
    from os.path import lexists

    from pfnlab.campaign.new_file import new_text
    from pfnlab.errors import Misuse
    from pfnlab.files import cannot_write, write_whole
    from pfnlab.inert import shell_path, visible_name
    from pfnlab.progress import say
    from pfnlab.schema_files import campaign_file_text

    if schema and file is not None:
        raise Misuse("--schema prints the schema of all such files: leave the file's name out")
    if schema:
        print(campaign_file_text(), end="")
        return 0
    if file is None:
        raise Misuse("say which file: pfnlab campaign new nightly.toml")
    if lexists(file):
        raise Misuse(f"{file} exists: name a new file")
    try:
        write_whole(file, new_text(file), new=True)
    except OSError as trouble:
        raise cannot_write(file, trouble, "name another file") from trouble
    say(f"{visible_name(file)} written; then: pfnlab campaign check {shell_path(file)}")
    return 0


@campaign.command("check")
def campaign_check(file: Annotated[Path, typer_option(option.CAMPAIGN_FILE)]) -> int:
    """Check the file of a campaign, and print what it would do."""
    from collections import Counter

    from pfnlab.campaign.plan_file import read_plan
    from pfnlab.campaign.status import what_it_does
    from pfnlab.inert import one_line
    from pfnlab.units import number_of

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


for verb in ("run", "resume", "status"):
    campaign.verb(f"campaign {verb}")


@campaign.command("stop")
def campaign_stop(
    name: Annotated[str | None, typer_option(option.CAMPAIGN)] = None,
    store: Annotated[str | None, typer_option(option.STORE)] = None,
) -> int:
    """Ask the process that runs a campaign to stop, from anywhere that reaches the store."""
    from pfnlab.campaign.running import campaign_named
    from pfnlab.errors import Misuse
    from pfnlab.inert import shell_word
    from pfnlab.progress import say
    from pfnlab.store.store import Store, store_address

    with Store(store_address(store), make=False) as opened:
        stopped = campaign_named(opened, name)
        if not opened.is_running(stopped):
            raise Misuse(f"campaign {stopped!r} is not running: there is nothing to stop")
        opened.ask_to_stop(stopped)
        say(f"campaign {stopped} stops; pfnlab campaign resume {shell_word(stopped)} goes on")
    return 0


for verb in ("results", "report"):
    campaign.verb(f"campaign {verb}")
