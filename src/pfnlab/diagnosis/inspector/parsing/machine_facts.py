"""Facts about a machine, from small files and the kernel log.

The log consists of /dev/kmsg records, or of dmesg or journal lines.
"""

import re

from pfnlab.base.errors import Misuse
from pfnlab.diagnosis.inspector.host_snapshot import Module
from pfnlab.diagnosis.inspector.parsing.memory_lists import MTRR_TYPES
from pfnlab.diagnosis.inspector.parsing.text_files import TextFiles, decoded, first_line, line_pieces
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrType
from pfnlab.kernel.hw.pat import PatConfig

#: Files that tell whether the machine is a guest.
HYPERVISOR_TYPE = "/sys/hypervisor/type"
DMI = ("/sys/class/dmi/id/sys_vendor", "/sys/class/dmi/id/product_name")
CPUINFO = "/proc/cpuinfo"

#: Configuration options that determine what can be mapped and observed.
OPTIONS = (
    "X86_PAT|MTRR[A-Z_]*|STRICT_DEVMEM|IO_STRICT_DEVMEM|DEVMEM|DEBUG_FS[A-Z_]*|DEBUG_VM[A-Z_]*|VFIO[A-Z0-9_]*"
    "|UIO[A-Z_]*|FB_[A-Z0-9_]*|FB|SYSFB[A-Z_]*|DRM_[A-Z0-9_]*|PROC_KCORE|PROC_PAGE_MONITOR|PROC_VMCORE"
    "|XEN[A-Z_]*|HYPERVISOR_GUEST|KVM_GUEST|SECURITY_LOCKDOWN[A-Z_]*|TRANSPARENT_HUGEPAGE[A-Z_]*"
    "|AMD_MEM_ENCRYPT|INTEL_TDX_GUEST|HAVE_IOREMAP_PROT|GENERIC_IOREMAP|KPTI|RANDOMIZE_MEMORY"
)
#: A configuration line.
OPTION_LINE = re.compile(
    rb"^(?:CONFIG_(" + OPTIONS.encode() + rb")=([^\n]*)|# CONFIG_(" + OPTIONS.encode() + rb") is not set)$",
    re.MULTILINE,
)

#: Processor flags that affect cache modes.
PROCESSOR_FLAGS = frozenset({"pat", "mtrr", "hypervisor"})
_FLAGS_LINE = re.compile(rb"^flags\s*:([^\n]*)$", re.MULTILINE)
_MODULE = re.compile(r"^([A-Za-z0-9_-]+) +[0-9]+ +[0-9-]+ *(\S*)", re.MULTILINE)

#: DMI strings of virtual machines, with the hypervisor's name if it differs.
GUESTS = (
    "QEMU|KVM|VMware|Virtual Machine|VirtualBox|Xen|HVM domU|Google Compute Engine|Amazon EC2|OpenStack"
    "|Bochs|Parallels"
)
_NAMED = {"Virtual Machine": "Hyper-V", "HVM domU": "Xen"}


def modules(data: bytes) -> tuple[Module, ...]:
    """Parse modules from /proc/modules, or from lsmod output, which has a header and no states."""
    found = []
    for name, users in _MODULE.findall(decoded(data)):
        names = tuple(user for user in users.split(",") if user and user != "-")
        found.append(Module(name, names))
    return tuple(found)


def trimmed_config(data: bytes) -> bytes:
    """Keep the configuration lines whose options determine what can be mapped and observed."""
    return b"".join(found[0] + b"\n" for found in OPTION_LINE.finditer(data))


def options_of(data: bytes) -> dict[str, str]:
    """Return the same options by name, with CONFIG_; an option that is not set has the value ``n``."""
    found = {}
    for name, value, unset in OPTION_LINE.findall(data):
        found[f"CONFIG_{(name or unset).decode()}"] = decoded(value).strip('"') if name else "n"
    return found


def trimmed_processor(data: bytes) -> bytes:
    """Reduce the line with the first processor's flags to those that affect cache modes."""
    flags = processor(data)
    return b"" if flags is None else b"flags\t: " + " ".join(flags).encode() + b"\n"


def processor(data: bytes) -> tuple[str, ...] | None:
    """Return the first processor's flags that affect cache modes; None if there is no such line."""
    found = _FLAGS_LINE.search(data)
    return tuple(sorted(PROCESSOR_FLAGS & set(decoded(found[1]).split()))) if found else None


def guest_of(files: TextFiles, flags: tuple[str, ...] | None) -> str:
    """Return the hypervisor, from /sys/hypervisor, DMI and processor flags; empty on bare metal."""
    kind = first_line(files, HYPERVISOR_TYPE)
    if kind:
        return kind.capitalize()
    named = " ".join(first_line(files, path) for path in DMI)
    # These vendors also sell physical machines, whose processors lack this flag.
    if flags is not None and "hypervisor" not in flags:
        return ""
    found = next((words for words in GUESTS.split("|") if words in named), "")
    return _NAMED.get(found, found) or ("unknown" if flags is not None and "hypervisor" in flags else "")


KMSG = "/dev/kmsg"
_RECORD = re.compile(rb"^[0-9]+,[0-9]+,([0-9]+),[^;\n]*;", re.MULTILINE)
_CONFIGURATION = re.compile(r"Configuration \[0-7\]: ((?:[A-Z-]+ *){8})")
_DEFAULT = re.compile(r"MTRR default type: ([a-z-]+)")
_BANNER = re.compile(r"Linux version (\S+)")
_HYPERVISOR = re.compile(r"Hypervisor detected: (.+?)\s*$")
_MODES = {mode.short.upper(): mode for mode in CacheMode}


def log_lines(data: bytes) -> tuple[str, ...]:
    """Return log lines with timestamps, as dmesg prints them; from a journal, only the kernel's lines."""
    of_records = _RECORD.match(data) is not None
    lines: list[str] = []
    for piece in line_pieces(data):
        if of_records:
            piece = _RECORD.sub(lambda found: b"[%5d.%06d] " % divmod(int(found[1]), 1_000_000), piece)
        skipped = " " if of_records else "-- "
        lines += [line for line in decoded(piece).split("\n") if line and not line.startswith(skipped)]
    of_kernel = [] if of_records else [line for line in lines if " kernel: " in line]
    return tuple(of_kernel or lines)


def pat_configuration(lines: tuple[str, ...]) -> PatConfig | None:
    """Return the last PAT configuration in the log; None if the log has no valid one."""
    for line in reversed(lines):
        if (found := _CONFIGURATION.search(line)) and "PAT" in line:
            names = found[1].split()
            try:
                return PatConfig(tuple(_MODES[name] for name in names))
            except (KeyError, Misuse):
                return None
    return None


def mtrr_default(lines: tuple[str, ...]) -> MtrrType | None:
    """Return the type of memory outside all MTRRs, from the log."""
    found = next((found for line in lines if (found := _DEFAULT.search(line))), None)
    return MTRR_TYPES.get(found[1].encode()) if found else None


def version(lines: tuple[str, ...]) -> str:
    """Return the version in the last banner of the log, or an empty string."""
    return next((found[1] for line in reversed(lines) if (found := _BANNER.search(line))), "")


def hypervisor(lines: tuple[str, ...]) -> str:
    """Return the hypervisor that the kernel detected; empty if none."""
    return next((found[1] for line in reversed(lines) if (found := _HYPERVISOR.search(line))), "")
