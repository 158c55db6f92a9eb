"""Write, run and walk through programs in the browser, with a picture of every step.

Served on localhost only; anyone with the URL has access. Stop it with Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, Request, Say


class ExploreRequest(Request, frozen=True, kw_only=True):
    gradual = True

    program: Annotated[
        str | None, Option("A program from the library by name, or a file.", "PROGRAM", positional=True)
    ] = None
    on: Annotated[tuple[str, ...], Option("Machine to show first; give two to compare them.", "MACHINE")] = ()
    bundle: Annotated[
        Path | None, Option("A bundle from `pfnlab inspect --collect`; its findings are shown first.", "FILE")
    ] = None
    browser: Annotated[bool, Option("Open the page in the browser; otherwise only print its URL.")] = True
    port: Annotated[int, Option("Port. Default: any free port.", "N", min=0, max=65535)] = 0


def perform(request: ExploreRequest, say: Say) -> Iterator[PlainText]:
    """Serve the page until Ctrl-C; yield no results. Misuse if it is not one program, or not a bundle."""
    from pfnlab.base.inert import shell_word
    from pfnlab.explorer.serving import serve
    from pfnlab.explorer.stories import MOST_MACHINES
    from pfnlab.programs.lang.library import in_library, long_name, only_path
    from pfnlab.programs.lang.load import read_program_text
    from pfnlab.programs.runs.named_machines import name_machine

    on, program = request.on, request.program
    if len(on) > MOST_MACHINES:
        raise Misuse(f"the page shows {MOST_MACHINES} machines: drop --on {shell_word(on[MOST_MACHINES])}")
    for spec in on:
        name_machine(spec)
    words, opened, bundle = [("on", spec) for spec in on], None, None
    if request.bundle is not None:
        from pfnlab.explorer.inspections import read_bundle

        bundle = read_bundle(request.bundle)
        words.append(("view", "bundle"))
    if program is not None:
        path = only_path(program)
        if in_library(path):
            words.append(("program", long_name(path)))
        else:
            opened = read_program_text(path)
    fragment = urlencode(words)
    serve(on, opened, bundle=bundle, fragment=fragment, port=request.port, browser=request.browser, say=say)
    yield from ()
