"""One profile as text."""

from __future__ import annotations

from pfnlab.kernel.policies.profiles import SEAMS
from pfnlab.kernel.policies.switches import SWITCHES
from pfnlab.present.document.terminal import text_of
from pfnlab.verbs.profile_lines import profile_blocks


def test_every_switch_is_listed() -> None:
    """A header, the two seams, then all switches."""
    lines = text_of(profile_blocks("6.8")).splitlines()

    assert 6 + len(SWITCHES) == len(lines)
    assert lines[0].startswith("profile 6.8, not confirmed on a kernel")


def test_two_versions_side_by_side() -> None:
    """The rows in which they differ, and how many are the same."""
    lines = text_of(profile_blocks("6.12.94", "6.12.117")).splitlines()

    assert lines[:2] == ["profile 6.12.94", "profile 6.12.117"]
    assert [line.split()[:3] for line in lines[4:-2]] == [
        ["dontunmap_joins_source", "on", "off"],
        ["dontunmap_unlocks_all", "on", "off"],
        ["huge_faults_ignore_thp", "off", "on"],
        ["scan_takes_empty_for_written", "off", "on"],
    ]
    assert lines[-1] == f"{len(SWITCHES) + len(SEAMS) - 4} switches are the same"


def test_two_versions_with_equal_rules() -> None:
    """They are said to be."""
    lines = text_of(profile_blocks("6.12.94", "6.12.101")).splitlines()

    assert f"all {len(SWITCHES) + len(SEAMS)} switches are the same" == lines[-1]


def test_policies_side_by_side() -> None:
    """Seams come first, with the release of the newer."""
    lines = text_of(profile_blocks("6.12.117", "6.16.12")).splitlines()
    (row,) = [line for line in lines if line.startswith("tracker")]

    assert row.split()[:5] == ["tracker", "vm_pat", "track_ctx", "6.16", "f8e97613fed2"]
