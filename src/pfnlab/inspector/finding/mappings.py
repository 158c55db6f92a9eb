"""Findings about mappings: without a reservation, in two modes at once, of a device that is gone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from pfnlab.hw.cachemode import CacheMode
from pfnlab.inspector.finding.finding_form import EvidenceLine, range_text
from pfnlab.inspector.finding.raw_finding import RawFinding, evidence_of_book
from pfnlab.inspector.host_snapshot import DirectAlias, HostMapping
from pfnlab.inspector.intervals import Intervals
from pfnlab.inspector.joined_host import BarOf, JoinedHost, driver_words, physical_of
from pfnlab.units import size_text

#: Files whose mmap reserves what it maps, in every kernel: those of sysfs, /proc/bus/pci and /dev/mem (S9.1
#: to S9.3). Of vfio-pci that depends on the kernel, and drivers may insert without a reservation.
_RESERVES = re.compile(r"^/sys/.*/resource\d+(_wc)?( \(deleted\))?$|^/proc/bus/pci/|^/dev/mem$")

_RESOURCE = re.compile(
    r"^/sys/.*/(?P<device>[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])/resource(?P<bar>\d+)(?P<wc>_wc)?"
)

#: Below 1 MiB: the ISA hole is never reserved (S2.2, C09).
_ISA_HOLE = (0xA0000, 0x100000)


def reserves(mapping: HostMapping) -> bool:
    """True where a mapping of this file is reserved by the kernel."""
    return _RESERVES.match(mapping.path) is not None


def without_reservation(machine: JoinedHost) -> Iterator[RawFinding]:
    """Mappings that should be reserved and are not; where a driver claimed the BAR they were revoked."""
    if not machine.tracks:
        return
    for mapping in machine.snapshot.mappings or ():
        if not reserves(mapping):
            continue
        missing = [
            (piece.start, piece.end, None)
            for start, end in physical_of(mapping)
            for piece in machine.pieces(start, end)
            if piece.mode is None and not _never_reserved(machine, piece.start, piece.end)
        ]
        if not missing:
            continue
        low, high = missing[0][0], missing[-1][1]
        claimed = machine.claimants(low, high)
        places = machine.bar_over(low, high)
        size = sum(end - start for start, end, _ in missing)
        who = machine.who(mapping.pid)
        revoked = bool(claimed) and mapping.entries is None
        what = f"{range_text(low, high)} ({size_text(size)})"
        says = f"{who} maps {what} through {mapping.path}, without a reservation"
        yield RawFinding(
            "revoked_mapping" if revoked else "mapping_without_reservation",
            f"{says}: {claimed[0].name} has claimed it." if revoked else f"{says}.",
            places=missing,
            place=places[0] if places else None,
            pids=[mapping.pid],
            evidence=[
                mapping_line(mapping),
                *(
                    EvidenceLine("/proc/iomem", f"{line.start:08x}-{line.end - 1:08x} : {line.name}")
                    for line in claimed[:1]
                ),
            ],
        )


def _never_reserved(machine: JoinedHost, start: int, end: int) -> bool:
    if _ISA_HOLE[0] <= start and end <= _ISA_HOLE[1]:
        return True
    return any(ranged.owner.name.startswith("System RAM") for ranged in machine.resources.over(start, end))


def other_than_asked(machine: JoinedHost) -> Iterator[RawFinding]:
    """Mappings that ask for write-combining and have another mode, by the list or by their entries."""
    if not machine.tracks:
        return
    for mapping in machine.snapshot.mappings or ():
        found = _RESOURCE.match(mapping.path)
        if not found or not found["wc"]:
            continue
        others = [
            (piece.start, piece.end, piece.mode)
            for start, end in physical_of(mapping)
            for piece in machine.pieces(start, end)
            if piece.mode not in (None, CacheMode.WC)
        ]
        if not others:
            continue
        low, high, mode = others[0]
        places = machine.bar_over(low, high)
        holders = _holders(machine, mapping, low, high)
        yield RawFinding(
            "uc_where_wc_asked",
            f"{machine.who(mapping.pid)} asked for write-combining at {range_text(low, high)}, "
            f"which is reserved {mode.cattr if mode else ''}{holders}.",
            places=others,
            place=places[0] if places else None,
            pids=[mapping.pid],
            evidence=[
                mapping_line(mapping),
                *evidence_of_book(
                    [(entry.start, entry.end, entry.owner.mode) for entry in machine.book.over(low, high)],
                ),
            ],
        )


def _holders(machine: JoinedHost, mapping: HostMapping, low: int, high: int) -> str:
    others = [
        machine.who(other.pid)
        for other in machine.mappings_over(low, high)
        if (other.pid, other.start) != (mapping.pid, mapping.start)
    ]
    devices = [place.device for place in machine.bar_over(low, high) if place.device.driver]
    holders = [*dict.fromkeys(f"the {driver_words(device)}" for device in devices), *dict.fromkeys(others)]
    return f" by one of: {', '.join(holders[:4])}" if holders else ""


def over_two_modes(machine: JoinedHost) -> Iterator[RawFinding]:
    """Mappings of a file that reserves, over memory that is reserved in two modes."""
    for mapping in machine.snapshot.mappings or ():
        if not reserves(mapping):
            continue
        for start, end in [mapping.physical] if mapping.physical else ():
            pieces = [piece for piece in machine.pieces(start, end) if piece.mode is not None]
            if len({piece.mode for piece in pieces}) < 2:
                continue
            places = machine.bar_over(start, end)
            yield RawFinding(
                "two_modes",
                f"{machine.who(mapping.pid)} maps {range_text(start, end)}, "
                f"reserved as {' and '.join(dict.fromkeys(p.mode.cattr for p in pieces if p.mode))}.",
                places=[(piece.start, piece.end, piece.mode) for piece in pieces],
                place=places[0] if places else None,
                pids=[mapping.pid],
                evidence=[mapping_line(mapping)],
            )


def of_removed(machine: JoinedHost) -> Iterator[RawFinding]:
    """Mappings of resource files whose device is not there any more."""
    for mapping in machine.snapshot.mappings or ():
        found = _RESOURCE.match(mapping.path)
        if found is None:
            continue
        if found["device"] in machine.devices and not mapping.path.endswith(" (deleted)"):
            continue
        yield RawFinding(
            "removed_device",
            f"{machine.who(mapping.pid)} maps BAR {found['bar']} of {found['device']}, which was removed.",
            places=[(*mapping.physical, None)] if mapping.physical else [],
            device=found["device"],
            pids=[mapping.pid],
            evidence=[mapping_line(mapping)],
        )


#: Of many users of one place so many are looked at for their names.
_MOST_USERS = 64


class _User(NamedTuple):
    """Somebody with entries for a range: their mode, and who it is."""

    mode: CacheMode
    mapping: HostMapping | None
    alias: DirectAlias | None


def aliased(machine: JoinedHost) -> Iterator[RawFinding]:
    """Memory that is mapped in two modes at once; only page-table entries show it."""
    users = [
        (run.start, run.end, _User(run.mode, mapping, None))
        for mapping in machine.snapshot.mappings or ()
        for run in mapping.entries or ()
    ]
    if not users:
        return
    users += [
        (alias.start, alias.end, _User(alias.mode, None, alias)) for alias in machine.snapshot.aliases or ()
    ]
    by_place = Intervals(users)
    for start, end, modes in _in_two_modes(machine, users):
        over = [ranged.owner for ranged in islice(by_place.over(start, end), _MOST_USERS)]
        seen = {_kind(user.mode): user for user in reversed(over)}.values()
        places: list[BarOf] = machine.bar_over(start, end)
        words = " and ".join(mode.cattr for mode in sorted(modes))
        yield RawFinding(
            "conflicting_alias",
            f"{range_text(start, end)} ({size_text(end - start)}) is mapped {words} at once"
            f"{'' if places else ', and is RAM'}.",
            places=[(start, end, None)],
            place=places[0] if places else None,
            pids=sorted({user.mapping.pid for user in over if user.mapping is not None})[:8],
            evidence=[_user_line(user) for user in seen],
        )


def _kind(mode: CacheMode) -> CacheMode:
    # UC- is UC unless an MTRR makes it write-combining, so both together conflict with nothing.
    return CacheMode.UC if mode is CacheMode.UC_MINUS else mode


def _in_two_modes(
    machine: JoinedHost, users: list[tuple[int, int, _User]]
) -> Iterator[tuple[int, int, set[CacheMode]]]:
    # The ranges over which users have two modes; RAM in no list of aliases is write-back for the kernel.
    edges = sorted(
        [(start, 1, user.mode) for start, _, user in users]
        + [(end, -1, user.mode) for _, end, user in users],
        key=lambda edge: edge[:2],
    )
    ram = Intervals(
        (ranged.start, ranged.end, None)
        for ranged in machine.resources
        if ranged.owner.name.startswith("System RAM")
    )
    running: Counter[CacheMode] = Counter()
    last, open_at, modes = 0, None, set[CacheMode]()
    for at, step, mode in edges:
        if at > last:
            now = {one for one, count in running.items() if count}
            if now and ram.any_over(last, at) and not _alias_over(machine, last, at):
                now.add(CacheMode.WB)
            two = len({_kind(one) for one in now}) > 1
            if two and open_at is None:
                open_at, modes = last, now
            elif not two and open_at is not None:
                yield open_at, last, modes
                open_at = None
        last = at
        running[mode] += step
    if open_at is not None:
        yield open_at, last, modes


def _alias_over(machine: JoinedHost, start: int, end: int) -> bool:
    return any(ranged.owner.place == "direct map" for ranged in machine.aliases.over(start, end))


def _user_line(user: _User) -> EvidenceLine:
    if user.mapping is not None:
        line = mapping_line(user.mapping)
        return EvidenceLine(line.source, f"{line.line} (entries {user.mode.cattr})")
    alias = user.alias
    assert alias is not None, "a user is a mapping or an alias"
    return EvidenceLine(alias.place, f"{range_text(alias.start, alias.end)} {alias.mode.cattr}")


def mapping_line(mapping: HostMapping) -> EvidenceLine:
    """A mapping as /proc/PID/maps writes it."""
    return EvidenceLine(
        f"/proc/{mapping.pid}/maps",
        f"{mapping.start:x}-{mapping.end:x} {mapping.perms} {mapping.offset:08x} {mapping.path}",
    )
