"""A search on the workers of a cluster: the answers are those of one process, whatever worker is lost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from local_cluster import LocalCluster
from models_there import EDGES, MakeGraph, held
from small_models import Graph, told

from pfnlab.base.errors import Undecided
from pfnlab.campaign.cluster import connection, owners
from pfnlab.campaign.cluster.connection import connected
from pfnlab.campaign.cluster.owners import ClusterOwners
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.owner import Round
from pfnlab.checker.search.partitioned import explore_partitioned

pytestmark = pytest.mark.xdist_group("cluster")


def searched(address: str, make: MakeGraph, **options: Any) -> tuple[Any, Graph]:
    """The result, and the model with its counts."""
    model, properties = make()
    with connected(address) as client:
        owners = ClusterOwners(client, make)
        return explore_partitioned(model, properties, owners, round_states=5, **options), model


def comparable(found: Any) -> dict[str, Any]:
    """All of it but the time and the properties, which are functions."""
    return told(found) | {"properties": [asked.name for asked in found.properties]}


def alone(**options: Any) -> tuple[dict[str, Any], list[tuple[str, int]]]:
    """The same search by one process."""
    model, properties = MakeGraph()()
    found = explore(model, properties, **options)
    return comparable(found), list(model.seen.items())


@pytest.mark.parametrize("options", [{}, {"depth": 3}, {"states": 30}], ids=str)
def test_the_result_is_that_of_one_process(pair: LocalCluster, options: dict[str, Any]) -> None:
    """States, steps, ways, verdicts, premises and counts; also of states that a worker does not know."""
    found, model = searched(pair.address, MakeGraph(), **options)

    assert alone(**options) == (comparable(found), list(model.seen.items()))


def test_another_model_on_the_workers_is_found_out(pair: LocalCluster) -> None:
    """The comparison above fails where workers take other steps."""

    class OnlyHere(MakeGraph):
        def __reduce__(self) -> Any:
            return MakeGraph, ([[*after[1:], after[0]] for after in EDGES],)

    found, _ = searched(pair.address, OnlyHere())

    assert alone()[0] != comparable(found)


def test_no_owner_outlives_its_search(pair: LocalCluster) -> None:
    """On no worker; while it lasts there is one on each."""
    make = MakeGraph()
    with connected(pair.address) as client:
        owners = ClusterOwners(client, make)
        explore_partitioned(*make(), owners)
        assert [1, 1] == [*client.run(held).values()]

        del owners

        until = time.monotonic() + 20
        while any(counts := client.run(held).values()) and time.monotonic() < until:
            time.sleep(0.2)
        assert [0, 0] == [*counts]


def test_a_worker_that_is_killed_comes_back(cluster: LocalCluster, tmp_path: Path) -> None:
    """The nanny of dask starts it again; its part is made again from the ways to its states."""
    cluster.worker("one")
    cluster.worker("two")
    marks = tmp_path / "marks"
    marks.mkdir()

    found, model = searched(cluster.address, MakeGraph(deadly=34, marks=marks, times=2))

    assert alone() == (comparable(found), list(model.seen.items()))
    assert 2 == len(list(marks.iterdir()))


def test_the_part_of_a_worker_that_is_gone_goes_to_another(cluster: LocalCluster, tmp_path: Path) -> None:
    """Which then has two."""
    cluster.worker("one", "--no-nanny")
    cluster.worker("two", "--no-nanny")
    marks = tmp_path / "marks"
    marks.mkdir()

    found, model = searched(cluster.address, MakeGraph(deadly=34, marks=marks))

    assert alone() == (comparable(found), list(model.seen.items()))
    assert 1 == len(list(marks.iterdir()))


@pytest.mark.parametrize("step", ["expand", "settle"])
def test_a_worker_that_says_nothing_counts_as_gone(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whether it has to work or its answer has to be fetched; the scheduler itself would wait minutes."""
    monkeypatch.setattr(connection, "SILENT", 3.0)
    cluster.worker("one", "--no-nanny")
    cluster.worker("two", "--no-nanny")
    usual = getattr(ClusterOwners, step)
    rounds = iter(range(100))

    def silenced(self: ClusterOwners, *arguments: Any) -> Any:
        if next(rounds) == 3:
            cluster.silence("two")
        return usual(self, *arguments)

    monkeypatch.setattr(ClusterOwners, step, silenced)

    found, model = searched(cluster.address, MakeGraph())

    assert alone() == (comparable(found), list(model.seen.items()))


def test_without_any_worker_the_search_ends(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one line, after a while."""
    monkeypatch.setattr(owners, "_APPEARS", 2.0)
    cluster.worker("one", "--no-nanny")
    marks = tmp_path / "marks"
    marks.mkdir()

    with pytest.raises(Undecided, match=r"no worker is left: start some with `dask worker`"):
        searched(cluster.address, MakeGraph(deadly=34, marks=marks))


def test_a_state_that_kills_every_worker_ends_the_search(cluster: LocalCluster, tmp_path: Path) -> None:
    """With one line, after a few."""
    cluster.worker("one")
    marks = tmp_path / "marks"
    marks.mkdir()

    with pytest.raises(Undecided, match="a round of the search was lost 5 times"):
        searched(cluster.address, MakeGraph(deadly=34, marks=marks, times=100))


def test_without_the_scheduler_the_search_ends(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one line that says what to start."""
    cluster.worker("one")
    expand = ClusterOwners.expand

    def expand_and_end(self: ClusterOwners, asked: Round, *rest: Any) -> Any:
        if asked.number == 3:
            cluster.end("scheduler")
        return expand(self, asked, *rest)

    monkeypatch.setattr(ClusterOwners, "expand", expand_and_end)

    with pytest.raises(Undecided, match=r"the scheduler at .* is gone: start it and its workers again"):
        searched(cluster.address, MakeGraph())
