"""List device-memory reservations and mappings with their owners, and report problems.

Without an argument, inspect this machine and change nothing. A bundle is written by `--collect` here, or by
the script from `--script` elsewhere; a text or folder with pasted lists works too. Exit code 1: there are
findings, or, with --device, it is not write-combining.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.inert import visible_name
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import AsJson, Option, OutputFile, Request, Say

if TYPE_CHECKING:
    from pfnlab.diagnosis.inspector.host_snapshot import Snapshot
    from pfnlab.diagnosis.inspector.inspection import InspectionResult
    from pfnlab.diagnosis.inspector.parsing.text_files import SnapshotBounds


class InspectRequest(Request, frozen=True, kw_only=True):
    origin: Annotated[
        str | None,
        Option(
            "A bundle, vmcore, sosreport, or a text of pasted lists. Default: this machine.",
            "BUNDLE|VMCORE|SOSREPORT|TEXT",
            positional=True,
        ),
    ] = None
    deep: Annotated[bool, Option("Also read kernel memory (/proc/kcore; extra lens).")] = False
    device: Annotated[
        str | None,
        Option("Check whether the memory of this PCI device is write-combining, e.g. 0000:01:00.0.", "BDF"),
    ] = None
    bar: Annotated[
        int | None, Option("With --device: check only this BAR.", "N", min=0, max=5, needs="device")
    ] = None
    pid: Annotated[
        int | None, Option("With --device: check for this process.", "PID", min=1, needs="device")
    ] = None
    collect: Annotated[
        Path | None,
        Option("Write a bundle to this file without inspecting anything.", "FILE", takes="redact"),
    ] = None
    redact: Annotated[bool, Option("With --collect: omit names and real addresses.", needs="collect")] = False
    script: Annotated[
        bool, Option("Print a script that collects a bundle where pfnlab is not installed.", takes="output")
    ] = False
    most: Annotated[
        int | None,
        Option(
            "Read at most this much of each file (31,250 lines per MiB), and four times that in "
            "total. Default: 64.",
            "MIB",
            min=1,
            max=1 << 14,
        ),
    ] = None
    as_json: AsJson = False
    output: OutputFile = None


def perform(request: InspectRequest, say: Say) -> Iterator[InspectionResult | PlainText]:
    """Yield an inspection or a script; Misuse if the options or the file do not fit."""
    if request.script:
        from pfnlab.diagnosis.inspector.sources.collecting import script_text

        yield PlainText(script_text())
        return
    if request.collect is not None:
        from pfnlab.base.inert import shell_path
        from pfnlab.diagnosis.inspector.sources.collecting import collect
        from pfnlab.diagnosis.inspector.sources.origins import live_files

        collect(request.collect, live_files(_bounds(request)), redact=request.redact)
        command = f"pfnlab inspect {shell_path(request.collect)}"
        say(f"{visible_name(request.collect)}: inspect it with `{command}`")
        return
    from pfnlab.base.progress import working
    from pfnlab.diagnosis.inspector.device import device_answer
    from pfnlab.diagnosis.inspector.inspection import inspected
    from pfnlab.diagnosis.inspector.joined_host import JoinedHost

    machine, device = JoinedHost(_snapshot(request)), request.device
    with working(f"reading the reservations and mappings of {machine.snapshot.origin}"):
        answer = None if device is None else device_answer(machine, device, bar=request.bar, pid=request.pid)
        result = inspected(machine, answer)
    yield result


def _snapshot(request: InspectRequest) -> Snapshot:
    from pfnlab.diagnosis.inspector.sources.origins import live_snapshot, open_origin

    if request.origin is not None:
        request.refuse("a file, which is not this machine,", ("deep",))
        return open_origin(Path(request.origin), _bounds(request))
    if request.deep:
        from pfnlab.diagnosis.inspector.sources.core import deep_snapshot

        return deep_snapshot()
    return live_snapshot(_bounds(request))


def _bounds(request: InspectRequest) -> SnapshotBounds:
    from pfnlab.diagnosis.inspector.parsing.text_files import ORDINARY, SnapshotBounds

    return ORDINARY if request.most is None else SnapshotBounds(request.most)
