"""Findings about the whole machine: claimed BARs, PAT, MTRRs, and sources hidden from this user."""

from collections.abc import Iterator
from functools import partial

from pfnlab.diagnosis.inspector import joined_host
from pfnlab.diagnosis.inspector.finding.finding_form import EvidenceLine, range_text
from pfnlab.diagnosis.inspector.finding.raw_finding import RawFinding, claim_line, evidence_of_book
from pfnlab.diagnosis.inspector.finding.reservations import device_line
from pfnlab.diagnosis.inspector.host_snapshot import Access
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrType, effective_type


def claimed(machine: joined_host.JoinedHost) -> Iterator[RawFinding]:
    """Find BARs of passthrough devices that a boot framebuffer or another driver claims."""
    for place in machine.bars:
        bar = place.owner
        if bar.device.driver not in joined_host.STAND_INS:
            continue
        for line in machine.claimants(place.start, place.end):
            if joined_host.of_stand_in(line):
                continue
            boot = line.name.lower().startswith(joined_host.BOOT_FRAMEBUFFERS)
            yield RawFinding(
                "claimed_by_another",
                f"{line.name}{', the boot framebuffer,' if boot else ''} claims "
                f"{range_text(line.start, line.end)} of {bar}, which {bar.device.driver} is to give away.",
                evidence=[claim_line(line), device_line(bar.device)],
                places=[(line.start, line.end, None)],
                place=bar,
            )


def no_write_combining(machine: joined_host.JoinedHost) -> Iterator[RawFinding]:
    """Find a PAT with no write-combining slot."""
    pat, reasons = machine.snapshot.pat, joined_host.pat_off(machine.snapshot)
    if CacheMode.WC in pat.slots if pat is not None else not reasons:
        return
    virtual = machine.snapshot.virtual
    guest = f" This is a guest of {virtual}: its host may decide." if virtual else ""
    yield RawFinding(
        "pat_without_wc",
        f"PAT is {'off' if reasons else 'set up without write-combining'}.{guest}",
        evidence=[
            *([] if pat is None else [EvidenceLine("kernel log", pat.boot_line())]),
            *(EvidenceLine(source, line) for source, line in reasons),
        ],
    )


def mtrrs_decide(machine: joined_host.JoinedHost) -> Iterator[RawFinding]:
    """Find entries in BARs whose effective mode differs from the list because of an MTRR."""
    for bar in machine.bars if machine.snapshot.mtrrs else ():
        # A BAR usually has a single MTRR type, which decides together with the mode.
        kind = machine.mtrr_of(bar.start, bar.end)
        kept = set() if kind is None else {mode for mode in CacheMode if _as_listed(mode, kind)}
        for start, end, owner in machine.book.over(bar.start, bar.end):
            mode = owner.mode
            if mode in kept and bar.start <= start and end <= bar.end:
                continue
            places = machine.bar_over(start, end)
            kind = machine.mtrr_of(start, end)
            if kind is None or places[0] is not bar.owner or _as_listed(mode, kind):
                continue
            yield RawFinding(
                "mtrr_decides",
                partial(_decided, start, end, places[0], mode, effective_type(kind, mode)),
                places=[(start, end, mode)],
                place=places[0],
                evidence=partial(_lines_of_mtrrs, machine, start, end, mode),
            )


def _as_listed(mode: CacheMode, kind: MtrrType) -> bool:
    weak = (CacheMode.UC, CacheMode.UC_MINUS)
    effective = effective_type(kind, mode)
    return effective is mode or (mode in weak and effective in weak)


def _decided(start: int, end: int, place: joined_host.BarOf, mode: CacheMode, effective: CacheMode) -> str:
    return f"{range_text(start, end)} of {place} is reserved {mode.cattr} and is accessed {effective.cattr}."


def _lines_of_mtrrs(
    machine: joined_host.JoinedHost, start: int, end: int, mode: CacheMode
) -> Iterator[EvidenceLine]:
    yield from evidence_of_book([(start, end, mode)])
    for line in machine.snapshot.mtrrs or ():
        if line.start < end and start < line.end:
            yield EvidenceLine(
                "/proc/mtrr", f"base={line.start:#x} size={line.end - line.start:#x} {line.kind.name}"
            )


def hidden(machine: joined_host.JoinedHost) -> Iterator[RawFinding]:
    """Find sources whose addresses are hidden from this user."""
    for source in machine.snapshot.sources:
        if source.access is Access.HIDDEN:
            yield RawFinding(
                "iomem_hidden",
                f"{source.name} shows zeros in place of addresses.",
                evidence=[EvidenceLine(source.name, source.why or "00000000-00000000")],
            )
