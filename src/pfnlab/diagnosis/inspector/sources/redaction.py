"""Redact a bundle: change names and addresses but keep how they relate.

Lines of a known form pass, field by field; others are dropped and counted. Names are replaced
(:mod:`.redacted_names`) unless any machine may have them (``public_words.toml``). Physical addresses move
(:mod:`.address_shift`); all addresses in a process move by the same amount.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random

import msgspec

from pfnlab.diagnosis.inspector.host_snapshot import Snapshot, UnkeptLines
from pfnlab.diagnosis.inspector.parsing import machine_facts, memory_lists
from pfnlab.diagnosis.inspector.parsing.assembly import COMMAND_LINE, HOST, MODULES, PACKED_CONFIG, RELEASE
from pfnlab.diagnosis.inspector.parsing.text_files import DMESG, JOURNAL, UNAME
from pfnlab.diagnosis.inspector.sources.address_shift import shift_for
from pfnlab.diagnosis.inspector.sources.bundle import ACCESS, Entry
from pfnlab.diagnosis.inspector.sources.redacted_devices import (
    CONFIG_KEPT,
    RedactedDevices,
    RedactedProcesses,
)
from pfnlab.diagnosis.inspector.sources.redacted_log import RedactedLog
from pfnlab.diagnosis.inspector.sources.redacted_names import (
    CONFIGURATION,
    DEBUGFS,
    OPTIONS,
    PCI_ADDRESS,
    FileForm,
    RedactedNames,
    TextForm,
    each,
    nothing,
)

#: The name under which lines of unknown files are counted, because the real name may be private.
OTHERS = "other files"
_PROCESS = re.compile(r"/proc/([0-9]{1,10})/(smaps|maps|comm|fdinfo|fd|(?:fd|fdinfo)/[0-9]{1,7})")
_PID = re.compile(r"[0-9]{1,10}")
_CONFIG = re.compile(r"/boot/config-([^/]+)")
_SPACE = re.compile(rf"/sys/bus/pci/devices/{PCI_ADDRESS}/config")
_OPTION = re.compile(OPTIONS)
_SETTING = re.compile(r"CONFIG_([A-Z0-9_]+)=(?:[ymn]|[0-9]{1,9})|# CONFIG_([A-Z0-9_]+) is not set")
#: Lists in which a missing line matters, and the note added to them.
_WHOLE, _LOST = (
    (memory_lists.MEMTYPES, memory_lists.IOMEM, memory_lists.MTRRS),
    "some lines have not the form of this file",
)
_DEBUGFS = "/sys/kernel/debug"


def redacted(entries: Iterable[Entry], snapshot: Snapshot) -> tuple[list[Entry], tuple[UnkeptLines, ...]]:
    """Rewrite the entries and count dropped lines; the same input always gives the same output."""
    redaction = _Redaction(list(entries), snapshot)
    found = list(redaction.entries())
    return found, tuple(UnkeptLines(name, lines) for name, lines in sorted(redaction.left.items()) if lines)


class _Redaction:
    def __init__(self, entries: list[Entry], snapshot: Snapshot) -> None:
        self._entries = entries
        self._kinds = {(entry.path, entry.kind) for entry in entries}
        self.left: Counter[str] = Counter()
        # Seeded from the content, so that two parts of a bundle agree with no stored state.
        digest = hashlib.sha256()
        for entry in entries:
            digest.update(entry.path.encode("utf-8", "surrogateescape") + b"\0" + entry.data)
        random = Random(digest.digest())
        shift = shift_for(snapshot, random)
        self._names = names = RedactedNames()
        log = RedactedLog(names, shift)
        self._devices = RedactedDevices(names, shift)
        self._processes = RedactedProcesses(names, shift, snapshot, random)
        self._forms: dict[str, TextForm] = {
            **dict.fromkeys((machine_facts.KMSG, DMESG, JOURNAL), log.lines),
            COMMAND_LINE: self._options,
            MODULES: each(self._module),
            HOST: lambda _: iter(("host",)),
            RELEASE: each(names.release),
            UNAME: self._system,
            "/proc": lambda text: map(
                str, sorted(map(names.pid, map(int, filter(_PID.fullmatch, text.split()))))
            ),
            machine_facts.CPUINFO: lambda text: iter(
                machine_facts.trimmed_processor(text.encode("ascii", "replace")).decode().splitlines()
            ),
            machine_facts.HYPERVISOR_TYPE: each(lambda line: line if line in ("xen", "kvm") else "unknown"),
            **dict.fromkeys(machine_facts.DMI, _guest_words),
            PACKED_CONFIG: each(_setting),
            _DEBUGFS: each(lambda name: name if name in DEBUGFS else names.folder(name)),
        }
        for pid in sorted(self._all_pids()):
            names.pid(pid)
        for process in snapshot.processes or ():
            names.process(process.comm)

    def entries(self) -> Iterator[Entry]:
        """The kept entries, redacted."""
        for entry in self._entries:
            found = self._form(entry.path)
            if found is None:
                self.left[OTHERS] += _lines(entry.data)
                continue
            if entry.kind.encode() in ACCESS:
                yield msgspec.structs.replace(entry, path=found.path, why=self._names.reason(entry.why))
                continue
            lost = 0
            if entry.kind == "hex":
                # No reader uses the rest of the kept text.
                data = entry.data[:CONFIG_KEPT] if _SPACE.fullmatch(entry.path) else b""
            else:
                text = entry.data.decode("utf-8", "surrogateescape")
                lines = list(found.form(text))
                lost = max(0, _lines(entry.data) - len(lines))
                self.left[found.called] += lost
                data = "\n".join(lines).encode("ascii")
                if entry.kind == "file" and lines:
                    data += b"\n"
            yield msgspec.structs.replace(entry, path=found.path, data=data)
            if lost and entry.path in _WHOLE and (entry.path, "cut") not in self._kinds:
                # Without this note a reader would take the list to be complete.
                yield Entry("cut", entry.path, why=_LOST, seconds=entry.seconds)

    def _form(self, path: str) -> FileForm | None:
        if path in self._forms:
            return FileForm(path, path, self._forms[path])
        if found := _CONFIG.fullmatch(path):
            return FileForm(f"/boot/config-{self._names.release(found[1])}", "/boot/config-*", each(_setting))
        if _SPACE.fullmatch(path):
            return FileForm(path, path, nothing)
        if (found := _PROCESS.fullmatch(path)) is None:
            return self._devices.of(path)
        pid, file = int(found[1]), found[2]
        called = f"/proc/*/{file.partition('/')[0]}"
        return FileForm(f"/proc/{self._names.pid(pid)}/{file}", called, self._processes.form(pid, file))

    def _all_pids(self) -> set[int]:
        found = {int(pid[1]) for entry in self._entries if (pid := _PROCESS.fullmatch(entry.path))}
        for entry in self._entries:
            if entry.path == "/proc":
                found |= {
                    int(name)
                    for name in entry.data.decode("ascii", "replace").split()
                    if _PID.fullmatch(name)
                }
        return found

    def _options(self, text: str) -> Iterator[str]:
        words = text.split()
        kept = [word for word in words if _OPTION.fullmatch(word)]
        # The line stays but loses some of its words.
        self.left[COMMAND_LINE] += len(kept) < len(words)
        yield " ".join(kept)

    def _system(self, text: str) -> Iterator[str]:
        words = text.partition("\n")[0].split()
        if len(words) > 2:
            yield f"Linux host {self._names.release(words[2])}"

    def _module(self, line: str) -> str | None:
        found = machine_facts.modules(line.encode("ascii", "replace"))
        if not found:
            return None
        users = ",".join(map(self._names.driver, found[0].users))
        return f"{self._names.driver(found[0].name)} 0 0 {users or '-'}"


def _setting(line: str) -> str | None:
    found = _SETTING.fullmatch(line)
    return line if found and (found[1] or found[2]) in CONFIGURATION else None


def _guest_words(text: str) -> Iterator[str]:
    first = text.partition("\n")[0]
    yield " ".join(word for word in machine_facts.GUESTS.split("|") if word in first)


def _lines(data: bytes) -> int:
    return sum(1 for line in data.split(b"\n") if line)
