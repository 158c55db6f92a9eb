"""One moment of one machine: what is reserved and mapped, and whose it is.

Addresses are bytes, ranges half-open, whatever the file they come from prints. A part that could not be read
is None and never empty: its :class:`SnapshotSource` says why.
"""

from collections.abc import Sequence
from enum import Enum

import msgspec

from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrType
from pfnlab.kernel.hw.pat import PatConfig
from pfnlab.kernel.hw.pci_regions import Bar

#: Numbers of processes from here on stand for those whose number is not known: no kernel has such a one.
UNNUMBERED = 1 << 22


class Access(Enum):
    """The fate of a source that was to be read."""

    READ = "read"
    #: The file is not there: an option of the kernel, a file system that is not mounted.
    ABSENT = "absent"
    #: It is there and this user may not read it.
    REFUSED = "refused"
    #: It was read, and the kernel blanked its addresses for this user.
    HIDDEN = "hidden"
    #: Only a part of it was read: a process ended, a limit was reached.
    CUT = "cut"


class SnapshotSource(msgspec.Struct, frozen=True):
    """One source of a snapshot.

    :param name: the file, as ``/proc/iomem``, or the part of memory, as ``memtype tree``
    :param why: the reason where it was not read whole, as the system words it
    :param seconds: when it was read, since 1970; None where that is not known
    :param command: what would give it, for a user to run
    """

    name: str
    access: Access
    why: str = ""
    seconds: float | None = None
    command: str = ""


class Reservation(msgspec.Struct, frozen=True, gc=False):
    """One entry of the memtype list: bytes *start* up to and not including *end*."""

    start: int
    end: int
    mode: CacheMode


class IomemLine(msgspec.Struct, frozen=True, gc=False):
    """One line of /proc/iomem, in its order; *depth* 0 is outermost."""

    start: int
    end: int
    name: str
    depth: int = 0


class PciFunction(msgspec.Struct, frozen=True):
    """A PCI device.

    :param address: as ``0000:01:00.0``
    :param ids: vendor and device, as ``10de:1db6``
    :param kind: the class, as ``030000``
    :param driver: None where none is bound, empty where that is not known
    :param enabled: memory accesses are on; None where that is not known
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
    """A loaded module; *users* use it."""

    name: str
    users: tuple[str, ...] = ()


class Process(msgspec.Struct, frozen=True):
    """A process.

    :param files: device files it has open, by path
    """

    pid: int
    comm: str
    files: tuple[str, ...] = ()


class Entries(msgspec.Struct, frozen=True, gc=False):
    """A run of present page-table entries of a mapping.

    :param virtual: the address of the first
    :param start: the physical address there
    :param mode: what their cache bits select
    """

    virtual: int
    start: int
    end: int
    mode: CacheMode
    writable: bool = True


class HostMapping(msgspec.Struct, frozen=True, gc=False):
    """One VMA that maps page frames of a device, or may.

    :param path: its file as /proc/PID/maps writes it
    :param offset: bytes in the file
    :param flags: VmFlags of smaps; None where they were not read
    :param physical: where the file's offsets say it: the physical range, half-open
    :param entries: its page-table entries; None where they were not read
    :param tracked: it stands for a reservation (VM_PAT or a context), None where that is not known
    :param mode: the mode vm_page_prot asks for, where it was read
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
    """A variable MTRR, or a line of the boot log about one."""

    start: int
    end: int
    kind: MtrrType


class DirectAlias(msgspec.Struct, frozen=True, gc=False):
    """A run of the kernel's own entries for physical memory: the direct map, or ioremap's area (vmalloc)."""

    start: int
    end: int
    mode: CacheMode
    place: str = "direct map"


class UnkeptLines(msgspec.Struct, frozen=True):
    """Lines of a file that a redacted bundle does not have, for their form is not known.

    :param name: the file, with ``*`` for names
    :param lines: how many
    """

    name: str
    lines: int


class Snapshot(msgspec.Struct, frozen=True):
    """One moment of one machine.

    :param origin: where it comes from: ``this machine``, a bundle's or a core's name
    :param kernel: as ``uname -r``
    :param mtrr_default: the type of memory in no MTRR, None where it is not known
    :param log: the kernel's log, lines without their stamps cut
    :param virtual: the hypervisor, where the machine says it is a guest; ``unknown`` where it does not say
        which
    :param root: it was read as the superuser
    :param processor: of the flags of the processor those among ``pat``, ``mtrr`` and ``hypervisor``
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
        """Seconds between the first and the last source that were read; 0 where no times are known."""
        times = [source.seconds for source in self.sources if source.seconds is not None]
        return max(times) - min(times) if times else 0.0

    def source(self, name: str) -> SnapshotSource | None:
        """The source of this name, None where it was not to be read."""
        return next((source for source in self.sources if source.name == name), None)
