"""Clusters of this host for tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from local_cluster import LocalCluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    """A scheduler without workers."""
    with LocalCluster(tmp_path) as cluster:
        cluster.scheduler()
        yield cluster


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A scheduler with two workers, which tests leave as they are."""
    with LocalCluster(tmp_path_factory.mktemp("cluster")) as pair:
        pair.scheduler()
        pair.worker("one", qemu=True)
        pair.worker("two")
        yield pair
