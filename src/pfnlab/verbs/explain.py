"""Lines of a kernel's log, or of a tool, about cache modes, reservations and device memory: what they mean.

A file, standard input (-), or a line in quotes: a whole dmesg, a mail, or anything that was pasted. With
--errno it is a failed call: `--errno EINVAL mmap resource0`. Exit code 3: not one line was understood.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import msgspec

from pfnlab.errors import Misuse
from pfnlab.verbs.option import AsJson, Option, Say

if TYPE_CHECKING:
    from pfnlab.messages.explanation import ExplainResult
    from pfnlab.progress import Work

EXAMPLES = (
    (
        "pfnlab explain 'x86/PAT: Xorg:1234 freeing invalid memtype [mem 0xf8004000-0xf8007fff]'",
        "What happened, to whom, and whether something is leaked",
    ),
    ("pfnlab explain dmesg.txt", "All of a log: machines and boots apart, repetitions counted"),
    ("pfnlab explain --errno EINVAL mmap resource0_wc", "The causes of a failed mmap, with checks"),
    (
        "pfnlab explain --kernel 6.1.85 'x86/PAT: X:7 freeing invalid memtype [mem 0xf8004000-0xf8007fff]'",
        "The same for a kernel that no line names",
    ),
)

#: Bytes that are read of a file at a time.
_PIECE = 1 << 20


class ExplainRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of an explanation."""

    words: Annotated[
        tuple[str, ...],
        Option("A file, - for standard input, or a line in quotes.", "FILE|-|LINE", positional=True),
    ] = ()
    errno: Annotated[
        str | None,
        Option("A failed call: its errno, with the call and its file as words: mmap resource0.", "ERRNO"),
    ] = None
    kernel: Annotated[
        str | None, Option("The kernel the lines are of, where they do not say it: 6.1.85.", "VERSION")
    ] = None
    as_json: AsJson = False
    output: Annotated[Path | None, Option("Write it there.", "FILE", ("-o", "--output"))] = None


def perform(request: ExplainRequest, say: Say) -> Iterator[ExplainResult]:
    """The explanation.

    :raises Misuse: there is nothing to explain, or the kernel's version is none
    """
    from pfnlab.bugs.kernel_name import kernel_name
    from pfnlab.messages.explaining import explain
    from pfnlab.messages.explanation import explained, explained_errno
    from pfnlab.progress import working

    if request.kernel is not None:
        kernel_name(request.kernel)
    if request.errno is not None:
        yield explained_errno(request.errno, request.words, request.kernel or "")
        return
    with working("explaining lines") as work:
        result = explained(explain(_counted(_stream(request.words, work), work), kernel=request.kernel))
    yield result


def _counted(pieces: Iterable[bytes], work: Work) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        work.advance(len(piece))


def _stream(words: tuple[str, ...], work: Work) -> Iterable[bytes]:
    if not words and sys.stdin.isatty():
        raise Misuse("there is nothing to explain: give a file, a line in quotes, or - for standard input")
    if words in ((), ("-",)):
        return _pieces(sys.stdin.buffer)
    if len(words) == 1 and not any(letter.isspace() for letter in words[0]):
        return _file(Path(words[0]), work)
    return ["\n".join(words).encode("utf-8", "replace")]


def _file(path: Path, work: Work) -> Iterator[bytes]:
    from pfnlab.inert import visible_name

    try:
        file = path.open("rb")
        work.expect(os.fstat(file.fileno()).st_size)
        work.show(f"explaining {visible_name(path)}, bytes")
    except OSError as trouble:
        raise Misuse(
            f"{visible_name(path)} cannot be read: {trouble.strerror}; a line is given in quotes"
        ) from trouble
    with file:
        try:
            yield from _pieces(file)
        except OSError as trouble:
            raise Misuse(f"{visible_name(path)} cannot be read: {trouble.strerror}") from trouble


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece
