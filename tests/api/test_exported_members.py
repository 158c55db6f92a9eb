"""The members of `import pfnlab`; the import costs nothing until they are used."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest
from for_each import for_each

import pfnlab
from pfnlab import api

OFFERED = [
    "CheckReport",
    "Differences",
    "Forced",
    "LiveMachine",
    "LiveTask",
    "MappedPages",
    "Misuse",
    "Pages",
    "PfnlabError",
    "Program",
    "ProgramError",
    "RunReport",
    "StepSeen",
    "Undecided",
    "check",
    "diff",
    "load",
    "machine",
    "run",
    "save",
]


def test_the_names_are_pinned() -> None:
    """A name comes or goes on purpose only: docs/api.md promises them."""
    assert [*OFFERED, "__version__"] == sorted(pfnlab.__all__, key=lambda name: (name == "__version__", name))
    assert OFFERED == api.__all__


def test_type_checkers_see_the_same_names() -> None:
    """The imports for them are those of the lazy names."""
    source = inspect.getsource(pfnlab)
    imported = [line.split()[-1] for line in source.splitlines() if line.startswith("    from pfnlab.api")]

    assert OFFERED == imported


@for_each("name", OFFERED)
def test_every_name_is_there_and_documented(name: str) -> None:
    """It is what the room has, and says what it is for."""
    value = getattr(pfnlab, name)

    assert value is getattr(api, name)
    assert inspect.getdoc(value)


def public_members() -> list[tuple[str, Any]]:
    """Functions offered, and methods and properties of classes offered."""
    members = []
    for name in OFFERED:
        value = getattr(pfnlab, name)
        members.append((name, value))
        if inspect.isclass(value):
            members += [
                (f"{name}.{part}", member)
                for part, member in inspect.getmembers(value)
                if not part.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
            ]
    return members


@for_each(("name", "member"), public_members())
def test_every_member_is_documented_and_typed(name: str, member: Any) -> None:
    """Each method and property has a docstring, and annotations of what it takes and returns."""
    function = member.fget if isinstance(member, property) else member

    assert inspect.getdoc(function)
    if inspect.isfunction(function) and function.__module__.startswith("pfnlab.api"):
        parameters = set(inspect.signature(function).parameters) - {"self", "cls"}
        assert parameters | {"return"} == set(function.__annotations__)


def test_dir_lists_what_is_offered() -> None:
    """Also before it is used, for completion."""
    assert set(pfnlab.__all__) <= set(dir(pfnlab))


def test_an_unknown_name_says_what_there_is() -> None:
    """As any module does, with the names."""
    with pytest.raises(
        AttributeError, match="module 'pfnlab' has no attribute 'machin': it offers CheckReport"
    ):
        pfnlab.machin  # type: ignore[attr-defined]  # noqa: B018


def test_importing_loads_nothing() -> None:
    """`import pfnlab` brings its version, and no other module but those Python has loaded anyway."""
    code = "import sys; before = set(sys.modules); import pfnlab; print(*sorted(set(sys.modules) - before))"

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ["pfnlab", "pfnlab.base", "pfnlab.base.version"] == ran.stdout.split()


def test_a_machine_needs_no_extra() -> None:
    """Data frames, notebooks and the command line's framework are not loaded for one."""
    code = (
        "import sys, pfnlab as pl; m = pl.machine('model:7.2'); m.look(); pl.run(m); "
        "print({'pandas', 'polars', 'IPython', 'argparse', 'nbclient', 'drgn'} & set(sys.modules))"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "set()" == ran.stdout.strip()
