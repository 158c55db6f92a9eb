"""Packages that only some of pfnlab needs: its extras, and how to install one that is missing.

An extra is installed by name, ``pfnlab[web]``. pip knows the extras of the pfnlab that is installed, so one
command does for a clone and for a wheel; it names the interpreter that runs, whose packages they have to be.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from pfnlab.base.errors import MissingTool
from pfnlab.base.inert import shell_path


def installation(extra: str) -> str:
    """The command that installs the packages of *extra*, on one line."""
    python = Path(sys.executable or "python3")
    # As it is typed where one is: in a clone, .venv/bin/python.
    shown = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    return f"{shell_path(shown)} -m pip install 'pfnlab[{extra}]'"


def missing_package(package: str, extra: str, needing: str) -> MissingTool:
    """The error for a package that is not here; *needing* is the part of pfnlab, as ``the explorer``."""
    return MissingTool(f"{needing} needs {package}, which is not installed: {installation(extra)}")


@contextmanager
def imported_from(extra: str, needing: str) -> Iterator[None]:
    """Packages of *extra* are imported within this context; MissingTool, with *needing*, if one lacks."""
    try:
        yield
    except ImportError as missing:
        package = (missing.name or "").partition(".")[0]
        if package == "pfnlab":
            raise
        if not package:
            # The package is here, and a library of the system that it needs is not.
            reason = str(missing).partition("\n")[0]
            raise MissingTool(f"{needing} cannot be used ({reason}): {installation(extra)}") from missing
        raise missing_package(package, extra, needing) from missing


def are_installed(*packages: str) -> bool:
    """True if all of *packages* are here; none is imported."""
    return not _missing(packages)


def need_packages(extra: str, needing: str, *packages: str) -> None:
    """Ask for *packages* before work that ends with them; MissingTool if one is not here."""
    for package in _missing(packages)[:1]:
        raise missing_package(package, extra, needing)


def _missing(packages: tuple[str, ...]) -> list[str]:
    return [package for package in packages if find_spec(package) is None]
