"""The date of the newest package list of each suite that was seen: an older one is a replay.

A signature says who made a list, and not that it is today's. Whoever answers for a mirror can send an old
one, and keep a machine on kernels and tools whose faults are known.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from pfnlab.base.errors import Undecided
from pfnlab.base.inert import shell_path
from pfnlab.lab.images.cache import write_cached

_DATE = re.compile(r"^Date:(.*)$", re.MULTILINE)


def check_newest(memory: Path, suite: str, lists: Path) -> None:
    """Refuse lists that are older than those seen before, and remember the date of others.

    :param memory: the file with the newest date of *suite*
    :param lists: the folder with its Release file, whose signature was verified
    :raises Undecided: they are older, or say no date
    """
    newest, date = _remembered(memory), _date_of(lists)
    if newest is not None and (date is None or date < newest):
        said = f"is of {_shown(date)}" if date else "has no date"
        seen = f"one of {_shown(newest)} was here before"
        raise Undecided(
            f"the package list of {suite} is refused: it {said}, and {seen}; try "
            f"another mirror, or to accept it `rm {shell_path(memory)}`"
        )
    if date is not None and date != newest:
        write_cached(memory, date.isoformat() + "\n")


def _remembered(memory: Path) -> datetime | None:
    try:
        found = datetime.fromisoformat(memory.read_text().strip())
    except (OSError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _date_of(lists: Path) -> datetime | None:
    for path in lists.glob("*Release"):
        found = _DATE.search(path.read_text(errors="replace"))
        try:
            date = parsedate_to_datetime(found[1].strip()) if found else None
        except ValueError:
            date = None
        if date is not None:
            return date if date.tzinfo else date.replace(tzinfo=UTC)
    return None


def _shown(date: datetime) -> str:
    return f"{date.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
