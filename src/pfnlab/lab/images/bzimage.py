"""The setup header of an x86 kernel image (boot protocol 2.00 and later): validity and release."""

import re
import struct
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.files import MOST_RECORDED, check_regular
from pfnlab.base.inert import visible_name

_BOOT_FLAG_AT = 0x1FE
_MAGIC_AT = 0x202
_VERSION_AT = 0x20E
_VERSION_BASE = 0x200

#: Maximum length of the version string, in bytes.
_VERSION_MAX = 512

# The release also becomes part of file names in the cache.
_RELEASE = re.compile(r"[0-9A-Za-z][!-.0-~]*")


def release_of(path: Path) -> str:
    """The release (``uname -r``) in an x86 bzImage header; Misuse if it is unreadable or not a bzImage."""
    check_regular(path, "kernel", MOST_RECORDED)
    try:
        with path.open("rb") as file:
            head = file.read(0x10000)
    except OSError as trouble:
        raise Misuse(f"{path} cannot be read as a kernel: {trouble.strerror}") from trouble
    if head[_BOOT_FLAG_AT : _BOOT_FLAG_AT + 2] != b"\x55\xaa" or head[_MAGIC_AT : _MAGIC_AT + 4] != b"HdrS":
        # Files that are often given by mistake, recognized by their first bytes.
        formats = {b"\x7fELF": "an ELF file (vmlinux?)", b"\x1f\x8b": "gzip", b"!<arch>": "a .deb"}
        other = next((f" but {name}" for magic, name in formats.items() if head.startswith(magic)), "")
        raise Misuse(
            f"{path} is not an x86 bzImage{other}: give a file like arch/x86/boot/bzImage or /boot/vmlinuz-*"
        )
    (pointer,) = struct.unpack_from("<H", head, _VERSION_AT)
    start = _VERSION_BASE + pointer
    text = head[start : start + _VERSION_MAX].partition(b"\0")[0].decode("ascii", errors="replace").strip()
    if not pointer or not text:
        raise Misuse(f"{path} has a bzImage header without a version string: give an unmodified bzImage")
    release = text.split()[0]
    if not _RELEASE.fullmatch(release):
        raise Misuse(f"{path} has the invalid release {visible_name(release)!r}")
    return release
