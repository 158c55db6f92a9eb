"""Types from a bootable kernel image: the compressed ELF file in it, and that file's ``.BTF`` section."""

import bz2
import contextlib
import hashlib
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from pfnlab.base.extras import imported_from
from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.elf import section
from pfnlab.lab.lens.result_cache import read_result, write_result

#: Maximum size, in bytes, of an unpacked kernel and of an image.
MAX_VMLINUX, MAX_IMAGE = 512 << 20, 256 << 20

_ELF = b"\x7fELF"
_LZ4_BLOCK = 8 << 20
_CHUNK = 1 << 20
# The header of a bzImage: the sectors before its 32-bit code (0 stands for 4), its magic number, and
# the place and size of the payload in that code.
_SECTOR, _SECTORS, _SECTORS_AT, _MAGIC_AT, _PAYLOAD_AT, _HEADER_END = 512, 4, 0x1F1, 0x202, 0x248, 0x250


def vmlinux_of(image: bytes, name: str = "the kernel") -> bytes:
    """The ELF file inside a bzImage, or an ELF file as is; LensError, with *name*, for other files.

    :raises MissingTool: if the package that unpacks the format is not installed
    """
    if image[:4] == _ELF:
        return image
    if len(image) > MAX_IMAGE:
        raise LensError(f"{name}: {len(image):,} bytes are more than the {MAX_IMAGE:,} a kernel image has")
    payload = _payload(image)
    for magic, unpack in _FORMATS.values():
        if not payload.startswith(magic):
            continue
        try:
            content = _join_limited(unpack(payload))
        # Errors that decoders raise on damaged data.
        except (lzma.LZMAError, zlib.error, OSError, EOFError, ValueError) as trouble:
            raise LensError(f"{name}: its compressed kernel is damaged: {trouble}") from trouble
        if content[:4] == _ELF:
            return content
    raise LensError(f"{name} contains no kernel compressed with any of: {', '.join(_FORMATS)}")


def btf_of(vmlinuz: Path, cache: Path | None = None) -> bytes:
    """The ``.BTF`` section of a kernel image; LensError if it cannot be read or has no types.

    :param cache: a file that stores the section for next time, valid for this image only
    """
    try:
        image = vmlinuz.read_bytes()
    except OSError as trouble:
        raise LensError(f"{vmlinuz} cannot be read: {trouble.strerror}") from trouble
    stamp = hashlib.sha256(image).digest()
    if cache is not None:
        content = read_result(cache, stamp)
        if content is not None:
            return content
    btf = section(vmlinux_of(image, str(vmlinuz)), ".BTF", str(vmlinuz))
    if cache is not None:
        write_result(cache, stamp, btf)
    return btf


def _payload(image: bytes) -> bytes:
    # The compressed kernel, which the header of a bzImage locates (boot protocol 2.08 and later); empty if
    # there is no such header.
    if len(image) < _HEADER_END or image[_MAGIC_AT : _MAGIC_AT + 4] != b"HdrS":
        return b""
    start = _SECTOR * (1 + (image[_SECTORS_AT] or _SECTORS))
    offset, size = struct.unpack_from("<II", image, _PAYLOAD_AT)
    return image[start + offset : start + offset + size]


def _join_limited(chunks: Iterator[bytes]) -> bytes:
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_VMLINUX:
            raise LensError(f"a kernel unpacks to more than {MAX_VMLINUX:,} bytes")
    return b"".join(parts)


def _lzma(form: int, data: bytes) -> Iterator[bytes]:
    return _unpacked(lzma.LZMADecompressor(format=form, memlimit=MAX_VMLINUX), data)


def _unpacked(unpacker: lzma.LZMADecompressor | bz2.BZ2Decompressor, data: bytes) -> Iterator[bytes]:
    while not unpacker.eof:
        chunk = unpacker.decompress(data, max_length=_CHUNK)
        data = b""
        if not chunk and unpacker.needs_input:
            raise EOFError("it is cut off")
        yield chunk


def _gzip(data: bytes) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    while not unpacker.eof:
        chunk = unpacker.decompress(data, _CHUNK)
        data = unpacker.unconsumed_tail
        if not chunk and not data:
            raise EOFError("it is cut off")
        yield chunk


def _zstd(data: bytes) -> Iterator[bytes]:
    with imported_from("lens", "a kernel that is packed with zstd"):
        import zstandard

    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 28).stream_reader(data)
    with contextlib.suppress(zstandard.ZstdError, MemoryError):
        # Bytes after the payload cause an error at the end, but by then the kernel is complete; a truncated
        # kernel is not an ELF file.
        while chunk := unpacker.read(_CHUNK):
            yield chunk


def _lz4(data: bytes) -> Iterator[bytes]:
    # The legacy frame: 8 MiB blocks, each preceded by its compressed size.
    with imported_from("lens", "a kernel that is packed with lz4"):
        import lz4.block  # type: ignore[import-untyped]

    at = 4
    while at + 4 <= len(data):
        (size,) = struct.unpack_from("<I", data, at)
        at += 4
        # The bytes after the last block (the unpacked size, then code) are not a block.
        if not 0 < size <= _LZ4_BLOCK + _LZ4_BLOCK // 255 + 16 or at + size > len(data):
            return
        try:
            chunk: bytes = lz4.block.decompress(data[at : at + size], uncompressed_size=_LZ4_BLOCK)
        except lz4.block.LZ4BlockError:
            return
        at += size
        yield chunk
        if len(chunk) < _LZ4_BLOCK:
            return


#: Name, first bytes and decoder for each ``CONFIG_KERNEL_*`` format; Python cannot unpack lzo.
_FORMATS: dict[str, tuple[bytes, Callable[[bytes], Iterator[bytes]]]] = {
    "zstd": (b"\x28\xb5\x2f\xfd", _zstd),
    "xz": (b"\xfd7zXZ\x00", partial(_lzma, lzma.FORMAT_XZ)),
    "gzip": (b"\x1f\x8b\x08", _gzip),
    "lz4": (b"\x02\x21\x4c\x18", _lz4),
    "bzip2": (b"BZh", lambda data: _unpacked(bz2.BZ2Decompressor(), data)),
    "lzma": (b"\x5d\x00\x00\x00", partial(_lzma, lzma.FORMAT_ALONE)),
}
