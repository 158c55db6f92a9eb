"""Replacements for one machine's names and numbers, and handling of each file's lines."""

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pfnlab.diagnosis.inspector.joined_host import BOOT_FRAMEBUFFERS
from pfnlab.diagnosis.inspector.parsing.process_files import DEVICE_FILE

#: Words that any machine may have and that therefore identify none: a redacted bundle keeps only these.
#: Before adding one, check whether it could identify a machine's owner.
_TABLE: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("public_words.toml").read_text(encoding="utf-8")
)

#: Names of drivers and modules, kernel configuration options without CONFIG_, debugfs folders and kernel
#: source files.
DRIVERS, CONFIGURATION, DEBUGFS, SOURCES = (
    frozenset(_TABLE[name].split()) for name in ("drivers", "configuration", "debugfs", "sources")
)

#: Hypervisors as the kernel logs them, and reasons why something was not read.
HYPERVISORS, REASONS = frozenset(_TABLE["hypervisors"]), frozenset(_TABLE["reasons"])
#: Resource name prefixes that tell the inspector who owns the resource.
TELLING: tuple[str, ...] = tuple(_TABLE["telling"])

#: Regexes for resource names, mapped files, command-line options and kernel releases.
RESOURCES, FILES, OPTIONS, RELEASE = (
    "".join(_TABLE[name]) for name in ("resources", "files", "options", "release")
)

#: Rewrites one line; None if its form is unknown.
LineForm = Callable[[str], str | None]
#: Rewrites a text, yielding lines.
TextForm = Callable[[str], Iterator[str]]


class FileForm(NamedTuple):
    """The form of a file, a folder or a link.

    :param path: its name in the redacted bundle
    :param called: its name in counts of dropped lines, which is the same on all machines
    :param form: rewrites its text, or the target of a link
    """

    path: str
    called: str
    form: TextForm


def each(form: LineForm) -> TextForm:
    """Return a form that rewrites the lines *form* knows; empty lines do not count."""
    return lambda text: (other for line in text.split("\n") if line and (other := form(line)) is not None)


def nothing(_: str) -> Iterator[str]:
    """Yield no lines."""
    return iter(())


#: A PCI device address: it is a location in a machine and does not identify the machine.
PCI_ADDRESS = r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
_DELETED = " (deleted)"
_DRIVERS = frozenset(name.replace("-", "_") for name in DRIVERS)
_PCI_ADDRESS = re.compile(PCI_ADDRESS)
_BRIDGE = re.compile(r"pci[0-9a-f]{4,8}:[0-9a-f]{2}")
_LAST = re.compile(r"resource[0-9]{1,2}(?:_wc)?")
_FILES, _RELEASE, _RESOURCES = re.compile(FILES), re.compile(RELEASE), re.compile(RESOURCES)
_SIZE = re.compile(r"longer than [0-9]{1,6} MiB")
_DEVICE_FILE = re.compile(DEVICE_FILE.decode())
_SYSFS = "/sys/devices/"
_NUMBER = re.compile(r"[0-9]{1,5}")
_TELLING = (*TELLING, *BOOT_FRAMEBUFFERS)


class RedactedNames:
    """The names in one bundle: public words stay, others become numbered names of their kind."""

    def __init__(self) -> None:
        # Every machine has a process 1; if it is not visible, other users' processes are hidden too.
        self._known: dict[tuple[str, str], int] = {("pid", "1"): 1}
        self._counts: dict[str, int] = {"pid": 1}

    def pid(self, pid: int) -> int:
        """Number processes in order of first use; no process gets the number 0."""
        return self._number("pid", str(pid)) if pid else 0

    def inode(self, digits: str) -> str:
        """Replace an inode number; 0 means that there is no file."""
        return str(self._number("inode", digits)) if digits.strip("0") else "0"

    def process(self, comm: str) -> str:
        """Replace a process's command name."""
        return self._ours("name", comm)

    def driver(self, name: str) -> str:
        """Replace a driver or module; hyphens and underscores are equivalent."""
        plain = name.replace("-", "_")
        return name if plain in _DRIVERS else self._ours("driver", plain)

    def device(self, name: str) -> str:
        """Replace a device name in a driver's message."""
        return name if _PCI_ADDRESS.fullmatch(name) else self._ours("device", name)

    def group(self, name: str) -> str:
        """Replace an IOMMU group."""
        return name if _NUMBER.fullmatch(name) else self._ours("group", name)

    def symbol(self, name: str) -> str:
        """Replace a kernel or module function."""
        return self._ours("function", name)

    def folder(self, name: str) -> str:
        """Replace a debugfs folder."""
        return self._ours("folder", name)

    def resource(self, name: str) -> str:
        """Replace a memory resource, or the driver that claims it."""
        name = name.rstrip(" \r")
        if _RESOURCES.fullmatch(name):
            return name
        if name.replace("-", "_").lower() in _DRIVERS:
            return name
        low = name.lower()
        for first in _TELLING:
            if low.startswith(first.lower()):
                return first
        # A driver's claim has the driver's name.
        return self.driver(name) if re.fullmatch(r"[\w-]{1,64}", name) else self._ours("resource", name)

    def release(self, text: str) -> str:
        """Return a kernel release without local additions."""
        found = _RELEASE.match(text)
        return found[0] if found else self._ours("kernel", text)

    def reason(self, why: str) -> str:
        """Return the system's reason for not reading something, if it does not identify a machine."""
        return why if why in REASONS or _SIZE.fullmatch(why) else "it cannot be read" if why else ""

    def path(self, path: str) -> str:
        """Replace a mapped or open file; a device file keeps its kind."""
        deleted = _DELETED if path.endswith(_DELETED) else ""
        plain = path.removesuffix(_DELETED)
        if not plain or _FILES.fullmatch(plain):
            return path
        if plain.startswith(_SYSFS) and _LAST.fullmatch(plain.rpartition("/")[2]):
            return self.system_path(plain) + deleted
        ours = self._ours("file", plain)
        found = _DEVICE_FILE.match(plain)
        if found is None:
            return f"/{ours}{deleted}"
        if plain.startswith(_SYSFS):
            return f"{_SYSFS}{ours}/resource0.{ours}{deleted}"
        first = re.sub(r"[0-9]+$", "0", found[0])
        return f"{first}{'' if first.endswith('/') else '.'}{ours}{deleted}"

    def system_path(self, path: str) -> str:
        """Replace a path below /sys/devices, except bridges, devices and the resource at its end."""
        *folders, last = path.removeprefix(_SYSFS).split("/")
        parts = [self._place(part) for part in folders]
        return _SYSFS + "/".join([*parts, last if _LAST.fullmatch(last) else self._place(last)])

    def _place(self, part: str) -> str:
        return part if _BRIDGE.fullmatch(part) or _PCI_ADDRESS.fullmatch(part) else self._ours("place", part)

    def _number(self, kind: str, name: str) -> int:
        number = self._known.get((kind, name))
        if number is None:
            number = self._known[kind, name] = self._counts[kind] = self._counts.get(kind, 0) + 1
        return number

    def _ours(self, kind: str, name: str) -> str:
        return f"{kind}{self._number(kind, name)}"
