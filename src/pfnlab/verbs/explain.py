"""Explain kernel log lines about cache modes, reservations and device memory.

A file, standard input (-), or a line in quotes: a whole dmesg, a mail, or anything that was pasted. The first
line says whether something is to do. With --errno, explain a failed call: `--errno EINVAL mmap resource0`.
Exit code 3: no line was understood.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.verbs.option import AsJson, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.diagnosis.messages.explanation import ExplainResult


#: Seconds between lines that say how much of a log is read.
_EVERY = 10.0


class ExplainRequest(Request, frozen=True, kw_only=True):
    words: Annotated[
        tuple[str, ...],
        Option("A file, - for standard input, or a line in quotes.", "FILE|-|LINE", positional=True),
    ] = ()
    errno: Annotated[
        str | None,
        Option("A failed call: its errno, with the call and its file as words: mmap resource0.", "ERRNO"),
    ] = None
    kernel: Annotated[
        str | None, Option("Kernel version, if the lines do not say it: 6.1.85.", "VERSION")
    ] = None
    full: Annotated[
        bool, Option("Print everything: harmless events, rules, reproducers, remedies.", names=("--long",))
    ] = False
    as_json: AsJson = False
    output: Annotated[Path | None, Option("Write it there.", "FILE", ("-o", "--output"))] = None


def perform(request: ExplainRequest, say: Say) -> Iterator[ExplainResult]:
    """The explanation; Misuse if there is nothing to explain, or the kernel's version is none."""
    from pfnlab.diagnosis.messages.explaining import explain
    from pfnlab.diagnosis.messages.explanation import explained, explained_errno
    from pfnlab.kernel.bugs.kernel_name import kernel_name

    if request.kernel is not None:
        kernel_name(request.kernel)
    if request.errno is not None:
        yield explained_errno(request.errno, request.words, request.kernel or "")
        return
    yield explained(explain(_stream(request.words), kernel=request.kernel))


def _stream(words: tuple[str, ...]) -> Iterable[bytes]:
    if not words and (sys.stdin is None or sys.stdin.isatty()):
        raise Misuse("there is nothing to explain: give a file, a line in quotes, or - for standard input")
    if words in ((), ("-",)):
        return _log(None)
    if len(words) == 1 and not any(letter.isspace() for letter in words[0]):
        return _log(Path(words[0]))
    return ["\n".join(words).encode("utf-8", "replace")]


def _log(path: Path | None) -> Iterator[bytes]:
    """The pieces of a log, and how far it is read; None for standard input."""
    from pfnlab.base.files import Missing, log_pieces
    from pfnlab.base.inert import visible_name
    from pfnlab.base.progress import beating, working

    name, size = "standard input" if path is None else visible_name(path), 0
    with working(f"reading {name}") as work, beating(work, _EVERY):
        try:
            for piece in log_pieces(path, "log"):
                size += len(piece)
                work.show(f"reading {name}, {size >> 20:,} MiB until now")
                yield piece
        except Missing as trouble:
            raise Misuse(f"{trouble}; a line is given in quotes") from trouble
