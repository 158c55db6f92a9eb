"""The inner loop of :mod:`.packed`: a table of 64-bit states and the search that fills it.

Runs as it is, and compiled with the types in ``core.pxd`` beside it (:mod:`.compiling`). It imports nothing
of pfnlab, so that it compiles alone.
"""

from __future__ import annotations

import mmap
from array import array
from typing import Any, Literal

#: The parent of a state without a parent.
NONE = 0xFFFF_FFFF

_FLAGS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


class Words:
    """Memory for numbers. It grows without a copy, and takes room only where it was written.

    :param form: ``Q`` for 64 bits, ``I`` for 32
    """

    def __init__(self, form: Literal["Q", "I"], count: int) -> None:
        self.form: Literal["Q", "I"] = form
        self.size = 8 if form == "Q" else 4
        self.pages = mmap.mmap(-1, count * self.size, flags=_FLAGS)
        self.view = memoryview(self.pages).cast(form)

    def grow(self, count: int) -> None:
        """Make room for *count* numbers; views taken before must be gone."""
        self.view.release()
        self.pages.resize(count * self.size)
        self.view = memoryview(self.pages).cast(self.form)


class Core:
    """A search over words, breadth first or depth first, a stretch at a time.

    States are numbered in the order they are found. ``slots`` is an open-addressing table of numbers plus
    one, so a state costs its word, its parent's number and one to two slots: 17 to 23 bytes.

    :param model: a :class:`.packed.PackedModel`
    :param most: the most successors a state has
    :param breadth: whether to expand in the order found, or the last found first
    """

    def __init__(self, model: Any, most: int, breadth: bool) -> None:
        self.model = model
        self.breadth = breadth
        self.symmetric = bool(model.symmetric)
        self.most = max(0, most)
        self.buffer = array("Q", [0] * max(1, most))
        self.into = self.buffer  # the same words, typed
        self.golden = 0x9E3779B97F4A7C15
        self.full = 2**64 - 1
        self.room = 1 << 12
        self.mask = self.room - 1
        self._states, self._parents = Words("Q", self.room), Words("I", self.room)
        self._slots = Words("I", self.room)
        self._stack = Words("I", 1 if breadth else self.room)
        self._take_views()
        self.count = 0
        self.next = 0  # breadth: the first state not expanded; depth: how many wait on the stack
        self.expanded = 0
        self.transitions = 0
        self.wrong = 0  # a bit for each property broken so far
        self.news = 0  # of these, bits since anybody looked
        self.where = 0  # the state that broke the latest

    def _take_views(self) -> None:
        self.states, self.parents = self._states.view, self._parents.view
        self.slots, self.stack = self._slots.view, self._stack.view

    def start(self, state: int) -> None:
        """Add an initial state."""
        self.buffer[0] = state
        if self.symmetric:
            self.model.canonical(self.buffer, 1)
        self.admit(NONE, 1)

    def waiting(self) -> int:
        """How many states are not expanded."""
        return self.count - self.next if self.breadth else self.next

    def run(self, until: int, limit: int, steps: int) -> int:
        """Expand states, and end early when a property is broken for the first time.

        :param until: breadth: expand no state of this number or higher
        :param limit: expand nothing once there are that many states
        :param steps: the most states to expand
        :return: the number of expanded states
        :raises IndexError: a state has more successors than the most
        """
        done = 0
        while done < steps and self.count < limit and self.news == 0:
            if self.breadth:
                if self.next >= until or self.next >= self.count:
                    break
                number = self.next
                self.next += 1
            else:
                if self.next == 0:
                    break
                self.next -= 1
                number = self.stack[self.next]
            found = self.model.successors(self.states[number], self.buffer)
            if found > self.most:
                raise IndexError(f"successors gave {found} states")
            if self.symmetric:
                self.model.canonical(self.buffer, found)
            self.transitions += found
            self.admit(number, found)
            done += 1
        self.expanded += done
        return done

    def admit(self, parent: int, found: int) -> None:
        """Number those of the first *found* words of ``into`` that are new, and judge them."""
        while self.count + found > self.room:
            self._make_room()
        while 4 * (self.count + found) > 3 * self.mask:
            self._make_slots()
        for at in range(found):
            state = self.into[at]
            slot = self._slot_of(state)
            if self.slots[slot] == 0:
                self.states[self.count] = state
                self.parents[self.count] = parent
                if not self.breadth:
                    self.stack[self.next] = self.count
                    self.next += 1
                self.count += 1
                self.slots[slot] = self.count
                broken = self.model.broken(state)
                if broken:
                    self._note(broken)

    def _slot_of(self, state: int) -> int:
        """The slot of *state* in the table, or the free slot where it belongs."""
        # The middle of a product depends on every bit of the state.
        mix = ((state ^ state >> 29) * self.golden) & self.full
        slot = (mix ^ mix >> 32) & self.mask
        known = self.slots[slot]
        while known != 0 and self.states[known - 1] != state:
            slot = (slot + 1) & self.mask
            known = self.slots[slot]
        return slot

    def _note(self, broken: int) -> None:
        new = broken & ~self.wrong
        if new:
            self.news |= new
            self.wrong |= new
            self.where = self.count - 1

    def _make_room(self) -> None:
        """Twice as many states."""
        self.room *= 2
        self.states = self.parents = self.stack = None  # type: ignore[assignment]
        self._states.grow(self.room)
        self._parents.grow(self.room)
        if not self.breadth:
            self._stack.grow(self.room)
        self._take_views()

    def _make_slots(self) -> None:
        """Twice as many slots, filled anew."""
        self.mask = 2 * self.mask + 1
        self._slots = Words("I", self.mask + 1)
        self._take_views()
        for number in range(self.count):
            self.slots[self._slot_of(self.states[number])] = number + 1
