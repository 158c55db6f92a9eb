"""The competing designs that the model can run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, Request, Say

VERBS = ("list", "show")


class PolicyListRequest(Request, frozen=True, kw_only=True):
    """List every policy by seam, and the kernel profiles."""


def perform_list(request: PolicyListRequest, say: Say) -> Iterator[PlainText]:
    """List every policy with its first sentence, then the profiles."""
    yield PlainText("".join(f"{line}\n" for line in _lines()))


def _lines() -> Iterator[str]:
    from pfnlab.kernel.policies.releases import CONFIRMED
    from pfnlab.kernel.policies.shipped_policies import all_policies
    from pfnlab.programs.runs.named_machines import all_series

    policies = list(all_policies())
    width = max((len(policy.name) for policy in policies), default=0)
    for seam in dict.fromkeys(policy.seam for policy in policies):
        yield seam
        for policy in policies:
            if policy.seam == seam:
                yield f"  {policy.name:<{width}}   {policy.says.partition(chr(10))[0]}"
        if seam == "trackers":
            from pfnlab.kernel.policies.seams import VM_PAT_ERAS

            # A single tracker, with the fixes of its time.
            yield from (f"  {name:<{width}}   {says}" for name, says in VM_PAT_ERAS.items())
        yield from _places(seam)
    series = all_series()
    yield "profiles"
    yield f"  {', '.join(name for name in series if name in CONFIRMED)}"
    yield f"  not confirmed on a kernel: {', '.join(name for name in series if name not in CONFIRMED)}"


def _places(folder: str) -> Iterator[str]:
    """Return the places of a seam that may have a policy of their own."""
    from pfnlab.kernel.policies import FOLDERS
    from pfnlab.kernel.policies.seams import PLACES

    for seam, places in PLACES.items():
        if FOLDERS[seam] == folder:
            yield f"  for one place: {', '.join(f'{seam}.{place}=' for place in places)}"


class PolicyRequest(Request, frozen=True, kw_only=True):
    """Print the source of a policy, the switches of a kernel, or the differences between two kernels.

    A kernel is a series, an exact version, or a distribution's package version, e.g. 6.1.176-1.
    """

    name: Annotated[str, Option("A policy, or a kernel, e.g. 7.2 or 6.12.94.", "NAME", positional=True)]
    other: Annotated[
        str | None,
        Option("Another kernel; the differences are printed side by side.", "OTHER", positional=True),
    ] = None


def perform_show(request: PolicyRequest, say: Say) -> Iterator[PlainText]:
    """Return the source, or the switches; Misuse if there is no such policy or profile."""
    from pfnlab.present.report.profile_lines import profile_lines, two_profiles

    if request.other is not None:
        lines = two_profiles(_version(request.name), _version(request.other))
    elif request.name[:1].isdigit():
        lines = profile_lines(_version(request.name))
    else:
        yield PlainText(_one(request.name))
        return
    yield PlainText.line("\n".join(lines))


def _one(name: str) -> str:
    """Return the source of a policy, or the switches of one of its eras; Misuse if the name is unknown."""
    from pfnlab.base.spelling import guess
    from pfnlab.kernel.policies.seams import VM_PAT_ERAS, era_switches
    from pfnlab.kernel.policies.shipped_policies import all_policies
    from pfnlab.programs.runs.named_machines import all_series

    if name in VM_PAT_ERAS:
        switches = (f"{switch:<26} {'on' if on else 'off'}\n" for switch, on in era_switches(name).items())
        return f"{name}: {VM_PAT_ERAS[name]}; from commit messages\n\n{''.join(switches)}"
    sources = {policy.name: policy.source for policy in all_policies()}
    if name not in sources:
        choices = [*sources, *VM_PAT_ERAS, *all_series()]
        raise Misuse(
            f"no policy or profile {name!r}: {guess(name, choices)}known are {', '.join(choices)}, "
            "and exact versions such as 6.12.94"
        )
    return sources[name]


def _version(name: str) -> str:
    """Return the kernel version in *name*; Misuse if there is none, or its series has no profile."""
    from pfnlab.kernel.bugs.kernel_name import version_named
    from pfnlab.kernel.policies.releases import series_of
    from pfnlab.programs.runs.named_machines import all_series

    version = version_named(name)
    if series_of(version) not in all_series():
        raise Misuse(f"no profile of {series_of(version)}: known are {', '.join(all_series())}")
    return version
