"""Values that are stored for as long as the memory behind them is the same."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

import toy_kernel as toy
from toy_kernel import PLACES, SYMBOLS, ToyKernel

from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.memory import GuestRam
from pfnlab.lab.lens.program import open_program
from pfnlab.lab.lens.recall import Recall
from pfnlab.lab.lens.snapshot import Lens
from pfnlab.lab.running.inside_state import LensState, Words

TYPES = toy.types()


class Memory:
    """Ten bytes, and how often the sum of some was made."""

    def __init__(self) -> None:
        self.bytes = bytearray(range(10))
        self.recall = Recall()
        self.made = 0

    def read(self, address: int, size: int) -> bytes:
        """What is there now."""
        return bytes(self.bytes[address : address + size])

    def sum(self, address: int, size: int, *given: object) -> int:
        """The sum of some bytes, recalled."""

        def make() -> int:
            self.made += 1
            return sum(self.recall.note(self.read, address, size, self.read(address, size)))

        return self.recall.value(("sum", address, size), make, *given)


def test_a_value_is_made_once_of_the_same_memory() -> None:
    """
    Other memory may change.
    """
    memory = Memory()
    first = memory.sum(2, 3)
    memory.bytes[5] = 77

    again = memory.sum(2, 3)

    assert (first, again, memory.made) == (9, 9, 1)


def test_a_value_is_made_anew_of_changed_memory() -> None:
    """
    Also where it changes back later.
    """
    memory = Memory()
    memory.sum(2, 3)
    memory.bytes[4] = 5
    changed = memory.sum(2, 3)
    memory.bytes[4] = 4

    assert (changed, memory.sum(2, 3), memory.made) == (10, 9, 3)


def test_a_value_is_made_anew_of_another_object() -> None:
    """
    What was given is compared by identity: equal is not enough.
    """
    memory = Memory()
    one, two = [1], [1]
    memory.sum(2, 3, one)

    memory.sum(2, 3, one)
    memory.sum(2, 3, two)

    assert memory.made == 2


def test_a_value_within_another_is_part_of_it() -> None:
    """
    What the inner one was made of is memory of the outer one, also where the inner one was recalled.
    """
    memory = Memory()
    outer = 0

    def both() -> int:
        nonlocal outer
        outer += 1
        return memory.sum(0, 2) + memory.sum(2, 2)

    memory.sum(0, 2)
    memory.recall.value("both", both)
    memory.bytes[1] = 9
    again = memory.recall.value("both", both)

    assert (again, outer) == (14, 2)


def test_what_fails_is_not_kept() -> None:
    """
    It is tried again.
    """
    recall, tries = Recall(), []

    def fail() -> int:
        tries.append(1)
        raise LensError("no")

    for _ in range(2):
        with pytest.raises(LensError):
            recall.value("it", fail)

    assert len(tries) == 2


def test_forgotten_values_are_made_anew() -> None:
    """
    Nothing is kept.
    """
    memory = Memory()
    memory.sum(2, 3)
    memory.recall.forget()

    memory.sum(2, 3)

    assert memory.made == 2


def state(lens: Lens) -> LensState | str:
    """What a lens sees, or why it sees nothing."""
    try:
        return Words().state(lens.snapshot({"main": 7}, PLACES), PLACES)
    except LensError as reason:
        return str(reason)


def both_states(ram: GuestRam, path: Path, hits: list[tuple[int, int]]) -> list[tuple[object, object]]:
    """What a lens sees after every change, and what a new one sees."""
    lens = Lens(open_program(ram, TYPES, SYMBOLS), ram, SYMBOLS)
    seen: list[tuple[object, object]] = []
    state(lens)
    with path.open("r+b") as file:
        for place, word in hits:
            file.seek(place)
            file.write(struct.pack("<Q", word))
            file.flush()
            seen.append((state(lens), state(Lens(open_program(ram, TYPES, SYMBOLS), ram, SYMBOLS))))
    return seen


#: Words of everything but the list of tasks, where a lens remembers places and not values.
_PLACES = st.one_of(
    st.sampled_from(
        [at + 8 * word for at in (toy.MM, toy.TREE, toy.VMAS, toy.FILE, toy.CONTEXT) for word in range(24)]
    ),
    st.sampled_from([at + 8 * word for at in (toy.BOOK, toy.MAPPING, toy.DENTRY) for word in range(24)]),
    st.sampled_from([toy.TABLES + 8 * word for word in (*range(2048),)]),
    st.sampled_from([toy.TABLES + 3 * toy.PAGE + 8 * word for word in range(16)]),
)
_NEW_WORDS = st.one_of(
    st.integers(0, 3),
    st.just(toy.PROT),
    st.integers(0, 63).map(lambda bit: 1 << bit),
    st.integers(0, 2**64 - 1),
)


@settings(max_examples=60)
@given(hits=st.lists(st.tuples(_PLACES, _NEW_WORDS), min_size=1, max_size=6))
def test_a_lens_that_recalls_sees_what_a_new_one_sees(hits: list[tuple[int, int]], tmp_path: Path) -> None:
    """
    Whatever changes between two looks, and in whatever order.
    """
    path = ToyKernel().save(tmp_path / "ram")
    with GuestRam(path) as ram:
        for known, new in both_states(ram, path, hits):
            assert known == new


def test_a_lens_that_never_asked_again_would_see_what_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The comparison above fails where memory is not compared.
    """
    monkeypatch.setattr(Recall, "_holds", staticmethod(lambda kept, given: True))
    path = ToyKernel().save(tmp_path / "ram")
    with GuestRam(path) as ram:
        ((known, new),) = both_states(ram, path, [(toy.BOOK + 64 * 2 + 8, (toy.DEVICE.start + 6) * toy.PAGE)])

    assert known != new
