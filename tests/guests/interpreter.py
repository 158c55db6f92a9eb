"""This Python and pfnlab as one archive, for a guest that has neither: every file at the path it has here."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pfnlab
from pfnlab.base.errors import Undecided

#: Parts of the standard library that pfnlab never needs in a guest, by the names of folders.
_LEFT_OUT = {"test", "tests", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo", "pydoc_data"}

#: Files of no use there: what -O would run, and the module of windows, which needs many libraries.
_OF_NO_USE = re.compile(r".*\.opt-[12]\.pyc|_tkinter\..*|_test.*|_ctypes_test.*|.*\.a")

#: The name of the distribution whose dependencies come along.
_OURS = "pfnlab"

#: The package itself.
_PFNLAB = Path(pfnlab.__file__).resolve().parent

_NAME = re.compile(r"[\w.-]+")
_LIBRARY = re.compile(r"(/\S+) \(0x")
_LDD_LIMIT = 60.0


def interpreter() -> Path:
    """The interpreter's own file, which is at the same path in a guest with :func:`write_interpreter`."""
    return Path(sys.executable).resolve()


def module_paths(more: Sequence[str] = ()) -> tuple[Path, ...]:
    """The folders of ``PYTHONPATH`` in such a guest: that of pfnlab, and those of what it depends on.

    :param more: names of distributions that come along
    """
    return tuple(dict.fromkeys((_PFNLAB.parent, *(path.parent for path in _packages(more)))))


def write_interpreter(into: Path, more: Sequence[str] = ()) -> None:
    """
    Write the archive (tar, not compressed): Python with its libraries, pfnlab, and what it depends on.

    :param into: the file it becomes
    :param more: names of distributions that come along
    :raises Undecided: a file cannot be read, ``ldd`` does not answer, or a distribution is not installed
    """
    files = set(_tree(Path(sysconfig.get_path("stdlib"))))
    for package in (_PFNLAB, *_packages(more)):
        files.update(_tree(package) if package.is_dir() else [package])
    files.add(interpreter())
    files.update(_libraries([interpreter(), *(file for file in files if file.name.endswith(".so"))]))
    try:
        with tarfile.open(into, "w", dereference=True) as archive:
            for file in sorted(files):
                archive.add(file, recursive=False)
    except OSError as trouble:
        raise Undecided(f"Python cannot be packed for a guest: {trouble}") from None


def _packages(more: Sequence[str]) -> Iterator[Path]:
    # The top folders and modules of what pfnlab cannot do without, and of what is asked for.
    missing = [name for name in more if not _installed(name)]
    if missing:
        raise Undecided(f"no {missing[0]} for a guest: it is not installed here")
    for name in sorted({*_needed(_OURS), *more} - {_OURS}):
        distribution = importlib.metadata.distribution(name)
        tops = {file.parts[0] for file in distribution.files or () if ".." not in file.parts}
        for top in sorted(tops - {"__pycache__"}):
            if (path := Path(str(distribution.locate_file(top)))).exists():
                yield path


def _needed(name: str) -> set[str]:
    found, left = {name}, [name]
    while left:
        for line in importlib.metadata.requires(left.pop()) or ():
            match = _NAME.match(line)
            if match is None or "extra ==" in line or match[0].lower() in found:
                continue
            # What another system or an older Python needs is not installed here.
            if _installed(match[0]):
                found.add(match[0].lower())
                left.append(match[0])
    return found


def _installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _tree(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if name not in _LEFT_OUT | {"site-packages"} and not name.startswith("config-")
        ]
        kept = (Path(place, name) for name in names if not _OF_NO_USE.fullmatch(name))
        yield from (path for path in kept if path.is_file())


def _libraries(files: Iterable[Path]) -> set[Path]:
    done = subprocess.run(
        ["ldd", *map(str, files)], capture_output=True, text=True, timeout=_LDD_LIMIT, check=False
    )
    found = {Path(path) for path in _LIBRARY.findall(done.stdout)}
    if not found:
        raise Undecided(f"ldd does not say which libraries Python needs: {done.stderr[-200:]}")
    return found
