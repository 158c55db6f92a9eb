"""PCI devices from sysfs, or from ``lspci -vv`` output in reports without sysfs."""

import re

from pfnlab.diagnosis.inspector.host_snapshot import Access, PciFunction, SnapshotSource
from pfnlab.diagnosis.inspector.parsing.text_files import TextFiles, decoded, first_line, line_pieces
from pfnlab.kernel.hw.pci_regions import Bar, bars

DEVICES, DRIVERS = "/sys/bus/pci/devices", "/sys/bus/pci/drivers"
#: The part of configuration space that is kept; it holds no addresses.
CONFIG_BYTES = 16
#: ``0000:01:00.0``
ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
# include/uapi/linux/pci_regs.h.
_COMMAND, _COMMAND_MEMORY = 4, 2


def is_address(name: str) -> bool:
    """True for ``0000:01:00.0``."""
    return ADDRESS.fullmatch(name) is not None


def devices(files: TextFiles) -> tuple[tuple[PciFunction, ...] | None, SnapshotSource]:
    """Return all devices in order, and the outcome of reading their folder."""
    listing = files.names(DEVICES)
    source = SnapshotSource(DEVICES, listing.access, listing.why, listing.seconds)
    if not listing.there:
        return None, source
    names = [name for name in listing.data.decode("utf-8", "replace").split("\n") if is_address(name)]
    made_of: dict[str, tuple[str, ...]] = {}
    found, refused = [], 0
    for name in names:
        folder = f"{DEVICES}/{name}"
        ranges = files.read(f"{folder}/resource")
        refused += ranges.access is Access.REFUSED
        kind = first_line(files, f"{folder}/class").removeprefix("0x")
        driver = _last(files.link(f"{folder}/driver"))
        if driver is None and listing.access is Access.CUT:
            # A device that the user named may lack the links too.
            driver = ""
        if driver and driver not in made_of:
            module = _last(files.link(f"{DRIVERS}/{driver}/module"))
            made_of[driver] = (module,) if module else ()
        command = files.read(f"{folder}/config").data[_COMMAND : _COMMAND + 2]
        found.append(
            PciFunction(
                address=name,
                ids=":".join(
                    first_line(files, f"{folder}/{part}").removeprefix("0x") for part in ("vendor", "device")
                ),
                kind=kind,
                driver=driver,
                bars=bars(ranges.data, bridge=kind.startswith(("0604", "0609"))),
                modules=made_of.get(driver or "", ()),
                enabled=bool(command[0] & _COMMAND_MEMORY) if len(command) == 2 else None,
                group=_last(files.link(f"{folder}/iommu_group")) or "",
            )
        )
    if refused:
        source = SnapshotSource(DEVICES, Access.CUT, f"{refused} of {len(names)} refused", listing.seconds)
    return tuple(found), source


def _last(target: str | None) -> str | None:
    return target.rstrip("/").rpartition("/")[2] or None if target else None


_HEAD = re.compile(r"^((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) (.*)$")
_IDS = re.compile(r"\[([0-9a-f]{4}:[0-9a-f]{4})\]")
_CLASS = re.compile(r"\[([0-9a-f]{4})\]: ")
_INTERFACE = re.compile(r"\(prog-if ([0-9a-f]{2})\b")
_REGION = re.compile(
    r"^\s+(?:Region ([0-9]): )?Memory at ([0-9a-f]{1,16}) \(((?:32|64)-bit|low-1M|type 3), "
    r"(non-)?prefetchable\)(.*)$"
)
_ROM = re.compile(r"^\s+Expansion ROM at ([0-9a-f]{1,16})(.*)$")
_SIZE = re.compile(r"\[size=([0-9]{1,6})([KMGT]?)\]")
_CONTROL = re.compile(r"^\s+Control: .*\bMem([+-])")
_GROUP = re.compile(r"^\s+IOMMU group: ([0-9]+)")
_DRIVER = re.compile(r"^\s+Kernel driver in use: (\S+)")
_FORMS = (_HEAD, _REGION, _ROM, _CONTROL, _GROUP, _DRIVER)
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_ROM_NUMBER = 6


def trimmed_listing(data: bytes) -> bytes:
    """Keep the lines about device memory or drivers; others may contain serial numbers."""
    kept = [
        line
        for piece in line_pieces(data)
        for line in decoded(piece).split("\n")
        if any(form.match(line) for form in _FORMS)
    ]
    return "".join(f"{line}\n" for line in kept).encode()


def listed_devices(data: bytes) -> tuple[PciFunction, ...]:
    """Return the devices in order, without the modules that could drive them."""
    found = []
    for piece in line_pieces(data, b"0123456789abcdef"):
        for block in re.split(r"\n(?=\S)", decoded(piece)):
            lines = block.split("\n")
            head = _HEAD.match(lines[0])
            if head is not None:
                found.append(_device(head[1], head[2], lines[1:]))
    return tuple(found)


def _device(address: str, title: str, lines: list[str]) -> PciFunction:
    ids, kind, interface = _IDS.search(title), _CLASS.search(title), _INTERFACE.search(title)
    driver, group, enabled = None, "", None
    bars: list[Bar] = []
    number = 0
    for line in lines:
        if region := _REGION.match(line):
            number = int(region[1]) if region[1] else number
            _add(bars, number, region[2], region[5], prefetchable=not region[4])
            number += 2 if region[3] == "64-bit" else 1
        elif rom := _ROM.match(line):
            _add(bars, _ROM_NUMBER, rom[1], rom[2], prefetchable=False)
        elif control := _CONTROL.match(line):
            enabled = control[1] == "+"
        elif of_group := _GROUP.match(line):
            group = of_group[1]
        elif by := _DRIVER.match(line):
            driver = by[1]
    return PciFunction(
        address=address if address.count(":") == 2 else f"0000:{address}",
        ids=ids[1] if ids else "",
        kind=kind[1] + (interface[1] if interface else "00") if kind else "",
        driver=driver,
        bars=tuple(bars),
        enabled=enabled,
        group=group,
    )


def _add(bars: list[Bar], number: int, start: str, rest: str, *, prefetchable: bool) -> None:
    size = _SIZE.search(rest)
    if size is not None:
        first = int(start, 16)
        bars.append(Bar(number, first, first + (int(size[1]) << _UNITS[size[2]]), prefetchable))
