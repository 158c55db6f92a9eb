"""A user's own policy is searched like any other, and what breaks its protocol is said with the operation."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfnlab.base.errors import PolicyError, Undecided
from pfnlab.checker.check import check
from pfnlab.checker.scopes.domain import KernelModel, KernelState
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import read_scope
from pfnlab.checker.search.explore import explore
from pfnlab.kernel.policies.guard import Guard
from pfnlab.programs.lang.ops import Op
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
from pfnlab.design import CacheMode, TrackCtx

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
    with pytest.raises(Undecided, match="a value the checker cannot save"):
        searched(own(tmp_path, "self.later = print"))


def test_a_policy_that_returns_another_type_is_said(tmp_path: Path) -> None:
    """The search itself would fail on it far away."""
    path = tmp_path / "mine.py"
    method = "    def remap_pfn_range(self, vma, start, pfns, prot):\n        return None\n"
    path.write_text(OWN.format(body="pass") + method)

    with pytest.raises(PolicyError, match="remap_pfn_range: it has to return int, and here it returned None"):
        searched(path)


def watched_steps(tracker: Path, depth: int, taken: bool = False) -> int:
    """The steps that a search of this depth watches.

    :param taken: whether its counts are taken away after each step, as a search on several processors does
    """
    model = KernelModel(ModelMachine(f"7.2,tracker={tracker}"), read_scope(SCOPE, "tiny"))
    calls: list[Op] = []
    watch = model._watched

    def counted(op: Op, state: KernelState) -> list[Guard]:
        calls.append(op)
        return watch(op, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "_watched", counted)
        if taken:
            perform = model.perform
            patch.setattr(model, "perform", lambda *given: (model.take_counts(), perform(*given))[1])
        explore(model, depth=depth)
    return len(calls)


def test_only_the_first_steps_of_their_kind_are_watched(tmp_path: Path) -> None:
    """A longer search of the same operations watches no more of them."""
    tracker = own(tmp_path, "pass")

    assert watched_steps(tracker, 2) == watched_steps(tracker, 3) > 0


def test_counts_that_are_taken_away_watch_no_step_again(tmp_path: Path) -> None:
    """A search on several processors takes the counts of each part of it."""
    tracker = own(tmp_path, "pass")

    assert watched_steps(tracker, 3) == watched_steps(tracker, 3, taken=True)
