"""Blocks that a guest's kernel executes, counted by a plugin for QEMU's emulator.

A block is a piece of code that the emulator translates as one unit, identified by its start address and
length. The plugin (``blocks.c``) counts in a file that is also mapped here, so that counts can be read and
cleared from outside.
"""

import hashlib
import mmap
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from pfnlab.base.errors import Defect
from pfnlab.lab.images.cache import cache_root, kept, quiet
from pfnlab.lab.images.tools import run

#: The number of blocks that fit in the file, as in ``blocks.c``.
MOST_BLOCKS = 1 << 17

_WORD = 8
#: The columns of the file, after the number of blocks.
_COLUMNS = _ADDRESS, _LENGTH, _COUNT, _MARKED = range(4)
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC")
_LIMIT = 120.0
_REMEDY = "apt-get install --no-install-recommends gcc libc6-dev"


def plugin(*, say: Callable[[str], None] = quiet) -> Path:
    """The plugin, compiled only once; MissingTool without a C compiler, Defect if it does not compile."""
    lab = resources.files("pfnlab.lab")
    source = "".join((lab / name).read_text(encoding="utf-8") for name in ("guest/marks.h", "vm/blocks.c"))
    key = hashlib.sha256(repr((source, _FLAGS)).encode()).hexdigest()

    def make(part: Path) -> None:
        code = part.with_suffix(".c")
        code.write_text(source, encoding="utf-8")
        command = ["gcc", *_FLAGS, "-o", str(part), str(code)]
        result = run(command, limit=_LIMIT, remedy=_REMEDY)
        if result.returncode:
            raise Defect(f"the plugin that counts blocks does not compile: {result.stderr.strip()}")

    return kept(cache_root() / "guest" / f"blocks-{key[:16]}.so", make, say=say)


class MarkedBlock(NamedTuple):
    """A block that ran between marks.

    :param length: the number of its instructions
    :param runs: the number of times it ran
    """

    address: int
    length: int
    runs: int


class Blocks:
    """The counts for one guest, in a file that the plugin creates."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), (1 + len(_COLUMNS) * MOST_BLOCKS) * _WORD)
        self._words = memoryview(self._memory).cast("Q")

    def clear(self) -> None:
        """Reset all counts."""
        used = self._used
        for column in (_COUNT, _MARKED):
            self._column(column, used)[:] = memoryview(bytes(used * _WORD)).cast("Q")

    def reached(self) -> list[int]:
        """The addresses of the blocks that have run since `clear`, in order of first translation."""
        # The guest may still be running, and translating more blocks.
        used = self._used
        columns = self._column(_ADDRESS, used), self._column(_COUNT, used)
        return [address for address, count in zip(*columns, strict=True) if count]

    def marked(self) -> list[MarkedBlock]:
        """The blocks that have run between marks since `clear`."""
        used = self._used
        columns = (self._column(column, used) for column in (_ADDRESS, _LENGTH, _MARKED))
        return [MarkedBlock(*row) for row in zip(*columns, strict=True) if row[-1]]

    def close(self) -> None:
        """Release the file; does nothing the second time."""
        self._words.release()
        self._memory.close()

    @property
    def is_full(self) -> bool:
        """True if the file is full, so that blocks may be missing."""
        return self._used >= MOST_BLOCKS

    @property
    def _used(self) -> int:
        return self._words[0]

    def _column(self, column: int, used: int) -> memoryview:
        start = 1 + column * MOST_BLOCKS
        return self._words[start : start + used]
