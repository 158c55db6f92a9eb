"""Bounded searches for patterns and folders that users name.

A pattern may cover a whole disk, and a link may lead back to its own parent. Recursive searches do not follow
links to folders, and the number of names they examine is limited.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.base.progress import APPEARS, Work, working

#: The limits of one search: names examined, and seconds.
MOST_NAMES, MOST_SECONDS = 100_000, 30.0

#: Matches all folders below.
_ALL = "**"


class FolderSearch:
    """One search of folders for a user's *word*; Misuse if it examines too much or takes too long."""

    def __init__(self, word: str, work: Work) -> None:
        self._word, self._work = visible_name(word), work
        self._seen, self._began = 0, time.monotonic()
        self._walked: set[str] = set()

    def entries(self, folder: str) -> list[os.DirEntry[str]]:
        """The entries of *folder*, sorted by name; empty if it cannot be read."""
        found = []
        try:
            with os.scandir(folder or ".") as opened:
                for entry in opened:
                    self._count()
                    found.append(entry)
        except OSError:
            pass
        return sorted(found, key=lambda entry: entry.name)

    def below(self, folder: Path, suffix: str) -> list[Path]:
        """The files with *suffix* in *folder* and its subfolders, except those from earlier calls."""
        found = []
        for place in self._folders([str(folder)], self._walked):
            for entry in self.entries(place):
                if entry.name.endswith(suffix) and entry.is_file():
                    found.append(Path(place, entry.name))
        return sorted(found)

    def matching(self, pattern: str, folder: Path) -> list[Path]:
        """The paths in *folder* that *pattern* matches, as in the shell; hidden files only on request."""
        places = [os.path.join(folder, "/" if pattern.startswith("/") else "")]
        parts = [part for part in pattern.split("/") if part]
        parts = [part for at, part in enumerate(parts) if part != _ALL or parts[at - 1 : at] != [_ALL]]
        for at, part in enumerate(parts):
            last = at == len(parts) - 1
            if part == _ALL:
                places = list(self._all_below(places, files=last))
            elif has_magic(part):
                places = list(self._like(part, places, folders=not last))
            else:
                places = [there for place in places if os.path.lexists(there := os.path.join(place, part))]
            places = list(dict.fromkeys(places))
        return [Path(place) for place in sorted(places) if not pattern.endswith("/") or os.path.isdir(place)]

    def _like(self, part: str, places: Sequence[str], *, folders: bool) -> Iterator[str]:
        for place in places:
            for entry in self.entries(place):
                hidden = entry.name.startswith(".") and not part.startswith(".")
                if not hidden and fnmatchcase(entry.name, part) and (not folders or entry.is_dir()):
                    yield os.path.join(place, entry.name)

    def _all_below(self, places: Sequence[str], *, files: bool) -> Iterator[str]:
        for place in self._folders(filter(os.path.isdir, places), set(), hidden=False):
            yield place
            if files:
                yield from (
                    os.path.join(place, entry.name)
                    for entry in self.entries(place)
                    if not entry.name.startswith(".") and not entry.is_dir()
                )

    def _folders(self, places: Iterable[str], known: set[str], *, hidden: bool = True) -> Iterator[str]:
        """Folders and all their subfolders, except those in *known*; links are not followed."""
        waiting = list(places)[::-1]
        while waiting:
            place = waiting.pop()
            if place in known:
                continue
            known.add(place)
            yield place
            waiting += [
                os.path.join(place, entry.name)
                for entry in reversed(self.entries(place))
                if entry.is_dir(follow_symlinks=False) and (hidden or not entry.name.startswith("."))
            ]

    def _count(self) -> None:
        self._seen += 1
        if self._seen > MOST_NAMES:
            raise Misuse(
                f"{self._word}: more than {MOST_NAMES:,} files and folders to search: name a smaller folder"
            )
        if self._seen % 100 == 0:
            if time.monotonic() - self._began > MOST_SECONDS:
                raise Misuse(
                    f"{self._word}: gave up after {MOST_SECONDS:g} s and {self._seen:,} files and folders: "
                    "name a smaller folder"
                )
            self._work.show(f"looking for {self._word}, {self._seen:,} files and folders so far")


@contextmanager
def searching(word: str) -> Iterator[FolderSearch]:
    """A search for what *word* matches, showing progress after two seconds."""
    with working(f"looking for {visible_name(word)}", every=APPEARS) as work:
        yield FolderSearch(word, work)
