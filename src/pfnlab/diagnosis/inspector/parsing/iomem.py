"""The resources of physical memory: /proc/iomem, nested, with inclusive ends."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from operator import eq
from typing import overload

from pfnlab.diagnosis.inspector.host_snapshot import IomemLine
from pfnlab.diagnosis.inspector.parsing.text_files import decoded, line_pieces

#: The file.
PATH = "/proc/iomem"

#: A line; a resource without a name is ``<BAD>``.
LINE = re.compile(rb"^( *)([0-9a-f]{1,16})-([0-9a-f]{1,16}) : ([^\n]*)$", re.MULTILINE)


class IomemTable(Sequence[IomemLine]):
    """The lines of a file, each of which is made when it is asked for: they may be two million.

    :param data: the file
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._starts, self._lasts, self._names = array("Q"), array("Q"), array("Q")
        self._lengths, self._depths = array("I"), array("I")
        before = 0
        for piece in line_pieces(data):
            for found in LINE.finditer(piece):
                blanks, start, last, _ = found.groups()
                self._starts.append(int(start, 16))
                self._lasts.append(int(last, 16))
                self._names.append(before + found.start(4))
                self._lengths.append(found.end() - found.start(4))
                self._depths.append(len(blanks) // 2)
            before += len(piece)

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, at: int) -> IomemLine: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[IomemLine, ...]: ...
    def __getitem__(self, at: int | slice) -> IomemLine | tuple[IomemLine, ...]:
        if isinstance(at, slice):
            return tuple(self[one] for one in range(*at.indices(len(self))))
        place = self._names[at]
        name = decoded(self._data[place : place + self._lengths[at]]).rstrip("\r")
        return IomemLine(self._starts[at], self._lasts[at] + 1, name, self._depths[at])

    def __eq__(self, other: object) -> bool:
        """Equal to any sequence of the same lines."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    @property
    def is_hidden(self) -> bool:
        """True where every address is zero: the kernel shows them to the superuser alone."""
        return len(self) > 0 and not any(self._starts) and not any(self._lasts)
