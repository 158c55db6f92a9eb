"""A meeting: differences of a kernel from its model are found, explained and reported; else it is known."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from configurations import config_text
from kernels_of_models import LITMUS, Kernel, Moody, Odd

from pfnlab.base.errors import Discovery, Misuse
from pfnlab.base.result import Outcome
from pfnlab.hunt.meeting import holding
from pfnlab.hunt.meeting.holding import Programs
from pfnlab.hunt.meeting.kernel_meeting import kernel_before
from pfnlab.hunt.meeting.meet import (
    MeetingResult,
    diff,
    known_kernel,
    meet,
    model_version,
    verdicts,
)
from pfnlab.kernel.policies.kconfig import configuration_of
from pfnlab.kernel.policies.known_kernels import programs_in, steps_in, write_known
from pfnlab.lab.images.kernels import KernelImage as Package
from pfnlab.present.document.compose import document_of
from pfnlab.present.document.mail import mail
from pfnlab.present.document.meeting_part import part
from pfnlab.present.document.part import part_of
from pfnlab.present.document.read import result_of

#: As few random programs as there can be, and the same on all kernels: other tests are about them.
FEW = Programs(LITMUS, 1, seed=8)

CHANGELOG = """\
linux (6.12.117-1) trixie; urgency=medium

  * New upstream stable update:
    https://www.kernel.org/pub/linux/kernel/v6.x/ChangeLog-6.12.114
    - mm/mremap: fix locked_vm leak by splitting VMA for MREMAP_DONTUNMAP
    - drm/amd: something else
"""


@pytest.fixture(autouse=True)
def few_walkers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cells of the table stand for all."""
    cells = dict(list(holding.walker_programs().items())[:2])
    monkeypatch.setattr(holding, "walker_programs", lambda: cells)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentences are not wrapped."""
    monkeypatch.setattr("pfnlab.present.document.mail.WIDTH", 1000)


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A kernel of the archive."""
    return Package(
        "6.12", "linux-image-6.12.117", "6.12.117-1", "6.12.117+deb13", tmp_path / "vmlinuz", "0" * 64
    )


def page_of(result: MeetingResult) -> str:
    """The page that is printed."""
    return mail(document_of([part(result)]))


def met(kernel: Kernel, version: str = "6.12.117", kernels: Sequence[str] = ()) -> MeetingResult:
    """The meeting of *kernel*, with the changelog since 6.12.113."""
    return meet(kernel, version, FEW, kernels=kernels, changelog=CHANGELOG, since="6.12.113").result


def test_a_kernel_that_does_what_its_model_says() -> None:
    """Nothing differs, and the page says in how many programs."""
    meeting = met(Kernel("6.12.117"), kernels=["linux-image-6.12.117 6.12.117-1"])
    page = page_of(meeting)

    assert (Outcome.AS_EXPECTED, 0) == (meeting.outcome, meeting.unexplained)
    assert page.startswith("# qemu:6.12.117 against model:6.12.117\n\n")
    assert "- kernel: linux-image-6.12.117 6.12.117-1\n" in page
    assert f"No difference in {programs_in(meeting.held)} programs, {steps_in(meeting.held)} steps." in page
    assert "explained" not in page


def test_a_difference_is_told_with_what_explains_it() -> None:
    """The smallest program, what each side says, the switch with its commit, and the titles beside it."""
    meeting = met(Kernel("6.12.113"))
    page = page_of(meeting)

    assert (Outcome.DISCOVERY, 0) == (meeting.outcome, meeting.unexplained)
    assert re.search(r"^## \d\. mremap vmas: ", page, re.MULTILINE)
    assert "    mremap a[" in page and "munmap a[4:8]" not in page
    assert "- step 3 mremap a[" in page
    assert "  - model:6.12.117: " in page and "  - qemu:6.12.117: " in page
    assert "- shown by locked, locked-again" in page
    assert "explained by dontunmap_unlocks_all=on (6.12.114: mm/mremap: fix locked_vm leak" in page
    assert "- touched by 6.12.114: mm/mremap: fix locked_vm leak by splitting VMA" in page
    assert "## Commits of stable releases since 6.12.113 that touch the area" in page
    assert "- 6.12.114: mm/mremap: fix locked_vm leak by splitting VMA for MREMAP_DONTUNMAP" in page
    assert "drm/amd" not in page


def test_what_nobody_explains() -> None:
    """It is said, and counted, and no commit stands for it."""
    meeting = met(Odd("6.12.117"))

    assert meeting.unexplained
    assert len(meeting.differences) == meeting.unexplained
    assert "- UNEXPLAINED" in page_of(meeting)
    assert () == meeting.differences[0].explanations
    assert {()} == set(meeting.commits)


def test_what_showed_only_once() -> None:
    """It is counted apart, and the page does not claim that nothing differs."""
    meeting = met(Moody("6.12.117"))
    page = page_of(meeting)

    assert (Outcome.UNDECIDED, 0) == (meeting.outcome, meeting.unexplained)
    assert ", 0 unexplained, and 1 that did not recur." in page
    assert "## Differences that did not recur" in page and "- middle: " in page
    assert "No difference" not in page


def test_the_same_as_data() -> None:
    """Counts, differences with their programs, explanations and titles."""
    said = json.loads(met(Kernel("6.12.113"), kernels=["a kernel"]).as_json())

    (found,) = [one for one in said["differences"] if one["shown_by"][0] == "locked"]
    assert ["a kernel"] == said["kernels"]
    assert 2 == said["held"]["litmus"]["differences"]
    assert ["dontunmap_unlocks_all=on"] == found["explanations"][0]["changes"]
    assert found["program"].startswith("pfnlab program 1")
    assert ["model:6.12.117", "qemu:6.12.117"] == [line.partition(": ")[0] for line in found["seen"][0][1:]]
    assert found["seen"][0][0].startswith("step 3 mremap a[") and said["models"] is None
    assert [said["titles"]] == [commits for commits in said["commits"] if commits]
    assert len(said["causes"]) == len(said["commits"])
    assert (0, "6.12.113", 1) == (said["unexplained"], said["since"], len(said["titles"]))
    assert "qemu:6.12.117 against model:6.12.117" == part_of(result_of(said)).title


def test_what_showed_only_once_is_undecided() -> None:
    """So is the exit code: nobody knows what it was."""
    assert Outcome.UNDECIDED is met(Moody("6.12.117")).outcome


@pytest.mark.target("long")
def test_differences_of_one_cause_are_told_once() -> None:
    """The shortest program, and the names of the others; as data, the places of all."""
    meeting = meet(Kernel("6.12.117,flush=none"), "6.12.117", Programs(LITMUS, 10)).result
    page = page_of(meeting)

    assert 1 == len(meeting.causes) < len(meeting.differences)
    assert f"{len(meeting.differences)} differences of 1 cause in " in page
    assert "## 1. " in page and "## 2. " not in page
    assert "- of the same cause: " in page
    assert [sorted(range(len(meeting.differences)))] == [sorted(cause) for cause in meeting.causes]


def test_another_model_is_asked_for() -> None:
    """--profile names it; it differs from the kernel where their rules do."""
    meeting = meet(Kernel("6.12.117"), "6.12.117", FEW, profile="6.12.113").result

    assert ("model:6.12.113", "qemu:6.12.117") == meeting.machines
    assert meeting.differences


def test_a_kernel_is_met_by_a_model_of_its_configuration(tmp_path: Path) -> None:
    """Without soft dirty bits it would differ in each VMA; what differs else is explained all the same."""
    file = tmp_path / "config"
    file.write_text(config_text("MEM_SOFT_DIRTY", also=("PROC_MEM_ALWAYS_FORCE",)))
    configuration = configuration_of(file)
    same, older = Kernel(f"6.12.117,config={file}"), Kernel(f"6.12.113,config={file}")

    assert not meet(same, "6.12.117", FEW, configuration=configuration).differences
    assert meet(same, "6.12.117", FEW).differences
    assert 0 == meet(older, "6.12.117", FEW, configuration=configuration).result.unexplained


def test_a_kernel_that_does_not_differ_becomes_known(package: Package, tmp_path: Path) -> None:
    """Its line has the counts, the titles and the package."""
    known = known_kernel(met(Kernel("6.12.117")), "6.12.117", package, "trixie")
    write_known(tmp_path / "known.jsonl", known)

    assert '"package_version":"6.12.117-1"' in (tmp_path / "known.jsonl").read_text()
    assert ("6.12.117", "trixie", "6.12.117+deb13") == (known.version, known.suite, known.release)
    assert 3 == known.held["litmus"].programs
    assert ("6.12.114: mm/mremap: fix locked_vm leak by splitting VMA for MREMAP_DONTUNMAP",) == known.titles


@pytest.mark.parametrize(
    ("kernel", "why"),
    [(Kernel("6.12.113"), "differs from its model"), (Moody("6.12.117"), "differed once")],
)
def test_a_kernel_that_differs_does_not(package: Package, kernel: Kernel, why: str) -> None:
    """Whether it is explained or not, or showed only once."""
    with pytest.raises(Discovery, match=why):
        known_kernel(met(kernel), "6.12.117", package, "trixie")


def test_two_kernels() -> None:
    """What differs between them is explained by what distinguishes their models, told beside it."""
    kernels = {"qemu:6.12.113": Kernel("6.12.113"), "qemu:6.12.117": Kernel("6.12.117")}

    meeting = diff(kernels, ("6.12.113", "6.12.117"), FEW, changelog=CHANGELOG).result
    page = page_of(meeting)

    assert (Outcome.DISCOVERY, 0) == (meeting.outcome, meeting.unexplained)
    assert "explained by dontunmap_unlocks_all=off (6.12.114: " in page
    assert "## Differences between their models" in page
    assert 1 == len(meeting.titles)


def test_two_kernels_the_other_way_round() -> None:
    """The titles are those of the newer one all the same."""
    kernels = {"qemu:6.12.117": Kernel("6.12.117"), "qemu:6.12.113": Kernel("6.12.113")}

    meeting = diff(kernels, ("6.12.117", "6.12.113"), FEW, changelog=CHANGELOG).result

    assert ("6.12.113", 1) == (meeting.since, len(meeting.titles))
    assert "dontunmap_unlocks_all=on" in page_of(meeting)


def test_two_kernels_that_do_the_same() -> None:
    """No difference, and nothing that distinguishes them."""
    kernels = {"qemu:6.12.116": Kernel("6.12.116"), "qemu:6.12.117": Kernel("6.12.117")}
    page = page_of(diff(kernels, ("6.12.116", "6.12.117"), FEW).result)

    assert "No difference in " in page
    assert "- none: both have the same rules" in page


def test_what_distinguishes_two_models_is_data() -> None:
    """Each change with its source; a report of the JSON has it too."""
    kernels = {"qemu:6.12.113": Kernel("6.12.113"), "qemu:6.12.117": Kernel("6.12.117")}
    said = json.loads(diff(kernels, ("6.12.113", "6.12.117"), FEW).result.as_json())

    (change,) = [change for change in said["models"] if change.startswith("dontunmap_unlocks_all=")]

    assert change.endswith("fix locked_vm leak by splitting VMA for MREMAP_DONTUNMAP")
    assert f"- {change}" in mail(document_of([part_of(result_of(said))]))


def test_properties_whose_verdict_changes() -> None:
    """A tracker that forgets breaks what another keeps; no change changes nothing."""
    changed = verdicts("7.2.13", ["tracker=vm_pat"])

    assert changed and all(" on model:7.2.13, " in one for one in changed)
    assert [] == verdicts("7.2.13", [])


@pytest.mark.parametrize(
    ("version", "before"),
    [("6.12.107", "6.12.105"), ("6.12.90", None), ("7.3.4", "7.3-rc7"), ("6.12.108", "6.12.107")],
)
def test_the_kernel_before_it(version: str, before: str | None) -> None:
    """The newest of its series that is older; none of another series."""
    others = ("6.12.105", "6.12.90", "6.1.192", "6.12.107", "7.3-rc7", "7.3.4")

    assert before == kernel_before(version, others)


def test_which_model_a_version_has() -> None:
    """Its own where its series has one, else that of the newest kernel before it."""
    assert "6.12.107" == model_version("6.12.107")
    assert "7.3.4" == model_version("7.9.1")


@pytest.mark.parametrize("version", ["next-20261120", "", "5.4"])
def test_a_version_without_a_model(version: str) -> None:
    """The option that names one is told."""
    with pytest.raises(Misuse, match="--profile VERSION"):
        model_version(version)
