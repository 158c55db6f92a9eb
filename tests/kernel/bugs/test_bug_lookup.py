"""Bugs are found by number, CVE and title; a configuration can leave one out."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.kernel.bugs.here import bug_called, options_lacking
from pfnlab.kernel.bugs.known_bugs import bug


@for_each("name", ["A01", "a01", "CVE-2024-35877", "cve-2024-35877", "cow-first-pte"])
def test_one_bug_has_several_names(name: str) -> None:
    """In any case of letters where it is a number."""
    assert "A01" == bug_called(name).number


@for_each(
    ("name", "says"),
    [
        ("A99", "no bug 'A99': `pfnlab bugs list` lists them"),
        ("CVE-2024-1", "no bug 'CVE-2024-1'"),
        ("CVE-2024-35878", "has the number CVE-2024-35878: `pfnlab bugs list --cve`"),
        ("\x1b[2J", r"no bug '.*x1b\[2J'"),
        ("", "no bug ''"),
    ],
)
def test_what_there_is_not_is_one_line(name: str, says: str) -> None:
    """It says where names are listed."""
    with pytest.raises(Misuse, match=says):
        bug_called(name)


@for_each(
    ("options", "lacking"),
    [
        ({}, ("LOCKDEP=y", "VFIO_PCI=m")),
        ({"LOCKDEP": "y"}, ("VFIO_PCI=m",)),
        ({"LOCKDEP": "y", "VFIO_PCI": "m"}, ()),
        ({"LOCKDEP": "y", "VFIO_PCI": "y"}, ()),
        ({"LOCKDEP": "m", "VFIO_PCI": "y"}, ("LOCKDEP=y",)),
    ],
)
def test_what_is_built_in_is_more_than_a_module(options: dict[str, str], lacking: tuple[str, ...]) -> None:
    """And a module is not enough where it has to be built in."""
    assert lacking == options_lacking(bug("P07"), options)
