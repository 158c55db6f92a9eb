"""The outcome of a test that lacks something."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import Any

import having
import pytest
from having import NEW, OLD, STABLE, asks_older, bootable, have, lacking

from pfnlab.base.errors import Defect, MissingTool


def missing() -> None:
    """Something that is not here."""
    raise MissingTool("no such tool: install it")


def test_what_is_here_is_had() -> None:
    """
    Nothing is skipped that need not be.
    """
    assert have(lambda: 7) == 7


@pytest.mark.parametrize(("required", "ending"), [(False, pytest.skip), (True, pytest.fail)])
def test_a_missing_tool(required: bool, ending: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The test is skipped with the remedy, and fails where the lab is required.
    """
    monkeypatch.setattr(having, "REQUIRED", required)

    with pytest.raises(ending.Exception, match="no such tool: install it"):  # type: ignore[attr-defined]
        have(missing)


def test_a_fault_of_ours_is_no_missing_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A defect fails the test everywhere.
    """
    monkeypatch.setattr(having, "REQUIRED", False)

    def broken() -> None:
        raise Defect("wrong")

    with pytest.raises(Defect):
        have(broken)


def test_no_qemu(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A kernel is not fetched for nothing.
    """
    monkeypatch.setattr(having, "REQUIRED", True)
    monkeypatch.setattr(shutil, "which", lambda name: None)

    with pytest.raises(pytest.fail.Exception, match="no QEMU: apt-get install"):
        bootable("6.1.1")


def test_what_is_lacking_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The reason is the remedy.
    """
    monkeypatch.setattr(having, "REQUIRED", False)

    with pytest.raises(pytest.skip.Exception, match="do this"):
        lacking("do this")


@pytest.mark.parametrize(
    ("asked", "marked", "older"),
    [
        (OLD, True, True),
        (STABLE, True, True),
        (NEW, True, False),
        ("munmap", True, False),
        (OLD, False, False),
    ],
)
def test_a_test_of_an_older_kernel(
    asked: str, marked: bool, older: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is of `make test-older`, for the newest is asked the same; a name alone boots nothing."""
    monkeypatch.setattr(having, "EVERY_SERIES", False)
    item: Any = SimpleNamespace(
        callspec=SimpleNamespace(params={"series": asked}),
        get_closest_marker=lambda name: pytest.mark.lab if marked and name == "lab" else None,
    )

    assert older == asks_older(item)
