"""Findings about mappings: without a reservation, in two modes at once, of a device that is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple

from pfnlab.base.units import size_text
from pfnlab.diagnosis.inspector.finding.doubtful import OddMapping, odd_mappings
from pfnlab.diagnosis.inspector.finding.finding_form import (
    EvidenceLine,
    RawFinding,
    evidence_of_book,
    range_text,
)
from pfnlab.diagnosis.inspector.host_snapshot import DirectAlias, HostMapping, IomemLine
from pfnlab.diagnosis.inspector.intervals import Intervals
from pfnlab.diagnosis.inspector.joined_host import BarOf, JoinedHost, Piece, driver_words, mapped_file
from pfnlab.kernel.hw.cachemode import CacheMode

#: Below 1 MiB: the ISA hole is never reserved (S2.2, C09).
_ISA_HOLE = (0xA0000, 0x100000)


def odd(machine: JoinedHost) -> Iterator[RawFinding]:
    """Mappings of files that reserve: without a reservation, in another mode than asked for, in two modes."""
    tracks = machine.tracks
    for one in odd_mappings(machine):
        found = (
            _without_reservation(machine, one) if tracks else None,
            _other_than_asked(machine, one) if tracks and one.file.combining else None,
            _over_two_modes(machine, one),
        )
        yield from filter(None, found)


def _without_reservation(machine: JoinedHost, one: OddMapping) -> RawFinding | None:
    """Where a driver claimed the BAR the mapping was revoked."""
    mapping = one.mapping
    missing = [
        (piece.start, piece.end, None)
        for piece in one.pieces
        if piece.mode is None and not _never_reserved(machine, piece.start, piece.end)
    ]
    if not missing:
        return None
    low, high = missing[0][0], missing[-1][1]
    claimed = next(machine.claimants(low, high), None)
    places = machine.bar_over(low, high)
    revoked = claimed is not None and mapping.entries is None
    return RawFinding(
        "revoked_mapping" if revoked else "mapping_without_reservation",
        partial(_unreserved, machine, mapping, missing, claimed if revoked else None),
        places=missing,
        place=places[0] if places else None,
        pids=(mapping.pid,),
        evidence=partial(_lines_of_claimed, mapping, claimed),
    )


def _unreserved(
    machine: JoinedHost,
    mapping: HostMapping,
    missing: list[tuple[int, int, None]],
    claimed: IomemLine | None,
) -> str:
    size = sum(end - start for start, end, _ in missing)
    what = f"{range_text(missing[0][0], missing[-1][1])} ({size_text(size)})"
    says = f"{machine.who(mapping.pid)} maps {what} through {mapping.path}, without a reservation"
    return f"{says}: {claimed.name} has claimed it." if claimed is not None else f"{says}."


def _lines_of_claimed(mapping: HostMapping, claimed: IomemLine | None) -> Iterator[EvidenceLine]:
    yield mapping_line(mapping)
    if claimed is not None:
        yield EvidenceLine("/proc/iomem", f"{claimed.start:08x}-{claimed.end - 1:08x} : {claimed.name}")


def _never_reserved(machine: JoinedHost, start: int, end: int) -> bool:
    if _ISA_HOLE[0] <= start and end <= _ISA_HOLE[1]:
        return True
    return machine.ram.any_over(start, end)


def _other_than_asked(machine: JoinedHost, one: OddMapping) -> RawFinding | None:
    """By the list or by its entries."""
    combining = CacheMode.WC
    others = [piece for piece in one.pieces if piece.mode is not None and piece.mode is not combining]
    if not others:
        return None
    places = machine.bar_over(others[0].start, others[0].end)
    return RawFinding(
        "uc_where_wc_asked",
        partial(_another_mode, machine, one.mapping, others[0]),
        places=others,
        place=places[0] if places else None,
        pids=(one.mapping.pid,),
        evidence=partial(_lines_of_other, machine, one.mapping, others[0]),
    )


def _another_mode(machine: JoinedHost, mapping: HostMapping, other: Piece) -> str:
    holders = _holders(machine, mapping, other.start, other.end)
    return (
        f"{machine.who(mapping.pid)} asked for write-combining at {range_text(other.start, other.end)}, "
        f"which is reserved {other.mode.cattr if other.mode else ''}{holders}."
    )


def _lines_of_other(machine: JoinedHost, mapping: HostMapping, other: Piece) -> Iterator[EvidenceLine]:
    yield mapping_line(mapping)
    yield from evidence_of_book(
        [(entry.start, entry.end, entry.owner.mode) for entry in machine.book.over(other.start, other.end)]
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


def _over_two_modes(machine: JoinedHost, one: OddMapping) -> RawFinding | None:
    mapping, _, known = one
    if mapping.physical is None or (mapping.entries is None and len(known) < 2):
        return None
    start, end = mapping.physical
    pieces = [piece for piece in machine.pieces(start, end) if piece.mode is not None]
    if len({piece.mode for piece in pieces}) < 2:
        return None
    places = machine.bar_over(start, end)
    return RawFinding(
        "two_modes",
        partial(_two_modes, machine, mapping, start, end, pieces),
        places=pieces,
        place=places[0] if places else None,
        pids=(mapping.pid,),
        evidence=partial(_line_alone, mapping),
    )


def _two_modes(machine: JoinedHost, mapping: HostMapping, start: int, end: int, pieces: list[Piece]) -> str:
    modes = " and ".join(dict.fromkeys(piece.mode.cattr for piece in pieces if piece.mode))
    return f"{machine.who(mapping.pid)} maps {range_text(start, end)}, reserved as {modes}."


def of_removed(machine: JoinedHost) -> Iterator[RawFinding]:
    """Mappings of resource files whose device is not there any more."""
    gone = set()
    for path in {mapping.path for mapping in machine.snapshot.mappings or ()}:
        file = mapped_file(path)
        if file.device and (file.deleted or file.device not in machine.devices):
            gone.add(path)
    for mapping in (machine.snapshot.mappings or ()) if gone else ():
        if mapping.path not in gone:
            continue
        yield RawFinding(
            "removed_device",
            partial(_of_removed, machine, mapping),
            places=[(*mapping.physical, None)] if mapping.physical else [],
            device=mapped_file(mapping.path).device,
            pids=(mapping.pid,),
            evidence=partial(_line_alone, mapping),
        )


def _of_removed(machine: JoinedHost, mapping: HostMapping) -> str:
    file = mapped_file(mapping.path)
    return f"{machine.who(mapping.pid)} maps BAR {file.bar} of {file.device}, which was removed."


def _line_alone(mapping: HostMapping) -> tuple[EvidenceLine]:
    return (mapping_line(mapping),)


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
        where = f"{range_text(start, end)} ({size_text(end - start)})"
        yield RawFinding.ready(
            "conflicting_alias",
            f"{where} is mapped {words} at once{'' if places else ', and is RAM'}.",
            [_user_line(user) for user in seen],
            places=[(start, end, None)],
            place=places[0] if places else None,
            pids=sorted({user.mapping.pid for user in over if user.mapping is not None})[:8],
        )


def _kind(mode: CacheMode) -> CacheMode:
    # UC- is UC unless an MTRR makes it write-combining, so both together conflict with nothing.
    return CacheMode.UC if mode is CacheMode.UC_MINUS else mode


def _differ(machine: JoinedHost, start: int, end: int, modes: set[CacheMode]) -> bool:
    # Under an MTRR of UC write-back is UC as well: accesses agree, whatever the entries say (S1.6).
    return len({_kind(machine.effective(start, end, mode) or mode) for mode in modes}) > 1


def _in_two_modes(
    machine: JoinedHost, users: list[tuple[int, int, _User]]
) -> Iterator[tuple[int, int, set[CacheMode]]]:
    # The ranges over which users have two modes; RAM in no list of aliases is write-back for the kernel.
    edges = sorted(
        [(start, 1, user.mode) for start, _, user in users]
        + [(end, -1, user.mode) for _, end, user in users],
        key=lambda edge: edge[:2],
    )
    running: Counter[CacheMode] = Counter()
    last, open_at, modes = 0, None, set[CacheMode]()
    for at, step, mode in edges:
        if at > last:
            now = {one for one, count in running.items() if count}
            if now and machine.ram.any_over(last, at) and not _alias_over(machine, last, at):
                now.add(CacheMode.WB)
            two = len(now) > 1 and _differ(machine, last, at, now)
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
