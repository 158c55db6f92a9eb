"""Make a report of a campaign: a file that needs nothing else, what was found first."""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.base.result import PlainText
from pfnlab.verbs.option import CampaignName, ReportFile, ReportForm, ReportTitle, Request, Say, StoreOf

EXAMPLES = (
    ("pfnlab campaign report --store nightly.db -o nightly.html", "A page for a browser"),
    ("pfnlab campaign report nightly --format md", "Markdown for a mail"),
)


class CampaignReportRequest(Request, frozen=True, kw_only=True):
    name: CampaignName = None
    store: StoreOf = None
    output: ReportFile = None
    form: ReportForm = None
    title: ReportTitle = None


def perform(request: CampaignReportRequest, say: Say) -> Iterator[PlainText]:
    """Write the document of its results; Misuse for no such campaign or form, or the store as output."""
    from pfnlab.base.files import check_output
    from pfnlab.campaign.campaigns import ListedResults, status_of
    from pfnlab.campaign.running import campaign_named
    from pfnlab.campaign.store.rows import ResultFilter
    from pfnlab.campaign.store.store import Store, files_of_store, store_address
    from pfnlab.present.document.compose import document_of, writer_of
    from pfnlab.present.document.results_part import part

    writer, address = writer_of(request.form, request.output), store_address(request.store)
    check_output(request.output, files_of_store(address))
    with Store(address, make=False, write=False) as store:
        name = campaign_named(store, request.name)
        seen = store.results(ResultFilter(campaign=name))
        content = ListedResults.of(seen, store.address, [status_of(store, name)])
    yield PlainText(writer(document_of([part(content)], request.title)))
