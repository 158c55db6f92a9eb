"""The configuration inside a kernel image."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

from core_builder import elf_sections

from pfnlab.lens.ikconfig import embedded_configuration

TEXT = b"CONFIG_X86_64=y\n# CONFIG_KSM is not set\n"


def image(folder: Path, data: bytes) -> Path:
    """A kernel image whose read-only data are these."""
    file = folder / "bzImage"
    file.write_bytes(b"MZ" + bytes(500) + lzma.compress(elf_sections({".rodata": data})))
    return file


def test_it_is_found_between_its_words(tmp_path: Path) -> None:
    """Compressed, with anything around it."""
    file = image(tmp_path, bytes(99) + b"IKCFG_ST" + gzip.compress(TEXT) + b"IKCFG_ED" + bytes(9))

    assert TEXT.decode() == embedded_configuration(file)


def test_most_kernels_have_none(tmp_path: Path) -> None:
    """The words may be missing, or what is between them is something else."""
    assert None is embedded_configuration(image(tmp_path, bytes(99)))
    assert None is embedded_configuration(image(tmp_path, b"IKCFG_ST other IKCFG_ED"))
    assert None is embedded_configuration(image(tmp_path, b"IKCFG_ED IKCFG_ST" + gzip.compress(TEXT)))
