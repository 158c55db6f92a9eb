"""A kernel with the policies its profile names, whether from this package or user-defined."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pfnlab.base.own_code import own_mistakes
from pfnlab.kernel.hw.platform import Platform
from pfnlab.kernel.mm.configuration import Configuration
from pfnlab.kernel.mm.gather import Flushes
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.mm.walk_policy import Walkers
from pfnlab.kernel.policies.guard import Guard
from pfnlab.kernel.policies.own import has_own_check, is_path, load_policy
from pfnlab.kernel.policies.reports import REPORTS
from pfnlab.kernel.policies.seams import POLICIES


def boot(profile: Profile, platform: Platform) -> Kernel:
    """Boot a kernel with *profile* on *platform*, without any tasks.

    :raises PolicyError: if a user-defined policy cannot be loaded
    """
    platform = configured_platform(platform, profile.configuration)
    kernel = Kernel(profile, platform, lambda kernel: _policy("tracker", profile.tracker, kernel))
    kernel.book.report = REPORTS[profile.freed_in_vain]()
    kernel.flushes = Flushes(*_policies("flush", profile.flushes, kernel))
    kernel.walkers = Walkers(*_policies("walker", profile.walkers, kernel))
    return kernel


def configured_platform(platform: Platform, configuration: Configuration) -> Platform:
    """The machine as a kernel with this configuration sees it (S13.2, S13.7, S13.8)."""
    return replace(
        platform,
        strict_devmem=platform.strict_devmem and configuration.strict_devmem,
        io_strict_devmem=platform.io_strict_devmem and configuration.io_strict_devmem,
        transparent_hugepage=platform.transparent_hugepage if configuration.huge_pages else "never",
    )


def guard_own(kernel: Kernel) -> list[Guard]:
    """Replace each of *kernel*'s user-defined policies with a guard around it; return the guards."""
    profile = kernel.profile
    named: list[tuple[str, str, object]] = [("tracker", profile.tracker, kernel.tracker)]
    named += [("flush", name, policy) for name, policy in zip(profile.flushes, kernel.flushes, strict=True)]
    named += [("walker", name, policy) for name, policy in zip(profile.walkers, kernel.walkers, strict=True)]
    own = {id(policy): (name, seam, policy) for seam, name, policy in named if is_path(name)}
    guards: dict[int, Any] = {key: Guard(*one, kernel) for key, one in own.items()}
    if guards:
        kernel.tracker = guards.get(id(kernel.tracker), kernel.tracker)
        kernel.flushes = Flushes(*[guards.get(id(policy), policy) for policy in kernel.flushes])
        kernel.walkers = Walkers(*[guards.get(id(policy), policy) for policy in kernel.walkers])
    return list(guards.values())


def has_own(profile: Profile) -> bool:
    """True if any policy in *profile* is user-defined."""
    return any(map(is_path, (profile.tracker, *profile.flushes, *profile.walkers)))


def check_own(kernel: Kernel) -> None:
    """Let a user-defined tracker assert its invariants over all VMAs, between two operations.

    :raises PolicyError: if an invariant is violated
    """
    tracker = kernel.tracker
    kind: type = type(tracker)
    if isinstance(tracker, Guard) or has_own_check(kind):
        with own_mistakes():
            tracker._check(kernel.vmas())


def _policies(seam: str, names: Sequence[str], kernel: Kernel) -> list[Any]:
    """The policies with these names: one object per name, because a policy may have state."""
    policies = {name: _policy(seam, name, kernel) for name in dict.fromkeys(names)}
    return [policies[name] for name in names]


def _policy(seam: str, name: str, kernel: Kernel) -> Any:
    if is_path(name):
        make = load_policy(name, seam).make
        with own_mistakes(name, "__init__"):
            return make(*([kernel] if seam == "tracker" else []))
    return POLICIES[seam][name](*([kernel] if seam == "tracker" else []))
