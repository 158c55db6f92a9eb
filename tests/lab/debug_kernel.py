"""The debug information of a kernel, ``vmlinux``, from its package, for tests of the lens."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.lab.images.archive import Archive, Package
from pfnlab.lab.images.cache import cache_root, locked, new_folder
from pfnlab.lab.images.deb import take_out
from pfnlab.lab.images.kernels import KernelImage, suites_of

_LOCK_LIMIT = 1800.0


def debug_vmlinux(kernel: KernelImage, *, say: Callable[[str], None]) -> Path:
    """
    The file ``vmlinux`` with the DWARF types of exactly *kernel*; some hundred megabytes, fetched once.

    :raises MissingTool: it is not a kernel of the archive
    :raises Undecided: the archive does not hold or give it
    :raises Unverified: a signature or checksum of the archive does not hold
    """
    root = cache_root()
    home = root / "debug" / (kernel.version or "none")
    suites = suites_of(kernel)
    if not suites:
        raise MissingTool(f"no debug information for {kernel.release}: it is not a kernel of the archive")
    with locked(root / "kernels.lock", limit=_LOCK_LIMIT, say=say):
        if (home / "vmlinux").exists():
            return home / "vmlinux"
        with new_folder(home) as part:
            take_out(_package(kernel, suites, part.parent, say), part, _name_of)
            if not (part / "vmlinux").exists():
                raise Undecided(f"the debug package of {kernel.release} holds no vmlinux")
    return home / "vmlinux"


def _package(kernel: KernelImage, suites: list[str], into: Path, say: Callable[[str], None]) -> Path:
    archive = Archive.of_this_machine(cache_root() / "apt")
    trouble: Undecided | None = None
    for suite in suites:
        archive.listing(suite, say=say)
        package = Package(f"linux-image-{kernel.release}-dbg", kernel.version, suite, 0)
        say(f"fetching {package.name} {package.version} from {suite}")
        try:
            return archive.download(package, into)
        except Undecided as error:
            trouble = error
    assert trouble is not None
    raise trouble


def _name_of(member: tarfile.TarInfo) -> str | None:
    folder, _, file = member.name.rpartition("/")
    return "vmlinux" if folder.endswith("usr/lib/debug/boot") and file.startswith("vmlinux-") else None
