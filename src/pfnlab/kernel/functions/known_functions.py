"""The kernel functions of the subject, by name: one reviewed table each, in ``data/memtype.toml`` and others.

Each table contains::

    does         what it does, one sentence
    releases     the mainline releases that have it: "..6.15", "6.16.."; default: all
    file         its file; or files by releases: { "..6.11" = "mm/mmap.c", "6.12.." = "mm/vma.c" }
    callers      its most important callers, at most eight, by releases; first those that have a table
                 themselves; `.fault` for a member of a structure of operations that points to it
    locks        the locks that its caller holds, and those that it takes
    needs        what must hold before it is called
    ensures      what holds when it returns
    rules        the sections of docs/semantics, most important first
    bugs         the known bugs and rules that concern it (:mod:`pfnlab.kernel.bugs.known_bugs`)
    asks         the properties that a review checks of it, as named by `check` and judged runs
    replaces     the function whose place it took
    replaced_by  the function that took its place, and the release

Releases that no range names were not read: nothing is claimed of them. ``evidence/tools/hold_functions.py``
compares files and callers with a kernel tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from pfnlab.base.errors import Defect
from pfnlab.base.files import read_text
from pfnlab.base.toml_text import MOST_TOML, toml_content
from pfnlab.kernel.policies.releases import is_series, series_key

_FOLDER = Path(__file__).parent / "data"

#: The most callers that a table names for one release.
MOST_CALLERS = 8


class Releases(NamedTuple):
    """A range of mainline releases; an open end is empty.

    :param first: ``6.16``
    :param last: ``6.15``, included
    """

    first: str
    last: str

    @classmethod
    def of(cls, text: str) -> Releases:
        """The range written as *text*, e.g. ``6.1..6.15`` or ``6.16..``.

        :raises ValueError: if it is not a range of releases
        """
        first, dots, last = text.partition("..")
        ends = [end for end in (first, last) if end]
        if not dots or not all(map(is_series, ends)):
            raise ValueError(f"{text!r} is not a range of releases such as 6.1..6.15")
        if len(ends) == 2 and series_key(first) > series_key(last):
            raise ValueError(f"{text!r} ends before it begins")
        return cls(first, last)

    def __contains__(self, series: object) -> bool:
        if not isinstance(series, str):
            return False
        key = series_key(series)
        return (not self.first or key >= series_key(self.first)) and (
            not self.last or key <= series_key(self.last)
        )

    def __str__(self) -> str:
        if self.first == self.last:
            return self.first or "all"
        if not self.first:
            return f"up to {self.last}"
        return f"{self.first} to {self.last}" if self.last else f"since {self.first}"


class KernelFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One function; the module docstring explains each field.

    :param name: ``untrack_pfn``
    :param subject: the name of its data file, e.g. ``memtype``
    """

    name: str
    subject: str
    does: str
    file: str | Mapping[str, str]
    callers: Mapping[str, Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_CALLERS)]]
    locks: str
    needs: str
    ensures: str
    rules: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    asks: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    bugs: tuple[str, ...] = ()
    releases: str = ".."
    replaces: str = ""
    replaced_by: str = ""

    @property
    def files(self) -> Mapping[Releases, str]:
        """Its file, by releases."""
        rows = {self.releases: self.file} if isinstance(self.file, str) else self.file
        return {Releases.of(text): file for text, file in rows.items()}

    @property
    def called_by(self) -> Mapping[Releases, tuple[str, ...]]:
        """Its callers, by releases; "all" releases are those that have the function."""
        return {
            Releases.of(self.releases if text == ".." else text): names
            for text, names in self.callers.items()
        }

    def is_in(self, series: str) -> bool:
        """True if a release has the function."""
        return series in Releases.of(self.releases)


@cache
def kernel_functions() -> Mapping[str, KernelFunction]:
    """Every function by name, in the order of the data files."""
    return {
        one.name: one
        for path in sorted(_FOLDER.glob("*.toml"))
        for one in functions_in(read_text(path, "data file of functions", MOST_TOML), path.stem)
    }


def is_place_of(one: KernelFunction, file: str) -> bool:
    """True if a file of a kernel tree may have this function: one of those named, or a place of that kind.

    The same name below another architecture, in another family of drivers or in tools/ is another function.
    A header may have the function for kernels without its architecture.

    :param file: relative to the top of the tree
    """
    own = {_place(name) for name in one.files.values()}
    return _place(file) in own or file.startswith("include/")


def is_callable_in(one: KernelFunction, file: str) -> bool:
    """True if a call in this file may reach the function; an architecture does not call another's."""
    folder, *rest = _place(file)
    if folder != "arch":
        return folder != "tools"
    return all(
        name.startswith(f"arch/{rest[0]}/") or not name.startswith("arch/") for name in one.files.values()
    )


def _place(file: str) -> tuple[str, ...]:
    """The kind of place: an architecture, a family of drivers, or the core."""
    folder, *rest = file.split("/")
    if folder in ("arch", "drivers"):
        return folder, *rest[:1]
    return ("core",) if folder in ("mm", "kernel", "include") else (folder,)


def functions_beginning(prefix: str, file: str) -> list[str]:
    """The functions whose names begin with *prefix*, and that *file* may have."""
    return [
        name for name, one in kernel_functions().items() if name.startswith(prefix) and is_place_of(one, file)
    ]


def functions_in(text: str, subject: str) -> list[KernelFunction]:
    """The functions that the text of a data file describes.

    :param subject: the name of the file, without suffix
    :raises Defect: if it is malformed; the message has the function
    """
    found = []
    for name, table in toml_content(text, f"{subject}.toml").items():
        try:
            one = msgspec.convert({**table, "name": name, "subject": subject}, KernelFunction)
            _ = one.files, one.called_by
        except (msgspec.ValidationError, TypeError, ValueError) as wrong:
            raise Defect(f"{subject}.toml: {name}: {wrong}") from wrong
        found.append(one)
    return found
