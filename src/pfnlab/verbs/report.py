"""Combine results into one self-contained report, findings first.

Results are the --json output of run, check, matrix, review, kernels meet, kernels diff, fuzz, try and replay,
folders of findings, and campaigns.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, OutputFile, Request, Say, StoreOf

if TYPE_CHECKING:
    from pfnlab.present.document.part import Part


class ReportRequest(Request, frozen=True, kw_only=True):
    results: Annotated[
        tuple[Path, ...],
        Option("JSON output of a verb, or the folder of a finding.", "RESULT", positional=True),
    ] = ()
    store: StoreOf = None
    campaign: Annotated[
        str | None,
        Option("Include the results of this campaign; optional with --store if it has only one.", "CAMPAIGN"),
    ] = None
    output: OutputFile = None
    form: Annotated[
        str | None,
        Option(
            "HTML for a browser, or Markdown for a mail. Default: by the extension of FILE.",
            "html|md",
            ("--format",),
        ),
    ] = None
    title: Annotated[str | None, Option("Title of the report.", "TEXT")] = None


def perform(request: ReportRequest, say: Say) -> Iterator[PlainText]:
    """Read the results and write the document; Misuse if a file is not a result, or is also the output."""
    from pfnlab.base.files import check_output
    from pfnlab.present.document.compose import document_of, writer_of
    from pfnlab.present.document.part import part_of
    from pfnlab.present.document.read import files_of, read_results

    writer = writer_of(request.form, request.output)
    of_campaign = request.store is not None or request.campaign is not None
    if not request.results and not of_campaign:
        raise Misuse("RESULT is missing: write pfnlab report RESULT..., or --store STORE for a campaign")
    check_output(request.output, files_of(request.results))
    parts = [part_of(result) for result in read_results(request.results)]
    if of_campaign:
        parts.append(_campaign_part(request))
    yield PlainText(writer(document_of(parts, request.title)))


def _campaign_part(request: ReportRequest) -> Part:
    """Return the results of a campaign; Misuse if there is no such campaign, or the output is the store."""
    from pfnlab.base.files import check_output
    from pfnlab.campaign.campaigns import ListedResults, status_of
    from pfnlab.campaign.running import campaign_named
    from pfnlab.campaign.store.rows import ResultFilter
    from pfnlab.campaign.store.store import Store, files_of_store, store_address
    from pfnlab.present.document.results_part import part

    address = store_address(request.store)
    check_output(request.output, files_of_store(address))
    with Store(address, make=False, write=False) as store:
        name = campaign_named(store, request.campaign)
        seen = store.results(ResultFilter(campaign=name))
        return part(ListedResults.of(seen, store.address, [status_of(store, name)]))
