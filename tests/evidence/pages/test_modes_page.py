"""The page of cache modes: every cell is what a model grants."""

from __future__ import annotations

from pathlib import Path

import pytest
from for_each import for_each

from evidence.pages.__main__ import made
from evidence.pages.modes_page import EXISTING, INTERFACES, SERIES, Interface, mode_of
from pfnlab.base.errors import Discovery

PAGE = Path(__file__).parents[3] / "docs" / "modes.md"

BY_NAME = {one.name: one for one in INTERFACES}


def test_the_page_is_current() -> None:
    """Write it again with ``python -m evidence.pages modes --write``."""
    assert made("modes") == PAGE.read_text(encoding="utf-8")


@for_each("existing", EXISTING)
def test_the_book_wins(existing: str) -> None:
    """A mapping of a write-combining file gets the mode of the reservation."""
    assert existing == mode_of("7.3", BY_NAME["mmap of `resourceN_wc`"], existing)


@for_each("series", SERIES)
def test_a_fault_without_a_reservation_is_not_write_combining(series: str) -> None:
    """Whereas a remap reserves what it asks for."""
    fault, remap = (
        BY_NAME[f"`{name}`, `pgprot_writecombine`"] for name in ("vmf_insert_pfn", "remap_pfn_range")
    )

    assert ("uc-", "wc") == (mode_of(series, fault), mode_of(series, remap))


def test_a_refusal_is_an_errno() -> None:
    """Write-through over write-combining."""
    assert "ENOMEM" == mode_of("6.1", BY_NAME["`ioremap_wt`"], "wc")


def test_a_device_of_vfio_has_no_driver_before() -> None:
    """Only files reserve its BAR, in two modes."""
    vfio = BY_NAME["mmap of a vfio-pci region"]

    assert ["wc", "uc-", "-", "-"] == [mode_of("7.3", vfio, existing) for existing in EXISTING]


def test_a_reservation_in_another_mode_is_noticed() -> None:
    """No BAR is reserved as write-back, so that would be a column of something else."""
    with pytest.raises(Discovery, match="does not reserve wb"):
        mode_of("7.3", Interface("x", "uc-", ("a = mmap bar[0:8] uc shared rw",)), "wb")


def test_a_mode_that_was_not_asked_for_is_bold() -> None:
    """On the page, in the row of its interface."""
    (row,) = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if "| `ioremap_wc` |" in line]

    assert "| `ioremap_wc` | wc | all | wc | wc | **uc-** | **uc** | **wt** |" == row
