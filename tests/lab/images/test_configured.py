"""A kernel that is booted says how it was configured."""

from __future__ import annotations

import gzip
import lzma
from dataclasses import replace
from pathlib import Path

import pytest
from configurations import config_text
from core_builder import elf_sections, kernel_image

from pfnlab.kernel.mm.configuration import DISTRIBUTION
from pfnlab.lab.images.configured import RAM_MIB, configuration_of_kernel, embedded_configuration, ram_mib
from pfnlab.lab.images.kernels import KernelImage


def kernel(vmlinuz: Path, package: str = "") -> KernelImage:
    """A kernel in a file."""
    vmlinuz.parent.mkdir(parents=True, exist_ok=True)
    return KernelImage("", package, "7.2.13", "7.2.13", vmlinuz, str(vmlinuz))


@pytest.mark.parametrize(
    ("image", "config"),
    [
        ("built/mine/vmlinuz", "built/mine/config"),
        ("boot/vmlinuz-7.2.13-mine", "boot/config-7.2.13-mine"),
        ("linux/arch/x86/boot/bzImage", "linux/.config"),
    ],
)
def test_it_lies_beside_the_image(tmp_path: Path, image: str, config: str) -> None:
    """As `kernels build`, `make install` and a build leave it."""
    booted = kernel(tmp_path / image)
    (tmp_path / config).write_text(config_text("KSM"))

    assert not configuration_of_kernel(booted).ksm


def test_or_inside_it(tmp_path: Path) -> None:
    """Where CONFIG_IKCONFIG is on."""
    booted = kernel(tmp_path / "bzImage")
    inside = b"\x7fELF IKCFG_ST" + gzip.compress(config_text("KSM").encode()) + b"IKCFG_ED"
    booted.vmlinuz.write_bytes(kernel_image(lzma.compress(inside)))

    assert not configuration_of_kernel(booted).ksm


def test_else_it_is_the_distributions(tmp_path: Path) -> None:
    """Of an image that says nothing, of none at all, and of every kernel of the archive."""
    (tmp_path / "vmlinuz").write_bytes(b"MZ" + bytes(500))
    packaged = kernel(tmp_path / "cached" / "vmlinuz", package="linux-image-7.2")
    (tmp_path / "cached" / "config").write_text(config_text("KSM"))

    assert DISTRIBUTION == configuration_of_kernel(kernel(tmp_path / "vmlinuz"))
    assert DISTRIBUTION == configuration_of_kernel(kernel(tmp_path / "nothing"))
    assert DISTRIBUTION == configuration_of_kernel(packaged)


def test_a_shadow_of_memory_needs_memory() -> None:
    """KASAN's, of an eighth of what is mapped; no other option of those that are known does."""
    assert RAM_MIB == ram_mib(DISTRIBUTION)
    assert ram_mib(replace(DISTRIBUTION, kasan=True)) > RAM_MIB


TEXT = b"CONFIG_X86_64=y\n# CONFIG_KSM is not set\n"


def image(folder: Path, data: bytes) -> Path:
    """A kernel image whose read-only data are these."""
    file = folder / "bzImage"
    file.write_bytes(kernel_image(lzma.compress(elf_sections({".rodata": data}))))
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
