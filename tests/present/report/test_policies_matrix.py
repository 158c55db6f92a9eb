"""Every policy is asked, and a violation is a discovery."""

from __future__ import annotations

import json

import pytest
from litmus_files import FILES
from sample_reports import sample_contents

from pfnlab.base.errors import Misuse
from pfnlab.base.result import Outcome
from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.kernel.policies.patched import PatchedKernel
from pfnlab.kernel.policies.reports import REPORTS
from pfnlab.kernel.policies.seams import VM_PAT_ERAS
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.kernel.policies.walkers import WALKERS
from pfnlab.present.document.part import part_of
from pfnlab.present.document.read import result_of
from pfnlab.present.report.policies_matrix import (
    DISTANCES,
    KINDS,
    by_distance,
    counts,
    kernels_with,
    policies_result,
)
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine


@pytest.mark.target("pages")
@pytest.mark.timeout(600)
def test_the_same_as_data() -> None:
    """Every policy of every seam, its costs, and a report is made of it."""
    said = json.loads(policies_result(1).as_json())

    by_seam = {seam["seam"]: {row["policy"] for row in seam["policies"]} for seam in said["seams"]}
    policies = {"tracker": {*TRACKERS, *VM_PAT_ERAS}, "flush": {*FLUSHES}, "walker": {*WALKERS}}
    assert {**policies, "report": {*REPORTS}} == by_seam
    assert {*FLUSHES} == set(said["flushes"]) == set(said["flushes_by_distance"]["PFN"])
    assert "Policies on 7.2" == part_of(result_of(said)).title


@pytest.mark.parametrize(("length", "outcome"), [(2, Outcome.DISCOVERY), (None, Outcome.AS_EXPECTED)])
def test_a_property_that_is_violated_is_a_discovery(length: int | None, outcome: Outcome) -> None:
    """For the exit code as for a report, as with ``check``."""
    content = sample_contents()["policies"]
    for seam in content["seams"]:
        for row in seam["policies"]:
            row["verdicts"] = dict.fromkeys(row["verdicts"])
    row["verdicts"]["walks_all"] = length

    result = result_of(content)

    assert (outcome, outcome) == (result.outcome, part_of(result).outcome)


def patched(policy: str, differences: int = 0) -> PatchedKernel:
    """A kernel that ran 500 programs."""
    return PatchedKernel(
        **{"policy": policy, "series": "7.2", "kernel": "7.2.13", "source": "linux", "build_seconds": 1},
        **{"seed": 7, "litmus": 300, "random": 200, "steps": 1, "changed": 1, "schedules": 0},
        **{"undecided": 0, "differences": differences},
    )


def test_stock_kernels_that_have_a_policy_are_named() -> None:
    """The measured series say it, as their profiles do."""
    assert kernels_with("tracker", "track_ctx", []) == "stock 6.16 to 7.3"


def test_a_patched_kernel_is_named_with_its_programs() -> None:
    """Written ones and random ones."""
    assert kernels_with("tracker", "exact", [patched("tracker=exact")]) == "7.2: 500"


def test_programs_that_differ_are_not_hidden() -> None:
    """A number alone would look like agreement."""
    assert kernels_with("flush", "none", [patched("flush=none", 2)]) == "7.2: 500, 2 differ"


def test_the_kernel_of_another_policy_is_not_counted() -> None:
    """Names of policies may repeat in another seam."""
    assert kernels_with("tracker", "none", [patched("flush=none")]) == "-"


def test_another_operation_is_not_counted() -> None:
    """A program of this page ends with one of three calls."""
    program = load_text(
        "pfnlab program 1\ndevice bar: pci, 4 pages\n\na = mmap bar[0:1] wc shared rw\nmlock a\n"
    )

    with pytest.raises(Misuse, match="no operation of this page"):
        counts(program, ModelMachine("7.2").run_one(program).steps)


def test_a_row_for_every_placement_as_data() -> None:
    """Of each kind of mappings, with a count for every distance: that of the munmap of four."""
    found = by_distance(FILES)

    assert set(KINDS) == set(found)
    assert {(len(DISTANCES),)} == {(len(counts),) for rows in found.values() for counts in rows.values()}
    assert {"gather_v4": (2, 2, 2, 2), "end_vma": (5, 5, 5, 5)}.items() <= found["PFN"].items()
