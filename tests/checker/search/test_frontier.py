"""The states that wait to be expanded, in memory and on disk."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from random import Random

import pytest

from pfnlab.checker.search.frontier import Frontier, Order

ORDERS: tuple[Order, ...] = ("breadth", "depth")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("seed", range(5))
def test_order_is_kept_over_the_disk(order: Order, seed: int, tmp_path: Path) -> None:
    """Random adding and taking gives what a queue or a stack without files gives."""
    random = Random(seed)
    frontier: Frontier[str] = Frontier(order, tmp_path, part=4)
    plain: deque[int] = deque()
    files = 0
    for number in range(2000):
        if plain and random.random() < (0.3 if number < 1000 else 0.6):
            expected = plain.popleft() if order == "breadth" else plain.pop()
            assert (expected, expected + 1, f"s{expected}") == frontier.take()
        else:
            plain.append(number)
            frontier.add(number, number + 1, f"s{number}")
        assert len(plain) == len(frontier)
        files = max(files, frontier.files)
    assert files > 20


@pytest.mark.parametrize("order", ORDERS)
def test_everything_is_what_waits_in_the_order_added(order: Order, tmp_path: Path) -> None:
    """In memory or not."""
    frontier: Frontier[str] = Frontier(order, tmp_path, part=4)
    for number in range(50):
        frontier.add(number, 0, "")

    assert list(range(50)) == [number for number, _, _ in frontier.everything()]


@pytest.mark.parametrize("order", ORDERS)
def test_the_next_depth_is_known_before_it_is_taken(order: Order, tmp_path: Path) -> None:
    """Also when it lies on disk."""
    frontier: Frontier[str] = Frontier(order, tmp_path, part=4)
    for number in range(50):
        frontier.add(number, 100 + number, "")

    while frontier:
        assert frontier.first_depth() == frontier.take()[1]


def test_files_go_when_they_were_read(tmp_path: Path) -> None:
    """Nothing is left."""
    frontier: Frontier[str] = Frontier("breadth", tmp_path, part=4)
    for number in range(50):
        frontier.add(number, 0, "")
    while frontier:
        frontier.take()

    assert [] == list(tmp_path.iterdir())
