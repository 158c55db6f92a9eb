"""Policies of users, and the list of ours. What docs/own-policy.md shows is run by ``tests/pages``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from asking import Ask

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are said from the root of a clone."""
    monkeypatch.chdir(ROOT)


def test_a_broken_policy_is_misuse(ask: Ask, tmp_path: Path) -> None:
    """The method's name, on one line, and exit code 2."""
    path = tmp_path / "mine.py"
    example = (ROOT / "docs" / "own-policy" / "per_vma.py").read_text()
    path.write_text(example.replace("def unmap_vmas(", "def unmap_vma("))

    answer = ask("run", "docs/own-policy/middle.pfn", "--policy", path)

    says = f"pfnlab: {path}: unmap_vmas: PerVma has no such method: add unmap_vmas(self, vma)\n"
    assert (2, says) == (answer.code, answer.err)


def test_a_policy_needs_a_model(ask: Ask) -> None:
    """A real kernel has its own."""
    answer = ask("run", "docs/own-policy/middle.pfn", "--policy", "x.py", "--on", "qemu:7.2")

    assert (2, True) == (answer.code, "--policy is for models" in answer.err)


def test_every_policy_is_listed_and_shown(ask: Ask) -> None:
    """Thirteen trackers, seven placements, three walkers, three reports, and what each is."""
    listed = ask("policies", "list").out

    names = re.findall(r"^  ([a-z_]+) {3,}", listed, re.MULTILINE)
    assert 26 == len(names)
    assert "vm_pat@4.5" in listed
    assert all(ask("policies", "show", name).out.startswith('"""') for name in names)


def test_an_era_is_shown_by_its_switches(ask: Ask) -> None:
    """It is vm_pat, and what it had by then."""
    answer = ask("policies", "show", "vm_pat@4.5")

    assert answer.out.startswith("vm_pat@4.5: a free may shrink an entry with the same end")
    assert "\nend_match                  on\n" in answer.out
    assert "\ncow_knows_its_pfn          off\n" in answer.out
