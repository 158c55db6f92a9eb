"""``pfnlab policies``: the ideas a model can be put together from, and the kernels' own choices.

A policy is a module in a folder named after its seam (``policies/trackers/vm_pat.py``); its docstring
describes it.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from pfnlab.errors import Misuse
from pfnlab.lab.running.named_machines import all_series


class Policy(NamedTuple):
    """One policy: its seam's folder, its name, its docstring, and its source."""

    seam: str
    name: str
    says: str
    source: str


def list_policies() -> int:
    """Every policy by seam with its first sentence, then the profiles."""
    policies = list(_policies())
    width = max((len(policy.name) for policy in policies), default=0)
    for seam in dict.fromkeys(policy.seam for policy in policies):
        print(seam)
        for policy in policies:
            if policy.seam == seam:
                print(f"  {policy.name:<{width}}   {policy.says.partition(chr(10))[0]}")
        if seam == "trackers":
            _list_eras(width)
        _list_places(seam)
    print("profiles")
    confirmed, others = _by_trust()
    print(f"  {', '.join(confirmed)}")
    print(f"  not confirmed on a kernel: {', '.join(others)}")
    return 0


def show_policy(name: str) -> int:
    """Print the source of one policy, or the switches of one era or profile."""
    if name[:1].isdigit():
        from pfnlab.report.profile_lines import profile_lines

        print("\n".join(profile_lines(_version(name))))
        return 0
    from pfnlab.policies.eras import KNOWN_BY, VM_PAT_ERAS, era_switches

    if name in VM_PAT_ERAS:
        print(f"{name}: {VM_PAT_ERAS[name]}; known by {KNOWN_BY}\n")
        for switch, on in era_switches(name).items():
            print(f"{switch:<26} {'on' if on else 'off'}")
        return 0
    policies = {policy.name: policy for policy in _policies()}
    if name not in policies:
        choices = [*policies, *VM_PAT_ERAS, *all_series()]
        close = difflib.get_close_matches(name, choices, n=1)
        guess = f"did you mean {close[0]}? " if close else ""
        raise Misuse(
            f"there is no policy or profile {name!r}: {guess}known are {', '.join(choices)}, "
            "and exact versions such as 6.12.94"
        )
    print(policies[name].source, end="")
    return 0


def show_kernels(first: str, second: str) -> int:
    """Print the switches in which two kernels differ, side by side.

    :raises Misuse: one of them is no version with a profile
    """
    from pfnlab.report.profile_lines import two_profiles

    print("\n".join(two_profiles(_version(first), _version(second))))
    return 0


def _version(name: str) -> str:
    """The version of a kernel as somebody calls it.

    :raises Misuse: it is none, or its series has no profile
    """
    from pfnlab.bugs.kernel_name import version_named
    from pfnlab.policies.releases import series_of

    version = version_named(name)
    if series_of(version) not in all_series():
        raise Misuse(f"there is no profile of {series_of(version)}: known are {', '.join(all_series())}")
    return version


def _list_eras(width: int) -> None:
    """One tracker with the repairs of its time."""
    from pfnlab.policies.eras import VM_PAT_ERAS

    for name, says in VM_PAT_ERAS.items():
        print(f"  {name:<{width}}   {says}")


def _list_places(folder: str) -> None:
    """The places of a seam that may have a policy of their own."""
    from pfnlab.policies import FOLDERS
    from pfnlab.policies.seams import PLACES

    for seam, places in PLACES.items():
        if FOLDERS[seam] == folder:
            print(f"  at one place: {', '.join(f'{seam}.{place}=' for place in places)}")


def _by_trust() -> tuple[list[str], list[str]]:
    """The series a kernel confirmed, and the others."""
    from pfnlab.policies.releases import CONFIRMED

    series = all_series()
    return [name for name in series if name in CONFIRMED], [name for name in series if name not in CONFIRMED]


def _policies() -> Iterator[Policy]:
    for seam in sorted(files("pfnlab.policies").iterdir(), key=_name):
        if seam.is_dir() and seam.joinpath("__init__.py").is_file():
            for module in sorted(seam.iterdir(), key=_name):
                if module.name.endswith(".py") and module.name != "__init__.py":
                    source = module.read_text(encoding="utf-8")
                    says = ast.get_docstring(ast.parse(source)) or ""
                    yield Policy(seam.name, module.name.removesuffix(".py"), says, source)


def _name(entry: Traversable) -> str:
    return entry.name
