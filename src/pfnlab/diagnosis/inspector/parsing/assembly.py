"""Assemble a snapshot from one machine's text files, wherever they are (:class:`.text_files.TextFiles`)."""

import re
from collections.abc import Callable, Sequence, Sized
from typing import TypeVar

import msgspec

from pfnlab.base.inert import shell_path
from pfnlab.base.progress import Work, working
from pfnlab.diagnosis.inspector.host_snapshot import Access, IomemLine, PciFunction, Snapshot, SnapshotSource
from pfnlab.diagnosis.inspector.intervals import uncollected
from pfnlab.diagnosis.inspector.parsing import machine_facts, memory_lists, pci_files, text_files
from pfnlab.diagnosis.inspector.parsing.pci_files import listed_devices
from pfnlab.diagnosis.inspector.parsing.process_files import ProcessFiles

Rows = TypeVar("Rows", bound=Sized)
#: Small one-line files.
RELEASE, HOST = "/proc/sys/kernel/osrelease", "/proc/sys/kernel/hostname"
COMMAND_LINE, MODULES = "/proc/cmdline", "/proc/modules"
PACKED_CONFIG = "/proc/config.gz"
_DEBUGFS = "/sys/kernel/debug"
_MOUNT = f"sudo mount -t debugfs none {_DEBUGFS}"
#: Returns the command that supplies a missing file; empty if there is none.
_Remedy = Callable[[text_files.FileText, text_files.TextFiles], str]
#: A version as part of a path.
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,128}")


def config_path(release: str) -> str | None:
    """Return the path of a kernel's configuration; None if *release* is not a version."""
    return f"/boot/config-{release}" if _RELEASE.fullmatch(release) and ".." not in release else None


def snapshot_of(files: text_files.TextFiles) -> Snapshot:
    """Return the snapshot of these files.

    A malformed line in a bundle raises Unparsable. Elsewhere it is skipped, and its source is marked CUT and
    quotes it.
    """
    with working(f"reading {files.origin}") as work, uncollected():
        return _Assembly(files, work).snapshot()


class _Assembly:
    """One pass over a machine's files; sources are recorded in the order they are read."""

    def __init__(self, files: text_files.TextFiles, work: Work) -> None:
        self._files, self._long = files, text_files.LongFiles(files)
        self._work = work
        self._sources: list[SnapshotSource] = []

    def snapshot(self) -> Snapshot:
        """Return the snapshot, with all its parts."""
        book = self._rows(
            memory_lists.MEMTYPES,
            memory_lists.reservations,
            memory_lists.is_memtype_line,
            remedy=_to_mount,
            head=memory_lists.MEMTYPES_HEAD,
        )
        resources = self._resources()
        mtrrs = self._rows(memory_lists.MTRRS, memory_lists.mtrr_ranges, memory_lists.MTRR_LINE.fullmatch)
        log = self._log()
        devices = self._devices()
        release = self._release(log or ())
        config = self._config(release)
        flags = machine_facts.processor(self._files.read(machine_facts.CPUINFO).data)
        modules = self._read(MODULES)
        options = self._read(COMMAND_LINE)
        seen = ProcessFiles(self._files, self._long, devices).read(self._work)
        self._sources += seen.sources
        return Snapshot(
            origin=self._files.origin,
            sources=tuple(self._sources),
            host=text_files.first_line(self._files, HOST),
            kernel=release,
            book=book,
            resources=resources,
            devices=devices,
            modules=None if modules is None else machine_facts.modules(modules.data),
            processes=seen.processes,
            mappings=seen.mappings,
            mtrrs=mtrrs,
            mtrr_default=machine_facts.mtrr_default(log or ()),
            pat=machine_facts.pat_configuration(log or ()),
            log=log,
            options="" if options is None else text_files.decoded(options.data).strip(),
            config=config,
            virtual=machine_facts.hypervisor(log or ()) or machine_facts.guest_of(self._files, flags),
            root=self._files.root,
            processor=flags,
            left_out=self._files.left_out,
        )

    def _resources(self) -> Sequence[IomemLine] | None:
        found = self._rows(memory_lists.IOMEM, memory_lists.IomemTable, memory_lists.IOMEM_LINE.fullmatch)
        if found is None or not found.is_hidden:
            return found
        hidden = self._sources[-1]
        self._sources[-1] = msgspec.structs.replace(
            hidden,
            access=Access.HIDDEN,
            why="all addresses are zero",
            command=f"sudo cat {memory_lists.IOMEM}",
        )
        return None

    def _log(self) -> tuple[str, ...] | None:
        texts = []
        for name in (machine_facts.KMSG, text_files.DMESG, text_files.JOURNAL):
            text = self._long.read(name)
            if text.there and text.data:
                self._note(name, text)
                return machine_facts.log_lines(text.data)
            texts.append((name, text))
        refused = next((one for one in texts if one[1].access is Access.REFUSED), texts[0])
        why = refused[1].why or "nothing in it"
        access = Access.ABSENT if refused[1].there else refused[1].access
        self._sources.append(SnapshotSource(refused[0], access, why, refused[1].seconds, "sudo dmesg"))
        return None

    def _devices(self) -> tuple[PciFunction, ...] | None:
        found, source = pci_files.devices(self._files)
        # The device list may be partial: lspci output has the remaining devices, and the drivers.
        is_part = found is not None and any(one.driver == "" for one in found)
        if (found is None or is_part) and (text := self._long.read(text_files.LSPCI)).there:
            self._note(text_files.LSPCI, text)
            listed = listed_devices(text.data)
            names = {device.address for device in listed if device.bars}
            own = [device for device in found or () if device.address not in names]
            return (
                *(device for device in listed if device.address not in {one.address for one in own}),
                *own,
            )
        self._sources.append(source)
        return found

    def _release(self, log: tuple[str, ...]) -> str:
        release = text_files.first_line(self._files, RELEASE)
        if not release and len(words := text_files.first_line(self._files, text_files.UNAME).split()) > 2:
            release = words[2]
        return release or machine_facts.version(log)

    def _config(self, release: str) -> dict[str, str] | None:
        first = None
        for path in (config_path(release), PACKED_CONFIG):
            if path is None:
                continue
            text = self._long.read(path)
            if text.there:
                plain, why = text_files.unpacked(text.data, self._files.bounds)
                if why:
                    text = text_files.FileText(text.data, Access.CUT, why, text.seconds, text.line)
                self._note(path, text)
                return machine_facts.options_of(machine_facts.trimmed_config(plain))
            first = first or (path, text)
        if first is not None:
            self._note(*first)
        return None

    def _read(self, path: str, remedy: _Remedy | None = None) -> text_files.FileText | None:
        """Read a file and record it as a source; return None if it is missing.

        :param remedy: returns a command that supplies the file if it is missing
        """
        text = self._long.read(path)
        self._note(path, text, remedy)
        return text if text.there else None

    def _rows(
        self,
        path: str,
        parse: Callable[[bytes], Rows],
        is_line: Callable[[bytes], object],
        *,
        remedy: _Remedy | None = None,
        head: bytes = b"",
    ) -> Rows | None:
        """Read and parse a file of rows, and report its first malformed line; return None if it is missing.

        :param head: a line that is no row
        """
        text = self._read(path, remedy)
        if text is None:
            return None
        data, found = text.data, parse(text.data)
        good = len(found) + (data.count(head) if head else 0)
        if good == data.count(b"\n") + (not data.endswith(b"\n") and data != b""):
            return found
        odd = text_files.odd_line(data, is_line)
        if odd is not None:
            number, content = odd
            reason = f"line {number} has not the form of this file: {text_files.shown(content)}"
            if self._files.strict:
                raise text_files.Unparsable(self._files.origin, path, text.line + number, reason)
            self._sources[-1] = msgspec.structs.replace(self._sources[-1], access=Access.CUT, why=reason)
        return found

    def _note(self, path: str, text: text_files.FileText, remedy: _Remedy | None = None) -> None:
        command = ""
        if text.access is Access.REFUSED and path.startswith("/"):
            command = f"sudo cat {shell_path(path)}"
        if remedy is not None:
            command = remedy(text, self._files) or command
        self._sources.append(SnapshotSource(path, text.access, text.why, text.seconds, command))


def _to_mount(text: text_files.FileText, files: text_files.TextFiles) -> str:
    if text.access is not Access.ABSENT:
        return ""
    mounted = files.names(_DEBUGFS)
    return _MOUNT if mounted.access is Access.ABSENT or not mounted.data.strip() else ""
