"""Notes of a schedule on its steps."""

from __future__ import annotations

from typing import cast

from for_each import for_each

from pfnlab.lab.running.inside_state import LensState
from pfnlab.lab.running.notes import Note, ending, flushes_between, with_notes
from pfnlab.lab.running.placement import Placement
from pfnlab.lab.running.replies import read_result
from pfnlab.programs.lang.ops import Munmap, Op
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import BookEntry, MemoryObservation, PteSeen, Step

BAR = BookEntry("bar", 0, 4, "wc")
ENTRY = PteSeen("main", "a", 0, 4, None, "none@L1")
STEP = Step("munmap a", "main", "ok", None, book=(), log=("said",), vmas=(), ptes=())


def state(**generations: int) -> LensState:
    """A state of tasks with these flush generations."""
    memory = MemoryObservation({task: (0, generation) for task, generation in generations.items()})
    return LensState(book=(BAR,), ptes=(ENTRY,) * ("main" in generations), memory=memory)


class TestNotes:
    """What a schedule says of its steps."""

    def test_while_held_memory_alone_is_seen(self):
        """
        Book and entries are the lens's; VMAs and order nobody saw; what the kernel said stays.
        """
        (step,) = with_notes([STEP], [state(main=1)], [Note(alone=True, result="held", flushes=2)])

        assert ("held", None, (BAR,), (ENTRY,)) == (step.result, step.value, step.book, step.ptes)
        assert (None, None, 2, ("said",)) == (step.vmas, step.events, step.flushes, step.log)

    def test_an_operation_that_waits(self):
        """
        Its value is what it waits for.
        """
        (step,) = with_notes([STEP], [state()], [Note(alone=True, result="waits", value="IPI")])

        assert ("waits", "IPI") == (step.result, step.value)

    @for_each(("value", "said"), [(None, "not held"), (7, "7, not held")])
    def test_a_hold_nobody_came_by(self, value: int | None, said: str):
        """
        The result is the operation's own, and so is all that was seen.
        """
        step = Step("read a[0]", "main", "ok", value, book=(BAR,), log=(), vmas=(), ptes=())

        (noted,) = with_notes([step], [state()], [Note(not_held=True)])

        assert ("ok", said, (BAR,), (), None) == (
            noted.result,
            noted.value,
            noted.book,
            noted.vmas,
            noted.flushes,
        )

    def test_steps_without_notes_stay(self):
        """
        Programs that hold nothing have none.
        """
        assert [STEP] == with_notes([STEP], [state()], [])

    def test_flushes_are_of_address_spaces_known_before(self):
        """
        One that is new has none, and one that began anew has none either.
        """
        assert 3 == flushes_between(state(main=5, k=9), state(main=7, k=10, j=4))
        assert 0 == flushes_between(state(main=5, k=9), state(k=1))

    @for_each(
        ("words", "said"),
        [
            (("0", "0"), "t ok"),
            (("0", "0", "7"), "t ok 7"),
            (("-1", "14", "sig", "11", "1"), "t EFAULT SIGSEGV code=1"),
            (("-1", "3", "died"), "t ESRCH died"),
        ],
    )
    def test_what_became_of_an_operation(self, words: tuple[str, ...], said: str):
        """
        Task, result and value, as a step of its own would have them.
        """
        op = Op(Munmap(Span("a", 0, 4)), "t")

        assert said == ending(op, *read_result(op, words, cast("Placement", None)))
