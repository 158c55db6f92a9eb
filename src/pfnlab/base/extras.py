"""pfnlab's optional packages, called extras, and how to install one that is missing.

An extra is installed by name, ``pfnlab[web]``. pip knows the extras of the installed pfnlab, so the
same command works for a clone and for a wheel. It names the running interpreter, because that is the
one that needs the packages.
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
    # A relative path if possible, as one would type it: .venv/bin/python in a clone.
    shown = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    return f"{shell_path(shown)} -m pip install 'pfnlab[{extra}]'"


def missing_package(package: str, extra: str, needing: str) -> MissingTool:
    """The error for a missing package; *needing* is the part of pfnlab in need, e.g. ``the explorer``."""
    return MissingTool(f"{needing} needs {package}, which is not installed: {installation(extra)}")


@contextmanager
def imported_from(extra: str, needing: str) -> Iterator[None]:
    """Import packages of *extra* in this context; if one is missing, raise MissingTool with *needing*."""
    try:
        yield
    except ImportError as missing:
        package = (missing.name or "").partition(".")[0]
        if package == "pfnlab":
            raise
        if not package:
            # The package is installed, but a system library that it needs is not.
            reason = str(missing).partition("\n")[0]
            raise MissingTool(f"{needing} cannot be used ({reason}): {installation(extra)}") from missing
        raise missing_package(package, extra, needing) from missing


def are_installed(*packages: str) -> bool:
    """True if all of *packages* are installed, without importing any."""
    return not _missing(packages)


def need_packages(extra: str, needing: str, *packages: str) -> None:
    """Check for *packages* before starting work that needs them; MissingTool if any is not installed."""
    for package in _missing(packages)[:1]:
        raise missing_package(package, extra, needing)


def _missing(packages: tuple[str, ...]) -> list[str]:
    return [package for package in packages if find_spec(package) is None]
