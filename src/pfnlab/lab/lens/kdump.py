"""Compressed kdump vmcores: ``KDUMP`` files written by makedumpfile and QEMU, flattened ones included.

The file consists of blocks: a header, a sub header, two bitmaps of page frames (all frames, and dumped
frames), and for each dumped frame a descriptor that locates its compressed page.
"""

import re
import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable
from functools import cached_property, lru_cache

from pfnlab.base.extras import imported_from
from pfnlab.base.units import PAGE_SIZE
from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.memory import CoreFile, VmCoreInfo

_FLAT = b"makedumpfile"
_DUMP = b"KDUMP   "
#: The first eight bytes of such a file.
SIGNATURES = (_DUMP, _FLAT[:8])

#: Limits on page frames (16 TiB), on runs of frames, and on pieces of a flattened dump.
MAX_FRAMES, MAX_RUNS, MAX_PIECES = 1 << 32, 1_000_000, 4_000_000

_FLAT_HEADER = 4096
_PIECE = struct.Struct(">qq")
_STATUS_AT = 424
_HEADER = struct.Struct("<IiiII")
_SUB = struct.Struct("<QiiQQQQ")
_MAX_FRAMES_AT = 96
_DESCRIPTOR = struct.Struct("<QIIQ")
_MAX_VMCOREINFO = 1 << 16
_ZLIB, _LZO, _SNAPPY, _ZSTD = 1, 2, 4, 0x20
_PAGES_KEPT = 4096
# Bytes in a bitmap: a run with all bits set, a run with none set, or a single mixed byte.
_SAME = re.compile(rb"\xff+|\x00+|[^\x00\xff]", re.DOTALL)
_COUNT_BYTES = 4096


class KdumpCore(CoreFile):
    """A compressed vmcore."""

    def ranges(self) -> list[tuple[int, int]]:
        """The runs of dumped page frames, in ascending order."""
        return self._runs

    def read(self, address: int, size: int) -> bytes:
        """Read bytes, which may span pages."""
        if size < 0 or address < 0:
            raise LensError(f"{self.name}: no memory at {address:#x}, {size:,} bytes")
        first, offset = divmod(address, PAGE_SIZE)
        count = (offset + size + PAGE_SIZE - 1) // PAGE_SIZE
        if count == 1:
            return self._page(first)[offset : offset + size]
        return b"".join(map(self._page, range(first, first + count)))[offset : offset + size]

    @cached_property
    def info(self) -> VmCoreInfo:
        """The copy in the dump's header, or else one found by a search."""
        return VmCoreInfo(self._info) if self._info else super().info

    def _open(self) -> None:
        self._page = lru_cache(maxsize=_PAGES_KEPT)(self._read_page)
        self._read_file: Callable[[int, int], bytes] = self._pread
        if self._pread(0, len(_FLAT)) == _FLAT:
            self._index_pieces()
            self._read_file = self._read_flattened
        head = self._read_exactly(0, _STATUS_AT + 4 + _HEADER.size)
        if head[:8] != _DUMP:
            raise self._error("it is not a kdump file")
        block, sub_blocks, bitmap_blocks, frames = _HEADER.unpack_from(head, _STATUS_AT)[1:]
        if block != PAGE_SIZE or not 0 < sub_blocks < 1 << 16:
            raise self._error(f"invalid header: blocks of {block} bytes, {sub_blocks} of them as sub header")
        sub = self._read_exactly(block, _MAX_FRAMES_AT + 8)
        info_at, info_size = _SUB.unpack_from(sub)[5:]
        frames = max(frames, *struct.unpack_from("<Q", sub, _MAX_FRAMES_AT))
        bitmap = bitmap_blocks // 2 * block
        if frames > MAX_FRAMES or 8 * bitmap < frames or bitmap > self._size():
            raise self._error(f"{frames:,} page frames do not fit its bitmap of {bitmap:,} bytes")
        start = (1 + sub_blocks) * block
        self._bitmap = self._read_exactly(start + bitmap, (frames + 7) // 8)
        self._descriptors = start + 2 * bitmap
        self._runs = _runs(self._bitmap)
        self._pages_before = [0]
        for at in range(0, len(self._bitmap), _COUNT_BYTES):
            piece = self._bitmap[at : at + _COUNT_BYTES]
            self._pages_before.append(self._pages_before[-1] + int.from_bytes(piece, "little").bit_count())
        self._info = b""
        if 0 < info_size <= _MAX_VMCOREINFO:
            self._info = self._read_exactly(info_at, info_size).rstrip(b"\0")

    def _read_page(self, pfn: int) -> bytes:
        byte, bit = divmod(pfn, 8)
        if not 0 <= byte < len(self._bitmap) or not self._bitmap[byte] >> bit & 1:
            raise LensError(f"{self.name}: no memory at {pfn * PAGE_SIZE:#x}")
        piece = byte // _COUNT_BYTES
        rest = int.from_bytes(self._bitmap[piece * _COUNT_BYTES : byte + 1], "little")
        rest &= (1 << 8 * (byte - piece * _COUNT_BYTES) + bit) - 1
        place = self._pages_before[piece] + rest.bit_count()
        row = self._read_exactly(self._descriptors + place * _DESCRIPTOR.size, _DESCRIPTOR.size)
        offset, size, flags, _ = _DESCRIPTOR.unpack(row)
        if not 0 < size <= 2 * PAGE_SIZE:
            raise self._error(f"the page at {pfn * PAGE_SIZE:#x} claims {size:,} bytes")
        page = self._unpack(self._read_exactly(offset, size), flags, pfn)
        if len(page) != PAGE_SIZE:
            raise self._error(f"the page at {pfn * PAGE_SIZE:#x} unpacks to {len(page):,} bytes")
        return page

    def _unpack(self, data: bytes, flags: int, pfn: int) -> bytes:
        try:
            if flags & _ZLIB:
                return zlib.decompressobj().decompress(data, PAGE_SIZE)
            if flags & _ZSTD:
                return _unzstd(data)
        except (zlib.error, ValueError) as trouble:
            raise self._error(f"the page at {pfn * PAGE_SIZE:#x} cannot be unpacked: {trouble}") from trouble
        if flags & (_LZO | _SNAPPY):
            raise self._error("its pages are packed with lzo or snappy: make it with `makedumpfile -c` or -z")
        return data

    def _index_pieces(self) -> None:
        pieces: list[tuple[int, int, int]] = []
        at = _FLAT_HEADER
        while True:
            row = self._pread(at, _PIECE.size)
            if len(row) < _PIECE.size:
                raise self._error("it is cut off: its last piece is missing")
            offset, size = _PIECE.unpack(row)
            if offset < 0:
                break
            if size <= 0 or len(pieces) >= MAX_PIECES:
                raise self._error(f"its piece {len(pieces):,} claims {size:,} bytes")
            at += _PIECE.size
            pieces.append((offset, size, at))
            at += size
        pieces.sort()
        self._pieces = pieces
        self._piece_starts = [piece[0] for piece in pieces]

    def _read_flattened(self, offset: int, count: int) -> bytes:
        # The file's bytes before it was flattened; bytes that are in no piece read as zeros.
        parts = []
        while count > 0:
            place = bisect_right(self._piece_starts, offset) - 1
            start, size, at = self._pieces[place] if place >= 0 else (0, 0, 0)
            if start <= offset < start + size:
                length = min(count, start + size - offset)
                part = self._pread(at + offset - start, length)
            elif place + 1 < len(self._pieces):
                length = min(count, self._piece_starts[place + 1] - offset)
                part = bytes(length)
            else:
                break
            parts.append(part)
            if len(part) < length:
                break
            offset, count = offset + length, count - length
        return b"".join(parts)

    def _read_exactly(self, offset: int, count: int) -> bytes:
        if offset + count > 1 << 62:
            raise self._error(f"it points to byte {offset:,}")
        data = self._read_file(offset, count)
        if len(data) != count:
            raise self._error(f"it ends before byte {offset + count:,}")
        return data

    def _error(self, message: str) -> LensError:
        return LensError(f"{self.name}: {message}")


def _unzstd(data: bytes) -> bytes:
    with imported_from("lens", "a vmcore that is packed with zstd"):
        import zstandard
    try:
        return zstandard.ZstdDecompressor().stream_reader(data).read(PAGE_SIZE + 1)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error


def _runs(bitmap: bytes) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    start = -1
    for match in _SAME.finditer(bitmap):
        byte = match[0][0]
        for bit in range(8):
            is_set = byte >> bit & 1
            if is_set and start < 0:
                start = 8 * match.start() + bit
            elif not is_set and start >= 0:
                runs.append((start * PAGE_SIZE, (8 * match.start() + bit - start) * PAGE_SIZE))
                start = -1
        if len(runs) > MAX_RUNS:
            raise LensError(f"a vmcore has more than {MAX_RUNS:,} runs of pages")
    if start >= 0:
        runs.append((start * PAGE_SIZE, (8 * len(bitmap) - start) * PAGE_SIZE))
    return runs
