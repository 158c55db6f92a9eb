"""Offsets of members in kernel structures, and readers that unpack several members at once.

Members are looked up by name, even in anonymous structures and unions, and never by kernel version.
"""

import struct
from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple

from drgn import Program, Type, TypeKind, offsetof, sizeof

from pfnlab.lab.lens import LensError

#: Format letters for unsigned numbers, by size.
_LETTERS = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Record(NamedTuple):
    """A reader that unpacks members from *size* bytes of a structure, in the order requested."""

    size: int
    unpack: Callable[[bytes], tuple[int, ...]]


class Layouts:
    """The structures of one kernel, from *program*; LensError if it lacks the structure or member."""

    def __init__(self, program: Program, release: str) -> None:
        self._program = program
        self.release = release

    def has(self, name: str, path: str = "") -> bool:
        """True if there is a type *name* and, if *path* is given, it has that member."""
        try:
            kind = self._program.type(name)
            return not path or offsetof(kind, path) >= 0
        except (LookupError, TypeError, ValueError):
            return False

    def type(self, name: str) -> Type:
        """A complete type by its C name."""
        try:
            kind = self._program.type(name)
        except LookupError:
            raise LensError(f"kernel {self.release} has no {name}") from None
        if not kind.is_complete():
            raise LensError(f"kernel {self.release} only declares {name}")
        return kind

    def enumerators(self, name: str) -> dict[str, int]:
        """The values of an enumeration, by name."""
        return {one.name: one.value for one in self.type(name).enumerators or ()}

    def offset(self, name: str, *paths: str) -> int:
        """The byte offset of a member, given its name, or several names from newest to oldest."""
        return self._member(name, *paths)[0]

    def length(self, name: str, path: str) -> int:
        """The number of elements of an array member."""
        _, kind = self._member(name, path)
        if kind.kind is not TypeKind.ARRAY or not kind.length:
            raise LensError(f"kernel {self.release}: {name} has a {path} that is not an array")
        return int(kind.length)

    def size(self, name: str) -> int:
        """Size of an object in bytes."""
        return int(sizeof(self.type(name)))

    def record(self, name: str, *members: str | tuple[str, ...]) -> Record:
        """A reader for several members, each given by its name, or by several names from newest to oldest."""
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
        # The position of each member when the members are sorted by offset.
        pick = itemgetter(*(order.index(place) for place in range(len(order))))
        return Record(end, lambda data: pick(unpack(data)))

    # Offset and type of a member; typedefs are stripped from the type.
    def _member(self, name: str, *paths: str) -> tuple[int, Type]:
        kind = self.type(name)
        for path in paths:
            try:
                offset, inner = offsetof(kind, path), kind
                for part in path.split("."):
                    inner = _without_typedefs(inner).member(part).type
                return offset, _without_typedefs(inner)
            except (LookupError, TypeError, ValueError):
                continue
        wanted = " or ".join(paths)
        raise LensError(f"kernel {self.release}: {name} has no member {wanted}")


def _without_typedefs(kind: Type) -> Type:
    while kind.kind is TypeKind.TYPEDEF:
        kind = kind.type
    return kind
