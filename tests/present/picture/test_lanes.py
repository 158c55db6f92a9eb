"""Lanes: who is held and waits from when to when, and how long translations live."""

from __future__ import annotations

from svg_reading import run_of

from pfnlab.present.picture.lanes import Lanes, LaneSpan, lane_tasks, lanes_of


def lanes(name: str, model: str) -> Lanes:
    """The lanes of a litmus program."""
    program, run = run_of(name, model)
    return lanes_of(program, run, lane_tasks(program, [run]))


def test_tasks_stand_as_the_program_makes_them() -> None:
    """The main task first."""
    assert ("main", "t", "s") == lanes("race-revoked-before-flush", "7.2").tasks


def test_a_task_is_held_until_the_release() -> None:
    """In the function that the program names."""
    assert (LaneSpan(6, 10, "main", "flush_tlb_mm_range"),) == lanes("race-revoked-before-flush", "7.2").held


def test_a_task_waits_for_the_one_that_is_held() -> None:
    """With the reason; both that wait, each from its own step on."""
    assert [
        LaneSpan(8, 11, "t", "mmap_lock", "main"),
        LaneSpan(10, 11, "s", "mmap_lock", "main"),
    ] == list(lanes("race-mmap-lock", "7.2").waits)


def test_a_release_gives_every_task_its_result() -> None:
    """Of the one that was held and of those that waited."""
    boxes = {box.task: box.words for box in lanes("race-mmap-lock", "7.2").boxes if box.row == 11}

    assert {"main": "ok", "t": "ok", "s": "= 0"} == boxes


def test_a_translation_is_stale_until_it_is_flushed() -> None:
    """From the step that cleared the entry to that of the flush."""
    life = next(life for life in lanes("race-revoked-before-flush", "7.2").lives if life.task == "s")

    assert (5, 8, (6, 8)) == (life.first, life.last, life.stale)


def test_a_read_through_a_stale_translation_is_known() -> None:
    """And one before is none."""
    boxes = {box.row: box.stale for box in lanes("race-revoked-before-flush", "7.2").boxes}

    assert (False, True, False) == (boxes[5], boxes[7], boxes[9])


def test_a_driver_is_told_too_early_without_flushes() -> None:
    """With them it is not."""
    careless, careful = (lanes("race-revoked-before-flush", model) for model in ("7.2,flush=none", "7.2"))

    assert ["told free"] == [broken.name for broken in careless.violations]
    assert () == careful.violations


def test_each_of_two_is_held_until_its_own_release() -> None:
    """The one that is let go waits for the other, and nobody says for which of two a third does."""
    found = lanes("race-three-revoked-between", "7.2")

    assert (LaneSpan(5, 8, "main", "unlink"), LaneSpan(6, 9, "t", "vmf_insert_pfn_prot")) == found.held
    assert [
        LaneSpan(7, 9, "c", "IPI", ""),
        LaneSpan(8, 9, "main", "IPI", "t"),
    ] == list(found.waits)


def test_a_task_that_has_waited_is_held_from_a_release_on() -> None:
    """In the function that its own hold names."""
    found = lanes("race-held-behind-a-lock", "7.2")

    assert LaneSpan(9, 11, "t", "tlb_finish_mmu") in found.held
    assert (LaneSpan(6, 9, "t", "mmap_lock", "main"),) == found.waits
