"""A user's own policy is searched like any other, and what breaks its protocol is said with the operation."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfnlab.checker.check import check
from pfnlab.checker.kernel.properties import questions
from pfnlab.checker.kernel.scope import read_scope
from pfnlab.errors import PolicyError, Undecided
from pfnlab.programs.model.model_machine import ModelMachine

EXAMPLE = Path(__file__).parent.parent.parent / "docs" / "own-policy" / "per_vma.py"

SCOPE = """
devices = ["bar: pci, 3 pages"]
tasks = 1
areas = 1
depth = 2
operations = ["new = mmap bar[0:3] wc shared rw", "munmap <whole>", "munmap <first>"]
"""

OWN = """
from pfnlab.hw.cachemode import CacheMode
from pfnlab.policies.trackers.track_ctx import TrackCtx

WC = CacheMode.WC

class Mine(TrackCtx):
    calls = 0

    def vm_area_free(self, vma):
        {body}
        super().vm_area_free(vma)
"""


def searched(tracker: Path) -> dict[str, str]:
    """The verdicts on one tracker."""
    machine = ModelMachine(f"7.2,tracker={tracker}")
    found = check(machine, read_scope(SCOPE, "tiny"), questions(["exact", "no_leak"]))
    return {answer.name: answer.verdict for answer in found.answers}


def own(folder: Path, body: str) -> Path:
    """A tracker like track_ctx that does something else when a VMA is freed."""
    path = folder / "mine.py"
    path.write_text(OWN.format(body=body))
    return path


def test_the_documented_example_holds() -> None:
    """The policy of the documentation is exact."""
    assert {"exact": "holds", "no_leak": "holds"} == searched(EXAMPLE)


def test_a_policy_that_writes_page_tables_is_said(tmp_path: Path) -> None:
    """The method and the operation are named."""
    wrong = r"vm_area_free: it changed page tables.*\(at `a = mmap|vm_area_free: it changed.*\(at `munmap"
    policy = own(tmp_path, "vma.mm.tables.allocate(0, 1); vma.flags ^= 1")

    with pytest.raises(PolicyError, match=wrong):
        searched(policy)


def test_a_policy_that_does_otherwise_the_second_time_is_said(tmp_path: Path) -> None:
    """What depends on something outside the kernel is not deterministic."""
    body = "Mine.calls += 1; Mine.calls % 2 and self._kernel.book.reserve(0xF8000000, 0xF8001000, WC, who='')"

    with pytest.raises(PolicyError, match="not deterministic"):
        searched(own(tmp_path, body))


def test_a_policy_that_remembers_functions_is_said(tmp_path: Path) -> None:
    """What is no value cannot be searched: that is no verdict."""
    with pytest.raises(Undecided, match="which is no value the checker can keep"):
        searched(own(tmp_path, "self.later = print"))
