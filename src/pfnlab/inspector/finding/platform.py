"""Findings about the machine: claimants of BARs, PAT and MTRRs, and what is hidden from this user."""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.hw.cachemode import CacheMode
from pfnlab.inspector.finding.compose import Found, evidence_of_book
from pfnlab.inspector.finding.form import Evidence, range_text
from pfnlab.inspector.finding.reservations import device_line
from pfnlab.inspector.machine import BOOT_FRAMEBUFFERS, STAND_INS, Machine
from pfnlab.inspector.snapshot import Access


def claimed(machine: Machine) -> Iterator[Found]:
    """BARs of devices that are to be given away, and that a boot framebuffer or another claims."""
    for place in machine.bars:
        bar = place.owner
        if bar.device.driver not in STAND_INS:
            continue
        for line in machine.claimants(place.start, place.end):
            if line.name == bar.device.driver:
                continue
            boot = line.name.lower().startswith(BOOT_FRAMEBUFFERS)
            yield Found(
                "claimed_by_another",
                f"{line.name}{', the boot framebuffer,' if boot else ''} claims "
                f"{range_text(line.start, line.end)} of {bar}, which {bar.device.driver} is to give away.",
                places=[(line.start, line.end, None)],
                place=bar,
                evidence=[
                    Evidence("/proc/iomem", f"{line.start:08x}-{line.end - 1:08x} : {line.name}"),
                    Evidence("/sys/bus/pci/devices", device_line(bar.device)),
                ],
            )


def no_write_combining(machine: Machine) -> Iterator[Found]:
    """A PAT without a slot for write-combining."""
    pat = machine.snapshot.pat
    if pat is None or CacheMode.WC in pat.slots:
        return
    guest = (
        f" This is a guest of {machine.snapshot.virtual}: its host may decide."
        if machine.snapshot.virtual
        else ""
    )
    yield Found(
        "pat_without_wc",
        f"PAT is set up without write-combining.{guest}",
        evidence=[Evidence("kernel log", pat.boot_line())],
    )


def mtrrs_decide(machine: Machine) -> Iterator[Found]:
    """Entries of BARs whose effective mode is not what the list says, because of an MTRR."""
    for entry in machine.book if machine.snapshot.mtrrs else ():
        places = machine.bar_over(entry.start, entry.end)
        mode = entry.owner.mode
        effective = machine.effective(entry.start, entry.end, mode)
        weak = (CacheMode.UC, CacheMode.UC_MINUS)
        if not places or effective is None or effective is mode or (mode in weak and effective in weak):
            continue
        yield Found(
            "mtrr_decides",
            f"{range_text(entry.start, entry.end)} of {places[0]} is reserved {mode.cattr} "
            f"and is accessed {effective.cattr}.",
            places=[(entry.start, entry.end, mode)],
            place=places[0],
            evidence=[
                *evidence_of_book(machine, [(entry.start, entry.end, mode)]),
                *(
                    Evidence(
                        "/proc/mtrr", f"base={line.start:#x} size={line.end - line.start:#x} {line.kind.name}"
                    )
                    for line in machine.snapshot.mtrrs or ()
                    if line.start < entry.end and entry.start < line.end
                ),
            ],
        )


def hidden(machine: Machine) -> Iterator[Found]:
    """Sources whose addresses this user is not shown."""
    for source in machine.snapshot.sources:
        if source.access is Access.HIDDEN:
            yield Found(
                "iomem_hidden",
                f"{source.name} shows zeros in place of addresses.",
                evidence=[Evidence(source.name, source.why or "00000000-00000000")],
            )
