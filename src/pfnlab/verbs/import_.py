"""Make a program of a log of strace, or of a program of syzkaller.

What processes did to device memory (PCI resource files, /dev/mem, /proc/bus/pci, UIO, vfio-pci) becomes
operations, each with the lines it comes from. What the language cannot say is counted in comments.

Make a log with `strace -f -y -o FILE COMMAND`. What FILE is is seen in its content.

Exit codes: 0 imported, 2 misuse or nothing that maps device memory, 3 no program says it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, Request, Say

#: The forms that are read.
FORMATS = ("strace", "syz")


class ImportRequest(Request, frozen=True, kw_only=True):
    source: Annotated[str, Option("A log or program; - is standard input.", "FILE", positional=True)]
    form: Annotated[
        str | None, Option("The form of FILE. Default: what its content says.", "strace|syz", ("--format",))
    ] = None
    resource: Annotated[
        tuple[str, ...],
        Option(
            "A copy of /sys/bus/pci/devices/DEVICE/resource, which has addresses and sizes of the BARs. "
            "DEVICE=FILE where there are several. Default: sizes are those of what was mapped.",
            "[DEVICE=]FILE",
            ("--resource",),
        ),
    ] = ()
    output: Annotated[Path | None, Option("Write the program there.", "FILE", ("-o", "--output"))] = None


def perform(request: ImportRequest, say: Say) -> Iterator[PlainText]:
    """Make a program; Misuse if form, file or device memory lacks, Undecided if no program says it."""
    from pfnlab.base.files import MOST_RECORDED, check_output, read_bytes, read_text
    from pfnlab.export.from_strace import from_strace
    from pfnlab.export.from_syz import from_syz
    from pfnlab.export.strace_lines import looks_like_strace
    from pfnlab.export.syz_lines import looks_like_syz
    from pfnlab.export.windows import KnownBar, bars_of
    from pfnlab.programs.lang.library import STDIN

    if request.form is not None and request.form not in FORMATS:
        raise Misuse(f"there is no format {request.form!r}: write --format {'|'.join(FORMATS)}")
    # Of standard input as of a file: a log is larger than a program may be.
    path = Path("/dev/stdin") if Path(request.source) == STDIN else Path(request.source)
    known: dict[str, dict[int, KnownBar]] = {}
    files = [path]
    for word in request.resource:
        device, _, name = word.rpartition("=")
        if device in known:
            raise Misuse(f"--resource {word}: there is one already: write DEVICE=FILE for each device")
        known[device] = bars_of(read_text(Path(name), "resource file"), name)
        files.append(Path(name))
    check_output(request.output, files)
    # A log may have output of the traced program in it, which is anything.
    text = read_bytes(path, "log", MOST_RECORDED).decode("utf-8", "replace")
    name = "standard input" if request.source == "-" else path.name
    form = request.form or ("strace" if looks_like_strace(text) else "syz" if looks_like_syz(text) else None)
    if form is None:
        raise Misuse(
            f"{request.source}: this is neither a log of strace nor a program of syzkaller: "
            "make one with strace -f -y -o FILE COMMAND"
        )
    read = from_strace if form == "strace" else from_syz
    yield PlainText(read(text, name, known).text())
