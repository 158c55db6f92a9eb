"""The worked example of docs/own-policy.md, from the documentation alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from asking import Ask

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "own-policy.md").read_text(encoding="utf-8")

#: Commands as the page shows them, with their output where it is shown.
SHOWN = re.findall(r"```console\n\$ pfnlab (.+)\n((?:.*\n)*?)```", PAGE)


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are said from the root of a clone."""
    monkeypatch.chdir(ROOT)


def timeless(output: str) -> list[str]:
    """The lines up to which kernel a series stands for today."""
    return [line.rstrip() for line in output.partition(" is profile ")[0].splitlines()]


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_what_the_page_shows_is_what_one_sees(ask: Ask, command: str, output: str) -> None:
    """Every command runs; where output is shown it is the output."""
    answer = ask(*command.split())

    assert ("", True) == (answer.err, answer.code in (0, 1))
    if output:
        assert timeless(output) == timeless(answer.out)


def test_the_page_shows_commands() -> None:
    """There is something to try, and output to compare."""
    assert [False, True] == [bool(output) for _, output in SHOWN]


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
