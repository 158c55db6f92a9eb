"""Results that verbs printed with ``--json``, read from files and recognised by their ``format``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pfnlab.document.kinds import KINDS, ResultKind, takes
from pfnlab.document.parts.part import Part
from pfnlab.errors import Misuse
from pfnlab.files import MOST_RECORDED, read_text
from pfnlab.fuzz.filing import PROGRAM, REPORT
from pfnlab.report.inert import one_line

#: The most characters of a foreign ``format`` that a message repeats.
_REPEATED = 40


class ReadResult(msgspec.Struct, frozen=True):
    """One result.

    :param kind: what it is of
    :param content: as the kind declares it
    """

    kind: ResultKind
    content: Any

    @property
    def part(self) -> Part:
        """What is to be read of it."""
        return self.kind.part(self.content)


def read_results(paths: Sequence[Path]) -> list[ReadResult]:
    """The results in files, and findings in folders, in the order given.

    A file holds one result or several, one behind the other. A folder is a finding, or holds findings.

    :raises Misuse: one is no JSON, or no result that a document can be made of
    """
    return [result for path in paths for result in _read(path)]


def result_of(content: Any, source: str = "<result>") -> ReadResult:
    """The result that a JSON object is.

    :raises Misuse: it is none; the message names the formats that are
    """
    name = content.get("format") if isinstance(content, dict) else None
    if not isinstance(name, str):
        raise Misuse(f"{source}: no result of pfnlab (the key `format` is missing): {takes()}")
    if name not in KINDS:
        raise Misuse(f"{source}: no report is made of the format {one_line(name)[:_REPEATED]}: {takes()}")
    kind = KINDS[name]
    try:
        return ReadResult(kind, msgspec.convert(content, kind.content))
    except msgspec.ValidationError as trouble:
        said = one_line(str(trouble))
        raise Misuse(f"{source}: no {name}: {said}; print it again with {kind.verb}") from None


def _read(path: Path) -> Iterator[ReadResult]:
    if path.is_dir():
        yield from _findings(path)
        return
    values = list(_values(read_text(path, "result", MOST_RECORDED), path))
    if not values:
        raise Misuse(f"{path}: the file is empty: {takes()}")
    for line, value in values:
        yield result_of(value, f"{path}:{line}" if len(values) > 1 else str(path))


def _findings(folder: Path) -> Iterator[ReadResult]:
    """The finding that *folder* is, or those in it."""
    folders = [folder] if (folder / PROGRAM).is_file() else sorted(folder.iterdir())
    found = [place for place in folders if (place / PROGRAM).is_file() and (place / REPORT).is_file()]
    if not found:
        raise Misuse(f"{folder}: no finding is in this folder ({PROGRAM} and {REPORT}): {takes()}")
    for place in found:
        content = {
            "format": "pfnlab-finding/1",
            "name": place.name,
            "program": read_text(place / PROGRAM, "program"),
            "report": read_text(place / REPORT, "finding"),
        }
        yield result_of(content, str(place))


def _values(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    """The JSON values in *text*, each with the line on which it begins.

    :raises Misuse: there is something else; with line and column
    """
    decoder = json.JSONDecoder(parse_constant=_no_number)
    at = _skip(text, 0)
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as trouble:
            place = f"{path}:{trouble.lineno}:{trouble.colno}"
            raise Misuse(f"{place}: this is no JSON: {trouble.msg}; print it again with --json") from None
        except RecursionError:
            raise Misuse(f"{path}:{line}: values within values, too deep for a result: {takes()}") from None
        except ValueError as trouble:
            raise Misuse(f"{path}:{line}: this is no JSON: {trouble}; print it again with --json") from None
        yield line, value
        at = _skip(text, end)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
