"""Every policy by seam, and the kernel profiles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Request, Say

EXAMPLES = (
    ("pfnlab policies list", "Every policy by seam, and the kernel profiles"),
    ("pfnlab run docs/own-policy/middle.pfn --on model:7.2,tracker=vm_pat", "Run one of them"),
)


class PolicyListRequest(Request, frozen=True, kw_only=True):
    """The request of a list of policies."""


class Policy(NamedTuple):
    """One policy: a module in a folder named after its seam, ``trackers``; its docstring describes it."""

    seam: str
    name: str
    says: str
    source: str


def perform(request: PolicyListRequest, say: Say) -> Iterator[PlainText]:
    """Every policy with its first sentence, then the profiles."""
    yield PlainText("".join(f"{line}\n" for line in _lines()))


def _lines() -> Iterator[str]:
    from pfnlab.kernel.policies.releases import CONFIRMED
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

            # One tracker with the repairs of its time.
            yield from (f"  {name:<{width}}   {says}" for name, says in VM_PAT_ERAS.items())
        yield from _places(seam)
    series = all_series()
    yield "profiles"
    yield f"  {', '.join(name for name in series if name in CONFIRMED)}"
    yield f"  not confirmed on a kernel: {', '.join(name for name in series if name not in CONFIRMED)}"


def _places(folder: str) -> Iterator[str]:
    """The places of a seam that may have a policy of their own."""
    from pfnlab.kernel.policies import FOLDERS
    from pfnlab.kernel.policies.seams import PLACES

    for seam, places in PLACES.items():
        if FOLDERS[seam] == folder:
            yield f"  at one place: {', '.join(f'{seam}.{place}=' for place in places)}"


def all_policies() -> Iterator[Policy]:
    """Every policy, by seam and name."""
    for seam in sorted(files("pfnlab.kernel.policies").iterdir(), key=_name):
        if seam.is_dir() and seam.joinpath("__init__.py").is_file():
            for module in sorted(seam.iterdir(), key=_name):
                if module.name.endswith(".py") and module.name != "__init__.py":
                    source = module.read_text(encoding="utf-8")
                    says = ast.get_docstring(ast.parse(source)) or ""
                    yield Policy(seam.name, module.name.removesuffix(".py"), says, source)


def _name(entry: Traversable) -> str:
    return entry.name
