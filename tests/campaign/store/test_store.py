"""A store records every result once, with all who saw it; what a shard found comes whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_results import result, shards, sighting
from msgspec.structs import replace

from pfnlab.base.errors import Misuse
from pfnlab.campaign.store.rows import DONE, ISOLATED, WAITING, ResultFilter, StoredResult
from pfnlab.campaign.store.store import Store


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    """A store with a campaign of three shards."""
    with Store(address) as opened:
        opened.begin("c", {"name": "c"}, shards(3))
        yield opened


def digests(store: Store) -> set[str]:
    """What it keeps."""
    return {one.digest for one in store.results()}


def test_a_result_of_two_shards_is_kept_once(store: Store) -> None:
    """With both as sightings."""
    for number in (0, 1):
        store.finish(sighting("c", number), [result()])

    (one,) = store.results()
    assert [0, 1] == [sighting.shard for sighting in one.sightings]


def test_a_result_comes_back_as_it_was(store: Store) -> None:
    """With what was the same of its shard."""
    store.finish(sighting("c", 2), [result(5, program="mmap é\n")])

    (one,) = store.results()
    assert (sighting("c", 2),) == one.sightings
    assert result(5, program="mmap é\n") == replace(one, sightings=())


def test_a_shard_that_finishes_twice_adds_nothing(store: Store) -> None:
    """Whatever the second one found."""
    store.finish(sighting("c", 0), [result(1)])

    assert not store.finish(sighting("c", 0), [result(2)])
    assert {result(1).digest} == digests(store)


def test_two_equal_results_of_one_shard_are_one(store: Store) -> None:
    """And the store agrees with its own count of them."""
    store.finish(sighting("c", 0), [result(1), result(1)])

    with Store(store.address) as again:
        assert {result(1).digest} == digests(again)


def test_what_a_shard_found_comes_whole_or_not_at_all(store: Store) -> None:
    """A value that cannot be kept undoes the shard."""

    with pytest.raises(Exception, match=r"."):
        store.finish(sighting("c", 0, seed=1 << 70), [result(1)])

    assert (set(), WAITING) == (digests(store), store.shards("c")[0].state)


def test_the_same_campaign_goes_on(store: Store) -> None:
    """What is done is done still, and its plan is the new one."""
    store.finish(sighting("c", 0), [], took=1.5, programs=7)
    store.begin("c", {"name": "c", "says": "new"}, shards(3))

    assert [DONE, WAITING, WAITING] == [shard.state for shard in store.shards("c")]
    assert {"name": "c", "says": "new"} == store.campaigns()[0].plan


def test_other_work_under_the_same_name_is_misuse(store: Store) -> None:
    """It says what to do."""
    with pytest.raises(Misuse, match="give this one another name"):
        store.begin("c", {"name": "c"}, shards(2))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (ResultFilter(), {1, 2, 3}),
        (ResultFilter(campaign="c"), {1, 2}),
        (ResultFilter(campaign="none"), set()),
        (ResultFilter(kind="verdict"), {2}),
        (ResultFilter(task="check"), {2}),
        (ResultFilter(verdict="violated"), {2}),
        (ResultFilter(scope="small"), {2}),
        (ResultFilter(machine="model:7.2"), {1, 2, 3}),
        (ResultFilter(machine="model:7.2,tracker=exact"), {2}),
        (ResultFilter(machine="model:6"), {1, 3}),
        (ResultFilter(machine="model:7"), {1, 2, 3}),
        (ResultFilter(machine="odel:7.2"), set()),
        (ResultFilter(verdict="differs", campaign="d"), {3}),
    ],
)
def test_a_filter_leaves_what_it_names(store: Store, asked: ResultFilter, found: set[int]) -> None:
    """Several of them leave what all name."""
    verdict = result(
        2,
        kind="verdict",
        task="check",
        machines=("model:7.2,tracker=exact",),
        verdict="violated",
        scope="small",
    )
    store.begin("d", {"name": "d"}, shards(1))
    store.finish(sighting("c", 0), [result(1)])
    store.finish(sighting("c", 1), [verdict])
    store.finish(sighting("d", 0), [result(3)])

    assert found == {int(one.subject, 16) for one in store.results(asked)}


def test_a_shard_is_isolated_after_its_tries(store: Store) -> None:
    """Attempts that were lost are none, up to a bound of their own."""
    ends = [
        store.failed("c", 0, "it crashed", lost=lost, most=2, most_lost=3)
        for lost in (True, False, True, False)
    ]

    shard = store.shards("c")[0]
    assert ([False, False, False, True], ISOLATED) == (ends, shard.state)
    assert (2, 2, "it crashed") == (shard.tries, shard.lost, shard.reason)


def test_a_shard_that_is_always_lost_is_isolated_too(store: Store) -> None:
    """Nothing goes on for ever."""
    assert [False, False, True] == [
        store.failed("c", 0, "lost", lost=True, most=2, most_lost=3) for _ in range(3)
    ]


def test_a_shard_that_is_done_does_not_fail_any_more(store: Store) -> None:
    """Another attempt at it may end later, and worse."""
    store.finish(sighting("c", 0), [result()])

    assert not store.failed("c", 0, "late", lost=False, most=1, most_lost=1)
    assert DONE == store.shards("c")[0].state


def test_isolated_shards_are_tried_again_when_somebody_asks(store: Store) -> None:
    """With all their tries."""
    store.failed("c", 0, "it crashed", lost=False, most=1, most_lost=1)

    assert 1 == store.try_again("c")
    assert (WAITING, 0) == (store.shards("c")[0].state, store.shards("c")[0].tries)


def test_a_campaign_runs_once_at_a_time(store: Store) -> None:
    """The other is told what to do."""
    with Store(store.address) as other, store.running("c"):
        assert other.is_running("c") and not other.is_running("d")
        with pytest.raises(Misuse, match="is already running"), other.running("c"):
            pass
    with Store(store.address) as other:
        assert not other.is_running("c")


RUNS = """
import sys
from pfnlab.campaign.store.store import Store
with Store(sys.argv[1]) as store, store.running("c"):
    print("runs", flush=True)
    sys.stdin.read()
"""


def test_a_campaign_of_a_process_that_was_killed_does_not_run(store: Store) -> None:
    """The lock went with the process."""
    with subprocess.Popen(
        [sys.executable, "-c", RUNS, store.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and b"runs\n" == process.stdout.readline()
        assert store.is_running("c")
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)

    assert not store.is_running("c")


WRITES = """
import sys
sys.path.insert(0, sys.argv[3])
from made_results import sighting, result, shards
from pfnlab.campaign.store.store import Store
name, number = sys.argv[2], int(sys.argv[2])
with Store(sys.argv[1]) as store:
    store.begin(name, {"name": name}, shards(30))
    print("ready", flush=True)
    sys.stdin.readline()
    for shard in range(30):
        # Half of what one writer finds the other finds too.
        found = [result(shard * 10 + place * (number if place % 2 else 1)) for place in range(10)]
        assert store.finish(sighting(name, shard), found)
"""


def test_two_processes_write_at_once(address: str) -> None:
    """Neither loses anything, and what both found is there once."""
    command = [sys.executable, "-c", WRITES, address]
    writers = [
        subprocess.Popen(
            [*command, number, str(Path(__file__).parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for number in ("1", "2")
    ]
    for writer in writers:
        assert writer.stdout is not None and b"ready\n" == writer.stdout.readline()
    for writer in writers:
        writer.communicate(b"\n", timeout=120)

    assert [0, 0] == [writer.returncode for writer in writers]
    with Store(address) as store:
        expected = {
            name: {
                result(shard * 10 + place * (int(name) if place % 2 else 1)).digest
                for shard in range(30)
                for place in range(10)
            }
            for name in ("1", "2")
        }
        for name in ("1", "2"):
            assert expected[name] == {one.digest for one in store.results(ResultFilter(campaign=name))}
        assert expected["1"] | expected["2"] == digests(store)


@settings(max_examples=20)
@given(
    found=st.lists(st.lists(st.integers(0, 6), max_size=4), min_size=1, max_size=5),
    order=st.data(),
)
def test_results_do_not_depend_on_the_order_of_shards(
    found: Sequence[list[int]], order: st.DataObject
) -> None:
    """Nor on how often each is finished."""
    numbers = order.draw(
        st.permutations([*range(len(found)), *order.draw(st.lists(st.integers(0, len(found) - 1)))])
    )

    def kept(ways: Sequence[int]) -> list[tuple[str, StoredResult, tuple[int, ...]]]:
        with TemporaryDirectory() as folder, Store(f"{folder}/s.db") as store:
            store.begin("c", {}, shards(len(found)))
            for number in ways:
                store.finish(sighting("c", number), [result(one) for one in found[number]])
            return [
                (one.digest, replace(one, sightings=()), tuple(seen.shard for seen in one.sightings))
                for one in store.results()
            ]

    assert kept(range(len(found))) == kept(numbers)
