"""Running a campaign: shards go out to an executor, and what comes back goes into the store.

Everything that matters is in the store after each shard, so the process that runs a campaign may be killed at
any time; a resumed one runs the shards that are not done. Waiting is by a clock that does not jump, and
the numbers of shards decide what comes first.
"""

import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.campaign.executor import Executor
from pfnlab.campaign.plan import Plan
from pfnlab.campaign.shard import Attempt, AttemptEnd, Shard
from pfnlab.campaign.store.database import damaged
from pfnlab.campaign.store.rows import DONE, WAITING, SeenWith, StoredShard, this_host
from pfnlab.campaign.store.store import Store
from pfnlab.campaign.work import TASKS, work_of

_HERE = Path()

#: Seconds between two looks at whether somebody asked to stop.
_LOOKS = 1.0

#: Seconds after which shards that no worker wants are left for another time.
IDLE = 30.0


class CampaignEnd(StrEnum):
    """Why a run of a campaign ended."""

    #: Every shard is done or isolated.
    OVER = "over"
    STOPPED = "stopped"
    #: The budget of seconds is used up.
    OUT_OF_TIME = "out of time"
    #: Shards wait for a worker that can run them, which there is not.
    NO_WORKER = "no worker"


class CampaignProgress(msgspec.Struct, frozen=True):
    """How far a campaign is, for those who wait.

    :param isolated: the shard that was just given up, with its reason; None where none was
    """

    done: int
    running: int
    total: int
    isolated: StoredShard | None = None


def begin_campaign(store: Store, plan: Plan, folder: Path = _HERE) -> None:
    """Keep *plan* with its shards in *store*; where it is there already, nothing that is done is done again.

    :raises Misuse: the store has other work under that name
    """
    shards = [
        StoredShard(number=number, digest=shard.key, **msgspec.structs.asdict(shard))
        for number, shard in enumerate(plan.shards(folder))
    ]
    store.begin(plan.name, msgspec.to_builtins(plan), shards)


def stored_plan(store: Store, name: str) -> Plan:
    """The plan of the campaign *name*.

    :raises Misuse: the store has no such campaign, or is damaged
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


def campaign_named(store: Store, name: str | None) -> str:
    """The name of the campaign that a command is about.

    :param name: None for the only one
    :raises Misuse: there is none of that name; or none is named, and there are several or none
    """
    if name is not None:
        return stored_plan(store, name).name
    names = [campaign.name for campaign in store.campaigns()]
    if len(names) == 1:
        return names[0]
    if not names:
        raise Misuse(f"{store.address} has no campaign: pfnlab campaign run FILE begins one")
    raise Misuse(f"{store.address} has several campaigns, name one: {', '.join(names)}")


def stored_shards(store: Store, name: str) -> list[StoredShard]:
    """The shards of the campaign *name*, in order, each with work of its task.

    :raises Misuse: the store is damaged
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
    on_progress: Callable[[CampaignProgress], None] = lambda progress: None,
    idle: float = IDLE,
) -> CampaignEnd:
    """Run the shards of a campaign that are not done.

    :param executor: opened
    :param idle: seconds after which shards that no worker wants are left
    :raises Misuse: the store has no such campaign, or another process runs it
    :raises Undecided: the store or the executor failed; what was kept is kept
    """
    with store.running(name):
        # Who asked to stop meant an earlier run.
        store.go_on(name)
        return _Running(store, name, executor, on_progress, idle).run()


class _Running:
    """One run: the shards that wait and those that run."""

    def __init__(
        self,
        store: Store,
        name: str,
        executor: Executor,
        on_progress: Callable[[CampaignProgress], None],
        idle: float,
    ) -> None:
        self._store, self._name, self._executor = store, name, executor
        self._on_progress, self._idle = on_progress, idle
        self._plan = stored_plan(store, name)
        shards = stored_shards(store, name)
        self._total = len(shards)
        self._done = sum(shard.state == DONE for shard in shards)
        self._isolated = sum(shard.state not in (DONE, WAITING) for shard in shards)
        # Those that need QEMU apart, so that they do not keep the others waiting.
        self._waiting = {
            needs_qemu: deque(
                shard for shard in shards if shard.state == WAITING and shard.needs_qemu is needs_qemu
            )
            for needs_qemu in (True, False)
        }
        self._running: dict[str, StoredShard] = {}

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
            if budget is None or now - began < budget:
                self._give_out()
            elif not self._running:
                return CampaignEnd.OUT_OF_TIME
            if self._running:
                busy = now
            elif now - busy > self._idle:
                return CampaignEnd.NO_WORKER
            for attempt in self._executor.completed(_LOOKS):
                self._record(attempt)
        return CampaignEnd.OVER

    def _is_stopped(self) -> bool:
        campaign = self._store.campaign(self._name)
        return campaign is None or campaign.stop

    def _give_out(self) -> None:
        for needs_qemu, waiting in self._waiting.items():
            while waiting and self._executor.room(needs_qemu=needs_qemu) > 0:
                stored = waiting.popleft()
                self._running[stored.digest] = stored
                self._executor.submit(msgspec.convert(stored, Shard, from_attributes=True))

    def _record(self, attempt: Attempt) -> None:
        stored = self._running.pop(attempt.key, None)
        if stored is None:
            # Handed over twice.
            return
        isolated = None
        if attempt.end is AttemptEnd.DONE and attempt.content is not None:
            content = attempt.content
            self._store.finish(
                self._name,
                stored.number,
                content.results,
                SeenWith(
                    version=attempt.version,
                    kernels=content.kernels,
                    seed=content.seed,
                    host=attempt.host or this_host(),
                ),
                took=attempt.seconds,
                programs=content.programs,
            )
            self._done += 1
        elif self._store.failed(
            self._name,
            stored.number,
            attempt.reason,
            lost=attempt.end is AttemptEnd.LOST,
            most=self._plan.limits.tries,
            most_lost=self._plan.limits.lost,
        ):
            self._isolated += 1
            isolated = msgspec.structs.replace(stored, reason=attempt.reason)
        else:
            self._waiting[stored.needs_qemu].append(stored)
        running = len(self._running)
        self._on_progress(CampaignProgress(self._done + self._isolated, running, self._total, isolated))
