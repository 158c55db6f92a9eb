"""Kernels built without a commit and tested for its bugs: ``evidence/patches/reverts/held.json``.

``evidence/tools/hold_reverts.py`` makes the records.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

#: The file with the records, in the patch folder.
HELD = "held.json"


class HeldProgram(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A program of an entry, run on the kernel without a commit and on the stock kernel.

    :param entry: the entry of the catalogue
    :param program: its name
    :param op: the first step in which the machines of its row diverge
    :param fields: the fields that differ in that step
    :param without: the word for the kernel without the commit
    :param stock: the word for the stock kernel
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

    :param kernel: its version, with a checksum of its sources
    :param stock: the stock kernel for comparison
    :param source: its source package
    :param build_seconds: build time, usually incremental from an earlier build tree
    :param programs: the programs of its entries
    """

    kernel: str
    stock: str
    source: str
    build_seconds: int
    programs: tuple[HeldProgram, ...]


def read_held(path: Path) -> dict[str, HeldRevert]:
    """The records by the name of the patch; empty if there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, HeldRevert]) if path.exists() else {}
