"""Explain kernel log lines about cache modes, reservations and device memory.

Takes a whole dmesg, a mail, or any pasted text (a file, a line in quotes, or - for standard input). The first
line of the answer says whether you need to do anything. Lists from one machine (pat_memtype_list,
/proc/iomem, lspci -vv, maps) are combined, whether in one text, several files or a folder. With --errno,
explain a failed call. Exit code 1: the lists show a problem. Exit code 3: no line was understood, or the
lists are not conclusive.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.verbs.option import AsJson, Option, OutputFile, Request, Say

if TYPE_CHECKING:
    from pfnlab.diagnosis.explanation import ExplainResult
    from pfnlab.diagnosis.inspector.parsing.text_files import TextFiles


#: Seconds between progress lines while a log is read.
_EVERY = 10.0


class ExplainRequest(Request, frozen=True, kw_only=True):
    words: Annotated[
        tuple[str, ...],
        Option("Files, a folder, - for standard input, or a line in quotes.", "FILE|-|LINE", positional=True),
    ] = ()
    errno: Annotated[
        str | None,
        Option("Errno of a failed call, the call and its file: EINVAL mmap resource0.", "ERRNO"),
    ] = None
    kernel: Annotated[
        str | None, Option("Kernel version, if the lines do not name it, e.g. 6.1.85.", "VERSION")
    ] = None
    full: Annotated[
        bool, Option("Print all details: harmless events, rules, reproducers, remedies.", names=("--long",))
    ] = False
    as_json: AsJson = False
    output: OutputFile = None


def perform(request: ExplainRequest, say: Say) -> Iterator[ExplainResult]:
    """Return the explanation; Misuse if there is no input, or the version is not a kernel version."""
    from pfnlab.diagnosis.explanation import explained, explained_errno
    from pfnlab.diagnosis.messages.explaining import explain

    if request.kernel is not None:
        from pfnlab.kernel.bugs.doubt import released_kernel

        released_kernel(request.kernel)
    if request.errno is not None:
        # In quotes, or from another program, all of it is one word.
        name, *call = request.errno.split() or [request.errno]
        yield explained_errno(name, (*call, *request.words), request.kernel or "")
        return
    paths = _paths(request.words)
    if paths is None:
        text = "\n".join(request.words)
        if "\n" not in text:
            yield explained(explain([text.encode("utf-8", "replace")], kernel=request.kernel))
            return
    yield _joined(paths, request)


def _joined(paths: list[Path] | None, request: ExplainRequest) -> ExplainResult:
    """Return the explanation of files, standard input (no *paths*), or a text of several lines."""
    from pfnlab.diagnosis.explanation import explained
    from pfnlab.diagnosis.inspector.sources.origins import collected_files
    from pfnlab.diagnosis.inspector.sources.pasted import PastedFiles, loose_files
    from pfnlab.diagnosis.inspector.sources.pasted_lines import OF_LOGS, LineSorter
    from pfnlab.diagnosis.messages.explaining import explain, plain

    if paths is not None and len(paths) == 1 and (paths[0].is_dir() or paths[0].is_file()):
        collected = collected_files(paths[0])
        if collected is not None:
            return _of_machine(collected, None, request.kernel)
    sorter = LineSorter(OF_LOGS)

    def pieces() -> Iterator[bytes | str]:
        if paths is None:
            yield from sorter.passing(["\n".join(request.words)])
            return
        named: list[Path | None] = []
        for path in paths:
            named += loose_files(path) if path.is_dir() else [path]
        for one in named or [None]:
            sorter.begin("" if one is None else one.name)
            yield from sorter.passing(plain(_log(one)))
            if len(named) > 1:
                yield b"\n"

    lines = explained(explain(pieces(), kernel=request.kernel))
    name = "standard input" if not paths else ", ".join(map(str, paths))
    pasted = PastedFiles(sorter, name)
    return _of_machine(pasted, lines, request.kernel) if pasted.parts else lines


def _of_machine(files: TextFiles, lines: ExplainResult | None, kernel: str | None) -> ExplainResult:
    """Return the findings from files, with the explanation of *lines*, or of the log among the files."""
    import msgspec

    from pfnlab.diagnosis.explanation import explained
    from pfnlab.diagnosis.inspector.joined_host import JoinedHost
    from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
    from pfnlab.diagnosis.inspector.sources.origins import of_a_machine
    from pfnlab.diagnosis.joined_explanation import joined_explanation
    from pfnlab.diagnosis.messages.explaining import explain

    snapshot = of_a_machine(snapshot_of(files))
    if kernel is not None:
        snapshot = msgspec.structs.replace(snapshot, kernel=kernel)
    if lines is None:
        log = (f"{line}\n" for line in snapshot.log or ())
        lines = explained(explain(log, kernel=snapshot.kernel or None))
    return joined_explanation(lines, JoinedHost(snapshot))


def _paths(words: tuple[str, ...]) -> list[Path] | None:
    """Return the files named by the words, none for standard input; None if the words are the text itself."""
    if not words and (sys.stdin is None or sys.stdin.isatty()):
        raise Misuse("nothing to explain: give a file, a line in quotes, or - for standard input")
    if words in ((), ("-",)):
        return []
    if any(letter.isspace() for word in words for letter in word):
        return None
    # The words of a line may be given without quotes.
    first = Path(words[0])
    is_named = len(words) == 1 or first.is_file() or first.is_dir()
    return [Path(word) for word in words] if is_named else None


def _log(path: Path | None) -> Iterator[bytes]:
    """Yield the log in pieces, and report progress; None reads standard input."""
    from pfnlab.base.files import Missing, log_pieces
    from pfnlab.base.inert import visible_name
    from pfnlab.base.progress import beating, working

    name, size = "standard input" if path is None else visible_name(path), 0
    with working(f"reading {name}") as work, beating(work, _EVERY):
        try:
            for piece in log_pieces(path, "log"):
                size += len(piece)
                work.show(f"reading {name}, {size >> 20:,} MiB so far")
                yield piece
        except Missing as trouble:
            raise Misuse(f"{trouble}; put a log line in quotes") from trouble
