"""A bundle with other names and addresses, whose relations are the same.

Only files whose form is known are kept. Host, commands and files of processes get names of ours, processes
numbers in their order. Physical addresses move (:mod:`.address_shift`), those of a process all by as much.
The log keeps lines about memory and devices.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from random import Random

import msgspec

from pfnlab.hw.pci_regions import RESOURCE_LINE
from pfnlab.inspector.host_snapshot import Snapshot
from pfnlab.inspector.parsing import iomem, kernel_log, machine_facts, memtype_list, mtrr_file
from pfnlab.inspector.parsing.assembly import COMMAND_LINE, HOST, MODULES, RELEASE
from pfnlab.inspector.parsing.process_maps import DEVICE_FILE, HEAD
from pfnlab.inspector.parsing.text_files import DMESG, JOURNAL, LSPCI, UNAME, decoded
from pfnlab.inspector.sources.address_shift import shift_for
from pfnlab.inspector.sources.bundle_form import Entry
from pfnlab.units import PAGE_SIZE

_PROCESS = re.compile(r"/proc/([0-9]+)(/.*)")
# Numbers that are addresses by their place: the second of base,size is none.
_ADDRESSES = re.compile(
    rb"(\b0x|\bat |\bfor |\bbase )([0-9a-f]{5,16})\b|\b([0-9a-f]{5,16})(-)([0-9a-f]{5,16})\b", re.IGNORECASE
)
_FRAME = re.compile(rb"(\bpfn[:= ]*(?:0x)?)([0-9a-f]{2,13})\b")
_RELEVANT = re.compile(
    rb"\bPAT\b|MTRR|mtrr|memtype|ioremap|memremap|resource|\bBAR\b|vfio|VFIO|iomem|Hypervisor"
    rb"|Linux version|BUG|Bad page|pmd_set_huge|/dev/mem|map pfn|\b[a-z]+fb\b|framebuffer|\[mem |Overlap at"
)
_STAMP = re.compile(rb"\s*(?:[0-9]+,[0-9]+,[0-9]+,[^;]*;|\[[^\]]*\] ?)?")
_BANNER = re.compile(rb"(Linux version \S+).*")
_WHO = re.compile(
    rb"^((?:\S+ kernel: )?(?:x86/)?(?:PAT: )?)(.{1,32}):([0-9]{1,10})"
    rb"(?= (?:freeing|conflicting|map pfn|/dev/mem))"
)
_COMM = re.compile(rb"\bPID: ([0-9]+)(.*?)\bComm: (.{1,15}?)(?= Tainted| Not tainted|$)")
_PROGRAM = re.compile(rb"\bProgram (.{1,15}) tried")
_OPTION = re.compile(
    r"(?:nopat|nomtrr|disable_mtrr\S*|enable_mtrr\S*|mtrr\S*|iomem=\S+|pci=\S+|vfio\S*|intel_iommu=\S+|amd_iommu=\S+"
    r"|iommu\S*|video=\S+|nomodeset|mem=\S+|debugfs=\S+|lockdown=\S+|strict-devmem\S*|default_hugepagesz=\S+)"
)
_KERNEL_HALF = 1 << 63
_USER_END = 1 << 47


def redacted(entries: Iterable[Entry], snapshot: Snapshot) -> list[Entry]:
    """The entries with other names and addresses; the same entries give the same.

    :param snapshot: what they make
    """
    return list(_Redaction(list(entries), snapshot).entries())


class _Redaction:
    def __init__(self, entries: list[Entry], snapshot: Snapshot) -> None:
        self._entries = entries
        # One seed for one content: two parts of a bundle agree, and nothing else is to be kept for that.
        digest = hashlib.sha256()
        for entry in entries:
            digest.update(entry.path.encode("utf-8", "surrogateescape") + b"\0" + entry.data)
        self._random = Random(digest.digest())
        self._shift = shift_for(snapshot, self._random)
        self._host = snapshot.host.encode()
        self._pids: dict[int, int] = {}
        self._names: dict[bytes, bytes] = {}
        self._files: dict[bytes, bytes] = {}
        # The same shift in both files of a process.
        self._virtual: dict[int, int] = {}
        self._physical = {
            (one.pid, one.start): one.physical[0]
            for one in snapshot.mappings or ()
            if one.physical is not None
        }
        self._lowest: dict[int, int] = {}
        for one in snapshot.mappings or ():
            self._lowest[one.pid] = min(one.start, self._lowest.get(one.pid, one.start))
        for pid in sorted(self._all_pids()):
            self._pid(pid)
        for process in snapshot.processes or ():
            self._name(process.comm.encode())

    def entries(self) -> Iterator[Entry]:
        """Those that stay, redacted."""
        for entry in self._entries:
            if (found := _PROCESS.fullmatch(entry.path)) is not None:
                pid = int(found[1])
                path = f"/proc/{self._pid(pid)}{found[2]}"
                yield msgspec.structs.replace(
                    entry, path=path, data=self._of_process(pid, found[2], entry.data)
                )
            elif not entry.data:
                yield entry
            elif (change := self._change_of(entry)) is not None:
                yield msgspec.structs.replace(entry, data=change(entry.data))

    def _all_pids(self) -> set[int]:
        found = {int(pid[1]) for entry in self._entries if (pid := _PROCESS.fullmatch(entry.path))}
        for entry in self._entries:
            if entry.path == "/proc":
                found |= {int(name) for name in entry.data.split()}
        return found

    def _change_of(self, entry: Entry) -> Callable[[bytes], bytes] | None:
        path = entry.path
        whole: dict[str, Callable[[bytes], bytes]] = {
            memtype_list.PATH: self._numbers,
            iomem.PATH: self._resource_lines,
            mtrr_file.PATH: self._registers,
            kernel_log.KMSG: self._log,
            DMESG: self._log,
            JOURNAL: self._log,
            LSPCI: self._numbers,
            COMMAND_LINE: self._options,
            MODULES: _module_lines,
            HOST: lambda _: b"host\n",
            RELEASE: bytes,
            UNAME: lambda data: b" ".join([b"Linux", b"host", *data.split()[2:3]]) + b"\n",
            "/proc": self._pid_lines,
            machine_facts.CPUINFO: bytes,
            machine_facts.HYPERVISOR_TYPE: bytes,
            "/proc/config.gz": bytes,
        }
        whole |= dict.fromkeys(machine_facts.DMI, _guest_words)
        if path in whole:
            return whole[path]
        if path.endswith("/resource"):
            return self._regions
        if path.startswith("/sys/class/uio/"):
            return self._numbers
        return bytes if path.startswith(("/sys/", "/boot/config-")) else None

    def _pid(self, pid: int) -> int:
        return self._pids.setdefault(pid, len(self._pids) + 1)

    def _name(self, name: bytes) -> bytes:
        return self._names.setdefault(name, b"name%d" % (len(self._names) + 1))

    def _moved(self, digits: bytes) -> bytes:
        return b"%0*x" % (len(digits), self._shift(int(digits, 16)))

    def _numbers(self, data: bytes) -> bytes:
        def addresses(found: re.Match[bytes]) -> bytes:
            if found[1] is not None:
                return found[1] + self._of_text(found[2])
            return self._of_text(found[3]) + found[4] + self._of_text(found[5])

        return _ADDRESSES.sub(addresses, data)

    def _frame(self, found: re.Match[bytes]) -> bytes:
        frame = self._shift(int(found[2], 16) * PAGE_SIZE) // PAGE_SIZE
        return found[1] + b"%0*x" % (len(found[2]), frame)

    def _of_text(self, digits: bytes) -> bytes:
        value = int(digits, 16)
        if value >= _USER_END:
            # An address of the kernel's own, whose place is drawn at boot.
            return b"f" * 8 + b"%08x" % (value & (PAGE_SIZE - 1)) if value >= _KERNEL_HALF else digits
        return self._moved(digits)

    def _regions(self, data: bytes) -> bytes:
        def line(found: re.Match[bytes]) -> bytes:
            return b"0x%s 0x%s 0x%s" % (self._moved(found[1]), self._moved(found[2]), found[3])

        return RESOURCE_LINE.sub(line, data)

    def _resource_lines(self, data: bytes) -> bytes:
        def line(found: re.Match[bytes]) -> bytes:
            return found[1] + self._moved(found[2]) + b"-" + self._moved(found[3]) + b" : " + found[4]

        return iomem.LINE.sub(line, data)

    def _registers(self, data: bytes) -> bytes:
        lines = []
        words = {kind: word for word, kind in mtrr_file.TYPES.items()}
        for number, one in enumerate(mtrr_file.mtrr_ranges(data)):
            start, end = self._shift(one.start), self._shift(one.end)
            size, unit = (
                ((end - start) >> 20, b"M") if not (end - start) & 0xFFFFF else ((end - start) >> 10, b"K")
            )
            form = b"reg%02d: base=0x%09x (%5dMB), size=%5d%cB, count=1: %s\n"
            lines.append(form % (number, start, start >> 20, size, unit, words[one.kind]))
        return b"".join(lines)

    def _log(self, data: bytes) -> bytes:
        lines = [self._log_line(line) for line in data.split(b"\n") if _RELEVANT.search(line)]
        return b"".join(line + b"\n" for line in lines)

    def _log_line(self, line: bytes) -> bytes:
        # A stamp is no address.
        stamp = _STAMP.match(line)
        at = stamp.end() if stamp else 0
        before, line = line[:at], _BANNER.sub(rb"\1", line[at:])
        line = _WHO.sub(lambda who: who[1] + self._name(who[2]) + b":%d" % self._pid(int(who[3])), line)
        line = _PROGRAM.sub(lambda who: b"Program " + self._name(who[1]) + b" tried", line)
        line = _COMM.sub(
            lambda who: b"PID: %d%sComm: %s" % (self._pid(int(who[1])), who[2], self._name(who[3])), line
        )
        for name, other in ((self._host, b"host"), *self._names.items()):
            if name and name in line:
                line = re.sub(rb"(?<!\w)" + re.escape(name) + rb"(?!\w)", other, line)
        if b"pfn" in line and (frames := _FRAME.sub(self._frame, line)) != line:
            return before + frames
        return before + self._numbers(line)

    def _options(self, data: bytes) -> bytes:
        kept = [word for word in decoded(data).split() if _OPTION.fullmatch(word)]
        return self._numbers(" ".join(kept).encode()) + b"\n"

    def _pid_lines(self, data: bytes) -> bytes:
        return b"\n".join(b"%d" % pid for pid in sorted(self._pid(int(name)) for name in data.split()))

    def _of_process(self, pid: int, rest: str, data: bytes) -> bytes:
        if rest == "/comm":
            return self._name(data.strip()) + b"\n"
        if rest in ("/maps", "/smaps"):
            return HEAD.sub(lambda found: self._vma(pid, found), data)
        return data if "/fd" in rest else b""

    def _vma(self, pid: int, found: re.Match[bytes]) -> bytes:
        down = self._virtual.get(pid)
        if down is None:
            pages = self._lowest.get(pid, 0) // PAGE_SIZE
            down = self._virtual[pid] = self._random.randint(1, pages // 2) * PAGE_SIZE if pages > 1 else 0
        start, end, offset = int(found[1], 16), int(found[2], 16), int(found[4], 16)
        if self._physical.get((pid, start)) == offset:
            offset = self._shift(offset)
        path = found[6] or b""
        if path and not re.match(DEVICE_FILE, path) and not path.startswith((b"[", b"/dev/", b"anon_inode:")):
            path = self._files.setdefault(path, b"/file%d" % (len(self._files) + 1))
        device = found[0].split(b" ", 4)[3]
        head = b"%08x-%08x %s %08x %s %s" % (
            max(0, start - down),
            max(0, end - down),
            found[3],
            offset,
            device,
            found[5],
        )
        return head + b" " * 8 + path if path else head


def _module_lines(data: bytes) -> bytes:
    found = machine_facts.modules(data)
    return b"".join(f"{one.name} 0 0 {','.join(one.users) or '-'}\n".encode() for one in found)


def _guest_words(data: bytes) -> bytes:
    return b" ".join(word.encode() for word, _ in machine_facts.GUESTS if word.encode() in data) + b"\n"
