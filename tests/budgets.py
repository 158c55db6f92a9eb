"""Budgets: what the tests of a folder may take, printed where it is passed. Nothing fails by time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import pytest


def budgets_of(text: str) -> dict[str, int]:
    """The seconds of each folder in a text like ``cli=90 lab=300``.

    :raises pytest.UsageError: a word is none of them
    """
    budgets = {}
    for word in text.split():
        folder, equals, seconds = word.partition("=")
        if not (folder and equals and seconds.isdecimal()):
            raise pytest.UsageError(f"--budgets: write FOLDER=SECONDS, not {word!r}")
        budgets[folder] = int(seconds)
    return budgets


def taken(reports: Iterable[pytest.TestReport]) -> dict[str, float]:
    """The seconds of each folder of tests/, with what its tests prepare and clean; ``.`` is tests/ itself."""
    seconds: dict[str, float] = defaultdict(float)
    for report in reports:
        parts = report.nodeid.partition("::")[0].split("/")
        seconds[parts[1] if len(parts) > 2 else "."] += report.duration
    return dict(seconds)


def beyond(budgets: Mapping[str, int], seconds: Mapping[str, float]) -> list[str]:
    """A line for each folder that took more than its budget, or has none; where there are no budgets none."""
    if not budgets:
        return []
    over = [(folder, took) for folder, took in sorted(seconds.items()) if took > budgets.get(folder, 0)]
    its = {folder: f"a budget of {budgets[folder]} s" for folder in budgets}
    return [f"{folder}: {took:.0f} s, of {its.get(folder, 'no budget')}" for folder, took in over]
