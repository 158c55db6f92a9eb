"""The source of one policy, the switches of a kernel, or those in which two kernels differ.

A kernel is a series, an exact version, or what a distribution calls it: 6.1.176-1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, Request, Say

EXAMPLES = (
    ("pfnlab policies show track_ctx", "The source of a policy"),
    ("pfnlab policies show 6.12", "The switches of a kernel profile"),
)


class PolicyRequest(Request, frozen=True, kw_only=True):
    name: Annotated[str, Option("A policy, or a kernel: 7.2, 6.12.94.", "NAME", positional=True)]
    other: Annotated[
        str | None, Option("Another kernel: what differs, side by side.", "OTHER", positional=True)
    ] = None


def perform(request: PolicyRequest, say: Say) -> Iterator[PlainText]:
    """The source, or the switches; Misuse if there is no such policy or profile."""
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
    """The source of a policy, or the switches of an era of one; Misuse if there is none of this name."""
    from pfnlab.kernel.policies.seams import VM_PAT_ERAS, era_switches
    from pfnlab.programs.runs.named_machines import all_series
    from pfnlab.verbs.policies_list import all_policies

    if name in VM_PAT_ERAS:
        switches = (f"{switch:<26} {'on' if on else 'off'}\n" for switch, on in era_switches(name).items())
        return f"{name}: {VM_PAT_ERAS[name]}; known by commit message\n\n{''.join(switches)}"
    sources = {policy.name: policy.source for policy in all_policies()}
    if name not in sources:
        choices = [*sources, *VM_PAT_ERAS, *all_series()]
        close = difflib.get_close_matches(name, choices, n=1)
        guess = f"did you mean {close[0]}? " if close else ""
        raise Misuse(
            f"there is no policy or profile {name!r}: {guess}known are {', '.join(choices)}, "
            "and exact versions such as 6.12.94"
        )
    return sources[name]


def _version(name: str) -> str:
    """The version of a kernel as somebody calls it; Misuse if it is none, or its series has no profile."""
    from pfnlab.kernel.bugs.kernel_name import version_named
    from pfnlab.kernel.policies.releases import series_of
    from pfnlab.programs.runs.named_machines import all_series

    version = version_named(name)
    if series_of(version) not in all_series():
        raise Misuse(f"there is no profile of {series_of(version)}: known are {', '.join(all_series())}")
    return version
