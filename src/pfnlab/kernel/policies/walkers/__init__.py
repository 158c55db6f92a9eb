"""Walkers: how readers of a task's pages recognize a page. One module per policy."""

from collections.abc import Callable

from pfnlab.kernel.mm.walk_policy import WalkerPolicy
from pfnlab.kernel.policies.shipped_policies import policies_in

WALKERS: dict[str, Callable[[], WalkerPolicy]] = policies_in("walkers")
