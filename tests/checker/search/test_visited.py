"""The stored form of states: fingerprints, and numbers of parts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse
from pfnlab.checker.search.visited import PartTable, fingerprint
from pfnlab.kernel.hw.cachemode import CacheMode

KEYS = [(), (0,), ((0,),), (0, 0), "a", b"a", ("a", None, True), (1 << 70,), -1, 1 << 64, ("a", ("b", 2))]
KEYS += [frozenset({"a", "b", ("c",)}), (frozenset({"a", "b"}),), CacheMode.WC, (CacheMode.UC, 1)]


def test_a_small_int_is_its_own_fingerprint() -> None:
    """So words of 64 bits are kept exactly."""
    assert [0, 7, 2**64 - 1] == [fingerprint(key) for key in (0, 7, 2**64 - 1)]


def test_different_keys_have_different_fingerprints() -> None:
    """Nesting and types matter."""
    assert len(KEYS) == len({fingerprint(key) for key in KEYS})


def test_equal_keys_made_differently_have_one_fingerprint() -> None:
    """Whether parts are shared, or a string is interned, does not matter."""
    part = (1, "".join(["word", "s"]))

    assert fingerprint((part, part)) == fingerprint(((1, "words"), (1, sys.intern("words"))))


def test_fingerprints_are_the_same_in_every_process() -> None:
    """Where strings hash differently."""
    ask = (
        "from test_visited import KEYS; from pfnlab.checker.search.visited import fingerprint;"
        "print([fingerprint(key) for key in KEYS])"
    )

    told = {
        subprocess.check_output(
            [sys.executable, "-c", ask],
            text=True,
            cwd=Path(__file__).parent,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    }

    assert {f"{[fingerprint(key) for key in KEYS]}\n"} == told


@pytest.mark.parametrize("key", [object(), (1, object()), frozenset({object()})])
def test_keys_without_one_form_are_refused(key: object) -> None:
    """An object has no value that is the same everywhere."""
    with pytest.raises(Misuse, match="keys made of ints"):
        fingerprint(key)


def test_a_named_tuple_is_its_values() -> None:
    """It equals the plain tuple, so it has its fingerprint."""

    class Place(NamedTuple):
        first: int
        pages: tuple[int, ...]

    assert fingerprint((1, (2, 3))) == fingerprint(Place(1, (2, 3)))


PARTS = st.lists(st.binary(max_size=2), max_size=5).map(tuple)


@given(st.lists(PARTS))
def test_words_name_their_parts(states: list[tuple[bytes, ...]]) -> None:
    """Whatever was met meanwhile."""
    table = PartTable()

    words = [table.words(parts) for parts in states]

    assert [table.parts(one) for one in words] == states


@given(st.lists(PARTS))
def test_words_are_equal_where_parts_are(states: list[tuple[bytes, ...]]) -> None:
    """And only there."""
    table = PartTable()

    words = [table.words(parts) for parts in states]

    assert len(set(words)) == len(set(states))


@given(st.lists(PARTS))
def test_a_part_is_kept_once(states: list[tuple[bytes, ...]]) -> None:
    """However many states have it."""
    table = PartTable()

    for parts in states:
        table.words(parts)

    assert len(table) == len({part for parts in states for part in parts})
