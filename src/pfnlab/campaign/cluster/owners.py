"""The owners of a partitioned search, which are on workers, and how the search calls them.

An owner (:class:`~pfnlab.checker.search.owner.Owner`) lives in a dask actor, so it ends along with the client
that started the search. Requests to it run as tasks on its worker. Boxes go directly from worker to worker.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from pfnlab.base.errors import Defect, PfnlabError, Undecided
from pfnlab.campaign.cluster.connection import check_same, dask_distributed, versions, worker_addresses
from pfnlab.checker.search.exploration import Property
from pfnlab.checker.search.model import Model
from pfnlab.checker.search.owner import (
    ChoiceWay,
    LostPartError,
    Owner,
    OwnerData,
    OwnerProgress,
    Round,
    RoundAnswer,
)
from pfnlab.checker.search.partitioned import PartsLostError

if TYPE_CHECKING:
    from distributed import Client, Future

#: Makes a search's model and properties; it is sent to every worker.
MakeSearch = Callable[[], tuple[Model[Any], Sequence[Property[Any]]]]

#: Seconds until a required worker must be available; a new one takes a few seconds to start.
_APPEARS = 30.0

#: Seconds for one step of a round, which has two steps; a slower worker counts as hung.
_ANSWERS = 900.0

#: Seconds between checks for available workers.
_LOOKS = 0.5

#: The owners in this process, by search and part. A dask actor keeps each of them alive.
_HELD: WeakValueDictionary[tuple[str, int], PartHolder] = WeakValueDictionary()


class PartHolder:
    """The owner of one part, on a worker.

    :param client: the client's versions, see :func:`~pfnlab.campaign.cluster.connection.versions`
    :raises Misuse: if this worker has different versions
    """

    def __init__(
        self, search: str, part: int, parts: int, make: MakeSearch, client: Mapping[str, str]
    ) -> None:
        # Workers that joined during the search have not been checked yet.
        check_same(f"worker {dask_distributed().get_worker().address}", client, versions())
        model, properties = make()
        self.owner: Owner[Any] = Owner(model, properties, part, parts)
        # A task from an abandoned round may still be running.
        self.lock = threading.Lock()
        self.attempt = -1
        _HELD[search, part] = self


@contextmanager
def _held(search: str, part: int, attempt: int) -> Iterator[Owner[Any]]:
    """The owner, for a task of the latest attempt only.

    :raises LostPartError: if it is missing, or the search has started another attempt
    """
    holder = _HELD.get((search, part))
    if holder is None:
        raise LostPartError
    with holder.lock:
        if attempt < holder.attempt:
            raise LostPartError
        holder.attempt = attempt
        yield holder.owner


def _take_over(search: str, part: int, attempt: int, actor: object, round_: int, holding: OwnerData) -> None:
    with _held(search, part, attempt) as owner:
        owner.take_over(round_, holding)


def _call_owner(search: str, part: int, attempt: int, method: str, *arguments: Any) -> Any:
    with _held(search, part, attempt) as owner:
        return getattr(owner, method)(*arguments)


def _settle(search: str, part: int, attempt: int, end: int, *boxes: bytes) -> RoundAnswer:
    with _held(search, part, attempt) as owner:
        return owner.settle(boxes, end)


class ClusterOwners:
    """:class:`~pfnlab.checker.search.partitioned.Owners` on the workers of a cluster, one part per worker.

    If a worker is lost, another one adopts its part as a second part.

    :param make: makes the model and the properties on a worker
    """

    round_seconds = 2.0

    def __init__(self, client: Client, make: MakeSearch) -> None:
        self._client, self._make = client, make
        self._search = uuid.uuid4().hex
        self.parts = len(self._workers())
        self._attempt = 0
        self._homes: dict[int, str] = {}
        #: The owners live as long as these references do.
        self._actors: dict[int, Future] = {}

    def host(self, round_: int, holdings: Mapping[int, OwnerData]) -> None:
        workers = self._workers()
        self._attempt += 1
        self._homes = {part: home for part, home in self._homes.items() if part not in holdings}
        futures = {}
        for part, holding in holdings.items():
            homes = list(self._homes.values())
            home = self._homes[part] = min(workers, key=lambda worker: (homes.count(worker), worker))
            arguments = (self._search, part, self.parts, self._make, versions())
            self._actors[part] = self._submit(home, PartHolder, *arguments, actor=True)
            futures[part] = self._task(part, _take_over, self._actors[part], round_, holding)
        self._answers(futures)

    def expand(self, request: Round, numbers: Sequence[array[int]]) -> dict[int, OwnerProgress]:
        self._attempt += 1
        return self._answers(
            {part: self._task(part, _call_owner, "expand", request, numbers[part]) for part in self._homes}
        )

    def go_on(self, ways: Mapping[int, ChoiceWay]) -> dict[int, OwnerProgress]:
        return self._answers(
            {part: self._task(part, _call_owner, "go_on", way) for part, way in ways.items()}
        )

    def settle(self, end: int) -> list[RoundAnswer]:
        parts = range(self.parts)
        boxes = {
            part: [self._task(sender, _call_owner, "box", part) for sender in parts if sender != part]
            for part in parts
        }
        answers = self._answers({part: self._task(part, _settle, end, *boxes[part]) for part in parts})
        return [answers[part] for part in parts]

    def _workers(self) -> list[str]:
        """The available workers, at least one (Undecided after a while without any)."""
        until = time.monotonic() + _APPEARS
        while not (workers := worker_addresses(self._client)):
            if time.monotonic() > until:
                raise Undecided(
                    "no worker is left: start some with `dask worker`, and begin the search again"
                )
            time.sleep(_LOOKS)
        return workers

    def _task(self, part: int, function: Callable[..., Any], *arguments: Any) -> Future:
        return self._submit(self._homes[part], function, self._search, part, self._attempt, *arguments)

    def _submit(self, home: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Future:
        return self._client.submit(
            function, *arguments, workers=[home], allow_other_workers=False, pure=False, **options
        )

    def _answers(self, futures: Mapping[int, Future]) -> dict[int, Any]:
        """The answers from tasks, by part.

        :raises PartsLostError: if some cannot be computed because workers are gone
        """
        until = time.monotonic() + _ANSWERS
        # An answer may be lost along with its worker, and fetching it has no timeout either.
        fetching = self._client.gather(list(futures.values()), asynchronous=True)
        got = asyncio.run_coroutine_threadsafe(fetching, self._client.loop.asyncio_loop)
        try:
            while not wait([got], timeout=_LOOKS).done:
                late = [part for part, future in futures.items() if not future.done()]
                self._check_homes(futures, late if time.monotonic() > until else [])
            return dict(zip(futures, got.result(), strict=True))
        except (PfnlabError, PartsLostError):
            raise
        except Exception as error:
            self._check_homes(
                futures, [part for part, future in futures.items() if future.done() and _lost(future)]
            )
            raise Defect(f"a worker cannot do its part: {type(error).__name__}: {error}") from error
        finally:
            got.cancel()

    def _check_homes(self, futures: Mapping[int, Future], lost: Sequence[int]) -> None:
        """Check that the workers for all parts are still there.

        :param lost: further parts that are known to be lost
        :raises PartsLostError: if workers are gone, or *lost* is not empty
        """
        here = set(worker_addresses(self._client))
        parts = {*lost, *(part for part, home in self._homes.items() if home not in here)}
        if parts:
            self._client.cancel(list(futures.values()), force=True)
            raise PartsLostError(sorted(parts))


def _lost(future: Future) -> bool:
    """True if a task failed because an object it needs is gone from the worker."""
    if future.status == "finished":
        return False
    if future.status != "error":
        return True
    error = future.exception()
    return isinstance(error, LostPartError | OSError) or type(error).__name__ == "KilledWorker"
