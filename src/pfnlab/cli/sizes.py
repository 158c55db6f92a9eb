"""``pfnlab kernels sizes``: what structures take in real kernels, read from their images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from pfnlab.lab.images.kernel_offers import by_version
from pfnlab.lab.images.kernels import KernelImage, kernel_for, whole
from pfnlab.lens.structure_sizes import StructureSize
from pfnlab.policies.releases import CONFIRMED
from pfnlab.progress import say
from pfnlab.report.kernel_sizes import (
    SeriesSizes,
    holes_in_words,
    known_sizes,
    series_sizes,
    structures_of,
    types_of,
    write_sizes,
)


def show_sizes(names: Sequence[str], *, as_json: bool, write: Path | None) -> int:
    """Print the structures of some kernels; the stored sizes of every series where none is named.

    :param write: boot the kernels too, and write the stored sizes of each series into this folder
    """
    if write is not None:
        return _write(names or CONFIRMED, write)
    found = [(kernel.label, structures_of(types_of(kernel))) for kernel in map(kernel_for, names)]
    if not names:
        found = [(f"{kept.series} ({kept.package_version})", kept.structures) for kept in known_sizes()]
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(dict(found)), indent=1).decode())
        return 0
    for label, structures in found:
        print(f"{label}:")
        _print(structures)
    return 0


def _print(structures: dict[str, StructureSize]) -> None:
    rows = [("structure", "bytes", "padding", "holes")]
    for name, structure in structures.items():
        rows.append((name, str(structure.size), str(structure.padding or "-"), holes_in_words(structure)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(f"  {'  '.join(cells)}".rstrip())


def _write(names: Sequence[str], folder: Path) -> int:
    for name in names:
        kernel = kernel_for(name)
        path = write_sizes(folder, _series(kernel))
        say(f"{kernel.label}: {path}")
    return 0


def _series(kernel: KernelImage) -> SeriesSizes:
    others = {other.version: other for other in whole(kernel.series)[0] if other.version != kernel.version}
    made_by = f"pfnlab kernels sizes {kernel.version} --write DIR"
    return series_sizes(kernel, [others[version] for version in by_version(others)], made_by)
