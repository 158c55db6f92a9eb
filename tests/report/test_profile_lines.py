"""One profile as text."""

from __future__ import annotations

from pfnlab.policies.switch_table import SWITCHES
from pfnlab.report.profile_lines import profile_lines


def test_every_switch_is_listed() -> None:
    """A header, the two seams, then all switches."""
    lines = profile_lines("6.8")

    assert 5 + len(SWITCHES) == len(lines)
    assert lines[0].startswith("profile 6.8, not confirmed on a kernel")
