"""The page of profiles is what the tables say."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from evidence.pages.__main__ import made
from evidence.pages.profiles_page import profiles_data, profiles_page
from pfnlab.kernel.policies.profiles import exact
from pfnlab.kernel.policies.releases import RELEASES
from pfnlab.kernel.policies.switches import ERAS, SWITCHES

PAGE = Path(__file__).parents[3] / "docs" / "profiles.md"


def test_the_page_is_current() -> None:
    """Write it anew with ``python -m evidence.pages profiles --write``."""
    assert made("profiles") == PAGE.read_text(encoding="utf-8")


def test_the_data_is_current() -> None:
    """The same command writes it."""
    assert made("profiles.csv") == PAGE.with_suffix(".csv").read_text(encoding="utf-8")


def test_every_switch_has_a_value_in_every_release() -> None:
    """Also the policies of each era."""
    rows = list(csv.DictReader(io.StringIO(profiles_data())))

    names = [*(f"{era.seam}={era.name}" for era in ERAS), *(switch.name for switch in SWITCHES)]
    assert names == [row["switch"] for row in rows]
    assert {"on", "on?", "-", "-?"} >= {row[release] for row in rows for release in RELEASES}


def test_a_switch_changes_in_its_release() -> None:
    """saved_dirty came with 6.6."""
    (row,) = [row for row in csv.DictReader(io.StringIO(profiles_data())) if row["switch"] == "saved_dirty"]

    assert ("-", "on", "6.6") == (row["6.5"].rstrip("?"), row["6.6"].rstrip("?"), row["since"])


def test_every_release_has_a_row() -> None:
    """With a policy of each seam, and how many switches are on."""
    rows = [line.strip("| ").split(" | ") for line in profiles_page().splitlines()]

    (of_61,) = [row for row in rows if row[0] == "6.1"]
    on = sum(switch.on(exact("6.1")) for switch in SWITCHES)
    assert ["6.1", "vm_pat", "end_vma", "page_test_skip", str(on), "0"] == of_61
    assert {*RELEASES} <= {row[0] for row in rows}
