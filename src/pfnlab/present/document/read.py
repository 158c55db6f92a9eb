"""Read the ``--json`` output of verbs from files; its ``format`` identifies it."""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.files import MOST_RECORDED, read_text
from pfnlab.base.inert import json_line, one_line
from pfnlab.base.json_text import json_values
from pfnlab.base.result import PrintedStruct
from pfnlab.base.wildcards import searching
from pfnlab.hunt.fuzz.filing import DATA, PROGRAM, REPORT, FindingFolder
from pfnlab.present.document.part import KINDS, takes

#: A place as a msgspec message names it, and the steps to it.
_PLACE = re.compile(r" - at `\$([^`]*)`$")
_STEP = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
#: The maximum number of characters of an unknown ``format`` or value that a message repeats.
_REPEATED = 40


def read_results(paths: Sequence[Path]) -> list[PrintedStruct]:
    """Return the results in files (each has one or more) or in folders of findings; else raise Misuse."""
    return [result for path in paths for result in _read(path)]


def result_of(content: Any, source: str = "<result>") -> PrintedStruct:
    """Return the result in a JSON object; if it is not a result, raise Misuse with the accepted formats."""
    name = content.get("format") if isinstance(content, dict) else None
    if not isinstance(name, str):
        raise Misuse(f"{source}: not a pfnlab result (the key `format` is missing): {takes()}")
    if name not in KINDS:
        raise Misuse(f"{source}: unknown format {one_line(name)[:_REPEATED]}: {takes()}")
    kind = KINDS[name]
    try:
        return msgspec.convert(content, kind.content)
    except msgspec.ValidationError as trouble:
        said = f"{one_line(str(trouble))}{_found(content, str(trouble))}"
        raise Misuse(f"{source}: not a {name}: {said}; print it again with {kind.verb}") from None


def _found(content: Any, said: str) -> str:
    """Return the value at the place that a message names, e.g. ``, which is "x"``; empty if it names none."""
    place = _PLACE.search(said)
    if place is None:
        return ""
    for name, number in _STEP.findall(place[1]):
        try:
            content = content[int(number)] if number else content[name]
        except (KeyError, IndexError, TypeError, ValueError):
            # Keys that can be any name are shown as dots.
            return ""
    shown = one_line(json_line(content))
    return f", which is {shown if len(shown) <= _REPEATED else f'{shown[:_REPEATED]}…'}"


def _read(path: Path) -> Iterator[PrintedStruct]:
    if os.path.isdir(path):
        yield from map(FindingFolder.of, _places(path))
        return
    values = json_values(read_text(path, "result", MOST_RECORDED), str(path))
    begin = list(islice(values, 2))
    if not begin:
        raise Misuse(f"{path}: the file is empty: {takes()}")
    for line, value in chain(begin, values):
        yield result_of(value, f"{path}:{line}" if len(begin) > 1 else str(path))


def files_of(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the files that read_results reads, and those they need; raise Misuse for a folder without any."""
    for path in paths:
        if os.path.isdir(path):
            yield from (place / name for place in _places(path) for name in (PROGRAM, REPORT, DATA))
        else:
            yield path


def _places(folder: Path) -> list[Path]:
    """Return the folders of findings: either *folder* itself or those in it."""
    folders = [folder]
    if not _is_own(folder / PROGRAM):
        with searching(str(folder)) as search:
            folders = [folder / entry.name for entry in search.entries(str(folder))]
    found = [place for place in folders if _is_own(place / PROGRAM) and _is_own(place / REPORT)]
    if not found:
        raise Misuse(f"{folder}: no finding in this folder ({PROGRAM} and {REPORT}): {takes()}")
    return found


def _is_own(path: Path) -> bool:
    """Return True if a file is part of the finding itself; reports leave out what links point to."""
    return path.is_file() and not path.is_symlink()
