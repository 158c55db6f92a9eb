"""Operations side by side: held at a function, waiting for a lock, let go again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pfnlab.base.errors import Undecided
from pfnlab.kernel.mm.locks import RwLock
from pfnlab.kernel.mm.processors import Call, Need, Operation, Processors, WaitsForeverError


class Stage:
    """A kernel of two functions and one lock, and what its operations did, in order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.turns: list[str] = []
        self.processors = Processors(self.turns.append)
        self.lock = RwLock(self.processors, Need.MMAP_LOCK)

    def calls(self, *functions: str) -> Callable[[], str]:
        """An operation that calls *functions* one after the other."""

        def body() -> str:
            for function in functions:
                with self.processors.inside(function):
                    self.done.append(function)
            return "done"

        return body

    def locked(self, name: str, *, write: bool) -> Callable[[], str]:
        """An operation that has the lock and calls *name* under it."""

        def body() -> str:
            with self.lock.write() if write else self.lock.read():
                return self.calls(name)()

        return body

    def locked_twice(self) -> None:
        """An operation that has the lock for writing, gives it back, and takes it again."""
        self.locked("f", write=True)()
        self.locked("again", write=True)()

    def begin(self, task: str, body: Callable[[], object], **words: Call) -> Operation:
        """Begin an operation."""
        operation = Operation(task, body, **words)
        self.processors.begin(operation)
        return operation


@pytest.fixture
def stage() -> Stage:
    """An empty one."""
    return Stage()


def test_nothing_to_hold(stage: Stage):
    """An operation without a hold runs to its end."""
    operation = stage.begin("main", stage.calls("f", "g"))

    assert (True, "done", ["f", "g"]) == (operation.done, operation.result, stage.done)


def test_nobody_drives(stage: Stage):
    """Model code that nobody drives passes every place."""
    assert "done" == stage.calls("f", "g")()


def test_held_at_the_beginning(stage: Stage):
    """At the beginning of a function nothing of it is done."""
    stage.begin("main", stage.calls("f", "g"), hold=Call("g"))

    assert ["f"] == stage.done


def test_held_at_the_return(stage: Stage):
    """At its return all of it is."""
    stage.begin("main", stage.calls("f", "g", "h"), hold=Call("g", at_return=True))

    assert ["f", "g"] == stage.done


def test_held_at_the_second_call(stage: Stage):
    """Calls before the one that was named pass."""
    stage.begin("main", stage.calls("f", "g", "f"), hold=Call("f", 2))

    assert ["f", "g"] == stage.done


def test_not_come_by(stage: Stage):
    """An operation that does not call the function is not held."""
    operation = stage.begin("main", stage.calls("f"), hold=Call("g"))

    assert (True, []) == (operation.done, stage.processors.held)


def test_released(stage: Stage):
    """Once it is let go, the operation finishes."""
    operation = stage.begin("main", stage.calls("f", "g"), hold=Call("g"))

    assert [operation] == stage.processors.release()
    assert (True, ["f", "g"]) == (operation.done, stage.done)


def test_release_of_nobody(stage: Stage):
    """Where nobody is held, nobody is let go."""
    assert [] == stage.processors.release()


def test_another_operation_meanwhile(stage: Stage):
    """While one is held another runs to its end."""
    stage.begin("main", stage.calls("f"), hold=Call("f"))
    other = stage.begin("t", stage.calls("g"))

    assert (True, ["g"]) == (other.done, stage.done)


def test_whose_turn_it_is(stage: Stage):
    """Every operation that goes on is announced by its task."""
    stage.begin("main", stage.calls("f"), hold=Call("f"))
    stage.begin("t", stage.calls("g"))
    stage.processors.release()

    assert ["main", "t", "main"] == stage.turns


@pytest.mark.parametrize(
    ("holder", "asks", "waits"),
    [(True, True, True), (True, False, True), (False, True, True), (False, False, False)],
)
def test_lock(stage: Stage, holder: bool, asks: bool, waits: bool):
    """Only readers share a lock."""
    stage.begin("main", stage.locked("f", write=holder), hold=Call("f"))
    other = stage.begin("t", stage.locked("g", write=asks))

    assert waits == (other.waits is Need.MMAP_LOCK)


def test_reader_behind_a_writer(stage: Stage):
    """Who wants to read waits behind somebody who waits to write."""
    stage.begin("main", stage.locked("f", write=False), hold=Call("f"))
    stage.begin("t", stage.locked("g", write=True))
    reader = stage.begin("s", stage.locked("h", write=False))

    assert Need.MMAP_LOCK is reader.waits


def test_waiting_readers_have_the_lock_that_is_given_back(stage: Stage):
    """The writer waits for them where it takes it again; another writer comes last."""

    stage.begin("main", stage.locked_twice, hold=Call("f"))
    stage.begin("t", stage.locked("g", write=False))
    stage.begin("s", stage.locked("h", write=True))
    stage.begin("r", stage.locked("i", write=False))
    stage.processors.release()

    assert ["f", "g", "i", "h", "again"] == stage.done


def test_waiters_first(stage: Stage):
    """Readers that get the lock may go on before the writer that gave it back."""

    def on() -> None:
        stage.locked("f", write=True)()
        stage.calls("after")()

    stage.processors.waiters_first = True
    stage.begin("main", on, hold=Call("f"))
    stage.begin("t", stage.locked("g", write=False))
    before = stage.processors.raced
    stage.processors.release()

    assert ["f", "g", "after"] == stage.done
    assert (False, True) == (before, stage.processors.raced)


def test_who_is_answered_may_be_first(stage: Stage):
    """An operation that waited for the processor that was held goes on beside the one there."""

    def flush() -> None:
        stage.processors.wait(Need.IPI, lambda: not stage.processors.held)
        stage.calls("flushed")()

    stage.processors.waiters_first = True
    stage.begin("main", stage.calls("f", "after"), hold=Call("f"))
    stage.begin("t", flush)
    stage.processors.release()

    assert ["flushed", "f", "after"] == stage.done
    assert stage.processors.raced


class TestSharing:
    """Something that no lock protects."""

    def shared(self, stage: Stage, name: str, *, changes: bool) -> Callable[[], object]:
        """An operation that changes it, or looks at it, in the function *name*."""

        def body() -> None:
            with stage.processors.inside(name):
                stage.processors.shares(stage, changes=changes)

        return body

    def answered(self, stage: Stage, body: Callable[[], object]) -> Callable[[], object]:
        """An operation that waits for the processor that is held, and does *body* then."""

        def flushed() -> None:
            stage.processors.wait(Need.IPI, lambda: not stage.processors.held)
            body()

        return flushed

    def test_both_may_see_it_before_it_changes(self, stage: Stage) -> None:
        """They go on at once."""
        stage.begin("main", self.shared(stage, "f", changes=True), hold=Call("f"))
        stage.begin("t", self.answered(stage, self.shared(stage, "g", changes=False)))

        with pytest.raises(Undecided, match="at the same time"):
            stage.processors.release()

    def test_who_has_the_lock_later_comes_later(self, stage: Stage) -> None:
        """The lock has let the other one through before."""

        def locked() -> None:
            with stage.lock.read():
                stage.processors.shares(stage, changes=False)

        def changed() -> None:
            with stage.lock.write():
                self.shared(stage, "f", changes=True)()

        stage.begin("main", changed, hold=Call("f"))
        stage.begin("t", locked)

        assert 2 == len(stage.processors.release())

    def test_who_stands_is_passed_by(self, stage: Stage) -> None:
        """Before the release one after the other goes on."""

        def changed() -> None:
            stage.processors.shares(stage, changes=True)
            stage.calls("f")()

        stage.begin("main", changed, hold=Call("f"))
        stage.begin("t", self.shared(stage, "g", changes=False))

        assert 1 == len(stage.processors.release())

    def test_nobody_minds_who_only_looks(self, stage: Stage) -> None:
        """Without one who changes it there is nothing to decide."""
        stage.begin("main", self.shared(stage, "f", changes=False), hold=Call("f"))
        stage.begin("t", self.answered(stage, self.shared(stage, "g", changes=False)))

        assert 2 == len(stage.processors.release())


def test_who_spins_has_the_lock_that_is_given_back(stage: Stage):
    """A spinlock is fair: the writer waits where it takes it again."""
    stage.lock = RwLock(stage.processors, Need.BOOK)

    stage.begin("main", stage.locked_twice, hold=Call("f"))
    stage.begin("t", stage.locked("g", write=True))
    stage.begin("s", stage.locked("h", write=True))
    stage.processors.release()

    assert ["f", "g", "h", "again"] == stage.done


def test_a_waiting_writer_does_not_have_it(stage: Stage):
    """Who runs already takes the lock again, also before readers behind the writer."""

    stage.begin("main", stage.locked_twice, hold=Call("f"))
    stage.begin("s", stage.locked("h", write=True))
    stage.begin("t", stage.locked("g", write=False))
    stage.processors.release()

    assert ["f", "again", "h", "g"] == stage.done


def test_who_waited_finishes(stage: Stage):
    """What waited for the held one goes on after it."""
    held = stage.begin("main", stage.locked("f", write=True), hold=Call("f"))
    other = stage.begin("t", stage.locked("g", write=True))

    assert [held, other] == stage.processors.release()
    assert ["f", "g"] == stage.done


def test_downgrade(stage: Stage):
    """A lock that was downgraded lets readers in and keeps writers out."""

    def body() -> None:
        with stage.lock.write() as lock:
            lock.downgrade()
            stage.calls("f")()

    stage.begin("main", body, hold=Call("f"))

    assert stage.begin("t", stage.locked("g", write=False)).done
    assert Need.MMAP_LOCK is stage.begin("s", stage.locked("h", write=True)).waits


def test_lock_after_an_error(stage: Stage):
    """An operation that fails gives its lock back."""

    def body() -> None:
        with stage.lock.write():
            raise ValueError

    with pytest.raises(ValueError):
        stage.begin("main", body)

    assert stage.begin("t", stage.locked("g", write=True)).done


def test_call_left_out(stage: Stage):
    """A function is told once that its call is the one to leave out."""
    told: list[bool] = []

    def body() -> str:
        told.extend(stage.processors.skips("f") for _ in range(3))
        return ""

    stage.begin("main", body, skip=Call("f", 2))

    assert [False, True, False] == told


def test_nothing_is_left_out_after_the_hold(stage: Stage):
    """What is left out lies on the way to the place: once held, nothing is."""
    told: list[bool] = []

    def body() -> str:
        stage.calls("g")()
        told.append(stage.processors.skips("f"))
        return ""

    stage.begin("main", body, skip=Call("f"), hold=Call("g"))
    stage.processors.release()

    assert [False] == told


def test_waiting_alone(stage: Stage):
    """An operation nobody drives cannot wait: nobody could give it what it needs."""
    stage.lock.take(True)

    with pytest.raises(WaitsForeverError, match="waits for mmap_lock, held by no other operation"):
        stage.locked("f", write=True)()


def test_waiting_for_each_other(stage: Stage):
    """Operations that can never finish are a defect of the model, and named."""
    stage.begin("main", stage.calls("f"), hold=Call("f"))
    stage.begin("t", lambda: str(stage.processors.wait(Need.IPI, lambda: False)))

    with pytest.raises(WaitsForeverError, match="wait for each other: t for IPI"):
        stage.processors.release()


class TestTwo:
    """Two operations that are held at once (S8.5)."""

    def test_both_stand(self, stage: Stage):
        """Each at its own place, until it is let go by its task's name."""
        first = stage.begin("main", stage.calls("f", "g"), hold=Call("g"))
        second = stage.begin("t", stage.calls("h", "i"), hold=Call("i"))
        held = list(stage.processors.held)
        after = stage.processors.release("t")

        assert [first, second] == held == after
        assert ([first], ["f", "h", "i"]) == (stage.processors.held, stage.done)

    def test_who_waits_for_the_other_goes_on_waiting(self, stage: Stage):
        """A release tells of everybody who was under way, in the order they began."""
        first = stage.begin("main", stage.locked("f", write=True), hold=Call("f"))
        second = stage.begin("t", stage.calls("g"), hold=Call("g"))
        third = stage.begin("s", stage.locked("h", write=True))

        assert [first, second, third] == stage.processors.release("t")
        assert (True, Need.MMAP_LOCK) == (second.done, third.waits)
        assert [first, third] == stage.processors.release()
        assert ["g", "f", "h"] == stage.done

    def test_one_that_waits_stands_at_its_place_later(self, stage: Stage):
        """Once it has the lock that the other had."""
        stage.begin("main", stage.locked("f", write=True), hold=Call("f"))
        second = stage.begin("t", stage.locked("g", write=True), hold=Call("g"))
        waits = second.waits
        stage.processors.release("main")

        assert Need.MMAP_LOCK is waits
        assert ([second], ["f"]) == (stage.processors.held, stage.done)

    def test_one_that_waits_may_be_let_go_before_its_place(self, stage: Stage):
        """Then it is not held there."""
        stage.begin("main", stage.locked("f", write=True), hold=Call("f"))
        second = stage.begin("t", stage.locked("g", write=True), hold=Call("g"))

        assert [] == stage.processors.release("t")
        stage.processors.release()
        assert (True, []) == (second.done, stage.processors.held)

    def test_one_that_waits_within_its_call_may_be_let_go(self, stage: Stage):
        """It passes the return of the call, where it was to be held."""

        def locked_inside() -> None:
            with stage.processors.inside("g"), stage.lock.read():
                stage.done.append("g")

        stage.begin("main", stage.locked("f", write=True), hold=Call("f"))
        second = stage.begin("t", locked_inside, hold=Call("g", at_return=True))
        stage.processors.release("t")
        stage.processors.release()

        assert (True, ["f", "g"]) == (second.done, stage.done)


class TestOrders:
    """Orders of those that wait for one lock (S8.5.5)."""

    @pytest.mark.parametrize(
        ("held", "first", "second", "order"),
        [
            # Of two writers the last one spins, and the first one has to be woken.
            ("writes", "writes", "writes", ["f", "h", "g"]),
            # A writer that spins stands in no queue, so a reader may overtake it,
            ("writes", "writes", "reads", ["f", "h", "g"]),
            # and it may overtake a reader, which is woken while the lock is free.
            ("writes", "reads", "writes", ["f", "h", "g"]),
            # Behind a reader a writer sleeps.
            ("reads", "writes", "reads", ["f", "g", "h"]),
        ],
    )
    def test_the_last_may_be_first(
        self, held: str, first: str, second: str, order: list[str], stage: Stage
    ) -> None:
        """Where nobody is woken with the lock in his hands."""
        stage.processors.last_first = True
        stage.begin("main", stage.locked("f", write=held == "writes"), hold=Call("f"))
        stage.begin("t", stage.locked("g", write=first == "writes"))
        alone = stage.processors.crowded
        stage.begin("s", stage.locked("h", write=second == "writes"))
        stage.processors.release()

        assert (order, False, True) == (stage.done, alone, stage.processors.crowded)
