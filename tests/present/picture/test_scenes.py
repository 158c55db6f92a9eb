"""The differences of machines, in the words of a picture."""

from __future__ import annotations

import msgspec
from svg_reading import run_of

from pfnlab.present.picture.scenes import TLBS, TRACKING, differing_words


def test_words_follow_the_comparison() -> None:
    """How a tracker keeps reservations is a word of its own."""
    runs = [run_of("munmap-middle", model)[1] for model in ("6.12", "7.2")]

    assert [(TRACKING,), ("log", TRACKING), ("book", "log", "flushes"), ("book",)] == differing_words(runs)


def test_a_run_differs_not_from_itself() -> None:
    """In no step."""
    _, run = run_of("munmap-middle", "7.2")

    assert [()] * 4 == differing_words([run, run])


def test_counts_of_contexts_differ() -> None:
    """Where both machines count."""
    _, run = run_of("munmap-middle", "7.2")
    step = msgspec.structs.replace(run.steps[1], tracked=("bar[0:16] x3 a[0:4] a[8:16]",))
    other = msgspec.structs.replace(run, steps=(run.steps[0], step, *run.steps[2:]))

    assert ("contexts",) == differing_words([run, other])[1]


def test_what_processors_remember_differs() -> None:
    """Also where the state is the same."""
    _, run = run_of("race-revoked-before-flush", "7.2")
    other = msgspec.structs.replace(run, tlbs=(*run.tlbs[:5], (), *run.tlbs[6:]))

    assert (TLBS,) == differing_words([run, other])[5]


def test_a_step_that_was_not_reached_differs() -> None:
    """By its result."""
    _, run = run_of("munmap-middle", "7.2")
    lost = msgspec.structs.replace(run, steps=run.steps[:2], tlbs=run.tlbs[:2], lost="gone")

    assert [(), (), ("result",), ("result",)] == differing_words([run, lost])
