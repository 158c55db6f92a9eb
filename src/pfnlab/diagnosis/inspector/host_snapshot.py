"""A snapshot of one machine: reservations and mappings, with their owners.

Addresses are in bytes and ranges half-open, whatever the source file prints.
A part that could not be read is None, never empty: its :class:`SnapshotSource` gives the reason.
"""

from collections.abc import Sequence
from enum import Enum

import msgspec

from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrType
from pfnlab.kernel.hw.pat import PatConfig
from pfnlab.kernel.hw.pci_regions import Bar

#: From here on, process numbers stand for unknown processes: no kernel uses numbers this large.
UNNUMBERED = 1 << 22


class Access(Enum):
    """The outcome of reading a source."""

    READ = "read"
    #: The file does not exist: a kernel option is off, or a file system is not mounted.
    ABSENT = "absent"
    #: It exists, but this user may not read it.
    REFUSED = "refused"
    #: It was read, but the kernel blanked out the addresses for this user.
    HIDDEN = "hidden"
    #: Only part of it was read: a process ended, or a limit was reached.
    CUT = "cut"


class SnapshotSource(msgspec.Struct, frozen=True):
    """One source of a snapshot.

    :param name: the file, e.g. ``/proc/iomem``, or the part of memory, e.g. ``memtype tree``
    :param why: the reason if it was not fully read, in the system's words
    :param seconds: when it was read, in seconds since 1970; None if unknown
    :param command: the command that supplies it, for a user to run
    """

    name: str
    access: Access
    why: str = ""
    seconds: float | None = None
    command: str = ""


class Reservation(msgspec.Struct, frozen=True, gc=False):
    """One entry of the memtype list: bytes from *start* up to, but not including, *end*."""

    start: int
    end: int
    mode: CacheMode


class IomemLine(msgspec.Struct, frozen=True, gc=False):
    """One line of /proc/iomem, in file order; *depth* 0 is outermost."""

    start: int
    end: int
    name: str
    depth: int = 0


class PciFunction(msgspec.Struct, frozen=True):
    """A PCI device.

    :param address: e.g. ``0000:01:00.0``
    :param ids: vendor and device, e.g. ``10de:1db6``
    :param kind: the class, e.g. ``030000``
    :param driver: the bound driver, or None; empty if unknown
    :param enabled: whether memory accesses are on; None if unknown
    """

    address: str
    ids: str
    kind: str
    driver: str | None
    bars: tuple[Bar, ...]
    modules: tuple[str, ...] = ()
    enabled: bool | None = None
    group: str = ""


class Module(msgspec.Struct, frozen=True):
    """A loaded module, and the modules that use it (*users*)."""

    name: str
    users: tuple[str, ...] = ()


class Process(msgspec.Struct, frozen=True):
    """A process.

    :param files: its open device files, by path
    """

    pid: int
    comm: str
    files: tuple[str, ...] = ()


class Entries(msgspec.Struct, frozen=True, gc=False):
    """A run of present page-table entries in a mapping.

    :param virtual: the address of the first entry
    :param start: the physical address it maps
    :param mode: the mode their cache bits select
    """

    virtual: int
    start: int
    end: int
    mode: CacheMode
    writable: bool = True


class HostMapping(msgspec.Struct, frozen=True, gc=False):
    """A VMA that maps device page frames, or may do so.

    :param path: its file, as in /proc/PID/maps
    :param offset: offset in the file, in bytes
    :param flags: VmFlags from smaps; None if not read
    :param physical: the physical range, half-open, if the file offset determines it
    :param entries: its page-table entries; None if not read
    :param tracked: whether it stands for a reservation (VM_PAT or a context); None if unknown
    :param mode: the mode in vm_page_prot, if it was read
    """

    pid: int
    start: int
    end: int
    perms: str
    path: str
    offset: int
    flags: tuple[str, ...] | None = None
    physical: tuple[int, int] | None = None
    entries: tuple[Entries, ...] | None = None
    tracked: bool | None = None
    mode: CacheMode | None = None


class MtrrRegister(msgspec.Struct, frozen=True, gc=False):
    """A variable MTRR, or a boot log line about one."""

    start: int
    end: int
    kind: MtrrType


class DirectAlias(msgspec.Struct, frozen=True, gc=False):
    """A run of the kernel's own page-table entries: in the direct map, or from ioremap (vmalloc)."""

    start: int
    end: int
    mode: CacheMode
    place: str = "direct map"


class UnkeptLines(msgspec.Struct, frozen=True):
    """Lines of a file that a redacted bundle omits because their form is unknown.

    :param name: the file, with ``*`` in place of names
    :param lines: the number of lines
    """

    name: str
    lines: int


class Snapshot(msgspec.Struct, frozen=True):
    """The state of one machine at one moment.

    :param origin: its source: ``this machine``, or the name of a bundle or core
    :param kernel: the output of ``uname -r``
    :param mtrr_default: the type of memory outside all MTRRs; None if unknown
    :param log: kernel log lines, with their timestamps
    :param virtual: the hypervisor, if the machine reports that it is a guest; ``unknown`` if it gives no name
    :param root: whether it was read as root
    :param processor: those of the flags ``pat``, ``mtrr`` and ``hypervisor`` that the processor has
    """

    origin: str
    sources: tuple[SnapshotSource, ...]
    host: str = ""
    kernel: str = ""
    book: tuple[Reservation, ...] | None = None
    resources: Sequence[IomemLine] | None = None
    devices: tuple[PciFunction, ...] | None = None
    modules: tuple[Module, ...] | None = None
    processes: tuple[Process, ...] | None = None
    mappings: tuple[HostMapping, ...] | None = None
    aliases: tuple[DirectAlias, ...] | None = None
    mtrrs: tuple[MtrrRegister, ...] | None = None
    mtrr_default: MtrrType | None = None
    pat: PatConfig | None = None
    log: tuple[str, ...] | None = None
    options: str = ""
    config: dict[str, str] | None = None
    virtual: str = ""
    root: bool = True
    processor: tuple[str, ...] | None = None
    left_out: tuple[UnkeptLines, ...] = ()

    @property
    def apart(self) -> float:
        """Seconds between reading the first and the last source; 0 if no times are known."""
        times = [source.seconds for source in self.sources if source.seconds is not None]
        return max(times) - min(times) if times else 0.0

    def source(self, name: str) -> SnapshotSource | None:
        """Return the source with this name; None if nothing tried to read it."""
        return next((source for source in self.sources if source.name == name), None)
