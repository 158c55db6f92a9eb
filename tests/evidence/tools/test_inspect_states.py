"""The inspector finds in guests what the model says is wrong there, and nothing else."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
from having import NEW, OLD, bootable, have
from tooling import inspect_states

from pfnlab.diagnosis.inspector.finding.finding_form import finding_kinds
from tests.guests.shell import shell
from tests.guests.views_in_guest import VIEWS

STATES = inspect_states()


@pytest.mark.lab
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("series", "found"),
    [
        pytest.param(OLD, {("leaked_reservation", 8): 1}, marks=pytest.mark.xdist_group(f"kernel-{OLD}")),
        pytest.param(NEW, {}, marks=(pytest.mark.target("long"), pytest.mark.xdist_group(f"kernel-{NEW}"))),
    ],
)
def test_the_middle_that_went_first(series: str, found: dict[tuple[str, int], int], tmp_path: Path) -> None:
    """Bundle, core and pfnlab inside have the old kernel's leak of 32 KiB; a plain user has none."""
    pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")
    bootable(series)
    have(shell)

    state = STATES.program_state("munmap-middle", series, tmp_path, live=tuple(VIEWS))

    assert [Counter(found)] * 4 == [state.bundle, state.core, state.live, state.live_deep]
    assert not state.nobody
    assert state.right


@pytest.mark.lab
@pytest.mark.timeout(600)
@pytest.mark.xdist_group(f"kernel-{NEW}")
@pytest.mark.parametrize("name", ["MTRR over a mapping", "removed device", "nopat"])
def test_a_machine_in_a_known_state(name: str, tmp_path: Path) -> None:
    """Bundle and core have what its rule says, and nothing else."""
    bootable(NEW)
    have(shell)

    state = STATES.equipped_state(name, NEW, tmp_path)

    assert state.expected
    assert state.right


def test_machines_expect_kinds_of_findings() -> None:
    """And some of them none."""
    kinds = {kind for machine in STATES.EQUIPMENT.values() for kind, _ in machine.expected}

    assert kinds <= set(finding_kinds())
    assert any(not machine.expected for machine in STATES.EQUIPMENT.values())


def test_what_is_invented_and_what_is_missed_is_counted() -> None:
    """Precision falls by the one, recall by the other."""
    one, other = Counter({("leaked_reservation", 8): 1}), Counter({("two_modes", 4): 1})

    assert (1, 0, 0) == STATES.Score.of([(one, one)])
    assert (0, 1, 1) == STATES.Score.of([(one, other)])
    assert "precision 0.500, recall 0.500" in str(STATES.Score.of([(one, one), (one, other)]))


def test_a_wrong_state_is_marked() -> None:
    """In its cell, and by the exit code."""
    none: Counter[tuple[str, int]] = Counter()
    wrong = STATES.State("x", "6.1", Counter({("two_modes", 4): 1}), none, none, none, none)

    assert not wrong.right
    assert "| x | - ! |" in STATES.page([wrong], [], ["6.1"])


def test_a_wrong_view_inside_the_guest_is_marked() -> None:
    """Live by what it found, nobody by anything at all."""
    none: Counter[tuple[str, int]] = Counter()
    wrong = Counter({("two_modes", 4): 1})

    assert STATES.State("x", "6.1", none, none, none, none, none, none, none).right
    assert not STATES.State("x", "6.1", none, none, none, none, none, wrong, none).right
    assert not STATES.State("x", "6.1", none, none, none, none, none, none, wrong).right
    assert not STATES.State("x", "6.1", none, none, none, none, none, none, none, wrong).right


def test_a_paste_of_a_bundle_s_lists_is_a_view_too(tmp_path: Path) -> None:
    """A leak is a maybe there, as not all processes are in it; a leak that is certain would be wrong."""
    bundle = Path(files("pfnlab.explorer").joinpath("page", "munmap-middle-6.1.bundle"))
    leak, maybe = Counter({("leaked_reservation", 8): 1}), Counter({("perhaps_leaked", 8): 1})
    none: Counter[tuple[str, int]] = Counter()

    paste = STATES.found_in_paste(bundle, tmp_path / "text")

    assert maybe == paste
    assert STATES.State("x", "6.1", leak, none, leak, none, paste).right
    assert not STATES.State("x", "6.1", leak, none, leak, none, leak).right
