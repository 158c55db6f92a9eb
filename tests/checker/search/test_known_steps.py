"""The steps that owners have met: a state is found again only where nobody found it by an earlier step."""

from __future__ import annotations

import os

import pytest

from pfnlab.checker.search import known_steps
from pfnlab.checker.search.known_steps import KnownSteps


@pytest.mark.parametrize("mark", [0, 1, 7, 1 << 63, (1 << 64) - 1])
def test_a_state_is_known_by_an_earlier_step_only(mark: int) -> None:
    """The same step is met again where an owner begins once more."""
    met = KnownSteps()

    assert not met.known(mark, 5)
    assert not met.known(mark, 5)
    assert met.known(mark, 6)
    assert not met.known(mark, 0)
    assert met.known(mark, 1)
    assert not met.known(mark ^ 8, 9)


def test_what_was_met_long_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place is taken by what is met now."""
    monkeypatch.setattr(known_steps, "_PLACES", 1)
    met = KnownSteps()

    assert not met.known(3, 1)
    assert not met.known(4, 2)
    assert not met.known(3, 3)
    assert met.known(3, 4)


def test_a_forked_process_knows_what_another_one_met() -> None:
    """Without a message."""
    met = KnownSteps()
    child = os.fork()
    if not child:
        met.known(77, 2)
        os._exit(0)
    os.waitpid(child, 0)

    assert met.known(77, 3)


def test_half_of_what_another_process_writes_is_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place with the tag of one step and the fingerprint of another fits neither."""
    monkeypatch.setattr(known_steps, "_PLACES", 1)
    for ours, theirs in [((3, 1), (3, 2)), ((3, 1), (4, 2)), ((3, 4), (0, 1 << 32))]:
        met, other = KnownSteps(), KnownSteps()
        met.known(*ours)
        other.known(*theirs)

        met._words[1] = other._words[1]

        for mark in (ours[0], theirs[0], 0):
            assert not met.known(mark, 1 << 40)
            met._words[0], met._words[1] = ours[1] + 1, other._words[1]
