"""The copy of the source that a build works in, so that the user's tree is never written to.

::

    <cache>/trees/NAME/
      source/       the files, with the patches of the last build
      originals/    unpatched versions of the files that patches changed
      copied.json   for a user's tree: size and time of each file when it was copied
      out-NAME/     the objects of one configuration

A build folder is reused for other patches to the same source, so that only the files a patch touches are
recompiled. For this to work, files keep their modification times, except that a restored file gets a new one
because its objects were built with the patch. A file that is patched as in the last build keeps its time as
well: of two versions of a patch, only the files in which they differ are recompiled.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.base.inert import shell_path, shell_word
from pfnlab.lab.building.patch_file import PatchFile
from pfnlab.lab.building.plain_git import plain_git
from pfnlab.lab.building.source import KernelSource, files_of
from pfnlab.lab.images.cache import cache_root, locked, make_cache_folder, trusted, write_cached
from pfnlab.lab.images.trust import tighten

#: Seconds to wait for another build in the same tree.
_LOCK_LIMIT = 4 * 3600.0

_ORIGINALS = "originals"


@dataclass(frozen=True)
class WorkTree:
    """The copy of *source* in its cache folder *home*; obtained from `worktree`."""

    source: KernelSource
    home: Path
    #: The content and modification time of each file that the last patches changed.
    _last: dict[Path, tuple[bytes, int]] = field(default_factory=dict, init=False, compare=False)

    @property
    def folder(self) -> Path:
        """The folder of the files."""
        return self.home / "source"

    def out(self, configuration: str) -> Path:
        """The object folder of the named configuration."""
        return self.home / f"out-{configuration}"

    def refresh(self, *, say: Callable[[str], None]) -> None:
        """Bring it in line with the source: without patches, and with the user's latest changes."""
        self._last.update(self._patched())
        self._put_back()
        if self.source.own:
            self._copy(say)

    def apply(self, patches: Sequence[PatchFile]) -> None:
        """Apply *patches* in order; if one fails, undo all.

        :raises Undecided: if one does not apply: another tree may have what it changes
        :raises Misuse: if one reaches outside the tree
        """
        for patch in patches:
            for name in patch.files:
                self._keep_aside(patch, name)
            for diff in reversed(patch.diffs) if patch.reverse else patch.diffs:
                self._apply(patch, diff)
        # No object was made in between, so each one since that time was made from this content.
        for file, (data, changed) in self._last.items():
            if file.is_file() and file.read_bytes() == data:
                os.utime(file, ns=(changed, changed))

    def _apply(self, patch: PatchFile, diff: bytes) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(diff)
            file.flush()
            answer = plain_git(
                'git apply --whitespace=nowarn "$@"',
                *["-R"] * patch.reverse,
                file.name,
                folder=self.folder,
                remedy="give fewer patches",
            )
        if answer.returncode:
            self._put_back()
            raise Undecided(
                f"{patch.path} does not apply{' in reverse' * patch.reverse} to {self.source.label}: "
                f"{answer.stderr.partition(chr(10))[0].removeprefix('error: ') or 'no message'}"
                f"{_other_base(patch, self.source)}"
            )

    def _originals(self) -> Path:
        return self.home / _ORIGINALS

    def _patched(self) -> Iterator[tuple[Path, tuple[bytes, int]]]:
        for place, _, names in os.walk(self._originals()):
            below = self.folder / Path(place).relative_to(self._originals())
            for file in (below, *map(below.joinpath, names)):
                if file.is_file() and not file.is_symlink():
                    yield file, (file.read_bytes(), file.stat().st_mtime_ns)

    # An empty folder of that name marks a file that does not exist yet.
    def _keep_aside(self, patch: PatchFile, name: str) -> None:
        file, kept = self.folder / name, self._originals() / name
        says = ""
        if self.folder.resolve() not in file.resolve().parents:
            says = "outside the tree"
        elif file.is_dir() or file.is_symlink():
            says = "not a file in the tree"
        elif any(parent.is_file() for parent in file.parents):
            says = "below a file"
        if says:
            self._put_back()
            raise Misuse(f"{patch.path} names {name}, which is {says}")
        if kept.exists():
            return
        make_cache_folder(kept.parent)
        if not file.exists():
            make_cache_folder(kept)
            return
        part = kept.with_name(f".{kept.name}.part")
        shutil.copyfile(file, part)
        shutil.copymode(file, part)
        tighten(part)
        part.replace(kept)

    def _put_back(self) -> None:
        for place, folders, names in os.walk(self._originals(), topdown=False):
            below = self.folder / Path(place).relative_to(self._originals())
            for name in names:
                if name.endswith(".part"):
                    continue
                # git removes a folder with its last file.
                below.mkdir(parents=True, exist_ok=True)
                # A copy gets a new modification time, so that its objects are rebuilt.
                shutil.copyfile(Path(place) / name, below / name)
                shutil.copymode(Path(place) / name, below / name)
            if not folders and not names and place != str(self._originals()):
                below.unlink(missing_ok=True)
        shutil.rmtree(self._originals(), ignore_errors=True)

    def _copy(self, say: Callable[[str], None]) -> None:
        record = self.home / "copied.json"
        try:
            old: dict[str, list[int]] = json.loads(record.read_text())
        except (OSError, ValueError):
            old = {}
            shutil.rmtree(self.folder, ignore_errors=True)
            say(f"copying {self.source.folder}; the original is not changed")
        new = {}
        for path in files_of(self.source):
            status = (self.source.folder / path).lstat()
            new[path] = [status.st_size, status.st_mtime_ns]
            if old.get(path) != new[path]:
                _copy_file(self.source.folder / path, self.folder / path)
        for path in old.keys() - new.keys():
            (self.folder / path).unlink(missing_ok=True)
        write_cached(record, json.dumps(new))


@contextmanager
def worktree(source: KernelSource, *, say: Callable[[str], None]) -> Iterator[WorkTree]:
    """The copy of *source*, refreshed and locked; TimedOut if another build does not finish in time."""
    if source.own:
        place = hashlib.sha256(os.fsencode(source.folder)).hexdigest()[:12]
        home = cache_root() / "trees" / f"{re.sub('[^A-Za-z0-9._-]', '_', source.folder.name)}_{place}"
    else:
        home = source.folder.parent
    make_cache_folder(trusted(home))
    with locked(home.with_name(f".{home.name}.lock"), limit=_LOCK_LIMIT, say=say):
        tree = WorkTree(source, home)
        tree.refresh(say=say)
        yield tree


def original(source: KernelSource, name: str) -> Path:
    """The unpatched version of file *name* in *source*; the name is relative to the top of the tree.

    An archive package is built where it was unpacked, so it may still contain the patches of its last build.
    """
    kept = source.folder.parent / _ORIGINALS / name
    return kept if not source.own and kept.is_file() else source.folder / name


def _other_base(patch: PatchFile, source: KernelSource) -> str:
    base = f"{patch.base_package} {patch.base_version}".strip()
    if base in ("", source.label):
        return ""
    if patch.base_series in ("", source.series):
        return f"; it was made for {base}: redo it for this source"
    build = f"pfnlab kernels build {shell_word(patch.base_series)} --patch {shell_path(patch.path)}"
    return f"; it was made for {base}: run {build}"


# Changes a copy's modification time only if its content changes.
def _copy_file(original: Path, copy: Path) -> None:
    if not copy.parent.is_dir():
        make_cache_folder(copy.parent)
    if original.is_symlink():
        copy.unlink(missing_ok=True)
        copy.symlink_to(os.readlink(original))
        return
    data = original.read_bytes()
    if copy.is_symlink() or not copy.exists() or copy.read_bytes() != data:
        copy.unlink(missing_ok=True)
        copy.write_bytes(data)
    shutil.copymode(original, copy)
    tighten(copy)
