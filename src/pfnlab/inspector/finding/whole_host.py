"""Findings about the machine: claimants of BARs, PAT and MTRRs, and what is hidden from this user."""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.hw.cachemode import CacheMode
from pfnlab.inspector.finding.finding_form import EvidenceLine, range_text
from pfnlab.inspector.finding.raw_finding import RawFinding, evidence_of_book
from pfnlab.inspector.finding.reservations import device_line
from pfnlab.inspector.host_snapshot import Access
from pfnlab.inspector.joined_host import BOOT_FRAMEBUFFERS, STAND_INS, JoinedHost, of_stand_in, pat_off


def claimed(machine: JoinedHost) -> Iterator[RawFinding]:
    """BARs of devices that are to be given away, and that a boot framebuffer or another claims."""
    for place in machine.bars:
        bar = place.owner
        if bar.device.driver not in STAND_INS:
            continue
        for line in machine.claimants(place.start, place.end):
            if of_stand_in(line):
                continue
            boot = line.name.lower().startswith(BOOT_FRAMEBUFFERS)
            yield RawFinding(
                "claimed_by_another",
                f"{line.name}{', the boot framebuffer,' if boot else ''} claims "
                f"{range_text(line.start, line.end)} of {bar}, which {bar.device.driver} is to give away.",
                places=[(line.start, line.end, None)],
                place=bar,
                evidence=[
                    EvidenceLine("/proc/iomem", f"{line.start:08x}-{line.end - 1:08x} : {line.name}"),
                    EvidenceLine("/sys/bus/pci/devices", device_line(bar.device)),
                ],
            )


def no_write_combining(machine: JoinedHost) -> Iterator[RawFinding]:
    """A PAT without a slot for write-combining."""
    pat, reasons = machine.snapshot.pat, pat_off(machine.snapshot)
    if CacheMode.WC in pat.slots if pat is not None else not reasons:
        return
    guest = (
        f" This is a guest of {machine.snapshot.virtual}: its host may decide."
        if machine.snapshot.virtual
        else ""
    )
    yield RawFinding(
        "pat_without_wc",
        f"PAT is {'off' if reasons else 'set up without write-combining'}.{guest}",
        evidence=[
            *([] if pat is None else [EvidenceLine("kernel log", pat.boot_line())]),
            *(EvidenceLine(source, line) for source, line in reasons),
        ],
    )


def mtrrs_decide(machine: JoinedHost) -> Iterator[RawFinding]:
    """Entries of BARs whose effective mode is not what the list says, because of an MTRR."""
    for entry in machine.book if machine.snapshot.mtrrs else ():
        places = machine.bar_over(entry.start, entry.end)
        mode = entry.owner.mode
        effective = machine.effective(entry.start, entry.end, mode)
        weak = (CacheMode.UC, CacheMode.UC_MINUS)
        if not places or effective is None or effective is mode or (mode in weak and effective in weak):
            continue
        yield RawFinding(
            "mtrr_decides",
            f"{range_text(entry.start, entry.end)} of {places[0]} is reserved {mode.cattr} "
            f"and is accessed {effective.cattr}.",
            places=[(entry.start, entry.end, mode)],
            place=places[0],
            evidence=[
                *evidence_of_book([(entry.start, entry.end, mode)]),
                *(
                    EvidenceLine(
                        "/proc/mtrr", f"base={line.start:#x} size={line.end - line.start:#x} {line.kind.name}"
                    )
                    for line in machine.snapshot.mtrrs or ()
                    if line.start < entry.end and entry.start < line.end
                ),
            ],
        )


def hidden(machine: JoinedHost) -> Iterator[RawFinding]:
    """Sources whose addresses this user is not shown."""
    for source in machine.snapshot.sources:
        if source.access is Access.HIDDEN:
            yield RawFinding(
                "iomem_hidden",
                f"{source.name} shows zeros in place of addresses.",
                evidence=[EvidenceLine(source.name, source.why or "00000000-00000000")],
            )
