"""Running a campaign: an executor runs its shards, and their results go into the store.

After each shard, all progress is in the store, so the process that runs a campaign may be killed at
any time; a resumed campaign runs the unfinished shards. Timeouts use a monotonic clock, and shards
start in numerical order.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from enum import StrEnum
from pathlib import Path

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.campaign.executor import Executor
from pfnlab.campaign.plan import Plan
from pfnlab.campaign.shard import Attempt, AttemptEnd
from pfnlab.campaign.store.database import damaged
from pfnlab.campaign.store.rows import WAITING, Shard, Sighting, this_host
from pfnlab.campaign.store.store import Store
from pfnlab.campaign.work import TASKS, work_of
from pfnlab.hunt.fuzz.filing import KnownFinding

_HERE = Path()

#: Seconds between checks for a request to stop.
_LOOKS = 1.0

#: Seconds after which shards that no worker accepts are left for a later run.
IDLE = 30.0


class CampaignEnd(StrEnum):
    """The reason why a run of a campaign ended."""

    #: Every shard is done or isolated.
    OVER = "over"
    STOPPED = "stopped"
    #: The budget of seconds is used up.
    OUT_OF_TIME = "out of time"
    #: Shards are waiting for a worker that can run them, and there is none.
    NO_WORKER = "no worker"


def begin_campaign(
    store: Store, plan: Plan, folder: Path = _HERE, known: Sequence[KnownFinding] = ()
) -> None:
    """Store *plan* with its shards in *store*; if it is already there, finished shards stay finished.

    :param known: for one night, the findings known before it
    :raises Misuse: if the store has other work under that name
    """
    store.begin(plan.name, msgspec.to_builtins(plan), plan.shards(folder, known))


def stored_plan(store: Store, name: str) -> Plan:
    """The plan of the campaign *name*.

    :raises Misuse: if the store has no such campaign, or is damaged
    """
    campaign = store.campaign(name)
    if campaign is None:
        names = ", ".join(campaign.name for campaign in store.campaigns()) or "none"
        raise Misuse(f"{store.address} has no campaign {name!r}: it has {names}")
    try:
        plan = msgspec.convert(campaign.plan, Plan)
    except msgspec.ValidationError as wrong:
        raise damaged(store.address, f"the plan of campaign {name}: {wrong}") from None
    if plan.name != name:
        raise damaged(store.address, f"the plan of campaign {name} is that of {plan.name}")
    return plan


def nights_of(store: Store, name: str) -> list[str]:
    """The campaigns of a nightly hunt *name*, oldest first."""
    night = re.compile(re.escape(name) + r"-\d{4}-\d\d-\d\d")
    return sorted(campaign.name for campaign in store.campaigns() if night.fullmatch(campaign.name))


def campaign_named(store: Store, name: str | None) -> str:
    """The name of the campaign that a command is about; the last night for the name of a nightly hunt.

    :param name: None if there is only one
    :raises Misuse: if there is no such campaign, or if no name is given and there is not exactly one campaign
    """
    if name is not None:
        nights = nights_of(store, name) if store.campaign(name) is None else []
        return nights[-1] if nights else stored_plan(store, name).name
    names = [campaign.name for campaign in store.campaigns()]
    if len(names) == 1:
        return names[0]
    if not names:
        raise Misuse(f"{store.address} has no campaign: pfnlab campaign run FILE starts one")
    raise Misuse(f"{store.address} has several campaigns, name one: {', '.join(names)}")


def stored_shards(store: Store, name: str) -> list[Shard]:
    """The shards of campaign *name*, in order, each with valid work for its task.

    :raises Misuse: if the store is damaged
    """
    shards = store.shards(name)
    for shard in shards:
        place = f"shard {shard.number} of {name}"
        if shard.task not in TASKS:
            raise damaged(store.address, f"{place}: there is no task {shard.task}")
        try:
            work_of(shard.task, shard.work)
        except msgspec.ValidationError as wrong:
            raise damaged(store.address, f"{place}: {wrong}") from None
    return shards


def run_campaign(
    store: Store,
    name: str,
    executor: Executor,
    *,
    on_end: Callable[[Shard | None], object] = lambda isolated: None,
    idle: float = IDLE,
) -> CampaignEnd:
    """Run the unfinished shards of a campaign.

    :param executor: an open executor
    :param on_end: called after each shard that is done, and with each one that was given up on
    :param idle: seconds after which shards that no worker accepts are left for later
    :raises Misuse: if the store has no such campaign, or another process is running it
    :raises Undecided: if the store or the executor failed; stored results are kept
    """
    with store.running(name):
        # An earlier request to stop was meant for an earlier run.
        store.go_on(name)
        return _CampaignRun(store, name, executor, on_end, idle).run()


class _CampaignRun:
    """One run: the shards that are waiting and those that are running."""

    def __init__(
        self,
        store: Store,
        name: str,
        executor: Executor,
        on_end: Callable[[Shard | None], object],
        idle: float,
    ) -> None:
        self._store, self._name, self._executor = store, name, executor
        self._on_end, self._idle = on_end, idle
        self._plan = stored_plan(store, name)
        shards = stored_shards(store, name)
        # Shards that need QEMU are queued separately, so that they do not hold up the others.
        self._waiting = {
            needs_qemu: deque(
                shard for shard in shards if shard.state == WAITING and shard.needs_qemu is needs_qemu
            )
            for needs_qemu in (True, False)
        }
        self._running: dict[Future[Attempt], Shard] = {}

    def run(self) -> CampaignEnd:
        began = busy = time.monotonic()
        looked = float("-inf")
        budget = self._plan.budget.seconds
        while self._running or any(self._waiting.values()):
            now = time.monotonic()
            if now - looked >= _LOOKS:
                looked = now
                if self._is_stopped():
                    return CampaignEnd.STOPPED
            self._give_out(more=(more := budget is None or now - began < budget))
            if not more and not self._running:
                return CampaignEnd.OUT_OF_TIME
            if self._running:
                busy = now
            elif now - busy > self._idle:
                return CampaignEnd.NO_WORKER
            if not self._running:
                time.sleep(_LOOKS)
            for ended in wait(self._running, _LOOKS, FIRST_COMPLETED).done:
                self._record(self._running.pop(ended), ended.result())
        return CampaignEnd.OVER

    def _is_stopped(self) -> bool:
        campaign = self._store.campaign(self._name)
        return campaign is None or campaign.stop

    def _give_out(self, *, more: bool) -> None:
        for needs_qemu, waiting in self._waiting.items():
            # Always asked, because the executor may be gone.
            while self._executor.room(needs_qemu=needs_qemu) > 0 and waiting and more:
                stored = waiting.popleft()
                self._running[self._executor.submit(stored)] = stored

    def _record(self, stored: Shard, attempt: Attempt) -> None:
        if (content := attempt.content) is not None:
            host = attempt.host or this_host()
            seen = Sighting(self._name, stored.number, attempt.version, content.kernels, content.seed, host)
            self._store.finish(seen, content.results, took=attempt.seconds, programs=content.programs)
            self._on_end(None)
        elif self._store.failed(
            self._name,
            stored.number,
            attempt.reason,
            lost=attempt.end is AttemptEnd.LOST,
            most=self._plan.limits.tries,
            most_lost=self._plan.limits.lost,
        ):
            self._on_end(msgspec.structs.replace(stored, reason=attempt.reason))
        else:
            self._waiting[stored.needs_qemu].append(stored)
