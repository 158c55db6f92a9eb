"""A table in a file has the rows that it was given."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import msgspec
import pytest
from made_results import result, sighting

from pfnlab.base.errors import MissingTool, Misuse
from pfnlab.campaign.store import export as module
from pfnlab.campaign.store.export import export, table_rows

COLUMNS = ("digest", "program", "shard", "seed")
ROWS = [("a", 'mmap "x",\n munmap', 1, None), ("b", "é", 2, 7)]


def test_a_result_is_one_text_however_many_shards_saw_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows differ in the shard, and none is made of all of them."""
    seen = msgspec.structs.replace(result(), sightings=tuple(sighting("x", number) for number in range(3)))
    made = list[msgspec.Struct]()
    values_of = module.values_of
    monkeypatch.setattr(module, "values_of", lambda one: made.append(one) or values_of(one))

    rows = list(table_rows([seen]))

    assert [result()] == [one for one in made if isinstance(one, type(seen))]
    assert [0, 1, 2] == [row[module.COLUMNS.index("shard")] for row in rows]


def test_csv_has_the_rows(tmp_path: Path) -> None:
    """With quotes, line ends and nothing in them."""
    export(tmp_path / "x.csv", "csv", COLUMNS, ROWS)

    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        assert [list(COLUMNS), ["a", 'mmap "x",\n munmap', "1", ""], ["b", "é", "2", "7"]] == list(
            csv.reader(file)
        )


@pytest.mark.target("notebooks")
def test_parquet_has_the_rows(tmp_path: Path) -> None:
    """Numbers stay numbers."""
    import polars

    export(tmp_path / "x.parquet", "parquet", COLUMNS, ROWS)

    assert ROWS == polars.read_parquet(tmp_path / "x.parquet").rows()


@pytest.mark.target("notebooks")
def test_an_empty_table_is_one(tmp_path: Path) -> None:
    """With its columns."""
    import polars

    export(tmp_path / "x.parquet", "parquet", COLUMNS, [])

    assert list(COLUMNS) == polars.read_parquet(tmp_path / "x.parquet").columns


def test_without_polars_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line."""
    monkeypatch.setitem(sys.modules, "polars", None)

    with pytest.raises(MissingTool, match=r"pip install 'pfnlab\[frames\]'"):
        export(tmp_path / "x.parquet", "parquet", COLUMNS, ROWS)


def test_another_form_is_misuse(tmp_path: Path) -> None:
    """And nothing is written."""
    with pytest.raises(Misuse, match="write --format csv or --format parquet"):
        export(tmp_path / "x.xlsx", "xlsx", COLUMNS, ROWS)

    assert not (tmp_path / "x.xlsx").exists()


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_of_csv_is_no_formula(tmp_path: Path, sign: str) -> None:
    """A spreadsheet would run it; a number stays one."""
    export(tmp_path / "x.csv", "csv", COLUMNS, [("a", f'{sign}HYPERLINK("http://x")', -1, None)])

    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        assert ["a", f'\'{sign}HYPERLINK("http://x")', "-1", ""] == list(csv.reader(file))[1]
