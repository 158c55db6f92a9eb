"""Taking single files out of a Debian package; names and links in it decide nothing."""

from __future__ import annotations

import shutil
import signal
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

from pfnlab.errors import Undecided
from pfnlab.lab.images.tools import complaint, started
from pfnlab.worker import tell

_UNPACK_LIMIT = 120.0


def take_out(deb: Path, into: Path, name_of: Callable[[tarfile.TarInfo], str | None]) -> None:
    """
    Write files of *deb* into the folder *into*.

    :param name_of: the name there of a file of the package; None where it is not wanted
    :raises Undecided: the package cannot be read
    :raises MissingTool: there is no dpkg
    """
    command = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    with started(command, remedy="it unpacks packages: install dpkg") as process:
        timer = threading.Timer(_UNPACK_LIMIT, tell, [process, signal.SIGKILL])
        timer.start()
        trouble: tarfile.TarError | None = None
        try:
            assert process.stdout is not None and process.stderr is not None
            try:
                with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                    for member in archive:
                        name = name_of(member) if member.isreg() else None
                        content = archive.extractfile(member) if name else None
                        if name and content:
                            with (into / name).open("wb") as file:
                                shutil.copyfileobj(content, file)
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
