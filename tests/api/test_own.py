"""Policies of the caller's own: whatever they do, they neither hang nor end the caller."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_policies import ENDLESS, METHOD, tracker

import pfnlab as pl
from pfnlab import limit, supervised
from pfnlab.errors import PolicyError

OWN = "model:7.2,tracker=mine.py"


def unmapped(machine: pl.LiveMachine) -> bool:
    """A mapping came and went."""
    return machine.munmap(machine.mmap("bar[0:8]", "wc")).ok


#: What may be asked with a policy of one's own.
ASKED: dict[str, Callable[[], object]] = {
    "run": lambda: pl.run("munmap-middle", OWN),
    "run with": lambda: pl.run("munmap-middle", policies=[Path("mine.py")]),
    "diff": lambda: pl.diff("munmap-middle", ["model:7.2", OWN]),
    "check": lambda: pl.check(OWN, scope="small", depth=2),
    "check with": lambda: pl.check(scope="small", depth=2, policies={"tracker": "mine.py"}),
    "machine": lambda: unmapped(pl.machine(OWN)),
    "machine with": lambda: unmapped(pl.machine("model:7.2", policies="mine.py")),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy is named by a relative path, and the limit is short."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(limit, "LIMIT", 1.0)
    monkeypatch.setattr(supervised, "GRACE", 0.5)


def refused(body: str, ask: Callable[[], object]) -> str:
    """The message about a method that does *body*."""
    Path("mine.py").write_text(tracker(body))
    with pytest.raises(PolicyError) as caught:
        ask()
    assert ("mine.py", METHOD) == (caught.value.path, caught.value.hook)
    return caught.value.what


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_policy_does_not_end_the_caller(ask: Callable[[], object]) -> None:
    """It is an error like another."""
    assert refused("import os; os._exit(0)", ask) == "it ended the process it is called in (exit 0)"


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_policy_does_not_hang_the_caller(ask: Callable[[], object]) -> None:
    """Where no signal reaches it."""
    says = "it did not return within 1 s: does it loop?"

    assert refused(ENDLESS["no signal"], ask).startswith(says)


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_policy_that_is_right_is_asked(ask: Callable[[], object]) -> None:
    """The answer is the caller's as any other."""
    Path("mine.py").write_text(tracker("pass"))

    assert ask() is not None


def test_a_run_is_the_same_as_that_of_the_kernels_own_policy() -> None:
    """With every step, though it was done elsewhere."""
    Path("mine.py").write_text(
        "from pfnlab.policies.trackers.track_ctx import TrackCtx\nclass Mine(TrackCtx): ...\n"
    )

    own, kernels = pl.run("munmap-middle", OWN), pl.run("munmap-middle", "model:7.2")

    assert kernels["model:7.2"] == own[OWN]


def test_a_machine_is_as_it_was_after_an_operation_that_was_refused() -> None:
    """It was done elsewhere first."""
    Path("mine.py").write_text(tracker("import os; os._exit(0)"))
    machine = pl.machine(OWN)
    mapped = machine.mmap("bar[0:8]", "wc")

    with pytest.raises(PolicyError):
        machine.munmap(mapped)

    assert (1, "bar[0:8] wc") == (len(machine.steps), str(machine.book[0]))


def test_without_a_policy_there_is_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer costs as much as it did."""
    monkeypatch.setattr(os, "fork", None)

    assert pl.run("munmap-middle", "model:7.2,tracker=exact").agree
    assert unmapped(pl.machine("model:7.2", policies={"tracker": "exact"}))
