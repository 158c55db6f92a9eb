"""``pfnlab explore``: the page in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from pfnlab.errors import Misuse
from pfnlab.explorer.machines import MOST_MACHINES
from pfnlab.explorer.serving import serve
from pfnlab.lab.running.named_machines import name_machine
from pfnlab.programs.lang.library import in_library, long_name, program_paths
from pfnlab.programs.lang.load import read_program_text
from pfnlab.progress import say


def explore(program: str | None, on: Sequence[str], *, browser: bool, port: int) -> int:
    """Serve the page until Ctrl-C; the exit code.

    :param program: its name or its file; None for the first of the library
    :param on: the machines the page begins with
    """
    if len(on) > MOST_MACHINES:
        raise Misuse(f"the page shows {MOST_MACHINES} machines: leave --on {on[MOST_MACHINES]} out")
    for spec in on:
        name_machine(spec)
    words, opened = [("on", spec) for spec in on], None
    if program is not None:
        paths = program_paths([program])
        if len(paths) != 1:
            raise Misuse(f"{program} is {len(paths)} programs: name one")
        if in_library(paths[0]):
            words.append(("program", long_name(paths[0])))
        else:
            opened = read_program_text(paths[0])
    serve(on, opened, fragment=urlencode(words), port=port, browser=browser, say=say)
    return 0
