"""The connection to a cluster: what is wrong is reported in one line, within a few seconds."""

from __future__ import annotations

import logging
import shutil
import socket
import sys
from pathlib import Path

import pytest
from local_cluster import SOURCE, LocalCluster

from pfnlab import __version__
from pfnlab.base.errors import MissingTool, Misuse, Undecided
from pfnlab.campaign.cluster import connection
from pfnlab.campaign.cluster.connection import (
    check_address,
    check_same,
    connected,
    versions,
    worker_addresses,
)

pytestmark = pytest.mark.xdist_group("cluster")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "tls://host.example:1", "host:8786", "[::1]:99"])
def test_addresses_of_schedulers_are_taken(address: str) -> None:
    """With a protocol and without."""
    assert address == check_address(address)


@pytest.mark.parametrize("address", ["", "host", "tcp://host", "http://host:80", "a b:1", "tcp://host:port"])
def test_other_addresses_are_refused(address: str) -> None:
    """With an example of one."""
    with pytest.raises(
        Misuse, match=r"is not the address of a scheduler: write it as tcp://127\.0\.0\.1:8786"
    ):
        check_address(address)


def test_a_port_at_which_nobody_listens() -> None:
    """Nobody waits long."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"

    with pytest.raises(Undecided, match=f"no scheduler answers at {address}: start one"), connected(address):
        pass


def test_a_port_at_which_somebody_else_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who accepts and never says anything."""
    monkeypatch.setattr(connection, "ANSWERS", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()

        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Undecided, match="no scheduler answers"), connected(address):
            pass


def test_a_scheduler_without_workers(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line has the command for one."""
    monkeypatch.setattr(connection, "ANSWERS", 2.0)

    line = f"has no worker that answers: start one with `dask worker {cluster.address}`"
    with pytest.raises(Undecided, match=line), connected(cluster.address):
        pass


def test_a_cluster_of_the_same_version(pair: LocalCluster) -> None:
    """Its workers are known, and what dask logs is as before."""
    level = logging.getLogger("distributed").level

    with connected(pair.address) as client:
        assert 2 == len(worker_addresses(client))

    assert level == logging.getLogger("distributed").level


@pytest.mark.parametrize(
    ("file", "before", "after", "line"),
    [
        (
            "base/version.py",
            f'"{__version__}"',
            '"99.0"',
            f"has pfnlab 99.0, and this is pfnlab {__version__}",
        ),
        (
            "kernel/mm/vma.py",
            '"""',
            '# changed\n"""',
            f"has other sources of pfnlab {__version__}: install the same there",
        ),
    ],
    ids=["version", "sources"],
)
def test_a_worker_of_another_version_is_refused(
    cluster: LocalCluster, tmp_path: Path, file: str, before: str, after: str, line: str
) -> None:
    """Of another release, and of the same one with other sources."""
    shutil.copytree(SOURCE / "pfnlab", tmp_path / "other" / "pfnlab")
    changed = tmp_path / "other" / "pfnlab" / file
    text = changed.read_text()
    assert before in text
    changed.write_text(text.replace(before, after, 1))
    cluster.worker("other", source=tmp_path / "other")

    with pytest.raises(Misuse, match=line), connected(cluster.address):
        pass


def test_a_scheduler_of_another_version_is_refused(tmp_path: Path) -> None:
    """It reads what goes to workers."""
    shutil.copytree(SOURCE / "pfnlab", tmp_path / "other" / "pfnlab")
    (tmp_path / "other" / "pfnlab" / "units.py").open("a").write("# changed\n")

    with LocalCluster(tmp_path) as cluster:
        cluster.scheduler(source=tmp_path / "other")
        line = f"the scheduler at {cluster.address} has other sources of pfnlab {__version__}"
        with pytest.raises(Misuse, match=line), connected(cluster.address):
            pass


def test_a_worker_of_another_python_is_refused() -> None:
    """Or with another dask, or without pfnlab."""
    here = versions()

    check_same("worker w", here, dict(here))
    for name, line in (
        ("Python", "worker w has Python 1.5, and this is Python {}.{}".format(*sys.version_info)),
        ("distributed", "worker w has distributed 1.5, and this is distributed"),
    ):
        with pytest.raises(Misuse, match=line):
            check_same("worker w", here, here | {name: "1.5"})
    with pytest.raises(Misuse, match=r"worker w has no pfnlab: install pfnlab\[cluster\]"):
        check_same("worker w", here, {})


def test_a_worker_without_pfnlab_is_asked_all_the_same() -> None:
    """The question comes by value: nothing of pfnlab is named in it that has to be imported first."""
    import cloudpickle

    asked = cloudpickle.loads(cloudpickle.dumps(connection._teller()))

    assert versions() == asked()
    assert b"_teller" not in cloudpickle.dumps(asked).split(b"connection")[0]


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line."""
    monkeypatch.setitem(sys.modules, "distributed", None)

    line = r"a cluster needs distributed, which is not installed: .*'pfnlab\[cluster\]'"
    with pytest.raises(MissingTool, match=line), connected("tcp://127.0.0.1:8786"):
        pass


@pytest.mark.parametrize("name", ["mm.py", "switches.toml", "known_kernels.jsonl", "munmap-middle.pfn"])
def test_other_rules_are_other_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """They are in data files too."""
    monkeypatch.setattr(connection, "files", lambda _: tmp_path)
    (tmp_path / name).write_text("one\n")
    first = connection.sources_digest.__wrapped__()

    (tmp_path / name).write_text("two\n")

    assert first != connection.sources_digest.__wrapped__()
