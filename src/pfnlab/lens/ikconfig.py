"""The configuration that a kernel carries inside itself (CONFIG_IKCONFIG)."""

from __future__ import annotations

import zlib
from pathlib import Path

from pfnlab.lens.vmlinux import vmlinux_of

#: The words around it, and of what stands between them the longest that is unpacked, in bytes.
_START, _END = b"IKCFG_ST", b"IKCFG_ED"
_MOST = 1 << 20


def embedded_configuration(vmlinuz: Path) -> str | None:
    """
    The ``.config`` inside a kernel image; None where it has none.

    :raises LensError: the image cannot be unpacked
    :raises MissingTool: the package that unpacks it is not here
    :raises OSError: the image cannot be read
    """
    content = vmlinux_of(vmlinuz.read_bytes(), str(vmlinuz))
    start = content.find(_START)
    end = content.find(_END, start)
    if start < 0 or end < 0:
        return None
    try:
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        text = unpacker.decompress(content[start + len(_START) : end], _MOST)
    except zlib.error:
        return None
    return text.decode(errors="replace")
