"""One device: whether its BARs are write-combining, by which means, and for which process."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import shell_word
from pfnlab.diagnosis.inspector.finding.finding_form import PhysicalPlace, range_text
from pfnlab.diagnosis.inspector.host_snapshot import HostMapping, PciFunction
from pfnlab.diagnosis.inspector.joined_host import BarOf, JoinedHost, Piece, driver_words, mapped_file
from pfnlab.kernel.hw.cachemode import CacheMode


class CombiningAnswer(StrEnum):
    """The answer to "is it write-combining?"."""

    YES = "yes"
    NO = "no"
    #: The deciding source could not be read.
    UNKNOWN = "not known"


class BarUser(msgspec.Struct, frozen=True):
    """A process that maps a BAR.

    :param pid: the process
    :param comm: its name, empty if unknown
    :param path: the file it maps
    :param places: the physical memory it maps, with the mode of its entries
    :param effective: the mode of its accesses; null if unknown or not uniform
    :param known: the source of the mode: the ``entries`` of its page tables, or the ``list``
    :param combining: whether it is write-combining for this process: ``yes``, ``no`` or ``not known``
    """

    pid: int
    comm: str
    path: str
    places: tuple[PhysicalPlace, ...]
    effective: str | None
    known: str
    combining: CombiningAnswer


class BarAnswer(msgspec.Struct, frozen=True):
    """One BAR.

    :param number: its number
    :param place: its physical memory
    :param prefetchable: whether the device allows write-combining there
    :param cover: the memtype list over it, in order; a place without a mode is not reserved
    :param reserved: bytes reserved with each mode
    :param effective: the mode of accesses with the reserved mode; null if unknown or not uniform
    :param holders: possible owners of the entries: drivers, claimants, the kernel's own mappings
    :param users: the processes that map it
    :param combining: whether all of it is write-combining
    """

    number: int
    place: PhysicalPlace
    prefetchable: bool
    cover: tuple[PhysicalPlace, ...]
    reserved: dict[str, int]
    effective: str | None
    holders: tuple[str, ...]
    users: tuple[BarUser, ...]
    combining: CombiningAnswer


class DeviceAnswer(msgspec.Struct, frozen=True):
    """The answer about a device.

    :param address: its PCI address
    :param ids: vendor and device
    :param driver: its driver; null if unbound
    :param bars: the requested BARs
    :param combining: whether every requested BAR is write-combining
    :param says: the answer as a sentence
    :param todo: what would make it write-combining
    """

    address: str
    ids: str
    driver: str | None
    bars: tuple[BarAnswer, ...]
    combining: CombiningAnswer
    says: str
    todo: tuple[str, ...]


def device_answer(
    machine: JoinedHost, address: str, *, bar: int | None = None, pid: int | None = None
) -> DeviceAnswer:
    """Tell whether a device's BARs are write-combining.

    :param address: e.g. ``0000:01:00.0``; the domain may be omitted
    :param bar: default: the prefetchable BARs, or all BARs if it has no such BAR
    :param pid: consider only mappings of this process
    :raises Misuse: if there is no such device or BAR, or *pid* maps none of its BARs
    """
    if machine.snapshot.devices is None:
        raise Misuse(f"the devices of {machine.snapshot.origin} are not known: --json shows the sources read")
    known = machine.devices
    device = known.get(address) or known.get(f"0000:{address}")
    if device is None:
        names = ", ".join(list(known)[:6]) or "none"
        raise Misuse(f"there is no PCI device {address!r}: there are {names}")
    every = [one for one in device.bars if one.number <= 5 and one.end > one.start]
    if bar is not None:
        chosen = [one for one in every if one.number == bar]
        if not chosen:
            numbers = ", ".join(str(one.number) for one in every) or "none"
            raise Misuse(f"{device.address} has no memory BAR {bar}: it has {numbers}")
    else:
        chosen = [one for one in every if one.prefetchable] or every
    if not chosen:
        raise Misuse(f"{device.address} has no BAR in memory")
    answers = tuple(_bar_answer(machine, BarOf(device, one), pid) for one in chosen)
    if pid is not None and not any(answer.users for answer in answers):
        raise Misuse(f"process {pid} maps none of these BARs of {device.address}, as far as known")
    decided = [user.combining for answer in answers for user in answer.users] if pid is not None else []
    combining = _all(decided or [answer.combining for answer in answers])
    numbers = " and ".join(str(answer.number) for answer in answers)
    whom = f" for {machine.who(pid)}" if pid is not None else ""
    return DeviceAnswer(
        device.address,
        device.ids,
        device.driver,
        answers,
        combining,
        f"BAR {numbers} of {device.address}{whom}: write-combining, all of it: {combining.value}.",
        tuple(_todo(machine, device, answers, combining)),
    )


def _all(answers: list[CombiningAnswer]) -> CombiningAnswer:
    if CombiningAnswer.NO in answers:
        return CombiningAnswer.NO
    return CombiningAnswer.UNKNOWN if CombiningAnswer.UNKNOWN in answers else CombiningAnswer.YES


def _bar_answer(machine: JoinedHost, place: BarOf, pid: int | None) -> BarAnswer:
    start, end = place.bar.start, place.bar.end
    book_known = machine.snapshot.book is not None
    pieces = list(machine.pieces(start, end)) if book_known else []
    reserved: dict[str, int] = {}
    for piece in pieces:
        if piece.mode is not None:
            reserved[piece.mode.short] = reserved.get(piece.mode.short, 0) + piece.end - piece.start
    effective = {_effective(machine, piece) for piece in pieces}
    users = tuple(
        _user(machine, place, mapping)
        for mapping in machine.mappings_over(start, end)
        if pid is None or mapping.pid == pid
    )
    if not book_known or None in effective:
        combining = CombiningAnswer.UNKNOWN
    else:
        combining = CombiningAnswer.YES if effective == {CacheMode.WC} else CombiningAnswer.NO
    one = effective.pop() if len(effective) == 1 else None
    return BarAnswer(
        place.bar.number,
        PhysicalPlace.of(start, end),
        place.bar.prefetchable,
        _places(pieces),
        reserved,
        one.short if one else None,
        tuple(_holders(machine, place)),
        users,
        combining,
    )


def _effective(machine: JoinedHost, piece: Piece) -> CacheMode | None:
    if piece.mode is not None:
        return machine.effective(piece.start, piece.end, piece.mode)
    # Nothing requests write-combining for an unreserved gap, so only a known MTRR can provide it.
    uncached = CacheMode.UC_MINUS
    return machine.effective(piece.start, piece.end, uncached) or uncached


def _holders(machine: JoinedHost, place: BarOf) -> Iterator[str]:
    if place.device.driver:
        yield driver_words(place.device)
    for line in machine.claimants(place.bar.start, place.bar.end):
        yield f"{line.name} claims {range_text(line.start, line.end)}"
    for alias in machine.aliases.over(place.bar.start, place.bar.end):
        yield f"{alias.owner.place} {alias.owner.mode.short} {range_text(alias.start, alias.end)}"


def _user(machine: JoinedHost, place: BarOf, mapping: HostMapping) -> BarUser:
    low, high = place.bar.start, place.bar.end
    process = machine.processes.get(mapping.pid)
    if mapping.entries is not None:
        runs = [run for run in mapping.entries if run.start < high and low < run.end]
        places = tuple(PhysicalPlace.of(run.start, run.end, run.mode.short) for run in runs)
        modes = {machine.effective(run.start, run.end, run.mode) for run in runs}
    else:
        # A mapping that reserves gets the mode of the reservation, even if another mapping made it (S2.10).
        start, end = mapping.physical or (low, high)
        pieces = list(machine.pieces(max(start, low), min(end, high)))
        places = _places(pieces)
        certain = mapped_file(mapping.path).reserves and machine.snapshot.book is not None
        modes = {_effective(machine, piece) for piece in pieces} if certain else {None}
    several = len(modes) > 1 and None not in modes
    one = modes.pop() if len(modes) == 1 else None
    combining = CombiningAnswer.NO if one or several else CombiningAnswer.UNKNOWN
    return BarUser(
        mapping.pid,
        process.comm if process else "",
        mapping.path,
        places,
        one.short if one else None,
        "list" if mapping.entries is None else "entries",
        CombiningAnswer.YES if one is CacheMode.WC else combining,
    )


def _places(pieces: Iterable[Piece]) -> tuple[PhysicalPlace, ...]:
    return tuple(PhysicalPlace.of(start, end, mode.short if mode else None) for start, end, mode in pieces)


def _todo(
    machine: JoinedHost, device: PciFunction, answers: tuple[BarAnswer, ...], combining: CombiningAnswer
) -> Iterator[str]:
    if combining is CombiningAnswer.YES:
        return
    driver, address = device.driver, device.address
    if machine.snapshot.book is None:
        yield "Read the memtype list: as root, with debugfs mounted."
        return
    pat = machine.snapshot.pat
    if pat is not None and CacheMode.WC not in pat.slots:
        yield "This kernel's PAT has no write-combining: look for `nopat` and CONFIG_X86_PAT first."
        return
    for answer in answers:
        if answer.combining is CombiningAnswer.YES:
            continue
        name = f"BAR {answer.number}"
        if not answer.prefetchable:
            yield f"{name} is not prefetchable: no resource{answer.number}_wc, only its driver can ask."
        elif set(answer.reserved) - {"wc"}:
            yield f"Let the holder of the other entries of {name} go first: the first reservation decides."
        elif driver is None or driver == "vfio-pci":
            yield f"Map /sys/bus/pci/devices/{address}/resource{answer.number}_wc, all of it."
        else:
            yield f"{driver} has not reserved all of {name}: only its own options can request it."
    if combining is CombiningAnswer.UNKNOWN:
        yield f"Look at the page tables too: `sudo pfnlab inspect --deep --device {shell_word(address)}`."
