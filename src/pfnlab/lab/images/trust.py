"""Trust in the cache: guests and this machine run code from it, so no other user may write there.

Root and the current user are trusted. Folders are checked from ``/`` downwards, following links, so
that no one else can change a name after it was checked. Once a path has been found safe, this process
does not check it again.

A group with a single member counts as that member: distributions give each user a group with the same name
and number, and a umask that lets the group write. In a user namespace, an unmapped owner counts as root for
folders above the cache, because the real root is unmapped there.
"""

import errno
import grp
import os
import pwd
import stat
from functools import cache
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import shell_path

_GROUP, _OTHERS = stat.S_IWGRP, stat.S_IWOTH
_MOST_LINKS = 40

#: The uid shown for owners that are not mapped in this user namespace.
_OVERFLOW = Path("/proc/sys/kernel/overflowuid")

# Paths that this process has found safe.
_sound: set[Path] = set()


class Untrusted(Misuse):
    """A file or folder in the cache or above it belongs to another user, or another user may write to it."""


def check_cache(root: Path) -> None:
    """Check that no other user may write to the cache folder (it need not exist) or to any folder above it.

    :raises Untrusted: if one may; the message gives the folder, its owner and mode, and the remedy
    """
    _check_path(root, root, below=False)


def is_sound(folder: Path) -> bool:
    """True if no other user may write to *folder* or to a folder above it."""
    try:
        check_cache(folder)
    except Untrusted:
        return False
    return True


def check_part(path: Path, root: Path) -> None:
    """Check part of the cache *root* and all below it, like :func:`check_cache`; it need not exist yet."""
    _check_path(path, root, below=True)


def tighten(path: Path) -> None:
    """Remove write permission for group and others from a file or folder and everything below it."""
    for place in (path, *(path.rglob("*") if path.is_dir() else ())):
        mode = place.lstat().st_mode
        if mode & (_GROUP | _OTHERS) and not stat.S_ISLNK(mode):
            place.chmod(stat.S_IMODE(mode) & ~(_GROUP | _OTHERS))


def _check_path(path: Path, root: Path, *, below: bool) -> None:
    if path in _sound:
        return
    place = _walk(path, root)
    if place is None:
        return
    status = place.lstat()
    _check(place, status, root, last=True)
    if below and stat.S_ISDIR(status.st_mode):
        _check_below(place, root)
    _sound.add(path)


def _walk(path: Path, root: Path) -> Path | None:
    """The place that *path* leads to, after checking all folders on the way; None if it does not exist."""
    names = list(reversed(path.parts[1:]))
    here, links = Path("/"), 0
    while True:
        status = here.lstat()
        if stat.S_ISLNK(status.st_mode):
            if status.st_uid not in _trusted(above=not here.is_relative_to(root)):
                raise _refusal(here, status, root, "the link")
            links += 1
            if links > _MOST_LINKS:
                raise Untrusted(f"the cache {root}: {os.strerror(errno.ELOOP)}; set PFNLAB_CACHE")
            target = Path(os.readlink(here))
            names += reversed(target.parts[1:] if target.is_absolute() else target.parts)
            here = Path("/") if target.is_absolute() else here.parent
        elif not names:
            return here
        else:
            _check(here, status, root, last=False)
        if not names:
            return here
        name = names.pop()
        here = here.parent if name == ".." else here / name
        if not os.path.lexists(here):
            return None


def _check_below(folder: Path, root: Path) -> None:
    trusted = _trusted(above=False)
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            entry = Path(place, name)
            status = entry.lstat()
            # The common case, decided quickly because a tree has a hundred thousand entries.
            if status.st_uid in trusted and not status.st_mode & (_GROUP | _OTHERS):
                continue
            if status.st_uid not in trusted or not stat.S_ISLNK(status.st_mode):
                _check(entry, status, root, last=True)


def _check(place: Path, status: os.stat_result, root: Path, *, last: bool) -> None:
    """Check one file or folder; *last* is True for the target and False for folders on the way."""
    above = not last and not place.is_relative_to(root)
    if status.st_uid not in _trusted(above=above):
        raise _refusal(place, status, root, "the folder" if stat.S_ISDIR(status.st_mode) else "the file")
    sticky = not last and bool(status.st_mode & stat.S_ISVTX) and status.st_uid == 0
    if sticky:
        return
    writable = bool(status.st_mode & _OTHERS)
    if writable or (status.st_mode & _GROUP and not _is_alone(status.st_gid, place)):
        command = "chmod -R go-w" if place.is_relative_to(root) else "chmod go-w"
        raise Untrusted(
            f"the cache {root} is not used: others may write to {place} ({_described(status)}): "
            f"`{command} {shell_path(place)}`, or set PFNLAB_CACHE to another folder"
        )


def _refusal(place: Path, status: os.stat_result, root: Path, kind: str) -> Untrusted:
    user = _user(os.geteuid())
    trusted = "root" if user == "root" else f"{user} or root"
    reason = f"{place} belongs to {_user(status.st_uid)}, not to {trusted} ({_described(status)})"
    remedy = f"set PFNLAB_CACHE to a folder of {user}"
    if place.is_relative_to(root):
        remedy += f", or `chown -hR {user} {shell_path(place)}` if you know what is in it"
    return Untrusted(f"the cache {root} is not used: {kind} {reason}: {remedy}")


def _described(status: os.stat_result) -> str:
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    return f"mode {stat.S_IMODE(status.st_mode):04o}, {_user(status.st_uid)}:{group}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _trusted(*, above: bool) -> frozenset[int]:
    """The trusted owners; *above* the cache these include owners not mapped in this user namespace."""
    return frozenset((0, os.geteuid())) | (_without_number() if above else frozenset())


@cache
def _without_number() -> frozenset[int]:
    try:
        ranges = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
        overflow = int(_OVERFLOW.read_text())
    except (OSError, ValueError):
        return frozenset()
    whole = any(int(count) == 0xFFFFFFFF for _, _, count in ranges)
    return frozenset() if whole else frozenset((overflow,))


def _is_alone(group: int, place: Path) -> bool:
    """True if the group permission lets only root and the current user write."""
    try:
        if os.getxattr(place, "system.posix_acl_access", follow_symlinks=False):
            # With an ACL, the group permission is a mask that limits other entries.
            return False
    except OSError:
        pass
    return _has_one_member(group, os.geteuid())


@cache
def _has_one_member(group: int, user: int) -> bool:
    if group not in (0, user):
        return False
    try:
        name = pwd.getpwuid(group).pw_name
        entry = grp.getgrgid(group)
    except KeyError:
        return False
    others = [one.pw_name for one in pwd.getpwall() if one.pw_gid == group and one.pw_uid != group]
    return entry.gr_name == name and not others and set(entry.gr_mem) <= {name}
