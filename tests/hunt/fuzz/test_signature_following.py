"""Which differences follow from earlier ones: none is counted that the state before it may explain."""

from __future__ import annotations

from typing import Any

import msgspec

from pfnlab.hunt.fuzz.signature import own_differences
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run

PROGRAM = load_text(
    "pfnlab program 1\ndevice bar: pci, 16 pages\n\na = mmap bar[0:4] wc shared rw\nwrite a[0] 3\n"
    "mprotect a r\nread a[0]\nmunmap a\n"
)


def runs(*changes: tuple[int, dict[str, Any]]) -> list[Run]:
    """Two runs, of which the second has other values in some steps."""
    (run,) = ModelMachine("7.2").run([PROGRAM])
    steps = list(run.steps)
    for at, change in changes:
        steps[at] = msgspec.structs.replace(steps[at], **change)
    return [run, msgspec.structs.replace(run, machine="other", steps=tuple(steps))]


def own(*changes: tuple[int, dict[str, Any]]) -> list[tuple[int, str]]:
    """Step and field of every difference that counts."""
    return [(found.step, found.field) for found in own_differences(PROGRAM, runs(*changes))[0]]


def test_behind_what_is_no_state_all_counts() -> None:
    """A line, an order, a number of flushes, a value."""
    changes = ((0, {"log": ("x",)}), (1, {"events": ("x",)}), (2, {"flushes": 9}), (3, {"value": 9}))

    assert [(0, "log"), (1, "events"), (2, "flushes"), (3, "value"), (4, "prots")] == own(
        *changes, (4, {"prots": ("x",)})
    )


def test_behind_a_difference_of_the_state_nothing_counts_until_it_is_equal() -> None:
    """The step in which it becomes equal may still differ for that reason; the next may not."""
    state = {"ptes": ()}

    assert [(0, "ptes")] == own((0, state), (1, {**state, "flushes": 9}), (2, {"flushes": 9}))
    assert [(0, "ptes"), (3, "flushes")] == own(
        (0, state), (1, state), (2, {"flushes": 9}), (3, {"flushes": 9})
    )


def test_all_fields_of_a_step_count() -> None:
    """Which of them follows from which is told by a smaller program."""
    assert [(2, "log"), (2, "vmas")] == own((2, {"log": ("x",), "vmas": ()}))


def test_behind_a_result_the_state_tells() -> None:
    """A refused mprotect that left everything as it was hides nothing; a store that did not happen does."""
    late = (4, {"flushes": 9})

    assert [(2, "result"), (4, "flushes")] == own((2, {"result": "EINVAL"}), late)
    assert [(1, "result")] == own((1, {"result": "EFAULT"}), late)


def test_a_state_nobody_saw_is_not_equal() -> None:
    """Where only results are seen, a result ends the comparison, and a line does not."""
    unseen = [(at, {"vmas": None, "ptes": None, "book": None}) for at in range(5)]
    late = (4, {"vmas": None, "ptes": None, "book": None, "log": ("x",)})

    assert [(2, "log"), (4, "log")] == own(*unseen, (2, {**unseen[2][1], "log": ("x",)}), late)
    assert [(2, "result")] == own(*unseen, (2, {**unseen[2][1], "result": "EINVAL"}), late)
