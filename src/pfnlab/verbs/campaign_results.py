"""The results of campaigns: ``pfnlab campaign results``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.verbs.option import AsJson, Option, Request, Say, StoreOf

if TYPE_CHECKING:
    from pfnlab.campaign.campaigns import ListedResults


class CampaignResultsRequest(Request, frozen=True, kw_only=True):
    """Print the results in a store: one per line, as JSON, or as a table in a file.

    A result is recorded once, even if several shards and campaigns produce it.
    """

    campaign: Annotated[
        str | None, Option("Show only results of this campaign.", "CAMPAIGN", positional=True)
    ] = None
    store: StoreOf = None
    kind: Annotated[str | None, Option("Show only results of this kind.", "run|verdict|difference")] = None
    task: Annotated[
        str | None,
        Option("Show only results from this kind of work.", "fuzz|check|catalogue|meet|sweep|review"),
    ] = None
    machine: Annotated[
        str | None, Option("Show only results for this machine; model:7.2 includes its versions.", "MACHINE")
    ] = None
    verdict: Annotated[
        str | None, Option("Include only results with this verdict: differs, violated, holds ...", "VERDICT")
    ] = None
    scope: Annotated[str | None, Option("Show only results in this scope.", "NAME|FILE")] = None
    full: Annotated[bool, Option("Include the programs.")] = False
    as_json: AsJson = False
    form: Annotated[
        str | None,
        Option("Format of the table written with -o.", "csv|parquet", ("--format",), needs="output"),
    ] = None
    output: Annotated[
        Path | None,
        Option("Write the table to this file.", "FILE", ("-o", "--output"), excludes="full as_json"),
    ] = None
    backup: Annotated[
        Path | None, Option("Copy the whole store to FILE; works while it is in use.", "FILE", takes="store")
    ] = None


def perform_results(request: CampaignResultsRequest, say: Say) -> Iterator[ListedResults]:
    """Yield the results, or write a file or copy. Misuse if a filter or store is wrong, or options
    conflict."""
    from pfnlab.base.files import check_output
    from pfnlab.base.spelling import did_you_mean
    from pfnlab.campaign.campaigns import ListedResults, status_of
    from pfnlab.campaign.store.export import COLUMNS, export, table_rows
    from pfnlab.campaign.store.rows import VERDICTS, ResultFilter
    from pfnlab.campaign.store.store import Store, files_of_store, store_address

    if request.verdict is not None and request.verdict not in VERDICTS:
        raise Misuse(f"--verdict {request.verdict}: write one of {', '.join(VERDICTS)}")
    address = store_address(request.store)
    check_output(request.output, files_of_store(address))
    with Store(address, make=False, write=False) as store:
        if request.backup is not None:
            store.backup(request.backup)
            say(f"{request.backup} written")
            return
        wanted, names = request.campaign, [campaign.name for campaign in store.campaigns()]
        if wanted is not None and wanted not in names:
            raise Misuse(f"{store.address} has no campaign {wanted!r}{did_you_mean(wanted, names)}")
        seen = store.results(ResultFilter(**{name: getattr(request, name) for name in _FILTERS}))
        if request.output is not None:
            form = request.form or request.output.suffix.removeprefix(".") or "csv"
            export(request.output, form, COLUMNS, table_rows(seen))
            return
        # Text output does not include the progress of campaigns.
        shown = (names if wanted is None else [wanted]) if request.as_json else []
        yield ListedResults.of(seen, store.address, [status_of(store, name) for name in shown])


#: The options that select results.
_FILTERS = ("campaign", "kind", "task", "machine", "verdict", "scope")
