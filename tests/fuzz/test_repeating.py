"""Making the program of an alarm smaller: in guests that go on, confirmed in a new one."""

from __future__ import annotations

import pytest

from pfnlab.fuzz.repeating import raises_alarm, shrink_quickly
from pfnlab.fuzz.signature import Signature
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Mmap, Munmap, Program

ALARM = Signature("alarm", "", "munmap", (("qemu:7.2",),), "oops: BUG: in zap")
LINE = Signature("alarm", "log", "munmap", (("model:7.2",), ("qemu:7.2",)), "- / WARNING at mm/memory.c")

PROGRAM = load_text(
    "pfnlab program 1\ndevice bar: pci, 1 page\n\n"
    "a = mmap bar[0] wc shared rw\nwrite a[0] 1\nread a[0]\nmunmap a\n"
)


class Asked:
    """Counts what was asked, and says what shows.

    :param spoiled: guests that go on show it without munmap too
    """

    def __init__(self, *, spoiled: bool = False) -> None:
        self.quick = self.slow = 0
        self._spoiled = spoiled

    def __call__(self, program: Program, quick: bool) -> bool:
        """Whether it shows."""
        self.quick += quick
        self.slow += not quick
        return (quick and self._spoiled) or any(isinstance(op.call, Munmap) for op in program.ops)


def test_one_new_guest_confirms() -> None:
    """All others go on."""
    asked = Asked()

    small = shrink_quickly(PROGRAM, ALARM, asked)

    assert 1 == asked.slow < asked.quick
    assert [Mmap, Munmap] == [type(op.call) for op in small.program.ops]


def test_what_a_new_guest_does_not_confirm_is_tried_in_new_ones() -> None:
    """An earlier program had spoiled the guests."""
    asked = Asked(spoiled=True)

    small = shrink_quickly(PROGRAM, ALARM, asked)

    assert 1 < asked.slow
    assert [Mmap, Munmap] == [type(op.call) for op in small.program.ops]


@pytest.mark.parametrize(("signature", "alarm"), [(ALARM, True), (LINE, False)])
def test_a_line_of_the_log_ends_no_guest(signature: Signature, alarm: bool) -> None:
    """So nothing is asked quickly for it."""
    asked = Asked()

    shrink_quickly(PROGRAM, signature, asked)

    assert (alarm, alarm) == (raises_alarm(signature), asked.quick > 0)
