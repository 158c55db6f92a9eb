"""Files that keep what took long to find out; each knows what it was made from, and is whole or ignored."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_DIGEST = 32


def read_kept(path: Path, origin: bytes) -> bytes | None:
    """What was kept at *path* for *origin* (a SHA-256 digest); None when that is nothing, or damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    kept = content[2 * _DIGEST :]
    return kept if content[: 2 * _DIGEST] == origin + hashlib.sha256(kept).digest() else None


def write_kept(path: Path, origin: bytes, content: bytes) -> None:
    """Keep *content*; it appears whole or not at all. Where nothing can be written, nothing is kept."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(origin + hashlib.sha256(content).digest() + content)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
