"""Patches that take a commit out: their heads, and that the model knows what they make of a kernel."""

from __future__ import annotations

import re

import pytest

from pfnlab.kernel.bugs.known_bugs import all_bugs
from pfnlab.lab.building.patch_file import Revert, known_reverts, read_patch
from pfnlab.programs.model.model_machine import ModelMachine

REVERTS = known_reverts()
each_revert = pytest.mark.parametrize("revert", REVERTS, ids=lambda one: f"{one.commit}-{one.series}")


@each_revert
def test_its_head_says_what_it_is(revert: Revert) -> None:
    """Title, licence, and a source of the series in its name."""
    patch = read_patch(revert.path)

    assert patch.titles
    assert (revert.series, "GPL-2.0-only") == (patch.base_series, patch.license)
    assert patch.base_version


@each_revert
def test_its_policy_takes_its_commit_out(revert: Revert) -> None:
    """By the commit in its name, or the switch; others only where that one stands on them."""
    changes = read_patch(revert.path).policy.split(",")

    assert {f"without={revert.commit}", f"{revert.commit}=off"} & set(changes)


@each_revert
def test_the_model_can_be_without_it(revert: Revert) -> None:
    """So `--on model:NAME,POLICY` names a machine, which is not that of the series."""
    model = ModelMachine(f"{revert.series},{read_patch(revert.path).policy}")

    assert ModelMachine(revert.series).profile != model.profile


@each_revert
def test_it_names_an_entry_of_the_catalogue(revert: Revert) -> None:
    """In brackets, with its CVE where it has one."""
    head = revert.path.read_text(encoding="utf-8").partition("\n---\n")[0]
    cves = {bug.number: bug.cve for bug in all_bugs()}

    found = re.search(r"\((?:before )?([A-Z]\d\d)(?:, (CVE-[\d-]+))?\)|\bof ([A-Z]\d\d)\b", head)

    assert found
    assert (found[2] or "") == cves[found[1]] if found[1] else found[3] in cves
