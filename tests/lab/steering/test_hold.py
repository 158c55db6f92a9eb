"""The functions of a stack that was scanned: one that jumped on is named by its caller's call."""

from __future__ import annotations

from typing import cast

from pfnlab.lab.steering.hold import with_jumps
from pfnlab.lab.steering.steering import Steering
from pfnlab.lab.steering.waits import Obstacle, judge

#: By the address that it returns to, the function that the call before it calls.
CALLED = {0x20: "down_write", 0x21: "down_write_killable", 0x30: "kmem_cache_alloc"}


class Calls:
    """Knows the calls alone."""

    def called_before(self, address: int) -> str | None:
        """The function of :data:`CALLED`."""
        return CALLED.get(address)


def waits(*frames: tuple[str, int]) -> tuple[tuple[str, ...], Obstacle]:
    """The functions of a stack, and what a task waits for there."""
    names = with_jumps(cast(Steering, Calls()), frames)
    return names, judge(names).need


SLOW = ("rwsem_spin_on_owner", 1), ("rwsem_down_write_slowpath", 2)


def test_the_call_of_the_caller_names_the_lock() -> None:
    """A fork takes a file's lock with one function, and mmap_lock with another."""
    names = ("rwsem_spin_on_owner", "rwsem_down_write_slowpath")

    assert [
        ((*names, "down_write", "dup_mmap"), Obstacle.I_MMAP),
        ((*names, "down_write_killable", "dup_mmap"), Obstacle.MMAP_LOCK),
    ] == [waits(*SLOW, ("dup_mmap", address)) for address in (0x20, 0x21)]


def test_functions_left_long_ago_are_passed_over() -> None:
    """What lies between, and calls something else, is no caller."""
    names, need = waits(*SLOW, ("mas_wr_store_entry", 0x30), ("dup_mmap", 0x20))

    assert ("down_write", "dup_mmap", Obstacle.I_MMAP) == (*names[-2:], need)


def test_a_stack_without_a_semaphore_stays() -> None:
    """Also where a function of it has called one before."""
    assert ("unmap_vmas", "dup_mmap") == waits(("unmap_vmas", 1), ("dup_mmap", 0x20))[0]
