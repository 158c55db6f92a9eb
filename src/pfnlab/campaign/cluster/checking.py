"""A check on a cluster: states are partitioned among the workers, with the same result as on one host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pfnlab.base.errors import Misuse
from pfnlab.base.progress import working
from pfnlab.campaign.cluster.connection import connected
from pfnlab.campaign.cluster.owners import ClusterOwners
from pfnlab.checker.check import CheckResult, check
from pfnlab.checker.check_all import progress_display
from pfnlab.checker.limits import UNLIMITED, CheckLimits, Exhaustive, Walks
from pfnlab.checker.scopes.domain import KernelModel
from pfnlab.checker.scopes.properties import properties
from pfnlab.checker.scopes.question import Question
from pfnlab.checker.scopes.scope import RaceScope, Scope
from pfnlab.checker.search.exploration import Exploration, Property
from pfnlab.checker.search.partitioned import explore_partitioned
from pfnlab.kernel.policies.own import files_in
from pfnlab.programs.model.model_machine import ModelMachine

if TYPE_CHECKING:
    from distributed import Client


class KernelSearch:
    """Makes the model and properties of a check, on any worker."""

    def __init__(self, machine: ModelMachine, scope: Scope, selection: Sequence[Question]) -> None:
        self._machine, self._scope, self._selection = machine, scope, tuple(selection)

    def __call__(self) -> tuple[KernelModel, Sequence[Property[Any]]]:
        model = KernelModel(self._machine, self._scope)
        return model, list(properties(model, self._selection))


def limits_on_cluster(machine: ModelMachine, scope: Scope | RaceScope, limits: CheckLimits) -> Exhaustive:
    """The limits of a search, if workers support them.

    :raises Misuse: if workers do not support them; the message names the option to drop
    """
    if isinstance(scope, RaceScope):
        raise Misuse(
            f"--cluster searches sequences of operations, and scope {scope.name} has races: leave it out"
        )
    if own := files_in(f"model:{machine.spec}"):
        raise Misuse(f"{own[0]} is a policy of this host, which workers cannot load: drop --cluster")
    if isinstance(limits, Exhaustive) and not limits.every_order:
        return limits
    option = "--random" if isinstance(limits, Walks) else "--every-order"
    raise Misuse(f"--cluster does not go with {option}: leave one out")


def check_on_cluster(
    client: Client,
    machine: ModelMachine,
    scope: Scope | RaceScope,
    selection: Sequence[Question] | None = None,
    limits: CheckLimits = UNLIMITED,
    *,
    progress: Callable[[Exploration[Any]], None] | None = None,
) -> CheckResult:
    """:func:`~pfnlab.checker.check.check` on the workers of *client*, with the same result.

    :raises Misuse: if workers cannot do it
    :raises Undecided: if the scheduler is gone, or no workers are left
    """
    searched = limits_on_cluster(machine, scope, limits)

    def elsewhere(
        model: KernelModel,
        predicates: Sequence[Property[Any]],
        selection: Sequence[Question],
        depth: int | None,
    ) -> Exploration[Any]:
        return explore_partitioned(
            model,
            predicates,
            ClusterOwners(client, KernelSearch(machine, model.scope, selection)),
            depth=depth,
            states=searched.states,
            seconds=searched.seconds,
            progress=progress,
        )

    return check(machine, scope, selection, limits, elsewhere=elsewhere)


def check_all_on_cluster(
    address: str,
    machines: Sequence[ModelMachine],
    scope: Scope | RaceScope,
    selection: Sequence[Question],
    limits: CheckLimits = UNLIMITED,
) -> list[CheckResult]:
    """:func:`~pfnlab.checker.check_all.check_all` on the workers of the scheduler at *address*.

    The checks run one machine after another, because each uses the whole cluster.

    :raises Misuse: if workers cannot do it
    """
    for machine in machines:
        limits_on_cluster(machine, scope, limits)
    found = []
    with connected(address) as client:
        for machine in machines:
            with working(f"checking model:{machine.spec}") as work:
                progress = progress_display(work, scope, limits)
                found.append(check_on_cluster(client, machine, scope, selection, limits, progress=progress))
    return found
