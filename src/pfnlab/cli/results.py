"""``pfnlab results``: the content of a store."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from pfnlab.campaign.status import status_of
from pfnlab.document.results_part import listing_part
from pfnlab.document.terminal import terminal
from pfnlab.errors import Misuse
from pfnlab.files import check_output
from pfnlab.programs.lang.words import did_you_mean
from pfnlab.progress import say
from pfnlab.report.campaigns import ListedResults
from pfnlab.store.export import COLUMNS, export, table_rows
from pfnlab.store.rows import TASK_NAMES, VERDICTS
from pfnlab.store.store import Store
from pfnlab.store.stored import ResultFilter

#: The store where none is named, and the variable that names one.
STORE, STORE_VARIABLE = "pfnlab.db", "PFNLAB_STORE"

#: The values of filters.
KINDS = ("run", "verdict", "difference")


class ResultsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of the command line.

    :param store: its address; None for the usual one
    :param full: with programs
    :param form: csv or parquet, for a table in the file *output*
    :param backup: the file of a copy of the store
    """

    store: str | None = None
    asked: ResultFilter = ResultFilter()
    full: bool = False
    as_json: bool = False
    form: str | None = None
    output: Path | None = None
    backup: Path | None = None


def store_address(named: str | None) -> str:
    """The address of the store that a command is about."""
    return named or os.environ.get(STORE_VARIABLE) or STORE


def files_of_store(address: str) -> list[Path]:
    """The files that a store may be in; none of them is one for output."""
    return [Path(f"{address}{ending}") for ending in ("", "-wal", "-shm", "-running")]


def print_results(request: ResultsRequest) -> int:
    """Print, export or copy; 0.

    :raises Misuse: a filter or the store is wrong
    """
    _check(request)
    address = store_address(request.store)
    check_output(request.output, files_of_store(address))
    with Store(address, make=False) as store:
        if request.backup is not None:
            store.backup(request.backup)
            say(f"{request.backup} written")
            return 0
        asked = request.asked
        names = [campaign.name for campaign in store.campaigns()]
        if asked.campaign is not None and asked.campaign not in names:
            raise Misuse(
                f"{store.address} has no campaign {asked.campaign!r}{did_you_mean(asked.campaign, names)}"
            )
        results = store.results(asked)
        if request.output is not None:
            form = request.form or request.output.suffix.removeprefix(".") or "csv"
            export(request.output, form, COLUMNS, table_rows(results))
        elif request.as_json:
            chosen = [asked.campaign] if asked.campaign is not None else names
            statuses = [status_of(store, name) for name in chosen]
            print(ListedResults.of(results, store.address, statuses).as_json())
        else:
            print(terminal(listing_part(ListedResults.of(results, store.address), full=request.full)))
    return 0


def _check(request: ResultsRequest) -> None:
    asked = request.asked
    for option, value, known in (
        ("--kind", asked.kind, KINDS),
        ("--task", asked.task, TASK_NAMES),
        ("--verdict", asked.verdict, VERDICTS),
    ):
        if value is not None and value not in known:
            raise Misuse(f"{option} {value}: write one of {', '.join(known)}")
    if request.form is not None and request.output is None:
        raise Misuse(f"--format {request.form} is of a file: add -o FILE")
    if request.output is not None and request.as_json:
        raise Misuse("--json prints, and -o writes a table: leave one of them out")
