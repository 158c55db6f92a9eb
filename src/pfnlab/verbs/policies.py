"""The competing designs that the model can run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.present.document.blocks import Block

VERBS = ("list", "show")


class PolicyListRequest(Request, frozen=True, kw_only=True):
    """List every policy by seam, and the kernel profiles."""


def perform_list(request: PolicyListRequest, say: Say) -> Iterator[PlainText]:
    """List every policy with its first sentence, then the profiles."""
    from pfnlab.present.document.terminal import printed

    yield printed(*_blocks())


def _blocks() -> Iterator[Block]:
    from pfnlab.kernel.policies.releases import CONFIRMED
    from pfnlab.kernel.policies.seams import VM_PAT_ERAS
    from pfnlab.kernel.policies.shipped_policies import all_policies
    from pfnlab.present.document.blocks import named_rows
    from pfnlab.programs.runs.named_machines import all_series

    policies = list(all_policies())
    for seam in dict.fromkeys(policy.seam for policy in policies):
        rows = [(one.name, one.says.partition("\n")[0]) for one in policies if one.seam == seam]
        # A single tracker, with the fixes of its time.
        rows += VM_PAT_ERAS.items() if seam == "trackers" else ()
        yield from named_rows(seam, (*rows, *_places(seam)))
    series = all_series()
    confirmed = ", ".join(name for name in series if name in CONFIRMED)
    others = ", ".join(name for name in series if name not in CONFIRMED)
    yield from named_rows("profiles", [(confirmed,), (f"not confirmed on a kernel: {others}",)], ("",))


def _places(folder: str) -> Iterator[tuple[str, str]]:
    """Yield the places of a seam that may have a policy of their own."""
    from pfnlab.kernel.policies import FOLDERS
    from pfnlab.kernel.policies.seams import PLACES

    for seam, places in PLACES.items():
        if FOLDERS[seam] == folder:
            yield "for one place", ", ".join(f"{seam}.{place}=" for place in places)


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
    from pfnlab.present.document.terminal import printed
    from pfnlab.verbs.profile_lines import profile_blocks

    if request.other is not None or request.name[:1].isdigit():
        yield printed(*profile_blocks(*map(_version, filter(None, (request.name, request.other)))))
    else:
        yield _one(request.name)


def _one(name: str) -> PlainText:
    """Return the source of a policy, or the switches of one of its eras; Misuse if the name is unknown."""
    from pfnlab.base.spelling import guess
    from pfnlab.kernel.policies.seams import VM_PAT_ERAS, era_switches
    from pfnlab.kernel.policies.shipped_policies import all_policies
    from pfnlab.present.document.blocks import Paragraph, named_rows
    from pfnlab.present.document.terminal import printed
    from pfnlab.programs.runs.named_machines import all_series

    if name in VM_PAT_ERAS:
        switches = ((switch, "on" if on else "off") for switch, on in era_switches(name).items())
        return printed(
            Paragraph(f"{name}: {VM_PAT_ERAS[name]}; from commit messages"), *named_rows("", switches)
        )
    sources = {policy.name: policy.source for policy in all_policies()}
    if name not in sources:
        choices = [*sources, *VM_PAT_ERAS, *all_series()]
        raise Misuse(
            f"no policy or profile {name!r}: {guess(name, choices)}known are {', '.join(choices)}, "
            "and exact versions such as 6.12.94"
        )
    return PlainText(sources[name])


def _version(name: str) -> str:
    """Return the kernel version in *name*; Misuse if there is none, or its series has no profile."""
    from pfnlab.kernel.bugs.kernel_name import version_named
    from pfnlab.kernel.policies.releases import series_of
    from pfnlab.programs.runs.named_machines import all_series

    version = version_named(name)
    if series_of(version) not in all_series():
        raise Misuse(f"no profile of {series_of(version)}: known are {', '.join(all_series())}")
    return version
