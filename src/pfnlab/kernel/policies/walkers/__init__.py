"""Walkers: how readers of a task's pages recognize a page. One module per policy, sorted by name."""

from collections.abc import Callable

from pfnlab.kernel.mm.walk_policy import WalkerPolicy
from pfnlab.kernel.policies.walkers.early_refusal import EarlyRefusal
from pfnlab.kernel.policies.walkers.page_test_skip import PageTestSkip
from pfnlab.kernel.policies.walkers.special_bits import SpecialBits

WALKERS: dict[str, Callable[[], WalkerPolicy]] = {
    "early_refusal": EarlyRefusal,
    "page_test_skip": PageTestSkip,
    "special_bits": SpecialBits,
}
