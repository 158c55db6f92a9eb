"""Sort the lines of a paste into the files they come from, by their form.

Prompts, commands, headers, quoting and prose between files belong to no file, but a path there identifies
the process or device for the lines that follow.
"""

import re
from collections.abc import Iterable, Iterator

from pfnlab.base.inert import visible_name
from pfnlab.diagnosis.inspector.host_snapshot import UNNUMBERED, Access
from pfnlab.diagnosis.inspector.joined_host import failed_frees
from pfnlab.diagnosis.inspector.parsing import memory_lists, pci_files, text_files
from pfnlab.diagnosis.inspector.parsing.assembly import COMMAND_LINE
from pfnlab.diagnosis.inspector.parsing.process_files import HEAD, is_device_file
from pfnlab.diagnosis.inspector.parsing.text_files import LSPCI, UNAME, FileText, SnapshotBounds
from pfnlab.diagnosis.messages.paste import clean
from pfnlab.kernel.hw.pci_regions import RESOURCE_LINE

#: Bounds on a text explained together with a log of any length, and on the log lines that are kept.
OF_LOGS = SnapshotBounds(8)
_MOST_LOG, _MOST_OTHERS = 1000, 1 << 10
#: Maximum number of devices, and of lines per device: six BARs, plus those of virtual functions.
_MOST_DEVICES, _MOST_LINES = 1 << 16, 32
#: A raw line that may belong to one of these files, after any quote and list marks.
_MAY_BE = re.compile(
    rb"[\s>|+*`-]{0,16}(?:PAT: \[mem|PAT memtype list:|[0-9a-f]{4,16}-[0-9a-f]{4,16} |reg[0-9]+: base="
    rb"|(?:write|uncached)[a-z-]* @ 0x|0x[0-9a-f]{16} 0x|(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7] "
    rb"|Region [0-9]: |Memory at |Expansion ROM at |Control: |IOMMU group: |Kernel driver in use: |VmFlags:"
    rb"|l[rwxst-]{9}|[0-9]{1,7} -> |vfio-device-syspath:|ino:\s|Linux \S+ [0-9]|BOOT_IMAGE=)"
)
_IOMEM = re.compile(r"( *)([0-9a-f]{8,16})-([0-9a-f]{8,16}) : (.*)")
_DEVICE = re.compile(r"((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) \S.*")
_OF_DEVICE = re.compile(
    r"Region [0-9]: |Memory at |Expansion ROM at |Control: |IOMMU group: |Kernel driver in use: "
)
_REGION = re.compile(r"(?:Region [0-9]: )?Memory at ")
_FLAGS = re.compile(r"VmFlags:[ a-z0-9?]*")
_DESCRIPTOR = re.compile(r"(?:l[rwxst-]{9}\S?\s.*\s)?([0-9]{1,7}) -> (\S.*)")
_UNAME = re.compile(r"Linux \S+ [0-9]+\.[0-9]+\S* #[0-9].*")
_OF_FDINFO = re.compile(r"(?:vfio-device-syspath|ino):\s*\S+")
#: A device's driver link, and an open file from lsof: process, descriptor and path.
_DRIVER_LINK = re.compile(rf".*?({pci_files.ADDRESS.pattern})/driver -> \S*/bus/pci/drivers/(\S+)")
_LSOF = re.compile(
    r"\S.{0,40}?\s(\d{1,7})\s+(?:\d{1,7}\s.{0,32})?\S+\s+(\d{1,7})[rwu-]?[a-zA-Z]?\s+(?:CHR|REG)\s.*\s(/\S.*)"
)
#: The path of a process or a device, in a command or a header.
PROCESS = re.compile(r"/?\bproc/(?:([0-9]{1,7})|[a-z$][^/\s]*)/(s?maps|fdinfo/([0-9]{1,7})|fd)\b")
_OWN_FILE = re.compile(rf"({pci_files.ADDRESS.pattern})/(resource)\b")
#: A command or a header; a new file begins after it.
_HEAD = re.compile(r"==> |--- |\S*[#$%] ?\S|(?:sudo |\w+@\S+)|(?:cat|ls|lspci|head|tail|grep|uname|dmesg)\b")
#: A number or an address in the name of a file.
_NAME_PID = re.compile(r"(?:s?maps|fd)\D{0,3}([0-9]{1,7})|([0-9]{1,7})\D{0,3}(?:s?maps|fd)")
_NAME_DEVICE = re.compile(rf"({pci_files.ADDRESS.pattern}).*resource|resource.*({pci_files.ADDRESS.pattern})")
#: A line that may be a device header in lspci, intact or damaged; it ends the previous device.
_NEXT_DEVICE = re.compile(r"\S{0,10}:\S{0,6}\.\S|\S{0,5}\.[0-7]\s|[0-9a-f]{2}:")
#: What is left of a list row in a damaged line.
_DAMAGED = re.compile(r"[0-9a-f]{5,16}-|\[mem|PAT:")
#: Log lines about the whole machine.
_FACTS = ("Configuration [0-7]", "MTRR default type", "Linux version", "Hypervisor detected")
_PATHS = (b"proc/", b"/resource", b" CHR ", b"/driver -> ")
#: Maximum number of other lines between two lines of a file; lspci and smaps print many.
_MOST_BETWEEN = 512


class PastedFile:
    """The lines of one file so far; *odd* is the first malformed line among them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.size = 0
        self.odd = ""
        self.is_cut = False

    def add(self, line: str, most: int) -> None:
        if self.size + len(line) >= most:
            self.is_cut = True
            return
        self.lines.append(line)
        self.size += len(line) + 1

    def text(self, why: str = "") -> FileText:
        data = "".join(f"{line}\n" for line in self.lines).encode("utf-8", "surrogatepass")
        why = f"a line among its lines does not belong to it: {visible_name(self.odd)}" if self.odd else why
        why = "longer than what is kept of a text" if self.is_cut else why
        return FileText(data, Access.CUT if why else Access.READ, why)


class LineSorter:
    """Sorts the lines of texts by file; memory use is bounded, however long the texts."""

    def __init__(self, bounds: SnapshotBounds = text_files.ORDINARY) -> None:
        self.bounds = bounds
        self.files: dict[str, PastedFile] = {}
        self.blocks: dict[str, PastedFile] = {}
        #: Drivers of devices, from their links.
        self.drivers: dict[str, str] = {}
        self.log = PastedFile()
        self._kept = 0
        self._last, self._odd, self._between = "", "", 0
        self._block: str | None = None
        self._pid, self._descriptor, self._device = "", "", ""
        self._unnumbered, self._indent, self._highest, self._is_new = UNNUMBERED, 0, 0, False
        self._seeds = tuple(seed.encode() for seed in (*_FACTS, *failed_frees().seeds))

    def begin(self, name: str = "") -> None:
        """Begin another text, from a file with this name."""
        self._ended()
        pid, device = _NAME_PID.search(name), _NAME_DEVICE.search(name)
        self._pid = next(filter(None, pid.groups()), "") if pid else ""
        self._device = next(filter(None, device.groups()), "") if device else ""
        if found := PROCESS.search(name):
            self._of_process(found)

    def passing(self, stream: Iterable[bytes | str]) -> Iterator[bytes | str]:
        """Yield the pieces of a text unchanged, sorting each one first."""
        held = b""
        for piece in stream:
            data = held + (piece.encode("utf-8", "replace") if isinstance(piece, str) else piece)
            end = data.rfind(b"\n") + 1
            # A line longer than a piece belongs to no file.
            held = data[end:] if len(data) - end < 2 * len(piece) + text_files.MOST_SMALL else b""
            self._take_all(data[:end])
            yield piece
        self._take_all(held)

    def _take_all(self, data: bytes) -> None:
        # Most log lines have none of the words, and most pieces have few of them.
        words = [word for word in (*self._seeds, *_PATHS) if word in data]
        for line in data.split(b"\n"):
            if self._last or _MAY_BE.match(line) or any(word in line for word in words):
                self._take(line)

    def _take(self, raw: bytes) -> None:
        line = clean(raw)
        plain = line.strip()
        if not plain:
            return
        if not self._is_of_file(line, plain):
            self._take_other(line, plain, raw)

    def _is_of_file(self, line: str, plain: str) -> bool:
        """True if the line belongs to one of the files and was kept."""
        data = plain.encode("utf-8", "surrogatepass")
        if memory_lists.is_memtype_line(data):
            whole = data == memory_lists.MEMTYPES_HEAD
            self._add(memory_lists.MEMTYPES, plain, anew=whole)
        elif (found := _IOMEM.fullmatch(line)) is not None:
            anew = not int(found[2], 16) and self._last != memory_lists.IOMEM
            # Code blocks are indented as a whole.
            self._indent = len(found[1]) if anew else min(self._indent, len(found[1]))
            self._add(memory_lists.IOMEM, line[self._indent :], anew=anew)
        elif memory_lists.MTRR_LINE.fullmatch(data):
            self._add(memory_lists.MTRRS, plain, anew=plain.startswith(("reg0:", "reg00:")))
        elif RESOURCE_LINE.fullmatch(data):
            name = f"{pci_files.DEVICES}/{self._device}/resource" if self._device else "resource"
            self._add(name, plain, anew=self._last != name)
        elif (vma := HEAD.fullmatch(data)) is not None:
            self._add_mapping(plain, int(vma[1], 16))
        elif _FLAGS.fullmatch(plain) and self._last.endswith("maps"):
            self._add(self._last, plain)
        elif _DEVICE.fullmatch(plain):
            self._begin_device(plain)
        elif self._block is not None and _OF_DEVICE.match(plain):
            self._add_of_device(plain)
        else:
            return self._is_small(plain)
        return True

    def _is_small(self, plain: str) -> bool:
        """True if the line is a whole file: a link, or the output of a command."""
        link = _DESCRIPTOR.fullmatch(plain)
        if link is not None:
            # Other links are useless, and there may be many.
            if is_device_file(link[2]):
                name = f"/proc/{self._process('fd')}/fd/{link[1]}"
                self._add(name, link[2], anew=True)
            self._last = "fd"
        elif driver := _DRIVER_LINK.fullmatch(plain):
            if len(self.drivers) < _MOST_DEVICES:
                self.drivers[driver[1]] = driver[2]
        elif (opened := _LSOF.fullmatch(plain)) and is_device_file(opened[3]):
            self._add(f"/proc/{opened[1]}/fd/{opened[2]}", opened[3], anew=True)
            self._last = "fd"
        elif self._descriptor and _OF_FDINFO.fullmatch(plain):
            self._add(f"/proc/{self._pid}/fdinfo/{self._descriptor}", plain)
        elif _UNAME.fullmatch(plain):
            self._add(UNAME, plain, anew=True)
        elif plain.startswith("BOOT_IMAGE="):
            self._add(COMMAND_LINE, plain, anew=True)
        else:
            return False
        return True

    def _take_other(self, line: str, plain: str, raw: bytes) -> None:
        """Handle a line outside any file: a log line, a path that identifies the next lines, or prose."""
        self._between += 1
        if self._between > _MOST_BETWEEN:
            self._ended()
        if any(seed in raw for seed in self._seeds):
            if len(self.log.lines) < _MOST_LOG:
                self.log.add(line, self.bounds.bytes)
            return
        process, device = PROCESS.search(plain), _OWN_FILE.search(plain)
        if process or device or _HEAD.match(plain):
            self._ended()
            self._pid, self._descriptor, self._device = "", "", device[1] if device else ""
            if process:
                self._of_process(process)
            return
        if self._last.endswith("maps"):
            # smaps fields.
            return
        if self._last == LSPCI:
            self._block = None if _NEXT_DEVICE.match(plain) else self._block
        elif self._last:
            self._odd = self._odd or plain
            if _DAMAGED.search(plain) and self._last in self.files:
                self.files[self._last].odd = self._odd

    def _of_process(self, found: re.Match[str]) -> None:
        self._unnumbered += not found[1]
        self._pid, self._descriptor = found[1] or f"{self._unnumbered}", found[3] or ""

    def _ended(self) -> None:
        self._last = self._odd = ""
        self._block, self._between = None, 0

    def _process(self, kind: str) -> str:
        """Return the pid that these lines belong to; an unused number if the text names no process."""
        if not self._pid:
            taken = f"/proc/{self._unnumbered}/{kind}"
            # Lines of another file may belong to the same process.
            self._unnumbered += taken in self.files
            self._pid = f"{self._unnumbered}"
        return self._pid

    def _add_mapping(self, plain: str, start: int) -> None:
        name = f"/proc/{self._process('maps')}/maps"
        is_next = self._last == name
        if is_next and not self._pid_is_known and start < self._highest:
            # Addresses within a process are ascending.
            self._pid = ""
            self._unnumbered += 1
            name, is_next = f"/proc/{self._process('maps')}/maps", False
        self._highest = start
        self._add(name, plain, anew=not is_next)

    @property
    def _pid_is_known(self) -> bool:
        return int(self._pid or UNNUMBERED) < UNNUMBERED

    def _begin_device(self, plain: str) -> None:
        address, _, title = plain.partition(" ")
        self._block = address if address.count(":") == 2 else f"0000:{address}"
        self._last, self._odd = LSPCI, ""
        known = self.blocks.get(self._block)
        if known is None:
            if len(self.blocks) >= _MOST_DEVICES:
                self._block = None
                return
            known = self.blocks[self._block] = PastedFile()
            known.add(f"{self._block} {title}", self.bounds.bytes)
        elif len(known.lines[0]) < len(self._block) + 1 + len(title):
            # The numeric listing contains more.
            known.lines[0] = f"{self._block} {title}"
        self._is_new = True

    def _add_of_device(self, plain: str) -> None:
        known, self._between = self.blocks[self._block or ""], 0
        if _REGION.match(plain) and self._is_new:
            # The device was listed before: the latest listing decides its regions.
            known.lines[1:] = [line for line in known.lines[1:] if not _REGION.match(line.lstrip())]
            self._is_new = False
        is_new = len(known.lines) < _MOST_LINES and f"\t{plain}" not in known.lines
        if is_new and self._fits(len(plain)):
            known.add(f"\t{plain}", self.bounds.bytes)

    def _add(self, name: str, line: str, *, anew: bool = False) -> None:
        if anew or name not in self.files:
            if name not in self.files and len(self.files) >= _MOST_OTHERS:
                return
            before = self.files.get(name)
            self._kept -= before.size if before is not None else 0
            self.files[name] = PastedFile()
        file = self.files[name]
        if self._last == name and self._odd:
            file.odd = file.odd or self._odd
        self._last, self._odd, self._block, self._between = name, "", None, 0
        if self._fits(len(line)):
            file.add(line, self.bounds.bytes)
        else:
            file.is_cut = True

    def _fits(self, size: int) -> bool:
        self._kept += size + 1
        return self._kept <= self.bounds.all_bytes
