"""``pfnlab check --packed``: a packed model of the user's own, searched to its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.forecast import line as forecast_line
from pfnlab.checker.search.packed_file import load_packed, search_file
from pfnlab.document.parts.check import packed_part
from pfnlab.document.terminal import terminal
from pfnlab.errors import Misuse
from pfnlab.lab.images.cache import cache_root
from pfnlab.programs.lang.words import did_you_mean
from pfnlab.progress import say, working
from pfnlab.report.packed import PackedResult


class PackedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of the command line.

    :param refused: options that were given and are for modelled kernels
    """

    file: Path
    properties: Sequence[str] = ()
    depth: int | None = None
    states: int | None = None
    seconds: float | None = None
    as_json: bool = False
    refused: Sequence[str] = ()


def check_packed(request: PackedRequest) -> int:
    """Search and print; the exit code."""
    if request.refused:
        option = request.refused[0]
        raise Misuse(
            f"--packed searches the model of a file, and {option} is for kernels: leave {option} out"
        )
    cache = cache_root() / "compiled"
    model = load_packed(request.file, cache, say)
    for name in request.properties:
        if name not in model.properties:
            raise Misuse(
                f"{request.file} has no property {name!r}{did_you_mean(name, tuple(model.properties))}"
            )
    asked = list(request.properties or model.properties)
    with working(f"searching {request.file}") as work:

        def progress(found: Exploration[Any]) -> None:
            work.show(forecast_line(found, request.depth or None))

        found = search_file(
            *(request.file, model),
            depth=request.depth or None,
            states=request.states,
            seconds=request.seconds,
            cache=cache,
            say=say,
            progress=progress,
        )
    result = PackedResult.of(str(request.file), found, asked)
    print(result.as_json() if request.as_json else terminal(packed_part(result)))
    return result.outcome.value
