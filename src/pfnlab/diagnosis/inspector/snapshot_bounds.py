"""The most that is read of one machine: what a file holds never decides how much memory is used."""

from __future__ import annotations

import msgspec

from pfnlab.base.units import size_text

#: MiB of one file that are read without being asked for more, and the lines that a MiB may have: 2,000,000.
MOST_MIB, LINES_PER_MIB = 64, 31_250

#: So many files as large as one may be, and with as many lines, make the most of all.
_FILES, _FILES_OF_LINES = 4, 2

#: What is packed is at most so many times as large when it is unpacked, or so many bytes.
_TIMES, _LEAST = 200, 16 << 20


class SnapshotBounds(msgspec.Struct, frozen=True):
    """The bounds of a reading: of one file, of all files, and of what is packed.

    :param mib: MiB of one file; a larger number than :data:`MOST_MIB` is one that a user asked for
    """

    mib: int = MOST_MIB

    @property
    def bytes(self) -> int:
        """The most bytes of one file."""
        return self.mib << 20

    @property
    def lines(self) -> int:
        """The most lines of one file."""
        return self.mib * LINES_PER_MIB

    @property
    def all_bytes(self) -> int:
        """The most bytes of all files, and of a bundle."""
        return self.bytes * _FILES

    @property
    def all_lines(self) -> int:
        """The most lines of all files, and of a bundle."""
        return self.lines * _FILES_OF_LINES

    def unpacked(self, size: int) -> int:
        """The most bytes that *size* packed bytes may be unpacked; whoever asked for more may have it."""
        asked = self.all_bytes if self.mib > MOST_MIB else _LEAST
        return max(_TIMES * size, asked)

    def is_longer(self, size: int, lines: int) -> str:
        """The bound that such a file goes beyond, with what to do; empty where it goes beyond none."""
        if size > self.bytes:
            return f"longer than {size_text(self.bytes)}{self.remedy}"
        return f"more than {self.lines:,} lines{self.remedy}" if lines > self.lines else ""

    def is_larger(self, size: int, lines: int) -> str:
        """The same of all files together."""
        if size > self.all_bytes:
            return f"all files are larger than {size_text(self.all_bytes)}{self.remedy}"
        return (
            f"all files have more than {self.all_lines:,} lines{self.remedy}"
            if lines > self.all_lines
            else ""
        )

    def is_too_packed(self, packed: int, size: int) -> str:
        """The same of something that was packed.

        :param packed: its bytes as it was found
        :param size: its bytes unpacked, as far as it was
        """
        if size <= self.unpacked(packed):
            return ""
        return f"unpacked it is more than {_TIMES} times as large, over {size_text(size)}{self.remedy}"

    @property
    def remedy(self) -> str:
        """The words that say what reads more."""
        return f": `pfnlab inspect --most {2 * self.mib}` reads more"


#: Those of a reading for which nobody asked for more.
ORDINARY = SnapshotBounds()
