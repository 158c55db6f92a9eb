"""The result of an inspection: what was looked at, and what was found."""

from __future__ import annotations

from typing import Annotated

import msgspec

from pfnlab.base.result import ALWAYS, Made, Outcome, Result
from pfnlab.base.units import number_of
from pfnlab.diagnosis.inspector.around import MemoryRow, around
from pfnlab.diagnosis.inspector.device import CombiningAnswer, DeviceAnswer
from pfnlab.diagnosis.inspector.finding.every import findings
from pfnlab.diagnosis.inspector.finding.finding_form import Finding, Severity
from pfnlab.diagnosis.inspector.finding.lacking import NotLookedFor, not_looked_for
from pfnlab.diagnosis.inspector.host_snapshot import Access, UnkeptLines
from pfnlab.diagnosis.inspector.joined_host import JoinedHost

#: Parts of a snapshot that are read seconds apart may contradict each other.
APART = 5.0


class LookedAt(msgspec.Struct, frozen=True):
    """A source.

    :param name: the file, or the part of memory
    :param access: ``read``, ``absent``, ``refused``, ``hidden`` or ``cut``
    :param why: the reason where it was not read whole; empty otherwise
    :param command: what would give it; empty where it was read
    """

    name: str
    access: Access
    why: str = ""
    command: str = ""


class PartCounts(msgspec.Struct, frozen=True):
    """The size of what was looked at; null where it was not read.

    :param reservations: entries of the memtype list
    :param devices: PCI devices
    :param mappings: VMAs of device memory
    :param processes: processes that were looked at
    :param resources: lines of /proc/iomem
    """

    reservations: int | None
    devices: int | None
    mappings: int | None
    processes: int | None
    resources: int | None


class PlacedFinding(msgspec.Struct, frozen=True):
    """A finding, and the memory around it.

    :param finding: the finding
    :param around: what lies there, in the order of a picture
    """

    finding: Finding
    around: tuple[MemoryRow, ...]


class InspectionResult(Result, frozen=True, kw_only=True, tag="pfnlab-inspection/1"):
    """One machine at one moment: what is reserved and mapped there, and what is wrong with it.

    :param origin: ``this machine``, or the bundle, core or folder
    :param host: the name of the machine, empty where it is not known
    :param kernel: its release, empty where it is not known
    :param virtual: the hypervisor it runs under, empty where none is known
    :param apart: seconds between the first source that was read and the last
    :param counted: how much was looked at
    :param sources: what was read and what was not
    :param findings: what is wrong first
    :param not_looked_for: the kinds of findings whose sources are lacking, all or a part of them
    :param device: the answer to a question about one device; null where none was asked
    :param says: the result in a sentence
    :param left_out: of a redacted bundle, the lines that it lacks
    """

    origin: str
    host: str
    kernel: str
    virtual: str
    apart: float
    counted: PartCounts
    sources: tuple[LookedAt, ...]
    findings: tuple[PlacedFinding, ...]
    says: str
    not_looked_for: Annotated[tuple[NotLookedFor, ...], ALWAYS] = ()
    device: Annotated[DeviceAnswer | None, ALWAYS] = None
    left_out: tuple[UnkeptLines, ...] = ()

    @property
    def wrong(self) -> tuple[PlacedFinding, ...]:
        """The findings that are no mere note."""
        return tuple(one for one in self.findings if one.finding.severity is not Severity.NOTE)

    @property
    def outcome(self) -> Outcome:
        """A discovery where anything is wrong; of a device, where it is not write-combining."""
        if self.device is not None:
            return {
                CombiningAnswer.YES: Outcome.AS_EXPECTED,
                CombiningAnswer.NO: Outcome.DISCOVERY,
                CombiningAnswer.UNKNOWN: Outcome.UNDECIDED,
            }[self.device.combining]
        if self.wrong:
            return Outcome.DISCOVERY
        return Outcome.AS_EXPECTED


def inspected(machine: JoinedHost, device: DeviceAnswer | None = None) -> InspectionResult:
    """The result for a machine.

    :param device: the answer to the question about one device, where there was one
    """
    snapshot = machine.snapshot
    found, lacking = findings(machine), not_looked_for(snapshot)
    return InspectionResult(
        made=Made.now(),
        origin=snapshot.origin,
        host=snapshot.host,
        kernel=snapshot.kernel,
        virtual=snapshot.virtual,
        apart=round(snapshot.apart, 3),
        counted=PartCounts(
            *(
                None if part is None else len(part)
                for part in (
                    snapshot.book,
                    snapshot.devices,
                    snapshot.mappings,
                    snapshot.processes,
                    snapshot.resources,
                )
            )
        ),
        sources=tuple(
            LookedAt(source.name, source.access, source.why, source.command) for source in snapshot.sources
        ),
        findings=tuple(PlacedFinding(one, around(machine, one)) for one in found),
        not_looked_for=lacking,
        device=device,
        says=_says(machine, found, lacking),
        left_out=snapshot.left_out,
    )


def _says(machine: JoinedHost, found: tuple[Finding, ...], lacking: tuple[NotLookedFor, ...]) -> str:
    wrong = [one for one in found if one.severity is not Severity.NOTE]
    missing = [source.name for source in machine.snapshot.sources if source.access is not Access.READ]
    kinds = [one for one in lacking if not one.in_part]
    unread = f"; {number_of(len(missing), 'source')} not read whole" if missing else ""
    if kinds:
        unread += f"; {number_of(len(kinds), 'kind')} of findings not looked for"
    if wrong:
        return f"{number_of(len(wrong), 'finding')}{unread}."
    if machine.snapshot.book is None:
        return f"Nothing found, and the memtype list was not read{unread}."
    return f"Nothing found in {number_of(len(machine.snapshot.book), 'reservation')}{unread}."
