"""The functions of a stack that was scanned: one that jumped on is named by its caller's call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from pfnlab.lab.steering.cast import Answer, Cast
from pfnlab.lab.steering.hold import FreeCpus, HoldOutcome, with_jumps
from pfnlab.lab.steering.steering import USER_END, Steering
from pfnlab.lab.steering.waits import Obstacle, Wait, judge

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


#: Where the kernel stacks of a processor and of a task that sleeps end.
BUSY_STACK, STACK = USER_END + 0x1000, USER_END + 0x2000


class StoppedMachine(Calls):
    """A machine that stands: one processor in the kernel, for task 7, and the stack of a task that sleeps."""

    threads = (1,)

    @property
    def stub(self) -> StoppedMachine:
        """It reads its own memory."""
        return self

    def registers(self, thread: int) -> dict[str, int]:
        """Those of the processor."""
        return {"rip": USER_END, "rsp": BUSY_STACK}

    def current_pid(self, registers: dict[str, int]) -> int:
        """The task on the processor."""
        return 7

    def read(self, address: int, size: int) -> bytes:
        """The stacks, of which the first bytes say which they are."""
        return address.to_bytes(8, "little").ljust(size, b"\0")

    def frames(self, registers: dict[str, int], words: tuple[int, ...]) -> list[tuple[str, int]]:
        """The functions of a stack."""
        if words[0] == STACK:
            return [("rwsem_down_write_slowpath", 1), ("unlink_file_vma", 0x20), ("exit_mmap", 2)]
        return [("native_queued_spin_lock_slowpath", 1), ("memtype_free", 2), ("exit_mmap", 3)]


def test_the_wait_of_an_exec_is_read_from_its_stack() -> None:
    """The guest is not asked: it could wait for what the exec has."""
    tasks = Cast(cast(Any, None))
    tasks.verbs = {0: "exec", 1: "exec"}
    tasks.pids = {0: 7, 1: 8}
    free_cpus = FreeCpus(cast(Steering, StoppedMachine()), {8: STACK}.__getitem__)

    assert [Obstacle.BOOK, Obstacle.I_MMAP] == [free_cpus.wait_of(tasks, task).need for task in (0, 1)]


def test_nothing_is_known_of_an_exec_whose_stack_nobody_knows() -> None:
    """It sleeps, and a lens would have to look."""
    tasks = Cast(cast(Any, None))
    tasks.verbs, tasks.pids = {1: "exec"}, {1: 8}

    assert Obstacle.NOTHING is FreeCpus(cast(Steering, StoppedMachine())).wait_of(tasks, 1).need


class Agent:
    """Answers that an operation runs until the task has been seen in all these waits.

    :ivar limits: the seconds that the operation has had before each look
    """

    def __init__(self, *needs: Obstacle) -> None:
        self.needs = list(needs)
        self.limits: list[float] = []
        self.pids = {1: 7}

    def attempt(self, task: int, verb: str, *, limit: float) -> Answer | None:
        """The answer, if there is one."""
        return self.collect(task, limit)

    def collect(self, task: int, limit: float) -> Answer | None:
        """The same."""
        self.limits.append(limit)
        return None if self.needs else Answer(0)


class WatchedCpus(FreeCpus):
    """CPUs beside which the agent's task is seen in its waits."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(cast(Steering, StoppedMachine()))
        self._agent = agent

    def others(self, call: Callable[[], Any]) -> Any:
        """Nothing else runs."""
        return call()

    def wait_of(self, cast: Cast, task: int) -> Wait:
        """The next wait."""
        return Wait(self._agent.needs.pop(0), ())


def seen(agent: Agent) -> HoldOutcome:
    """How far an operation gets."""
    return WatchedCpus(agent).attempt(cast(Cast, agent), 1, "load")


LOCK, NOTHING = Obstacle.MMAP_LOCK, Obstacle.NOTHING


def test_a_task_waits_if_it_is_seen_so_three_times_in_a_row() -> None:
    """A lock of a task that runs is released in the meantime."""
    ended = (LOCK, LOCK), (LOCK, NOTHING, LOCK, LOCK), (NOTHING,)

    assert LOCK is cast(Wait, seen(Agent(*[LOCK] * 4)).wait).need
    assert [Answer(0)] * 3 == [seen(Agent(*needs)).answer for needs in ended]


def test_a_task_that_waits_for_nothing_known_has_more_time() -> None:
    """It may be slow; a known wait is looked at again soon."""
    agent = Agent(NOTHING, LOCK, LOCK)
    seen(agent)

    first, slow, *again = agent.limits
    assert slow > first > again[0] == again[1]
