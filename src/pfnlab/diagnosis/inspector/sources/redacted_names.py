"""Names and numbers of ours for those of one machine, and what becomes of the lines of a file."""

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pfnlab.diagnosis.inspector.joined_host import BOOT_FRAMEBUFFERS
from pfnlab.diagnosis.inspector.parsing.process_files import DEVICE_FILE

#: Words that every machine may have, so that they say nothing of one: a redacted bundle keeps these alone.
#: Whoever adds one asks if it could say whose a machine is.
_TABLE: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("public_words.toml").read_text(encoding="utf-8")
)

#: Names of drivers and modules, options of the kernel's configuration without CONFIG_, folders of debugfs
#: and source files of the kernel.
DRIVERS, CONFIGURATION, DEBUGFS, SOURCES = (
    frozenset(_TABLE[name].split()) for name in ("drivers", "configuration", "debugfs", "sources")
)

#: Hypervisors as the kernel names them in its log, and reasons for what is not read.
HYPERVISORS, REASONS = frozenset(_TABLE["hypervisors"]), frozenset(_TABLE["reasons"])
#: Beginnings of names of resources by which the inspector knows whose they are.
TELLING: tuple[str, ...] = tuple(_TABLE["telling"])

#: Expressions: names of resources, files that are mapped, options of the command line, a kernel's release.
RESOURCES, FILES, OPTIONS, RELEASE = (
    "".join(_TABLE[name]) for name in ("resources", "files", "options", "release")
)

#: What becomes of one line; None where it is of no form that is known.
LineForm = Callable[[str], str | None]
#: What becomes of a text, in lines.
TextForm = Callable[[str], Iterator[str]]


class FileForm(NamedTuple):
    """The form of a file, a folder or a link.

    :param path: its name in the redacted bundle
    :param called: its name where lines are counted, which is the same for all machines
    :param form: what becomes of its text; of a link, of its target
    """

    path: str
    called: str
    form: TextForm


def each(form: LineForm) -> TextForm:
    """The lines of a text for which *form* has another; empty ones are none."""
    return lambda text: (other for line in text.split("\n") if line and (other := form(line)) is not None)


def nothing(_: str) -> Iterator[str]:
    """No line."""
    return iter(())


#: A PCI device's address, which is a place in a machine and no name of one.
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
    """The names of one bundle: a public word stays, any other becomes one of ours, counted by its kind."""

    def __init__(self) -> None:
        # Every machine has a process 1; where it is not seen, those of others are hidden.
        self._known: dict[tuple[str, str], int] = {("pid", "1"): 1}
        self._counts: dict[str, int] = {"pid": 1}

    def pid(self, pid: int) -> int:
        """The number of a process in the order in which they are asked for; none has the number 0."""
        return self._number("pid", str(pid)) if pid else 0

    def inode(self, digits: str) -> str:
        """The number of a file; 0 is none."""
        return str(self._number("inode", digits)) if digits.strip("0") else "0"

    def process(self, comm: str) -> str:
        """A process by its command."""
        return self._ours("name", comm)

    def driver(self, name: str) -> str:
        """A driver or a module; one with hyphens and one with underscores are the same."""
        plain = name.replace("-", "_")
        return name if plain in _DRIVERS else self._ours("driver", plain)

    def device(self, name: str) -> str:
        """A device as a driver's message names it."""
        return name if _PCI_ADDRESS.fullmatch(name) else self._ours("device", name)

    def group(self, name: str) -> str:
        """A group of the IOMMU."""
        return name if _NUMBER.fullmatch(name) else self._ours("group", name)

    def symbol(self, name: str) -> str:
        """A function of the kernel or of a module."""
        return self._ours("function", name)

    def folder(self, name: str) -> str:
        """A folder of debugfs."""
        return self._ours("folder", name)

    def resource(self, name: str) -> str:
        """A resource of memory, or the driver that claims it."""
        name = name.rstrip(" \r")
        if _RESOURCES.fullmatch(name):
            return name
        if name.replace("-", "_").lower() in _DRIVERS:
            return name
        low = name.lower()
        for first in _TELLING:
            if low.startswith(first.lower()):
                return first
        # A driver claims by its own name.
        return self.driver(name) if re.fullmatch(r"[\w-]{1,64}", name) else self._ours("resource", name)

    def release(self, text: str) -> str:
        """The release of a kernel without what somebody added to it."""
        found = _RELEASE.match(text)
        return found[0] if found else self._ours("kernel", text)

    def reason(self, why: str) -> str:
        """Words of the system on what was not read."""
        return why if why in REASONS or _SIZE.fullmatch(why) else "it cannot be read" if why else ""

    def path(self, path: str) -> str:
        """A file that is mapped or open: a device file stays one of its kind, any other is one of ours."""
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
        """A path below /sys/devices: bridges and devices stay, and the resource that it ends with."""
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
