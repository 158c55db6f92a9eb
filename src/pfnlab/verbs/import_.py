"""Convert an strace log into a program.

Operations on device memory (PCI resource files, /dev/mem, /proc/bus/pci, UIO, vfio-pci) are converted, each
with its source lines. Comments count the rest.

Record a log with `strace -f -y -o FILE COMMAND`.

Exit codes: 0 imported, 2 misuse or no device memory mapped, 3 the language cannot express it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, OutputFile, Request, Say


class ImportRequest(Request, frozen=True, kw_only=True):
    source: Annotated[str, Option("An strace log; - is standard input.", "FILE", positional=True)]
    resource: Annotated[
        tuple[str, ...],
        Option(
            "Copy of /sys/bus/pci/devices/DEVICE/resource, for BAR addresses and sizes; DEVICE=FILE "
            "if there are several devices. Default: sizes of the mappings.",
            "[DEVICE=]FILE",
        ),
    ] = ()
    output: OutputFile = None


def perform(request: ImportRequest, say: Say) -> Iterator[PlainText]:
    """Return a program; Misuse if format, file or device memory is missing, Undecided if not expressible."""
    from pfnlab.base.files import MOST_RECORDED, check_output, read_bytes, read_text
    from pfnlab.export.from_strace import from_strace
    from pfnlab.export.strace_lines import looks_like_strace
    from pfnlab.export.windows import KnownBar, bars_of
    from pfnlab.programs.lang.library import STDIN

    # Read it like standard input: a log may be larger than the limit for programs.
    path = Path("/dev/stdin") if Path(request.source) == STDIN else Path(request.source)
    known: dict[str, dict[int, KnownBar]] = {}
    files = [path]
    for word in request.resource:
        device, _, name = word.rpartition("=")
        if device in known:
            raise Misuse(f"--resource {word}: already given: write DEVICE=FILE for each device")
        known[device] = bars_of(read_text(Path(name), "resource file"), name)
        files.append(Path(name))
    check_output(request.output, files)
    # A log may contain arbitrary output of the traced program.
    text = read_bytes(path, "log", MOST_RECORDED).decode("utf-8", "replace")
    name = "standard input" if request.source == "-" else path.name
    if not looks_like_strace(text):
        raise Misuse(f"{request.source}: not an strace log: make one with strace -f -y -o FILE COMMAND")
    yield PlainText(from_strace(text, name, known).text())
