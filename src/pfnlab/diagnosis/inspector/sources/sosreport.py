"""An sos report: a folder, or an archive that is read in one pass and never unpacked to disk."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from pfnlab.base.errors import Misuse
from pfnlab.base.files import check_regular
from pfnlab.base.inert import visible_name
from pfnlab.diagnosis.inspector.host_snapshot import Access
from pfnlab.diagnosis.inspector.parsing import text_files
from pfnlab.diagnosis.inspector.parsing.assembly import HOST, MODULES
from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder

#: Where a report has command output and renamed files; the first that exists is used.
PLACES = {
    text_files.DMESG: ("sos_commands/kernel/dmesg", "dmesg", "sos_commands/kernel/dmesg_-T"),
    text_files.JOURNAL: (
        "sos_commands/logs/journalctl_--no-pager_--boot",
        "sos_commands/logs/journalctl_--no-pager_--catalog_--boot",
    ),
    text_files.LSPCI: ("sos_commands/pci/lspci_-nnvv", "lspci"),
    text_files.UNAME: ("sos_commands/kernel/uname_-a", "uname"),
    HOST: ("proc/sys/kernel/hostname", "hostname", "sos_commands/host/hostname", "etc/hostname"),
    MODULES: ("proc/modules", "sos_commands/kernel/lsmod", "lsmod"),
}

#: Files to read from an archive: those below these folders or with these names.
_WANTED = ("proc/", "sys/", "boot/config-", *(place for places in PLACES.values() for place in places))
#: Maximum number of unpacked bytes in an archive, whatever its packed size, and of files.
MOST_UNPACKED, MOST_FILES = 8 << 30, 1 << 20

_OPENERS: dict[bytes, Callable[[IO[bytes]], object]] = {
    b"\x1f\x8b": lambda packed: gzip.GzipFile(fileobj=packed),
    b"\xfd7zXZ": lzma.LZMAFile,
    b"BZh": bz2.BZ2File,
}

#: A folder that is a report, or mirrors a root, has one of these.
SIGNS = ("sos_commands", "proc", "sys")


def is_archive(head: bytes) -> bool:
    """True if a file with these first 512 bytes is an archive, packed or not."""
    return any(head.startswith(magic) for magic in _OPENERS) or head[257:262] == b"ustar"


class SosFolder(RootFolder):
    """A report folder, or any folder that mirrors a root; raises Misuse if it has no part of a report."""

    def __init__(self, folder: Path, bounds: text_files.SnapshotBounds = text_files.ORDINARY) -> None:
        super().__init__(_report_in(folder), str(folder), bounds)
        self.root = True

    def read(self, path: str, most: int = text_files.MOST_SMALL) -> text_files.FileText:
        """The content of a file, or the output of a command."""
        found = text_files.FileText(b"", Access.ABSENT, "not in the report")
        for place in PLACES.get(path, (path.lstrip("/"),)):
            found = super().read(f"/{place}", most)
            if found.there:
                break
        # Drop the time: it is when the copy was made, not when the files were collected.
        return text_files.FileText(found.data, found.access, found.why)

    def names(self, folder: str) -> text_files.FileText:
        """The names in the folder."""
        found = super().names(folder)
        return text_files.FileText(found.data, found.access, found.why)


class SosArchive(text_files.TextFiles):
    """The relevant part of a report archive, in memory; raises Misuse if it is damaged or too large."""

    def __init__(self, path: Path, bounds: text_files.SnapshotBounds = text_files.ORDINARY) -> None:
        size = check_regular(path, "report").st_size
        self.origin, self.bounds = str(path), bounds
        self._files: dict[str, bytes] = {}
        self._links: dict[str, str] = {}
        self._folders: dict[str, set[str]] = {}
        try:
            with path.open("rb") as packed:
                head = packed.read(8)
                packed.seek(0)
                opener = next((one for magic, one in _OPENERS.items() if head.startswith(magic)), None)
                stream = cast("IO[bytes]", opener(packed) if opener else packed)
                self._read(_Limited(stream, self.origin, size, bounds))
        except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, ValueError) as trouble:
            raise Misuse(f"{visible_name(path)}: the archive is damaged: {visible_name(trouble)}") from None

    def read(self, path: str, most: int = text_files.MOST_SMALL) -> text_files.FileText:
        """The content of a file, or the output of a command."""
        for place in PLACES.get(path, (path.lstrip("/"),)):
            data = self._files.get(self._followed(place))
            if data is not None:
                if len(data) > most:
                    return text_files.FileText(data[:most], Access.CUT, f"longer than {most >> 20} MiB")
                return text_files.FileText(data)
        return text_files.FileText(b"", Access.ABSENT, "not in the report")

    def link(self, path: str) -> str | None:
        """The target of a link."""
        return self._links.get(path.lstrip("/"))

    def names(self, folder: str) -> text_files.FileText:
        """Return the names in a folder whose content was kept."""
        found = self._folders.get(folder.strip("/"))
        if found is None:
            return text_files.FileText(b"", Access.ABSENT, "not in the report")
        return text_files.FileText("\n".join(sorted(found)).encode("utf-8", "surrogateescape"))

    def _followed(self, place: str) -> str:
        # One step is enough: sos links short names to command output.
        target = self._links.get(place)
        if target is None:
            return place
        parts: list[str] = []
        for part in (PurePosixPath(place).parent / target).parts:
            if part == "..":
                parts = parts[:-1]
            elif part not in ("/", "."):
                parts.append(part)
        return "/".join(parts)

    def _read(self, stream: _Limited) -> None:
        kept = 0
        with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|") as archive:
            for name, member in _members(archive, self.origin):
                stream.member = name
                if not name.startswith(_WANTED):
                    continue
                if member.issym() or member.islnk():
                    target = member.linkname
                    self._links[name] = target if member.issym() else "/" + target.partition("/")[2]
                elif member.isreg():
                    content = archive.extractfile(member)
                    # One extra byte shows whether there is more.
                    most = self.bounds.bytes + 1
                    self._files[name] = data = content.read(most) if content is not None else b""
                    kept += len(data)
                    if larger := self.bounds.is_larger(kept, 0):
                        raise Misuse(f"{visible_name(self.origin)}: {visible_name(name)}: {larger}")
                else:
                    continue
                while "/" in name:
                    folder, _, child = name.rpartition("/")
                    self._folders.setdefault(folder, set()).add(child)
                    name = folder


def _members(archive: tarfile.TarFile, origin: str) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Yield the members without their common top folder; skip members outside it."""
    for count, member in enumerate(archive):
        if count > MOST_FILES:
            raise Misuse(f"{visible_name(origin)}: too many files for a report")
        # tarfile also reads skipped data and never stops if the data ends early.
        if member.size > MOST_UNPACKED:
            larger = f"{visible_name(member.name)} is larger than {MOST_UNPACKED >> 30} GiB"
            raise Misuse(f"{visible_name(origin)}: {larger}: not a report")
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        if ".." in parts or member.name.startswith("/"):
            continue
        if parts and parts[0] not in SIGNS:
            parts = parts[1:]
        if parts:
            yield "/".join(parts), member
        # Members that were read are no longer needed, and there may be a million.
        archive.members.clear()  # type: ignore[attr-defined]


class _Limited:
    """A stream that fails when it has yielded more data than a report may have."""

    def __init__(self, stream: IO[bytes], origin: str, size: int, bounds: text_files.SnapshotBounds) -> None:
        self._stream, self._origin, self._given = stream, origin, 0
        self._size, self._bounds = size, bounds
        self.member = ""

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        part = self._stream.read(size)
        self._given += len(part)
        why = self._bounds.is_too_packed(self._size, self._given)
        if self._given > MOST_UNPACKED:
            why = f"unpacked it is larger than {MOST_UNPACKED >> 30} GiB"
        if why:
            behind = f": behind {visible_name(self.member)}" if self.member else ""
            raise Misuse(f"{visible_name(self._origin)}{behind}: {why}")
        return part


def is_report(folder: Path) -> bool:
    """True if the folder is a report or contains one; raises Misuse if it cannot be read."""
    return _root_in(folder) is not None


def _root_in(folder: Path) -> Path | None:
    places = (folder, *_folders_in(folder))
    return next((one for one in places if any((one / sign).is_dir() for sign in SIGNS)), None)


def _report_in(folder: Path) -> Path:
    found = _root_in(folder)
    if found is not None:
        return found
    raise Misuse(
        f"{visible_name(folder)}: no report: name the folder that has sos_commands, proc or sys in it"
    )


def _folders_in(folder: Path) -> list[Path]:
    try:
        found = [place for place in folder.iterdir() if place.is_dir()]
    except OSError as trouble:
        raise Misuse(f"{visible_name(folder)}: the folder cannot be read: {trouble.strerror}") from None
    return found if len(found) == 1 else []
