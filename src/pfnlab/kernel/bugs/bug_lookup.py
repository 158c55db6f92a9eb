"""Bugs looked up: the one that a number or a CVE names, and what a configuration has to have for one."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.kernel.bugs.known_bugs import Bug, all_bugs

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,7}", re.IGNORECASE)


def bug_called(name: str) -> Bug:
    """The bug that *name* names: ``A06``, ``CVE-2024-35877``, or its title ``partial-munmap``.

    :raises Misuse: there is none
    """
    wanted = name.strip()
    for one in all_bugs():
        if wanted.upper() == one.number or (one.cve and wanted.upper() == one.cve) or wanted == one.title:
            return one
    shown = visible_name(wanted)[:40]
    if _CVE.fullmatch(wanted):
        raise Misuse(f"no bug of the catalogue has the number {shown}: `pfnlab bugs list --cve` lists those")
    raise Misuse(f"there is no bug {shown!r}: `pfnlab bugs list` has them, as A06 or CVE-2024-35877")


def options_lacking(one: Bug, options: Mapping[str, str]) -> tuple[str, ...]:
    """The options that *one* needs and a configuration does not have, as ``LOCKDEP=y``.

    :param options: those that the configuration sets, each with ``y`` or ``m``. What needs ``m`` is there
        too where it is built in
    """
    return tuple(
        f"{name}={value}" for name, value in one.config.items() if not _has(options.get(name, "n"), value)
    )


def _has(value: str, needed: str) -> bool:
    return value == needed or (needed == "m" and value == "y")
