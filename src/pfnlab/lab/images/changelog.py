"""The changelog of a kernel's package: which stable release took which commit over, by title.

Up to 6.18 it is in the kernel's own package, and stored beside it. Later kernels have it in a package beside,
``linux-base-RELEASE``, which the archive may no longer hold.
"""

from __future__ import annotations

import functools
import gzip
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from pfnlab.errors import MissingTool, Undecided
from pfnlab.lab.images.archive import Archive
from pfnlab.lab.images.cache import cache_root, locked
from pfnlab.lab.images.deb import take_out
from pfnlab.lab.images.driver_module import offer, offered
from pfnlab.lab.images.kernels import KernelImage, suites_of

#: The file beside a cached vmlinuz.
NAME = "changelog.gz"

_LOCK_LIMIT = 900.0
# A package of Debian's own version, as linux-base-RELEASE, calls it changelog.Debian.gz.
_MEMBER = re.compile(r"(?:\./)?usr/share/doc/linux-(?:base|image)-[^/]+/changelog(?:\.Debian)?\.gz")


def changelog_of(kernel: KernelImage, *, say: Callable[[str], None] = lambda line: None) -> str | None:
    """
    The changelog of the kernel's package, fetched where it is not beside the kernel; None where the archive
    has it no more.

    :raises Unverified: a signature or checksum of the archive does not hold
    """
    path = kernel.vmlinuz.parent / NAME
    if not path.exists() and kernel.package:
        try:
            with locked(cache_root() / "kernels.lock", limit=_LOCK_LIMIT, say=say):
                _fetch(kernel, path, say)
        except MissingTool:
            return None
    try:
        return gzip.decompress(path.read_bytes()).decode(errors="replace")
    except FileNotFoundError:
        return None
    except (OSError, EOFError, zlib.error) as error:
        raise Undecided(f"{path} cannot be read: {error}; remove it and try again") from error


def _fetch(kernel: KernelImage, path: Path, say: Callable[[str], None]) -> None:
    archive = Archive.of_this_machine(cache_root() / "apt")
    image_packages = [kernel.package] if kernel.package.startswith("linux-image-") else []
    for name in (f"linux-base-{kernel.release}", *image_packages):
        for suite in suites_of(kernel):
            archive.listing(suite, say=say)
            fields = offer(archive, suite, name, kernel.version)
            if fields is None:
                continue
            with tempfile.TemporaryDirectory(prefix=".part-", dir=path.parent) as part:
                say(f"fetching the changelog of {kernel.version}, in {name}")
                deb = archive.download(offered(name, kernel.version, suite, fields).package, Path(part))
                file = Path(part) / NAME
                take_out(deb, functools.partial(_take, into=file))
                if file.exists():
                    file.replace(path)
                    return


def _take(members: tarfile.TarFile, into: Path) -> None:
    for member in members:
        if _MEMBER.fullmatch(member.name) and member.isreg():
            content = members.extractfile(member)
            assert content is not None
            with into.open("wb") as file:
                shutil.copyfileobj(content, file)
