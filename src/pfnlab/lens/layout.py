"""Where the members of kernel structures are, and how to read several with one unpacking.

Members are found by name, through anonymous structures and unions, never by the kernel's version.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from operator import itemgetter

from drgn import Program, Type, TypeKind, offsetof, sizeof

from pfnlab.lens.errors import LensError

#: Format letters of unsigned numbers, by size.
_LETTERS = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Record:
    """
    Some members of one structure.

    :param size: bytes from the structure's start to the end of the last of them
    :param unpack: their values, in the order they were asked for, from that many bytes
    """

    def __init__(self, size: int, unpack: Callable[[bytes], tuple[int, ...]]) -> None:
        self.size = size
        self.unpack = unpack


class Layouts:
    """
    The structures of one kernel.

    :param program: who knows its types
    :param release: what messages call it
    """

    def __init__(self, program: Program, release: str) -> None:
        self._program = program
        self.release = release

    def has(self, name: str, path: str = "") -> bool:
        """Whether there is a type *name*, and if asked a member *path* in it."""
        try:
            kind = self._program.type(name)
            return not path or offsetof(kind, path) >= 0
        except (LookupError, TypeError, ValueError):
            return False

    def type(self, name: str) -> Type:
        """
        A complete type by its C name.

        :raises LensError: this kernel has none
        """
        try:
            found = self._program.type(name)
        except LookupError:
            raise LensError(f"kernel {self.release} has no {name}") from None
        if not found.is_complete():
            raise LensError(f"kernel {self.release} only declares {name}")
        return found

    def offset(self, name: str, *paths: str) -> int:
        """
        Byte offset of a member.

        :param paths: what the member is called, the newest name first
        :raises LensError: it has none of these names
        """
        offset, _ = self._member(name, *paths)
        return offset

    def length(self, name: str, path: str) -> int:
        """How many elements an array member has."""
        _, found = self._member(name, path)
        if found.kind is not TypeKind.ARRAY or not found.length:
            raise LensError(f"kernel {self.release}: {name} has a {path} that is no array")
        return int(found.length)

    def size(self, name: str) -> int:
        """Bytes of one object."""
        return int(sizeof(self.type(name)))

    def record(self, name: str, *members: str | tuple[str, ...]) -> Record:
        """
        A reader of some members.

        :param members: of each its name, or its names, the newest first
        :raises LensError: one is missing; the message names kernel and member
        """
        fields = []
        for place, paths in enumerate(members):
            offset, kind = self._member(name, *((paths,) if isinstance(paths, str) else paths))
            size = sizeof(kind) if kind.is_complete() else 0
            if size not in _LETTERS:
                raise LensError(f"kernel {self.release}: {name} has a {paths} of {size} bytes")
            fields.append((offset, size, place))
        form, end = "<", 0
        for offset, size, _ in sorted(fields):
            if offset < end:
                raise LensError(f"kernel {self.release}: members of {name} overlap at byte {offset}")
            form += f"{offset - end}x{_LETTERS[size]}"
            end = offset + size
        unpack = struct.Struct(form).unpack
        order = [place for _, _, place in sorted(fields)]
        if order == list(range(len(order))):
            return Record(end, unpack)
        # Where each member asked for stands among those sorted by offset.
        pick = itemgetter(*(order.index(place) for place in range(len(order))))
        return Record(end, lambda data: pick(unpack(data)))

    # A member's offset and type, typedefs taken off.
    def _member(self, name: str, *paths: str) -> tuple[int, Type]:
        kind = self.type(name)
        for path in paths:
            try:
                offset, found = offsetof(kind, path), kind
                for part in path.split("."):
                    found = _plain(found).member(part).type
                return offset, _plain(found)
            except (LookupError, TypeError, ValueError):
                continue
        wanted = " or ".join(paths)
        raise LensError(f"kernel {self.release}: {name} has no member {wanted}")


def _plain(kind: Type) -> Type:
    # What is behind typedefs.
    while kind.kind is TypeKind.TYPEDEF:
        kind = kind.type
    return kind
