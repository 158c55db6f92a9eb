"""A connection to a dask scheduler; the scheduler, its workers and this process all have the same pfnlab."""

from __future__ import annotations

import asyncio
import importlib
import logging
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.base.extras import imported_from
from pfnlab.base.version import VERSION

if TYPE_CHECKING:
    from distributed import Client

#: Seconds that a scheduler, or its first worker, has to answer.
ANSWERS = 5.0

#: Seconds of silence after which a worker counts as gone; it sends a heartbeat every few seconds.
SILENT = 30.0

#: Suffixes of files that can affect a result.
_SOURCES = (".py", ".toml", ".json", ".jsonl", ".c", ".h", ".pfn", ".sql")

_ADDRESS = re.compile(r"(?:(?:tcp|tls|ws|wss)://)?(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}")

#: The resource of workers that can boot kernels, given as ``dask worker ... --resources "qemu=1"``.
QEMU = "qemu"


def dask_distributed() -> Any:
    """The package that connects to a cluster.

    :raises MissingTool: if it is not installed
    """
    with imported_from("cluster", "a cluster"):
        return importlib.import_module("distributed")


def check_address(address: str) -> str:
    """Return *address* if it is a scheduler's address.

    :raises Misuse: if it is not one
    """
    if _ADDRESS.fullmatch(address) is None:
        raise Misuse(f"{address!r} is not the address of a scheduler: write it as tcp://127.0.0.1:8786")
    return address


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client of the scheduler at *address*, whose workers all have this version of pfnlab.

    :raises MissingTool: if dask is not installed
    :raises Misuse: if it is not an address, or a worker has a different version
    :raises Undecided: if no scheduler answers, or it has no workers
    """
    distributed = dask_distributed()
    import dask

    check_address(address)
    logger = logging.getLogger("distributed")
    level = logger.level
    # Errors are reported on one line.
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with (
            dask.config.set(
                {
                    "distributed.comm.timeouts.connect": f"{ANSWERS:g}s",
                    # A partition that another worker adopts may be large.
                    "distributed.admin.large-graph-warning-threshold": "1TB",
                }
            ),
            _client(distributed, address) as client,
        ):
            _check_workers(client, address)
            yield client
    finally:
        logger.setLevel(level)


@contextmanager
def _client(distributed: Any, address: str) -> Iterator[Client]:
    with warnings.catch_warnings():
        # Version differences are reported in our own words.
        warnings.simplefilter("ignore")
        try:
            # The client has no timeout for a server that accepts the connection and then stays silent.
            asyncio.run(asyncio.wait_for(_ask(distributed, address), ANSWERS))
            client = distributed.Client(address, timeout=ANSWERS, set_as_default=False, name="pfnlab")
        except (OSError, TimeoutError, ValueError, EOFError):
            raise Undecided(
                f"no scheduler answers at {address}: start one with `dask scheduler`, "
                "or write the address that it prints"
            ) from None
    try:
        with client.as_current():
            yield client
    finally:
        client.close(timeout=ANSWERS)


async def _ask(distributed: Any, address: str) -> None:
    """Ask the scheduler to identify itself."""
    certificates = distributed.Security().get_connection_args("client")
    async with distributed.rpc(address, connection_args=certificates) as scheduler:
        await scheduler.identity()


def worker_addresses(client: Client) -> list[str]:
    """The workers that the scheduler knows and has heard from recently.

    The scheduler itself takes minutes to give up on a worker whose host vanished silently.

    :raises Undecided: if the scheduler is gone
    """
    if client.status != "running":
        raise _gone(client)
    try:
        silent = client.sync(client._run_on_scheduler, _seconds_of_silence, callback_timeout=ANSWERS)
    except Exception as trouble:
        # A lost scheduler is reported differently by different transports.
        raise _gone(client) from trouble
    return sorted(address for address, seconds in silent.items() if seconds < SILENT)


def _seconds_of_silence(dask_scheduler: Any) -> dict[str, float]:
    """Seconds since each worker's last heartbeat; runs in the scheduler, which fixes the argument's name."""
    # Relative to the newest heartbeat: after a suspend or a clock change, all heartbeats look
    # old to the scheduler.
    heard = [worker.last_seen for worker in dask_scheduler.workers.values()]
    now = max(heard) if len(heard) > 1 else time.time()
    return {address: now - worker.last_seen for address, worker in dask_scheduler.workers.items()}


def _gone(client: Client) -> Undecided:
    return Undecided(
        f"the scheduler at {client._start_arg} is gone: start it and its workers again, and then this command"
    )


def _check_workers(client: Client, address: str) -> None:
    """Check that the workers match this process.

    :raises Misuse: if a worker differs from this process
    :raises Undecided: if there are no workers
    """
    here = versions()
    try:
        # The scheduler deserializes messages to workers, so it needs the same package.
        told = client.sync(client._run_on_scheduler, _teller(), callback_timeout=2 * ANSWERS)
        check_same(f"the scheduler at {address}", here, told)
        client.wait_for_workers(1, timeout=ANSWERS)
        answers = client.sync(
            *(client._run, _teller()),
            nanny=False,
            workers=None,
            wait=True,
            on_error="return",
            callback_timeout=2 * ANSWERS,
        )
    except (TimeoutError, OSError):
        raise Undecided(
            f"the scheduler at {address} has no worker that answers: start one with `dask worker {address}`"
        ) from None
    for worker, there in sorted(answers.items()):
        check_same(f"worker {worker}", here, there if isinstance(there, dict) else {})


def versions() -> dict[str, str]:
    """The versions that must be the same in this process, the scheduler and the workers."""
    return {
        "pfnlab": VERSION,
        "distributed": dask_distributed().__version__,
        "Python": "{}.{}".format(*sys.version_info),
        "sources": sources_digest(),
    }


def check_same(who: str, here: Mapping[str, str], there: Mapping[str, str]) -> None:
    """Compare a client's :func:`versions` with those of a worker or the scheduler.

    :param there: the remote versions; empty if pfnlab is not installed there
    :raises Misuse: if they differ
    """
    for name in ("pfnlab", "distributed", "Python"):
        if name not in there:
            raise Misuse(f"{who} has no pfnlab: install pfnlab[cluster] {here['pfnlab']} there")
        if here[name] != there[name]:
            raise Misuse(
                f"{who} has {name} {there[name]}, and this is {name} {here[name]}: "
                "install the same there, and start it again"
            )
    if here["sources"] != there["sources"]:
        raise Misuse(
            f"{who} has other sources of pfnlab {here['pfnlab']}: install the same there, and start it again"
        )


def _teller() -> Callable[[], dict[str, str]]:
    """A function that reports a worker's versions. It is sent by value, to work without pfnlab there."""

    def tell() -> dict[str, str]:
        try:
            from pfnlab.base.version import VERSION
        except ImportError:
            return {}
        try:
            from pfnlab.campaign.cluster.connection import versions
        except ImportError:
            # That version does not support clusters yet.
            return {"pfnlab": VERSION, "distributed": "of another version"}
        return versions()

    return tell


@cache
def sources_digest() -> str:
    """A digest of this process's pfnlab sources, computed on the first call.

    Rules are also in data files: switches, eras, scopes.
    """
    root = Path(str(files("pfnlab")))
    digest = blake2b(digest_size=16)
    for file in sorted(file for file in root.rglob("*") if file.suffix in _SOURCES):
        digest.update(f"{file.relative_to(root)}\n".encode() + file.read_bytes())
    return digest.hexdigest()
