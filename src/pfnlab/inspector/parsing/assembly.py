"""A snapshot from the text files of one machine, wherever they lie (:class:`.text_files.TextFiles`)."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from pfnlab.inspector.host_snapshot import Access, IomemLine, PciFunction, Snapshot, SnapshotSource
from pfnlab.inspector.parsing import iomem, kernel_log, machine_facts, memtype_list, mtrr_file, pci_files
from pfnlab.inspector.parsing.lspci import listed_devices
from pfnlab.inspector.parsing.process_files import ProcessFiles
from pfnlab.inspector.parsing.text_files import (
    DMESG,
    JOURNAL,
    LSPCI,
    MOST_LIST,
    UNAME,
    FileText,
    TextFiles,
    Unparsable,
    decoded,
    first_line,
    odd_lines,
    shown,
)
from pfnlab.progress import Work, working

#: Small files of one line.
RELEASE, HOST = "/proc/sys/kernel/osrelease", "/proc/sys/kernel/hostname"
COMMAND_LINE, MODULES = "/proc/cmdline", "/proc/modules"
PACKED_CONFIG = "/proc/config.gz"

_DEBUGFS = "/sys/kernel/debug"
_MOUNT = f"sudo mount -t debugfs none {_DEBUGFS}"

#: Finds the command that gives a file which is not there; empty for none.
_Remedy = Callable[[FileText, TextFiles], str]

#: A version as part of a path.
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,128}")


def config_path(release: str) -> str | None:
    """The file with a kernel's configuration; None for what is no version."""
    return f"/boot/config-{release}" if _RELEASE.fullmatch(release) and ".." not in release else None


def snapshot_of(files: TextFiles) -> Snapshot:
    """The snapshot that these files make.

    :raises Unparsable: the files are a bundle's and a line has not the form of its file; of others such a
        line is left out, and the source is CUT and says which
    """
    with working(f"reading {files.origin}") as work, _without_collection():
        return _Assembly(files, work).snapshot()


@contextmanager
def _without_collection() -> Iterator[None]:
    # A million values that refer to no other make the collector look at all of them again and again.
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


class _Assembly:
    """One reading: the sources as they are looked at, in order."""

    def __init__(self, files: TextFiles, work: Work) -> None:
        self._files = files
        self._work = work
        self._sources: list[SnapshotSource] = []

    def snapshot(self) -> Snapshot:
        """All parts."""
        book = self._list(memtype_list.PATH, memtype_list.LINE, _to_mount)
        resources = self._resources()
        mtrrs = self._list(mtrr_file.PATH, mtrr_file.LINE)
        log = self._log()
        devices = self._devices()
        release = self._release(log or ())
        config = self._config(release)
        flags = machine_facts.processor(self._files.read(machine_facts.CPUINFO).data)
        modules = self._list(MODULES)
        options = self._list(COMMAND_LINE)
        seen = ProcessFiles(self._files, devices).read(self._work)
        self._sources += seen.sources
        return Snapshot(
            origin=self._files.origin,
            sources=tuple(self._sources),
            host=first_line(self._files, HOST),
            kernel=release,
            book=None if book is None else memtype_list.reservations(book)[0],
            resources=resources,
            devices=devices,
            modules=None if modules is None else machine_facts.modules(modules),
            processes=seen.processes,
            mappings=seen.mappings,
            mtrrs=None if mtrrs is None else mtrr_file.mtrr_ranges(mtrrs),
            mtrr_default=kernel_log.mtrr_default(log or ()),
            pat=kernel_log.pat_configuration(log or ()),
            log=log,
            options="" if options is None else decoded(options).strip(),
            config=config,
            virtual=kernel_log.hypervisor(log or ()) or machine_facts.guest_of(self._files, flags),
            root=self._files.root,
            processor=flags,
        )

    def _resources(self) -> tuple[IomemLine, ...] | None:
        data = self._list(iomem.PATH, iomem.LINE)
        if data is None:
            return None
        found = iomem.resources(data)
        if not iomem.is_hidden(found):
            return found
        hidden = self._sources[-1]
        self._sources[-1] = msgspec.structs.replace(
            hidden, access=Access.HIDDEN, why="all addresses are zero", command=f"sudo cat {iomem.PATH}"
        )
        return None

    def _log(self) -> tuple[str, ...] | None:
        texts = []
        for name in (kernel_log.KMSG, DMESG, JOURNAL):
            text = self._files.read(name, MOST_LIST)
            if text.there and text.data:
                self._note(name, text)
                return kernel_log.log_lines(text.data)
            texts.append((name, text))
        refused = next((one for one in texts if one[1].access is Access.REFUSED), texts[0])
        why = refused[1].why or "nothing in it"
        access = Access.ABSENT if refused[1].there else refused[1].access
        self._sources.append(SnapshotSource(refused[0], access, why, refused[1].seconds, "sudo dmesg"))
        return None

    def _devices(self) -> tuple[PciFunction, ...] | None:
        found, source = pci_files.devices(self._files)
        if found is None and (text := self._files.read(LSPCI, MOST_LIST)).there:
            self._note(LSPCI, text)
            return listed_devices(text.data)
        self._sources.append(source)
        return found

    def _release(self, log: tuple[str, ...]) -> str:
        release = first_line(self._files, RELEASE)
        if not release and len(words := first_line(self._files, UNAME).split()) > 2:
            release = words[2]
        return release or kernel_log.version(log)

    def _config(self, release: str) -> dict[str, str] | None:
        first = None
        for path in (config_path(release), PACKED_CONFIG):
            if path is None:
                continue
            text = self._files.read(path, MOST_LIST)
            if text.there:
                self._note(path, text)
                return machine_facts.options_of(machine_facts.trimmed_config(text.data))
            first = first or (path, text)
        if first is not None:
            self._note(*first)
        return None

    def _list(
        self, path: str, line: re.Pattern[bytes] | None = None, remedy: _Remedy | None = None
    ) -> bytes | None:
        """The content of a file of the snapshot, noted as a source; None where it is not to be read.

        :param line: the form of its lines
        :param remedy: what would give it, where a plain reading as the superuser would not
        """
        text = self._files.read(path, MOST_LIST)
        self._note(path, text, remedy)
        if not text.there:
            return None
        if line is not None and (odd := _odd(path, text.data, line)):
            number, content = odd[0]
            reason = f"line {number} has not the form of this file: {shown(content)}"
            if self._files.strict:
                raise Unparsable(self._files.origin, path, text.line + number, reason)
            self._sources[-1] = msgspec.structs.replace(self._sources[-1], access=Access.CUT, why=reason)
        return text.data

    def _note(self, path: str, text: FileText, remedy: _Remedy | None = None) -> None:
        command = ""
        if text.access is Access.REFUSED and path.startswith("/"):
            command = f"sudo cat {path}"
        if remedy is not None:
            command = remedy(text, self._files) or command
        self._sources.append(SnapshotSource(path, text.access, text.why, text.seconds, command))


def _odd(path: str, data: bytes, line: re.Pattern[bytes]) -> list[tuple[int, bytes]]:
    lines = data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    if path == memtype_list.PATH:
        good = memtype_list.reservations(data)[1]
    else:
        good = sum(1 for _ in line.finditer(data))
    return [] if good == lines else odd_lines(data, line)


def _to_mount(text: FileText, files: TextFiles) -> str:
    if text.access is not Access.ABSENT:
        return ""
    mounted = files.names(_DEBUGFS)
    return _MOUNT if mounted.access is Access.ABSENT or not mounted.data.strip() else ""
