"""A campaign gives the same results however often it is disturbed, and one bad shard does not end it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType

import msgspec
import pytest
from made_campaigns import SMALL, odd_tracker, seen, small, with_tracker

from pfnlab.base.errors import Misuse
from pfnlab.campaign.executor import LocalExecutor
from pfnlab.campaign.plan import BudgetTable, LimitsTable, Plan
from pfnlab.campaign.running import (
    CampaignEnd,
    begin_campaign,
    run_campaign,
    stored_plan,
)
from pfnlab.campaign.shard import Attempt, AttemptEnd, ShardResults
from pfnlab.campaign.store.rows import DONE, ISOLATED, WAITING, Shard, StoredResult
from pfnlab.campaign.store.store import Store


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, int]]:
    """What the small campaign finds where nothing happens to it."""
    path = tmp_path_factory.mktemp("undisturbed") / "s.db"
    with Store(str(path)) as store, LocalExecutor(2) as executor:
        begin_campaign(store, small())
        assert CampaignEnd.OVER is run_campaign(store, "small", executor)
        return seen(store)


class PreparedExecutor:
    """An executor that answers what it was told to, without processes.

    :param ends: how the attempts at each shard end, by its seed; done where there is no more
    """

    def __init__(self, ends: dict[int, list[AttemptEnd]] | None = None, *, has_qemu: bool = True) -> None:
        self._ends, self._has_qemu = ends or {}, has_qemu
        self._given = 0
        self.submitted: list[int] = []

    def room(self, *, needs_qemu: bool) -> int:
        """Room for one between two questions about QEMU, so that it ends before the next one starts."""
        if needs_qemu:
            self._given = 0
            return int(self._has_qemu)
        return 1 - self._given

    def submit(self, shard: Shard) -> Future[Attempt]:
        self.submitted.append(shard.work["seed"])
        self._given += 1
        attempt = Future[Attempt]()
        attempt.set_result(self._attempt(shard))
        return attempt

    def _attempt(self, shard: Shard) -> Attempt:
        seed = shard.work["seed"]
        ends = self._ends.get(seed, [])
        end = ends.pop(0) if ends else AttemptEnd.DONE
        result = StoredResult(kind="run", task="fuzz", machines=("m",), verdict="agrees", subject=str(seed))
        content = ShardResults(results=(result,)) if end is AttemptEnd.DONE else None
        return Attempt(end=end, content=content, reason=f"{end} {seed}")

    def __enter__(self) -> PreparedExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def six() -> Plan:
    """A plan of six shards."""
    plan = small()
    return msgspec.structs.replace(plan, check=(), catalogue=(), limits=LimitsTable(60.0, 2, 3))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with a campaign of six shards."""
    opened = Store(str(tmp_path / "s.db"))
    begin_campaign(opened, six())
    return opened


def states(store: Store) -> list[str]:
    """The states of all shards."""
    return [shard.state for shard in store.shards("small")]


def test_shards_go_out_in_their_order(store: Store) -> None:
    """And are done."""
    executor = PreparedExecutor()

    assert CampaignEnd.OVER is run_campaign(store, "small", executor)
    assert ([0, 1, 2, 3, 4, 5], [DONE] * 6) == (executor.submitted, states(store))


def test_what_is_done_does_not_go_out_again(store: Store) -> None:
    """A campaign that is over has nothing to do."""
    run_campaign(store, "small", PreparedExecutor())
    executor = PreparedExecutor()

    assert CampaignEnd.OVER is run_campaign(store, "small", executor)
    assert [] == executor.submitted


@pytest.mark.parametrize("end", [AttemptEnd.FAILED, AttemptEnd.HUNG])
def test_a_shard_that_always_fails_is_isolated(store: Store, end: AttemptEnd) -> None:
    """The others go on, and it is reported."""
    isolated: list[Shard | None] = []
    executor = PreparedExecutor({2: [end] * 9})
    run_campaign(store, "small", executor, on_end=isolated.append)

    assert [DONE, DONE, ISOLATED, DONE, DONE, DONE] == states(store)
    assert 2 == executor.submitted.count(2)
    (one,) = filter(None, isolated)
    assert (2, f"{end} 2", 6) == (one.number, one.reason, len(isolated))


def test_a_shard_that_fails_once_is_tried_again(store: Store) -> None:
    """And is done."""
    run_campaign(store, "small", PreparedExecutor({2: [AttemptEnd.FAILED]}))

    assert [DONE] * 6 == states(store)


def test_a_lost_attempt_is_no_try(store: Store) -> None:
    """It goes out again, up to the bound of lost ones."""
    lost = AttemptEnd.LOST
    run_campaign(store, "small", PreparedExecutor({1: [lost, lost, AttemptEnd.FAILED], 4: [lost] * 3}))

    assert [DONE, DONE, DONE, DONE, ISOLATED, DONE] == states(store)


def test_shards_that_need_qemu_do_not_keep_the_others_waiting(tmp_path: Path) -> None:
    """Where no worker has it, they are left."""
    fuzz = six().fuzz[0]
    on_kernels = msgspec.structs.replace(fuzz, machines=(("model:7.2", "qemu:7.2"),), programs=10)
    plan = msgspec.structs.replace(six(), fuzz=(on_kernels, fuzz))
    with Store(str(tmp_path / "q.db")) as store:
        begin_campaign(store, plan)

        assert CampaignEnd.NO_WORKER is run_campaign(
            store, "small", PreparedExecutor(has_qemu=False), idle=0.0
        )
        assert [WAITING] * 2 + [DONE] * 6 == states(store)


def test_a_campaign_stops_when_somebody_asks(store: Store) -> None:
    """The rest is done when it goes on."""
    executor = PreparedExecutor()

    def ask(isolated: Shard | None) -> None:
        with Store(store.address) as other:
            other.ask_to_stop("small")
        time.sleep(1.1)

    assert CampaignEnd.STOPPED is run_campaign(store, "small", executor, on_end=ask)
    assert 0 < states(store).count(DONE) < 6
    assert CampaignEnd.OVER is run_campaign(store, "small", executor)


def test_a_budget_of_seconds_begins_nothing_new(tmp_path: Path) -> None:
    """What is left can be done in another run."""
    plan = msgspec.structs.replace(six(), budget=BudgetTable(seconds=1e-9))
    with Store(str(tmp_path / "b.db")) as store:
        begin_campaign(store, plan)

        assert CampaignEnd.OUT_OF_TIME is run_campaign(store, "small", PreparedExecutor())
        assert [WAITING] * 6 == states(store)


def test_a_jump_of_the_clock_changes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the budget nor the order knows the wall clock."""
    plan = msgspec.structs.replace(six(), budget=BudgetTable(seconds=60.0))
    begin_campaign(store, plan)
    clock = iter([0.0, 4e9, -1e9, 2e9] * 1000)
    monkeypatch.setattr(time, "time", lambda: next(clock))
    executor = PreparedExecutor()

    assert CampaignEnd.OVER is run_campaign(store, "small", executor)
    assert [0, 1, 2, 3, 4, 5] == executor.submitted


def test_a_campaign_that_is_not_there_is_misuse(store: Store) -> None:
    """It says which there are."""
    with pytest.raises(Misuse, match=r"no campaign 'large': it has small"):
        run_campaign(store, "large", PreparedExecutor())


def test_the_plan_comes_back_from_the_store(store: Store) -> None:
    """So that resume needs no file."""
    assert six() == stored_plan(store, "small")


@pytest.mark.target("long")
def test_a_shard_that_crashes_leaves_the_results_of_the_others(
    tmp_path: Path, undisturbed: set[tuple[str, int]]
) -> None:
    """Exactly those of the campaign without it."""
    plan = with_tracker(odd_tracker(tmp_path, "crash"))
    with Store(str(tmp_path / "s.db")) as store, LocalExecutor(2) as executor:
        begin_campaign(store, plan)

        assert CampaignEnd.OVER is run_campaign(store, "small", executor)
        assert 2 == states(store).count(ISOLATED)
        # The shards with the tracker stand between those of checks and the others.
        assert {digest for digest, _ in undisturbed} == {digest for digest, _ in seen(store)}


RUNS = """
import sys
sys.path.insert(0, sys.argv[2])
from made_campaigns import small
from pfnlab.campaign.executor import LocalExecutor
from pfnlab.campaign.running import begin_campaign, run_campaign
from pfnlab.campaign.store.store import Store
with Store(sys.argv[1]) as store, LocalExecutor(2) as executor:
    begin_campaign(store, small())
    run_campaign(store, "small", executor)
"""


@pytest.mark.target("long")
def test_a_campaign_that_is_killed_again_and_again_finds_the_same(
    tmp_path: Path, undisturbed: set[tuple[str, int]]
) -> None:
    """kill -9 of the process that runs it, then once more, until it is over."""
    path = tmp_path / "s.db"
    command = [sys.executable, "-c", RUNS, str(path), str(Path(__file__).parent)]
    kills, ended = 0, False
    while not ended:
        with subprocess.Popen(command) as process:
            before = done(path)
            until = time.monotonic() + 120
            # Once it has got somewhere.
            while process.poll() is None and done(path) <= before and time.monotonic() < until:
                time.sleep(0.02)
            ended = process.poll() is not None
            if not ended:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1

    assert kills > 3
    with Store(str(path)) as store:
        assert undisturbed == seen(store)


def done(path: Path) -> int:
    """How many shards are done."""
    if not path.exists() or not path.stat().st_size:
        return 0
    with Store(str(path)) as store:
        return states(store).count(DONE)


@pytest.mark.target("long")
def test_the_small_campaign_finds_something(undisturbed: set[tuple[str, int]]) -> None:
    """So equality of results means something."""
    assert "[[fuzz]]" in SMALL and len(undisturbed) > 20
