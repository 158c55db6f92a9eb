"""Kernels without a commit, as they were asked for the bugs of it: ``evidence/patches/reverts/held.json``.

``evidence/tools/hold_reverts.py`` makes them.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

#: The file of the records, in the folder of the patches.
HELD = "held.json"


class HeldProgram(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A program of an entry, on the kernel without a commit and on the stock kernel.

    :param entry: of the catalogue
    :param program: its name
    :param op: the first step in which the machines of its row part
    :param fields: the fields of it in which they do
    :param without: the word for the kernel without the commit
    :param stock: that for the stock kernel
    :param differ: the steps in which the model without the commit and the kernel differ, e.g. ``3 events``
    """

    entry: str
    program: str
    op: str
    fields: tuple[str, ...]
    without: str
    stock: str
    differ: tuple[str, ...]


class HeldRevert(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One kernel without a commit, and its entries.

    :param kernel: its version, with a checksum of what it is made of
    :param stock: the stock kernel beside it
    :param source: the package of its source
    :param build_seconds: most often from a tree that was built before
    :param programs: of its entries
    """

    kernel: str
    stock: str
    source: str
    build_seconds: int
    programs: tuple[HeldProgram, ...]


def read_held(path: Path) -> dict[str, HeldRevert]:
    """The records by the name of the patch; none where there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, HeldRevert]) if path.exists() else {}
