"""Sources that a kernel can be built from: a user's source tree, or a source package in the archive.

A user's tree is only ever read. In a git worktree, its files are those that git tracks or does not ignore; in
any other folder, all files except build products. An archive package (``linux-source-7.2``) is fetched like a
kernel, including signature checks, and unpacked once under ``<cache>/trees``.
"""

import hashlib
import os
import re
import shutil
import stat
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pfnlab.base.errors import MissingTool, Misuse, Undecided
from pfnlab.base.files import MOST_WRITTEN, read_bytes
from pfnlab.base.inert import visible_name
from pfnlab.base.units import in_mib
from pfnlab.kernel.policies.releases import CONFIRMED, series_of, upstream
from pfnlab.lab.images.archive import Archive, Package, opened_archive
from pfnlab.lab.images.cache import cache_root, trusted, workplace
from pfnlab.lab.images.deb import take_out
from pfnlab.lab.images.kernel_offers import suites_for
from pfnlab.lab.images.kernels import cached
from pfnlab.lab.images.tools import complaint, run

_UNPACK_LIMIT = 600.0
_GIT_LIMIT = 120.0
_GIT = "it lists the files of a worktree: install git"

#: Build products in a source tree, skipped when copying a tree without git.
_PRODUCT = re.compile(
    r".*\.(?:o|a|ko|cmd|d|mod|order|symvers|dtb|lex\.c|tab\.[ch]|s|su|tmp)|vmlinux(?:\.map)?"
    r"|modules\.builtin.*|\..*"
)
_PRODUCT_FOLDERS = ("include/config", "include/generated", "arch/x86/include/generated")

#: File types that belong to a tree: regular files and links.
_KEPT = (stat.S_IFREG, stat.S_IFLNK)

_SERIES = re.compile(r"\d+\.\d+")
_MAKEFILE = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL) *= *(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class KernelSource:
    """Kernel source, ready to build.

    :param folder: its folder, which is only read
    :param label: e.g. ``linux-source-7.2 7.2.13-1``, or the folder's name
    :param version: the version in its Makefile, e.g. ``7.2.13``
    :param own: whether it is the user's own tree
    :param content: a checksum of all its files, in hex
    """

    folder: Path
    label: str
    version: str
    own: bool
    content: str

    @property
    def series(self) -> str:
        """Its series, e.g. ``7.2``."""
        return series_of(self.version)


def check_source(what: str) -> None:
    """Before fetching anything, check that *what* is a source tree's folder or a series.

    :raises Misuse: if it is neither; the message suggests what to give instead
    """
    folder = Path(what)
    if folder.is_dir():
        _version(folder.absolute())
    elif not _SERIES.fullmatch(what):
        raise Misuse(
            f"no source {what!r}: write the folder of a kernel tree, or a series the archive has "
            "the source of, such as 7.2"
        )


def series_in(what: str) -> str:
    """The series of the source *what*, without fetching anything; Misuse if there is no such source."""
    check_source(what)
    folder = Path(what)
    return series_of(_version(folder.absolute())) if folder.is_dir() else what


def source_for(what: str, *, say: Callable[[str], None]) -> KernelSource:
    """The source named *what*.

    :param what: the folder of a source tree, or a series whose source is in the archive
    :raises Misuse: if it is neither
    :raises MissingTool: if the archive has no source for that series
    :raises Unverified: if a signature or checksum of the archive is wrong
    :raises Undecided: if the archive cannot be reached
    """
    check_source(what)
    if not Path(what).is_dir():
        return _of_archive(what, say)
    folder = Path(what).absolute()
    content = (
        _content_by_git(folder) if _files_by_git(folder) else _content_of(folder, _files_by_walk(folder))
    )
    return KernelSource(folder, folder.name, _version(folder), own=True, content=content)


def files_of(source: KernelSource) -> list[str]:
    """The paths of the source's files and links, relative to its folder, sorted."""
    return _files_by_git(source.folder) or _files_by_walk(source.folder)


def _version(folder: Path) -> str:
    try:
        text = read_bytes(folder / "Makefile", "Makefile", MOST_WRITTEN)[:1000].decode(errors="replace")
    except Misuse:
        text = ""
    numbers = dict(_MAKEFILE.findall(text))
    if "VERSION" not in numbers or "PATCHLEVEL" not in numbers or not (folder / "mm" / "memory.c").exists():
        raise Misuse(f"{folder} is not a kernel tree: the kernel Makefile or mm/memory.c is missing")
    return ".".join(filter(None, (numbers["VERSION"], numbers["PATCHLEVEL"], numbers.get("SUBLEVEL"))))


def _git(folder: Path, *arguments: str) -> str | None:
    # None outside a git worktree. Nothing in the tree is written, not even the git index.
    if shutil.which("git") is None:
        return None
    answer = run(
        ["git", "-C", str(folder), "-c", "core.quotePath=off", *arguments],
        limit=_GIT_LIMIT,
        remedy=_GIT,
        env={"GIT_OPTIONAL_LOCKS": "0"},
    )
    return None if answer.returncode else answer.stdout


def _files_by_git(folder: Path) -> list[str]:
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None or Path(top.strip()).resolve() != folder.resolve():
        return []
    listing = _git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard") or ""
    paths = dict.fromkeys(path for path in listing.split("\0") if path)
    # Skip files that were removed and the folders of submodules, but keep links to folders.
    return sorted(path for path in paths if (folder / path).is_symlink() or (folder / path).is_file())


def _content_by_git(folder: Path) -> str:
    tree = _git(folder, "rev-parse", "HEAD^{tree}") or ""
    changes = _git(folder, "diff", "HEAD", "--binary") or ""
    others = _git(folder, "ls-files", "-z", "--others", "--exclude-standard") or ""
    new = _content_of(folder, sorted(filter(None, others.split("\0"))))
    return hashlib.sha256("\0".join((tree, changes, new)).encode(errors="surrogateescape")).hexdigest()


def _files_by_walk(folder: Path) -> list[str]:
    paths = []
    for place, folders, names in os.walk(folder):
        below = Path(place).relative_to(folder)
        folders[:] = [
            name for name in folders if name != ".git" and str(below / name) not in _PRODUCT_FOLDERS
        ]
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        # A stray pipe is not part of a kernel.
        names = [name for name in names if stat.S_IFMT((Path(place) / name).lstat().st_mode) in _KEPT]
        paths += [str(below / name) for name in [*names, *links] if not _PRODUCT.fullmatch(name)]
    return sorted(paths)


def _content_of(folder: Path, paths: list[str]) -> str:
    content = hashlib.sha256()
    for path in paths:
        file = folder / path
        if file.is_symlink():
            data = os.fsencode(os.readlink(file))
        else:
            data = hashlib.sha256(file.read_bytes()).digest()
        content.update(path.encode(errors="surrogateescape") + b"\0" + data)
    return content.hexdigest()


def _of_archive(series: str, say: Callable[[str], None]) -> KernelSource:
    name = f"linux-source-{series}"
    with opened_archive(say) as archive:
        package = _package(archive, series, name, say)
        folder = cache_root() / "trees" / f"{name}_{package.version}" / "source"
        if not trusted(folder.parent).joinpath(folder.name).exists():
            say(
                f"fetching {name} {package.version} from {package.suite}, {in_mib(package.size)}, "
                "1.9 GiB on disk"
            )
            _unpack(archive, package, folder)
    return KernelSource(
        folder,
        f"{name} {package.version}",
        _version(folder),
        own=False,
        content=hashlib.sha256(f"{name} {package.version}".encode()).hexdigest(),
    )


def _package(archive: Archive, series: str, name: str, say: Callable[[str], None]) -> Package:
    # The source version that matches the cached kernel of this series, or else the newest.
    here = cached(series) if series in CONFIRMED else None
    suites = [suite for suite in suites_for(series) if archive.has(suite)]
    versions = dict.fromkeys([here.version if here else "", ""])
    offers = [archive.find([suite], name, version, say=say) for suite in suites for version in versions]
    found = [offer.package for offer in offers if offer]
    if not found:
        raise MissingTool(
            f"the archive has no {name} (suites searched: {', '.join(suites)}): "
            "give the folder of a kernel tree"
        )
    for package in found:
        if here and package.version == here.version:
            return package
    return max(found, key=lambda package: [int(part) for part in upstream(package.version).split(".")])


def _unpack(archive: Archive, package: Package, folder: Path) -> None:
    with workplace(folder.parent) as part:
        ball = part / "source.tar.xz"
        take_out(archive.download(package, part), part, _name_of)
        if not ball.exists():
            raise Undecided(f"{package.name} has no source: its layout changed")
        answer = run(
            ["tar", "-C", str(part), "--no-same-owner", "--no-same-permissions", "-xf", str(ball)],
            limit=_UNPACK_LIMIT,
            remedy="install tar and xz-utils",
        )
        folders = [entry for entry in part.iterdir() if entry.is_dir()]
        if answer.returncode or len(folders) != 1:
            raise Undecided(f"{package.name} cannot be unpacked: {complaint(answer.stderr)}")
        for place, below, names in os.walk(folders[0]):
            for name in (*below, *names):
                if stat.S_IFMT((Path(place) / name).lstat().st_mode) not in (stat.S_IFDIR, *_KEPT):
                    reason = f"{visible_name(name)} is not a file, folder or link"
                    raise Undecided(f"{package.name} is not unpacked: {reason}")
        folders[0].rename(folder)


def _name_of(member: tarfile.TarInfo) -> str | None:
    is_source = re.fullmatch(r"(?:\./)?usr/src/linux-source-[\d.]+\.tar\.xz", member.name)
    return "source.tar.xz" if is_source else None
