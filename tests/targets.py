"""Targets: tests that need more than ``make test`` has, each kind with a ``make test-NAME`` of its own.

``make test`` has QEMU and a compiler. A test that needs another package, a network or more
time is marked ``@pytest.mark.target("NAME")``, or lies in one of :data:`PLACES`. Without
``PFNLAB_TARGET`` it is deselected, or not even collected. With ``PFNLAB_TARGET=NAME``, which the
Makefile sets, no other test runs, and what is missing fails.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

#: The target whose tests run; empty in ``make test``.
TARGET = os.environ.get("PFNLAB_TARGET", "")

#: All targets, with what ``make test`` lacks for them.
TARGETS = {
    "browser": "a browser, and selenium",
    "btf-dwarf": "a kernel's debug package: 270 MiB",
    "building": "what a kernel's own build calls",
    "cluster": "dask",
    "editors": "Vim, and the engine of VS Code, which npm has",
    "ends": "hours: searches of a large scope to its end",
    "long": "minutes: whole campaigns, searches and benchmarks",
    "notebooks": "pandas, polars and Jupyter",
    "older": "minutes: older kernels, which are asked what the newest is",
    "pages": "minutes: searches that pages are made of, and a network",
    "postgres": "a PostgreSQL server",
    "races": "ten minutes: every recorded schedule on every kernel with a driver",
    "readers": "atheris, and minutes of inputs that are changed at random",
    "shells": "zsh, fish, mandoc and groff",
}

#: Folders and files below tests/ whose tests are all of one target; no other run imports them.
PLACES = {
    "browser": "browser",
    "campaign/cluster": "cluster",
    "api/test_notebook.py": "notebooks",
    "evidence/benchmarks/test_quick.py": "long",
    "test_wheel.py": "long",
    "editors/test_engines.py": "editors",
    "docs/test_shown_on_kernels.py": "pages",
    "lab/lens/test_btf_dwarf.py": "btf-dwarf",
}

HERE = Path(__file__).parent


@cache
def target_of_place(path: Path) -> str:
    """The target that a file or a folder of tests belongs to as a whole; empty if none."""
    if not path.is_relative_to(HERE):
        return ""
    name = path.relative_to(HERE)
    found = (PLACES.get(place.as_posix()) for place in (name, *name.parents))
    return next((target for target in found if target), "")


def is_left_out(path: Path, target: str = TARGET) -> bool:
    """Whether nothing in *path* is of *target*, so it need not be imported."""
    place = target_of_place(path)
    if place or not target or path.is_dir() or path.suffix != ".py":
        return bool(place) and place != target
    marking = [path, *(folder / "conftest.py" for folder in path.parents if HERE in folder.parents)]
    # A test of every kernel is marked nowhere: conftest.py knows which kernel it asks.
    mark = "from having import" if target == "older" else f'target("{target}")'
    return not any(mark in file.read_text(encoding="utf-8") for file in marking if file.exists())


def target_of(item: pytest.Item) -> str | None:
    """The target that a test is marked with; empty for those of ``make test``, None where nothing says so.

    :raises pytest.UsageError: it is marked with a target that :data:`TARGETS` lacks
    """
    mark = item.get_closest_marker("target")
    target = mark.args[0] if mark is not None else target_of_place(item.path) or None
    if target and target not in TARGETS:
        raise pytest.UsageError(f"{item.nodeid}: there is no target {target!r}: add it to tests/targets.py")
    return target
