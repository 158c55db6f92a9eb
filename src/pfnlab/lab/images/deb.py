"""Taking single files out of a Debian package; names and links in it decide nothing."""

from __future__ import annotations

import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

from pfnlab.errors import Undecided
from pfnlab.lab.images.tools import complaint, end, started

_UNPACK_LIMIT = 120.0


def take_out(deb: Path, take: Callable[[tarfile.TarFile], None]) -> None:
    """
    Let *take* read members of *deb*, from front to back.

    :raises Undecided: the package cannot be read
    :raises MissingTool: there is no dpkg
    """
    command = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    with started(command, remedy="it unpacks packages: install dpkg") as process:
        timer = threading.Timer(_UNPACK_LIMIT, end, [process])
        timer.start()
        trouble: tarfile.TarError | None = None
        try:
            assert process.stdout is not None and process.stderr is not None
            try:
                with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                    take(archive)
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
