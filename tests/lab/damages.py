"""Damage to files of a cache: a full disk, a machine that went down, a disk that forgets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path], object]


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


#: By what it is called; each changes the file it is given.
DAMAGES: dict[str, Damage] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "flipped": _flip,
    "gone": lambda path: path.unlink(),
    "voucher cut": lambda path: _cut_voucher(path),
    "voucher gone": lambda path: path.with_name(f"{path.name}.sha256").unlink(),
}


def _cut_voucher(path: Path) -> None:
    voucher = path.with_name(f"{path.name}.sha256")
    voucher.write_text(voucher.read_text()[:-1])
