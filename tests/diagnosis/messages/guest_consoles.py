"""Consoles of guests of our own, and the sets of devices that they were booted with."""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

_FOLDER = Path(__file__).parent / "guests"
_CONSOLES = _FOLDER / "consoles.tar.xz"


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a set breaks: the family of the message, the device, and the last series that has it."""

    family: str
    device: str | None = None
    until: str = "99"


class GuestSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine: QEMU's arguments, further parameters of the kernel, and its faults."""

    name: str
    about: str
    arguments: str
    parameters: str = ""
    fault: tuple[Fault, ...] = ()

    def faults_on(self, series: str) -> list[tuple[str, str | None]]:
        """Family and device of what a kernel has to report."""
        return [(one.family, one.device) for one in self.fault if _number(series) <= _number(one.until)]


class _Sets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    set: tuple[GuestSet, ...]


@cache
def guest_sets() -> tuple[GuestSet, ...]:
    """All of them."""
    return msgspec.toml.decode((_FOLDER / "sets.toml").read_bytes(), type=_Sets).set


@cache
def consoles() -> Mapping[str, str]:
    """The consoles by name, which is the set and the series: ``pc-old-6.12``."""
    if not _CONSOLES.exists():
        return {}
    with tarfile.open(_CONSOLES) as archive:
        files = {one.name: archive.extractfile(one) for one in archive}
        return {name: file.read().decode() for name, file in files.items() if file is not None}


def write_consoles(texts: Mapping[str, str]) -> None:
    """Write the archive, the same for the same consoles."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in sorted(texts.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    _CONSOLES.write_bytes(lzma.compress(plain.getvalue(), preset=9 | lzma.PRESET_EXTREME))


def _number(series: str) -> tuple[int, ...]:
    return tuple(map(int, series.split(".")))
