"""A campaign on a cluster: it finds what one of this host finds, whatever is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import wait
from pathlib import Path

import pytest
from local_cluster import LocalCluster, environment
from made_campaigns import SMALL, odd_tracker, seen, small, with_tracker

from pfnlab.base.errors import Undecided
from pfnlab.campaign import on_cluster as campaign
from pfnlab.campaign.cluster.connection import connected
from pfnlab.campaign.executor import Executor, LocalExecutor
from pfnlab.campaign.on_cluster import ClusterExecutor
from pfnlab.campaign.running import CampaignEnd, begin_campaign, run_campaign
from pfnlab.campaign.shard import AttemptEnd, encode
from pfnlab.campaign.store.rows import Shard
from pfnlab.campaign.store.store import Store

pytestmark = pytest.mark.xdist_group("cluster")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, int]]:
    """What the campaign finds on this host."""
    with Store(str(tmp_path_factory.mktemp("local") / "store.db")) as store:
        begin_campaign(store, small())
        assert CampaignEnd.OVER is run(store, LocalExecutor(2))
        found = seen(store)
    assert found
    return found


def run(store: Store, executor: Executor, at: int = -1, do: Callable[[], None] = list) -> CampaignEnd:
    """Run the campaign.

    :param do: done when so many shards are over
    """
    over: list[int] = []

    def progress(progress: object) -> None:
        over.append(1)
        if len(over) == at:
            do()

    with executor:
        return run_campaign(store, "small", executor, on_end=progress)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with the campaign."""
    store = Store(str(tmp_path / "store.db"))
    begin_campaign(store, small())
    return store


def test_it_finds_what_one_of_this_host_finds(
    pair: LocalCluster, store: Store, undisturbed: set[tuple[str, int]]
) -> None:
    """Every result, with the shard that found it."""
    assert CampaignEnd.OVER is run(store, ClusterExecutor(pair.address))

    assert undisturbed == seen(store)


def test_a_worker_that_is_killed_is_not_missed(
    cluster: LocalCluster, store: Store, undisturbed: set[tuple[str, int]]
) -> None:
    """Its shards go to the other."""
    cluster.worker("one")
    cluster.worker("two")

    end = run(store, ClusterExecutor(cluster.address), 2, lambda: cluster.end("one"))

    assert CampaignEnd.OVER is end
    assert undisturbed == seen(store)


def test_after_a_restart_of_the_scheduler_it_goes_on(
    cluster: LocalCluster,
    store: Store,
    undisturbed: set[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run ends with a line; the next one runs what is left."""
    monkeypatch.setattr(campaign, "COMES_BACK", 2.0)
    cluster.worker("one")

    with pytest.raises(
        Undecided, match=r"no scheduler or worker is left at .*: start the scheduler and workers again"
    ):
        run(store, ClusterExecutor(cluster.address), 2, lambda: cluster.end("scheduler"))

    assert seen(store) < undisturbed
    cluster.end("one")
    cluster.scheduler()
    cluster.worker("one")
    cluster.worker("two")
    assert CampaignEnd.OVER is run(store, ClusterExecutor(cluster.address))
    assert undisturbed == seen(store)


def shard(needs_qemu: bool = False) -> Shard:
    """One that takes a moment."""
    plan = next(shard for shard in small().shards() if shard.task == "check")
    return Shard(task=plan.task, work=plan.work, seconds=60, needs_qemu=needs_qemu)


def test_a_shard_that_needs_qemu_waits_for_a_worker_that_has_it(cluster: LocalCluster) -> None:
    """Others do not."""
    cluster.worker("one")
    with ClusterExecutor(cluster.address) as executor:
        assert (0, 2) == (executor.room(needs_qemu=True), executor.room(needs_qemu=False))
        attempt = executor.submit(shard(needs_qemu=True))
        assert not wait([attempt], 5).done

        cluster.worker("two", qemu=True)

        assert AttemptEnd.DONE is attempt.result(120).end
        assert wait_for(lambda: executor.room(needs_qemu=True) == 2, 10)
        assert (2, 4) == (executor.room(needs_qemu=True), executor.room(needs_qemu=False))


@pytest.mark.parametrize("killed", [False, True], ids=["left", "killed"])
def test_what_still_runs_ends_with_the_campaign(pair: LocalCluster, tmp_path: Path, killed: bool) -> None:
    """With all of its processes, also where the campaign is killed."""
    tracker = odd_tracker(tmp_path, "hang")
    hanging = next(shard for shard in with_tracker(tracker, seconds=600).shards() if shard.work.get("files"))
    with connected(pair.address) as client:
        makers = {str(number) for number in client.run(os.getpid).values()}
    words = [sys.executable, "-c", CAMPAIGN, pair.address, encode(hanging).decode()]
    with subprocess.Popen(words, env=environment(), stdin=subprocess.PIPE, text=True) as process:
        assert wait_for(lambda: bool(forks(makers)), 90)

        if killed:
            process.kill()
        else:
            process.communicate("end\n", timeout=60)

    assert wait_for(lambda: not forks(makers), 60)


#: A process that runs a shard until it is told to end.
CAMPAIGN = """\
import sys
import msgspec
from pfnlab.campaign.store.rows import Shard
from pfnlab.campaign.on_cluster import ClusterExecutor
with ClusterExecutor(sys.argv[1]) as executor:
    executor.submit(msgspec.json.decode(sys.argv[2], type=Shard))
    sys.stdin.readline()
"""


def wait_for(true: Callable[[], bool], seconds: float) -> bool:
    """Whether it becomes true in time."""
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.2)
    return true()


def nurseries(makers: set[str]) -> list[str]:
    """The processes of workers that run shards."""
    return [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if (words := _words(path))[-3:-2] == ["pfnlab.campaign.nursery:shards"] and words[-1] in makers
    ]


def forks(makers: set[str]) -> list[str]:
    """Those that run one now: they were forked by another."""
    all_of_them = nurseries(makers)
    return [number for number in all_of_them if _parent(number) in all_of_them]


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split("\0")[:-1]
    except OSError:
        return []


def _parent(number: str) -> str:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return ""


def test_the_command_runs_it_on_the_cluster(pair: LocalCluster, tmp_path: Path) -> None:
    """With the exit code and the last lines of one on this host."""
    (tmp_path / "small.toml").write_text(SMALL)
    answers = []
    for name, more in (("here", ["--jobs", "2"]), ("there", ["--cluster", pair.address])):
        command = [sys.executable, "-m", "pfnlab", "campaign", "run", "small.toml"]
        done = subprocess.run(
            [*command, "--store", f"{name}.db", *more],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(),
            timeout=250,
        )
        answers.append((done.returncode, done.stdout.splitlines()[-1:]))

    assert answers[0] == answers[1]
