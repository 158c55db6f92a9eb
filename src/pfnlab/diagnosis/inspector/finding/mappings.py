"""Findings about mappings: unreserved, in two modes at once, or left over from a removed device."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple

from pfnlab.base.units import size_text
from pfnlab.diagnosis.inspector.finding.finding_form import EvidenceLine, range_text
from pfnlab.diagnosis.inspector.finding.raw_finding import RawFinding, claim_line, evidence_of_book
from pfnlab.diagnosis.inspector.host_snapshot import DirectAlias, HostMapping
from pfnlab.diagnosis.inspector.intervals import Intervals
from pfnlab.diagnosis.inspector.joined_host import (
    JoinedHost,
    MappableFile,
    Piece,
    driver_words,
    mapped_file,
    physical_of,
)
from pfnlab.kernel.hw.cachemode import CacheMode

#: Below 1 MiB: the ISA hole is never reserved (S2.2).
_ISA_HOLE = (0xA0000, 0x100000)


class OddMapping(NamedTuple):
    """A mapping that should reserve but is not covered by one entry of its mode; *pieces* are its memory."""

    mapping: HostMapping
    file: MappableFile
    pieces: list[Piece]


def odd_mappings(machine: JoinedHost) -> Iterator[OddMapping]:
    """Find mappings of files that reserve, except those covered by one entry of the requested mode."""
    starts, ends, owners = machine.book.starts, machine.book.ends, machine.book.owners
    alone, combining = machine.book.disjoint, CacheMode.WC
    for mapping in machine.snapshot.mappings or ():
        file = mapped_file(mapping.path)
        if not file.reserves:
            continue
        physical = mapping.physical
        if alone and mapping.entries is None and physical is not None:
            at = bisect_right(starts, physical[0]) - 1
            if at >= 0 and physical[1] <= ends[at] and (not file.combining or owners[at].mode is combining):
                continue
        pieces = [piece for start, end in physical_of(mapping) for piece in machine.pieces(start, end)]
        yield OddMapping(mapping, file, pieces)


def odd(machine: JoinedHost) -> Iterator[RawFinding]:
    """Find mappings that should reserve but are unreserved, in an unrequested mode, or in two modes."""
    tracks = machine.tracks
    for one in odd_mappings(machine):
        found = (
            _without_reservation(machine, one) if tracks else None,
            _other_than_asked(machine, one) if tracks and one.file.combining else None,
            _over_two_modes(machine, one),
        )
        yield from filter(None, found)


def _without_reservation(machine: JoinedHost, one: OddMapping) -> RawFinding | None:
    """Make the finding for an unreserved mapping; if a driver claimed the BAR, the mapping was revoked."""
    mapping = one.mapping
    # Neither the ISA hole nor RAM is ever reserved.
    missing = [
        (start, end, None)
        for start, end, mode in one.pieces
        if mode is None
        and not (_ISA_HOLE[0] <= start and end <= _ISA_HOLE[1])
        and not machine.ram.any_over(start, end)
    ]
    if not missing:
        return None
    low, high = missing[0][0], missing[-1][1]
    claimed = next(machine.claimants(low, high), None)
    revoked = claimed if mapping.entries is None else None

    def says() -> str:
        size = sum(end - start for start, end, _ in missing)
        maps = f"{machine.who(mapping.pid)} maps {range_text(low, high)} ({size_text(size)})"
        by = f": {revoked.name} has claimed it." if revoked is not None else "."
        return f"{maps} through {mapping.path}, without a reservation{by}"

    return RawFinding(
        "mapping_without_reservation" if revoked is None else "revoked_mapping",
        says,
        places=missing,
        place=machine.first_bar(low, high),
        pids=(mapping.pid,),
        evidence=lambda: (mapping_line(mapping), *(claim_line(line) for line in (claimed,) if line)),
    )


def _other_than_asked(machine: JoinedHost, one: OddMapping) -> RawFinding | None:
    """Make the finding for a write-combining mapping of memory that is reserved in another mode."""
    others = [piece for piece in one.pieces if piece.mode not in (None, CacheMode.WC)]
    if not others:
        return None
    mapping, (start, end, mode) = one.mapping, others[0]
    return RawFinding(
        "uc_where_wc_asked",
        lambda: (
            f"{machine.who(mapping.pid)} asked for write-combining at {range_text(start, end)}, "
            f"which is reserved {mode.cattr if mode else ''}{_holders(machine, mapping, start, end)}."
        ),
        places=others,
        place=machine.first_bar(start, end),
        pids=(mapping.pid,),
        evidence=lambda: (
            mapping_line(mapping),
            *evidence_of_book([(*entry[:2], entry.owner.mode) for entry in machine.book.over(start, end)]),
        ),
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
    modes = dict.fromkeys(piece.mode.cattr for piece in pieces if piece.mode)
    if len(modes) < 2:
        return None
    reserved = f"{range_text(start, end)}, reserved as {' and '.join(modes)}"
    return RawFinding(
        "two_modes",
        lambda: f"{machine.who(mapping.pid)} maps {reserved}.",
        places=pieces,
        place=machine.first_bar(start, end),
        pids=(mapping.pid,),
        evidence=lambda: (mapping_line(mapping),),
    )


def of_removed(machine: JoinedHost) -> Iterator[RawFinding]:
    """Find mappings of resource files whose device was removed."""
    mappings = machine.snapshot.mappings or ()
    files = {path: mapped_file(path) for path in {mapping.path for mapping in mappings}}
    gone = {
        path: file
        for path, file in files.items()
        if file.device and (file.deleted or file.device not in machine.devices)
    }
    for mapping in mappings if gone else ():
        if (file := gone.get(mapping.path)) is not None:
            yield RawFinding(
                "removed_device",
                partial(_of_removed, machine, mapping, file),
                places=[(*mapping.physical, None)] if mapping.physical else [],
                device=file.device,
                pids=(mapping.pid,),
                evidence=partial(map, mapping_line, (mapping,)),
            )


def _of_removed(machine: JoinedHost, mapping: HostMapping, file: MappableFile) -> str:
    return f"{machine.who(mapping.pid)} maps BAR {file.bar} of {file.device}, which was removed."


#: Maximum number of users named for one place.
_MOST_USERS = 64


#: A user of a range: the mode of its page-table entries, and its mapping.
_User = tuple[CacheMode, HostMapping | DirectAlias]


def aliased(machine: JoinedHost) -> Iterator[RawFinding]:
    """Find memory mapped in two modes at once; only page-table entries reveal it."""
    users: list[tuple[int, int, _User]] = [
        (run.start, run.end, (run.mode, mapping))
        for mapping in machine.snapshot.mappings or ()
        for run in mapping.entries or ()
    ]
    if not users:
        return
    users += [(alias.start, alias.end, (alias.mode, alias)) for alias in machine.snapshot.aliases or ()]
    by_place = Intervals(users)
    for start, end, modes in _in_two_modes(machine, users):
        over = [ranged.owner for ranged in islice(by_place.over(start, end), _MOST_USERS)]
        seen = {_kind(mode): (mode, user) for mode, user in reversed(over)}.values()
        place = machine.first_bar(start, end)
        words = " and ".join(mode.cattr for mode in sorted(modes))
        where = f"{range_text(start, end)} ({size_text(end - start)})"
        yield RawFinding(
            "conflicting_alias",
            f"{where} is mapped {words} at once{', and is RAM' if place is None else ''}.",
            evidence=[_user_line(*user) for user in seen],
            places=[(start, end, None)],
            place=place,
            pids=sorted({user.pid for _, user in over if isinstance(user, HostMapping)})[:8],
        )


def _kind(mode: CacheMode) -> CacheMode:
    # UC- acts as UC unless an MTRR makes it write-combining, so UC- and UC do not conflict.
    return CacheMode.UC if mode is CacheMode.UC_MINUS else mode


def _in_two_modes(
    machine: JoinedHost, users: list[tuple[int, int, _User]]
) -> Iterator[tuple[int, int, set[CacheMode]]]:
    # Ranges mapped in two modes; the kernel maps RAM as write-back unless the list of aliases has it.
    edges = sorted(
        [(start, 1, mode) for start, _, (mode, _) in users]
        + [(end, -1, mode) for _, end, (mode, _) in users],
        key=lambda edge: edge[:2],
    )
    running: Counter[CacheMode] = Counter()
    last, open_at, modes = 0, None, set[CacheMode]()
    for at, step, mode in edges:
        if at > last:
            now = {one for one, count in running.items() if count}
            # The most expensive check comes last: there may be a million edges.
            if (
                now
                and machine.ram.any_over(last, at)
                and not any(one.owner.place == "direct map" for one in machine.aliases.over(last, at))
            ):
                now.add(CacheMode.WB)
            # Under a UC MTRR write-back becomes UC too: accesses agree, whatever the entries say (S1.6).
            kinds = {_kind(machine.effective(last, at, one) or one) for one in now} if len(now) > 1 else now
            two = len(kinds) > 1
            if two and open_at is None:
                open_at, modes = last, now
            elif not two and open_at is not None:
                yield open_at, last, modes
                open_at = None
        last = at
        running[mode] += step
    if open_at is not None:
        yield open_at, last, modes


def _user_line(mode: CacheMode, user: HostMapping | DirectAlias) -> EvidenceLine:
    if isinstance(user, DirectAlias):
        return EvidenceLine(user.place, f"{range_text(user.start, user.end)} {mode.cattr}")
    line = mapping_line(user)
    return EvidenceLine(line.source, f"{line.line} (entries {mode.cattr})")


def mapping_line(mapping: HostMapping) -> EvidenceLine:
    """Format a mapping like a line of /proc/PID/maps."""
    return EvidenceLine(
        f"/proc/{mapping.pid}/maps",
        f"{mapping.start:x}-{mapping.end:x} {mapping.perms} {mapping.offset:08x} {mapping.path}",
    )
