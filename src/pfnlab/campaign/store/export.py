"""Rows of a store as a file for other tools, in CSV or Parquet."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from pfnlab.base.errors import Misuse
from pfnlab.base.extras import imported_from
from pfnlab.base.files import write_whole, writing
from pfnlab.base.inert import csv_cell
from pfnlab.campaign.store.database import values_of
from pfnlab.campaign.store.rows import HostClass, StoredResult

#: The file formats.
FORMS = ("csv", "parquet")

#: The columns of an export, which has a row for each sighting.
COLUMNS = (
    *StoredResult.__struct_fields__[:-1],
    *("campaign", "shard", "pfnlab", "kernels", "seed"),
    *HostClass.__struct_fields__,
)


def table_rows(results: Sequence[StoredResult]) -> Iterator[tuple[Any, ...]]:
    """The values for :data:`COLUMNS`; lists and objects are JSON."""
    for one in results:
        # The sightings are rows of their own.
        values = values_of(replace(one, sightings=()))[:-1]
        for sighting in one.sightings:
            yield (*values, *values_of(sighting)[:-1], *values_of(sighting.host))


def export(path: Path, form: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write *rows* to the file at *path*, atomically.

    :param form: one of :data:`FORMS`
    :raises Misuse: if there is no such form, or the file cannot be written
    :raises MissingTool: if polars, which writes Parquet, is not installed
    :raises Undecided: if the disk is full or fails
    """
    if form not in FORMS:
        raise Misuse(f"there is no format {form!r}: write --format {' or --format '.join(FORMS)}")
    content = _csv(columns, rows) if form == "csv" else _parquet(columns, rows)
    with writing(path, "name another file with -o"):
        write_whole(path, content)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([csv_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _parquet(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    with imported_from("frames", "Parquet"):
        import polars
    data = io.BytesIO()
    whole = {"shard", "seed", "cores", "memory"}
    schema = {name: polars.Int64 if name in whole else polars.String for name in columns}
    polars.DataFrame(list(map(tuple, rows)), schema=schema, orient="row").write_parquet(data)
    return data.getvalue()
