"""Kernel images: every packing is undone, and what is no kernel is said to be none."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from btf_builder import sample
from core_builder import elf_sections, kernel_image
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st

from pfnlab.lab.lens import LensError, vmlinux
from pfnlab.lab.lens.vmlinux import btf_of, vmlinux_of

#: Bounded means this, in seconds.
LIMIT = 5.0

BTF = sample().bytes()
KERNEL = elf_sections({".text": bytes(range(256)) * 300, ".BTF": BTF})


def zstd(data: bytes) -> bytes:
    """A frame of zstd."""
    zstandard = pytest.importorskip("zstandard")
    return bytes(zstandard.ZstdCompressor().compress(data))


def lz4(data: bytes) -> bytes:
    """The legacy frame of lz4, with the size behind it that the kernel's build adds."""
    block = pytest.importorskip("lz4.block").compress(data, store_size=False)
    return b"\x02\x21\x4c\x18" + struct.pack("<I", len(block)) + block + struct.pack("<I", len(data))


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE, preset=9),
    "zstd": zstd,
    "lz4": lz4,
}


def image(packed: bytes) -> bytes:
    """A bzImage, with other starts of payloads behind its own."""
    return kernel_image(packed, behind=b"".join(magic for magic, _ in vmlinux._FORMATS.values()))


@for_each("packing", PACKERS)
def test_every_packing_is_undone(packing: str) -> None:
    """
    The kernel is where the header says that it is.
    """
    assert vmlinux_of(image(PACKERS[packing](KERNEL))) == KERNEL


def test_an_unpacked_kernel_is_its_own() -> None:
    """
    A vmlinux is taken as it is.
    """
    assert vmlinux_of(KERNEL) is KERNEL


def test_the_section_is_kept(tmp_path: Path) -> None:
    """
    The second time nothing is unpacked; another image, or a damaged file, is noticed.
    """
    path, cache = tmp_path / "vmlinuz", tmp_path / "cache" / "btf"
    path.write_bytes(image(gzip.compress(KERNEL)))

    assert btf_of(path, cache) == BTF
    kept = cache.read_bytes()
    assert kept.endswith(BTF)
    assert btf_of(path, cache) == BTF
    cache.write_bytes(kept[:-1] + b"?")
    assert btf_of(path, cache) == BTF
    assert cache.read_bytes() == kept
    path.write_bytes(image(gzip.compress(elf_sections({".BTF": b"other"}))))
    assert btf_of(path, cache) == b"other"


def test_images_without_types(tmp_path: Path) -> None:
    """
    No file, no kernel in it, no section in that: each is said.
    """
    path = tmp_path / "vmlinuz"
    with pytest.raises(LensError, match="cannot be read"):
        btf_of(path)
    path.write_bytes(image(b""))
    with pytest.raises(LensError, match="contains no kernel"):
        btf_of(path)
    path.write_bytes(image(gzip.compress(elf_sections({".text": b"x"}))))
    with pytest.raises(LensError, match=r"no section \.BTF"):
        btf_of(path)


@pytest.mark.parametrize("packing", PACKERS)
def test_a_bomb_is_given_up(packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What unpacks to more than any kernel is not unpacked to its end.
    """
    monkeypatch.setattr(vmlinux, "MAX_VMLINUX", 4 << 20)
    bomb = PACKERS[packing](b"\x7fELF" + bytes((8 << 20) - 4))

    with pytest.raises(LensError):
        vmlinux_of(image(bomb))


@settings(max_examples=150, deadline=LIMIT * 1000)
@given(data=st.data(), packing=st.sampled_from(sorted(PACKERS)))
def test_damaged_images_end_in_a_lens_error(data: st.DataObject, packing: str) -> None:
    """
    Whatever bytes of an image are changed, and wherever it is cut off: a kernel, or one LensError.
    """
    content = bytearray(image(PACKERS[packing](KERNEL)))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    begun = time.monotonic()
    try:
        vmlinux_of(bytes(content[:cut]))
    except LensError as reason:
        assert str(reason)
    assert time.monotonic() - begun < LIMIT
