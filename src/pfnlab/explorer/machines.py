"""The machines the page may name, which are fewer than the command line knows.

What the page asks must never reach a file, so a name is put together from known words alone: ``model:7.2``
with policies, switches and commits (no ``config=FILE``, no policy out of a file), ``recorded:6.1.192`` for
what a real kernel did and a golden kept, and ``qemu:7.2`` for a kernel that is run on request. Other names
hold only where the command line gave them, as ``pfnlab explore --on model:7.2,tracker=mine.py``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.kernel.policies.own import files_in
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.releases import is_version
from pfnlab.kernel.policies.seams import POLICIES

#: The machines a page shows side by side at most.
MOST_MACHINES = 2

#: The policies that can be chosen for each seam.
SEAMS = {seam: tuple(policies) for seam, policies in POLICIES.items()}

_LENGTH = 200
_CHANGE = re.compile(r"[a-z0-9_]{1,40}(\.[a-z_]{1,40})?=[a-z0-9_-]{1,60}(@[0-9]{1,2}\.[0-9]{1,3})?")


class MachineName(msgspec.Struct, frozen=True):
    """A machine the page named.

    :param kind: ``model``, ``recorded`` or ``qemu``
    :param rest: what follows the colon
    """

    kind: str
    rest: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.rest}"


def machine_name(text: str, given: Sequence[str] = ()) -> MachineName:
    """Read the name of a machine that the page sent.

    :param given: names of the command line, which may name files
    :raises Misuse: it is none that a page may name; the message says what to write
    """
    kind, _, rest = text.partition(":")
    if text in given:
        return MachineName(kind, rest)
    version, *changes = rest.split(",")
    if len(text) > _LENGTH or kind not in ("model", "recorded", "qemu") or not is_version(version):
        raise Misuse(
            "there is no such machine: write model:7.2, model:7.2,tracker=vm_pat, recorded:6.1.192 "
            "or qemu:7.2"
        )
    if changes and kind != "model":
        raise Misuse(f"policies belong to models: write model:{version},{changes[0]}"[:_LENGTH])
    for change in changes:
        if not _CHANGE.fullmatch(change) or change.startswith("config="):
            raise Misuse(
                "the page names policies, switches and commits alone: for a file, start the explorer with "
                "--on model:7.2,tracker=FILE.py"
            )
    return MachineName(kind, rest)


def series_on_offer() -> list[str]:
    """The series of all models, newest first."""
    return list(reversed(PROFILES))


def files_of(model: str) -> str:
    """The state of the files that *model* is made of, policies and a configuration: another text where one
    of them was written meanwhile, empty where there are none.

    :param model: in the words of :class:`~pfnlab.programs.model.model_machine.ModelMachine`
    """
    configurations = [change[len("config=") :] for change in model.split(",") if change.startswith("config=")]
    return " ".join(map(_written, [*files_in(model), *configurations]))


def _written(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError as trouble:
        # The model itself says so.
        return str(trouble.errno)
    return f"{status.st_mtime_ns}:{status.st_size}"
