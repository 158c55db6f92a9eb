"""Extraction of files from a Debian package, safe against malicious names and links."""

import lzma
import os
import shutil
import signal
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pfnlab.base.errors import Undecided
from pfnlab.base.inert import visible_name
from pfnlab.base.units import size_text
from pfnlab.base.worker import tell
from pfnlab.lab.images.tools import complaint, started

_UNPACK_LIMIT = 120.0

#: Maximum unpacked size, in bytes, of one package and of one compressed module.
MOST_UNPACKED, MOST_MODULE = 4 << 30, 64 << 20


def take_out(deb: Path, into: Path, name_of: Callable[[tarfile.TarInfo], str | None]) -> None:
    """Extract files from *deb* into the folder *into*.

    :param name_of: maps a file in the package to its name in *into*, or to None to skip it
    :raises Undecided: if the package cannot be read, or is too large
    :raises MissingTool: if there is no dpkg
    """
    with _opened(deb) as archive:
        for member in archive:
            name = name_of(member) if member.isreg() and not member.issparse() else None
            if name:
                _write(archive, member, into / name, 0o644)


def unpack(deb: Path, into: Path) -> None:
    """Extract all files from *deb* into the folder *into*, including links that stay inside it.

    Links that lead outside are skipped: packages contain some that point to where they would be installed.

    :raises Undecided: if the package cannot be read, is too large, or contains a device or a name outside
        *into*
    :raises MissingTool: if there is no dpkg
    """
    top = into.resolve()
    with _opened(deb) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if not path.parts:
                continue
            # Earlier links in the package may lead outside.
            if path.is_absolute() or ".." in path.parts or not _is_inside((top / path).parent, top):
                raise _refusal(deb, member, "is outside of its folder")
            try:
                _unpack(archive, member, top / path, top)
            except (FileExistsError, IsADirectoryError, NotADirectoryError):
                raise _refusal(deb, member, "already exists as another type") from None
            except ValueError as error:
                raise _refusal(deb, member, str(error)) from None


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path, top: Path) -> None:
    """Write one member to *place*, inside *top*; raise ValueError, with the problem, if it is unsafe."""
    place.parent.mkdir(0o755, parents=True, exist_ok=True)
    if member.isdir():
        if not _is_inside(place, top):
            raise ValueError("is outside of its folder")
        place.mkdir(0o755, exist_ok=True)
        return
    if place.is_symlink():
        place.unlink()
    if member.issym():
        if _is_inside(place.parent / member.linkname, top):
            place.unlink(missing_ok=True)
            place.symlink_to(member.linkname)
    elif member.islnk():
        original = Path(os.path.realpath(top / member.linkname))
        if not original.is_relative_to(top) or not original.is_file():
            raise ValueError("is a link to a file that is not in its folder")
        shutil.copy2(original, place)
    elif member.isreg() and not member.issparse():
        _write(archive, member, place, member.mode & 0o755 | 0o600)
        os.utime(place, (member.mtime, member.mtime))
    else:
        raise ValueError("is not a file, folder or link")


def _is_inside(place: Path, top: Path) -> bool:
    return Path(os.path.realpath(place)).is_relative_to(top)


def unpack_modules(folder: Path) -> None:
    """Unpack each ``*.xz`` in a folder, in place; Undecided if one cannot be read or is too large."""
    for packed in folder.glob("*.xz"):
        try:
            unpacker = lzma.LZMADecompressor()
            content = unpacker.decompress(packed.read_bytes(), MOST_MODULE)
        except lzma.LZMAError as error:
            raise Undecided(f"{packed.name} cannot be read: {error}") from None
        if not unpacker.eof:
            raise Undecided(
                f"{packed.name} cannot be read: it is truncated, or over {size_text(MOST_MODULE)}"
            )
        packed.with_suffix("").write_bytes(content)
        packed.unlink()


@contextmanager
def _opened(deb: Path) -> Iterator[tarfile.TarFile]:
    command = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    with started(command, remedy="it unpacks packages: install dpkg") as process:
        timer = threading.Timer(_UNPACK_LIMIT, tell, [process, signal.SIGKILL])
        timer.start()
        trouble: tarfile.TarError | None = None
        try:
            assert process.stdout is not None and process.stderr is not None
            try:
                with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                    yield archive
            except tarfile.TarError as error:
                trouble = error
            while process.stdout.read(1 << 20):
                pass
            error_text = process.stderr.read().decode(errors="replace")
            status = process.wait()
        finally:
            timer.cancel()
    if status or trouble:
        reason = complaint(error_text) if error_text.strip() else str(trouble or f"status {status}")
        raise Undecided(f"`dpkg-deb --fsys-tarfile` cannot read {deb.name}: {reason}; fetch it again")


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path, mode: int) -> None:
    if member.offset_data + member.size > MOST_UNPACKED:
        name = visible_name(member.name)
        raise Undecided(f"{name} is not unpacked: its package is over {size_text(MOST_UNPACKED)}")
    content = archive.extractfile(member)
    assert content is not None
    with open(place, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        shutil.copyfileobj(content, file)


def _refusal(deb: Path, member: tarfile.TarInfo, what: str) -> Undecided:
    return Undecided(f"{deb.name} is not unpacked: {visible_name(member.name)} {what}")
