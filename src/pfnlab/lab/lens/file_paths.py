"""Paths of open files, as shown in /proc/PID/maps, built from dentries and mounts."""

from typing import NamedTuple

from pfnlab.lab.lens.own_types import text_at
from pfnlab.lab.lens.view import KernelView

#: Maximum number of folders in a path, counting mounts; and maximum length of a name in bytes.
MAX_PARTS = 4096
MAX_NAME = 255

_ANONYMOUS = "anon_inodefs"
_TYPE_MASK = 0o170000


class OpenFile(NamedTuple):
    """An open file.

    :param path: its path from the root of its mounts; e.g. ``anon_inode:[vfio-device]`` if it is in no folder
    :param kind: the type bits of the inode's mode, e.g. ``stat.S_IFCHR``
    """

    path: str
    kind: int


class FilePaths:
    """Resolves open files in one kernel; LensError if a structure lacks a member or memory is damaged."""

    def __init__(self, view: KernelView) -> None:
        self._view = view
        layouts = view.layouts
        self._file = layouts.record(
            *("struct file", ("f_path.dentry", "__f_path.dentry"), ("f_path.mnt", "__f_path.mnt"), "f_inode")
        )
        self._dentry = layouts.record(
            "struct dentry",
            *("d_parent", ("d_name.name", "__d_name.name"), ("d_name.len", "__d_name.len"), "d_hash.pprev"),
        )
        self._inode = layouts.record("struct inode", "i_mode")
        self._mount = layouts.record(
            "struct mount", "mnt_parent", "mnt_mountpoint", "mnt.mnt_root", "mnt.mnt_sb"
        )
        self._mnt = layouts.offset("struct mount", "mnt")
        self._super = layouts.record("struct super_block", "s_type")
        self._type = layouts.record("struct file_system_type", "name")
        self._known: dict[tuple[int, int], str] = {}

    def kind(self, file: int) -> int:
        """The type bits of the inode mode for the ``struct file`` at this address."""
        _, _, inode = self._view.members(file, self._file)
        (mode,) = self._view.members(inode, self._inode)
        return mode & _TYPE_MASK

    def of(self, file: int) -> OpenFile:
        """The open file for the ``struct file`` at this address."""
        dentry, mnt, _ = self._view.members(file, self._file)
        path = self._known.get((dentry, mnt))
        if path is None:
            path = self._known[dentry, mnt] = self._path(dentry, mnt)
        return OpenFile(path, self.kind(file))

    def _path(self, dentry: int, mnt: int) -> str:
        members, names = self._view.members, list[str]()
        mount = mnt - self._mnt
        parent_mount, mountpoint, root, super_block = members(mount, self._mount)
        parent, name, length, hashed = members(dentry, self._dentry)
        if parent == dentry != root:
            # A file that is not in any folder.
            alone = text_at(self._view, name, min(length, MAX_NAME))
            (kind,) = members(super_block, self._super)
            (filesystem,) = members(kind, self._type)
            anonymous = text_at(self._view, filesystem, MAX_NAME) == _ANONYMOUS
            return f"anon_inode:{alone}" if anonymous else f"/{alone} (deleted)"
        deleted = " (deleted)" if not hashed and parent != dentry else ""
        for _ in range(MAX_PARTS):
            if dentry == root or parent == dentry:
                if parent_mount == mount:
                    break
                dentry, mount = mountpoint, parent_mount
                parent_mount, mountpoint, root, _ = members(mount, self._mount)
            else:
                names.append(text_at(self._view, name, min(length, MAX_NAME)))
                dentry = parent
            parent, name, length, _ = members(dentry, self._dentry)
        else:
            raise self._view.error(f"the folders above a file have a loop at dentry {dentry:#x}")
        return "/" + "/".join(reversed(names)) + deleted
