"""Files that cache slow results; each records its origin, and one that is incomplete is ignored."""

import hashlib
from contextlib import suppress
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.files import write_whole
from pfnlab.base.path_walk import make_folder

_DIGEST = 32


def read_result(path: Path, origin: bytes) -> bytes | None:
    """The content stored at *path* for *origin* (a SHA-256 digest); None if missing or damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    payload = content[2 * _DIGEST :]
    return payload if content[: 2 * _DIGEST] == origin + hashlib.sha256(payload).digest() else None


def write_result(path: Path, origin: bytes, content: bytes) -> None:
    """Store *content* atomically; do nothing if it cannot be written."""
    with suppress(OSError, Misuse):
        make_folder(path.parent)
        write_whole(path, origin + hashlib.sha256(content).digest() + content, mode=0o644)
