"""A shell for guests: busybox, one static program, out of the archive's package."""

from __future__ import annotations

import functools
import tarfile
from collections.abc import Callable
from pathlib import Path

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.lab.images.archive import opened_archive
from pfnlab.lab.images.cache import cache_root, kept, quiet
from pfnlab.lab.images.deb import take_out

#: The files in a guest's top folder that the agent runs for a bundle: the shell, and the script.
SHELL, SCRIPT = "busybox", "pfnlab-collect.sh"

_PACKAGE = "busybox-static"

#: Suites that have the package, the oldest first: it needs nothing, so any will do.
_SUITES = ("bookworm", "trixie", "sid")

#: The largest program taken out of a package, in bytes.
_SHELL_MAX = 16 << 20


def shell(*, say: Callable[[str], None] = quiet) -> Path:
    """
    The static busybox for guests; fetched on the first call, from the cache afterwards.

    :param say: called with each line of progress
    :raises MissingTool: the archive has no such package
    :raises Unverified: a signature or checksum of the archive does not hold
    :raises Undecided: the archive cannot be reached, or its package is laid out in another way
    """
    return kept(cache_root() / "shell" / SHELL, functools.partial(_obtain, say), say=say)


def _obtain(say: Callable[[str], None], into: Path) -> None:
    with opened_archive(say) as archive:
        found = archive.find(_SUITES, _PACKAGE, say=say)
        if found is None:
            raise MissingTool(f"no shell for guests: the archive holds no {_PACKAGE}")
        say(f"fetching {_PACKAGE} {found.package.version} (about {-(-found.package.size >> 20)} MiB)")
        deb = archive.download(found.package, into.parent)
    take_out(deb, into.parent, _name_of)
    if not into.is_file():
        raise Undecided(f"{deb.name} holds no bin/{SHELL}")
    into.chmod(0o755)


def _name_of(member: tarfile.TarInfo) -> str | None:
    # The folder is /bin, and /usr/bin in newer suites.
    path = member.name.removeprefix("./").removeprefix("usr/")
    return SHELL if path == f"bin/{SHELL}" and member.size <= _SHELL_MAX else None
