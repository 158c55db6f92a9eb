"""The changelog in a kernel package: the titles of the commits that each stable release backported.

Up to 6.18 it is in the kernel package itself, and is stored next to the kernel. For later kernels it is in a
separate package, ``linux-base-RELEASE``, which may no longer be in the archive.
"""

import gzip
import re
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.base.units import size_text
from pfnlab.lab.images.archive import opened_archive
from pfnlab.lab.images.cache import workplace
from pfnlab.lab.images.deb import take_out
from pfnlab.lab.images.kernels import KernelImage, suites_of

#: The file stored next to a cached vmlinuz.
NAME = "changelog.gz"

#: Maximum size of a changelog, in bytes.
_MOST = 256 << 20

# Native Debian packages such as linux-base-RELEASE name it changelog.Debian.gz.
_MEMBER = re.compile(r"(?:\./)?usr/share/doc/linux-(?:base|image)-[^/]+/changelog(?:\.Debian)?\.gz")


def changelog_of(kernel: KernelImage, *, say: Callable[[str], None] = lambda line: None) -> str | None:
    """The changelog of a kernel package, fetched if not cached; None if the archive does not have it.

    :raises Unverified: if a signature or checksum in the archive is wrong
    """
    path = kernel.vmlinuz.parent / NAME
    if not path.exists() and kernel.package:
        try:
            _fetch(kernel, path, say)
        except MissingTool:
            return None
    try:
        with gzip.open(path) as file:
            text = file.read(_MOST + 1)
    except FileNotFoundError:
        return None
    except (OSError, EOFError, zlib.error) as error:
        raise Undecided(f"{path} cannot be read: {error}; remove it and try again") from error
    if len(text) > _MOST:
        raise Undecided(f"{path} unpacks to over {size_text(_MOST)}, too much for a changelog")
    return text.decode(errors="replace")


def _fetch(kernel: KernelImage, path: Path, say: Callable[[str], None]) -> None:
    image_packages = [kernel.package] if kernel.package.startswith("linux-image-") else []
    with opened_archive(say) as archive, workplace(path.parent) as part:
        for name in (f"linux-base-{kernel.release}", *image_packages):
            found = archive.find(suites_of(kernel), name, kernel.version, say=say)
            if found is None:
                continue
            say(f"fetching the changelog of {kernel.version}, in {name}")
            take_out(archive.download(found.package, part), part, _name_of)
            if (part / NAME).exists():
                (part / NAME).replace(path)
                return


def _name_of(member: tarfile.TarInfo) -> str | None:
    return NAME if _MEMBER.fullmatch(member.name) else None
