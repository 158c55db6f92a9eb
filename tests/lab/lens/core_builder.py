"""Writes core files: ELF as QEMU dumps them, and kdump's compressed form, flattened if wanted."""

from __future__ import annotations

import struct
import zlib

PAGE = 4096


def elf_core(pieces: dict[int, bytes], *, more: tuple[tuple[int, int, int], ...] = ()) -> bytes:
    """An ELF core with memory at these physical addresses; *more*: other segments' address, offset, size."""
    at = 64 + 56 * (len(pieces) + len(more))
    heads, body = b"", b""
    for physical, content in pieces.items():
        heads += struct.pack("<IIQQQQQQ", 1, 7, at + len(body), 0, physical, len(content), len(content), 0)
        body += content
    for physical, offset, size in more:
        heads += struct.pack("<IIQQQQQQ", 1, 7, offset, 0, physical, size, size, 0)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    count = len(pieces) + len(more)
    return (
        struct.pack("<16sHHIQQQIHHHHHH", ident, 4, 62, 1, 0, 64, 0, 0, 64, 56, count, 64, 0, 0) + heads + body
    )


def elf_sections(sections: dict[str, bytes]) -> bytes:
    """An ELF file with these sections."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in sections) + b".shstrtab\0"
    body = b""
    rows = [struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)]
    for name, content in (*sections.items(), (".shstrtab", names)):
        row = (names.index(name.encode() + b"\0"), 1, 0, 0, 64 + len(body), len(content), 0, 0, 1, 0)
        rows.append(struct.pack("<IIQQQQIIQQ", *row))
        body += content
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    count = len(rows)
    head = struct.pack(
        *("<16sHHIQQQIHHHHHH", ident, 2, 62, 1, 0, 0, 64 + len(body), 0, 64, 56, 0, 64, count, count - 1)
    )
    return head + body + b"".join(rows)


def kernel_image(packed: bytes, *, behind: bytes = bytes(64)) -> bytes:
    """A bzImage with this payload, as its header says, and other code behind it."""
    head = bytearray(0x400)
    head[0x1F1] = 1
    head[0x1FE:0x200], head[0x202:0x206] = b"\x55\xaa", b"HdrS"
    struct.pack_into("<H", head, 0x20E, 0x100)
    struct.pack_into("<II", head, 0x248, 0, len(packed))
    head[0x300:0x310] = b"6.1.0-26 (a) #1\0"
    return bytes(head) + packed + behind


def kdump(memory: bytes, *, info: bytes = b"", hole: range = range(0), flat: bool = False) -> bytes:
    """A kdump file of *memory* from address 0; pages in *hole* are not dumped; *flat* as makedumpfile -F."""
    frames = len(memory) // PAGE
    bitmap = bytearray(PAGE)
    dumped = [pfn for pfn in range(frames) if pfn not in hole]
    for pfn in dumped:
        bitmap[pfn // 8] |= 1 << pfn % 8
    head = b"KDUMP   " + struct.pack("<i", 6)
    head = head.ljust(424, b"\0") + struct.pack("<IiiII", 1, PAGE, 1, 2, frames)
    info_at = 3 * PAGE + PAGE + 24 * len(dumped)
    sub = struct.pack("<QiiQQQQ", 0, 0, 0, 0, 0, info_at if info else 0, len(info))
    sub = sub.ljust(96, b"\0") + struct.pack("<Q", frames)
    descriptors, pages = b"", info
    start = info_at
    for number, pfn in enumerate(dumped):
        raw = memory[pfn * PAGE : (pfn + 1) * PAGE]
        packed = zlib.compress(raw, 1) if number % 3 else raw
        descriptors += struct.pack("<QIIQ", start + len(pages), len(packed), 1 if number % 3 else 0, 0)
        pages += packed
    content = head.ljust(PAGE, b"\0") + sub.ljust(PAGE, b"\0") + bytes(bitmap) * 2 + descriptors + pages
    if not flat:
        return content
    out = b"makedumpfile".ljust(16, b"\0") + struct.pack(">qq", 1, 1)
    out = out.ljust(4096, b"\0")
    for at in range(0, len(content), 5000):
        piece = content[at : at + 5000]
        out += struct.pack(">qq", at, len(piece)) + piece
    return out + struct.pack(">qq", -1, -1)
