"""Writes BTF: what tests need of the format, with freedom to write it wrongly."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from pfnlab.lab.lens.btf_types import Kind

_NONE = (0).to_bytes(0, "little")


class BtfBuilder:
    """A BTF file being written; each method adds one type and returns its id."""

    def __init__(self) -> None:
        self.types = b""
        self.strings = b"\0"
        self.count = 0

    def text(self, text: str) -> int:
        """The offset of a new string."""
        if not text:
            return 0
        at = len(self.strings)
        self.strings += text.encode() + b"\0"
        return at

    def raw(
        self, kind: int, name: str = "", word: int = 0, vlen: int = 0, flag: bool = False, *rest: int
    ) -> int:
        """Any record; *rest* are the words behind the first three."""
        info = int(flag) << 31 | kind << 24 | vlen
        words = (self.text(name), info, word, *(one & 0xFFFFFFFF for one in rest))
        self.types += struct.pack(f"<{len(words)}I", *words)
        self.count += 1
        return self.count

    def integer(
        self, name: str, size: int, encoding: int = 0, bits: int | None = None, offset: int = 0
    ) -> int:
        """An integer; *encoding* 1 is signed, 4 boolean."""
        number = encoding << 24 | offset << 16 | (8 * size if bits is None else bits)
        return self.raw(Kind.INT, name, size, 0, False, number)

    def pointer(self, target: int) -> int:
        """A pointer."""
        return self.raw(Kind.PTR, "", target)

    def array(self, target: int, length: int) -> int:
        """An array."""
        return self.raw(Kind.ARRAY, "", 0, 0, False, target, 1, length)

    def struct(
        self,
        name: str,
        size: int,
        members: Sequence[tuple[str, int, int]],
        *,
        kind: int = Kind.STRUCT,
        flag: bool = False,
    ) -> int:
        """A structure or union; members are name, type, bit offset (with *flag* the size in the top byte)."""
        words = [word for name_, target, at in members for word in (self.text(name_), target, at)]
        return self.raw(kind, name, size, len(members), flag, *words)

    def enum(self, name: str, size: int, values: Sequence[tuple[str, int]], *, signed: bool = False) -> int:
        """An enumeration of up to 32 bits."""
        words = [word for label, value in values for word in (self.text(label), value)]
        return self.raw(Kind.ENUM, name, size, len(values), signed, *words)

    def enum64(self, name: str, values: Sequence[tuple[str, int]], *, signed: bool = False) -> int:
        """An enumeration of 64 bits."""
        words = [word for label, value in values for word in (self.text(label), value, value >> 32)]
        return self.raw(Kind.ENUM64, name, 8, len(values), signed, *words)

    def bytes(self) -> bytes:
        """The file."""
        header = struct.pack(
            "<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.types), len(self.types), len(self.strings)
        )
        return header + self.types + self.strings


def sample() -> BtfBuilder:
    """One of everything."""
    btf = BtfBuilder()
    number = btf.integer("int", 4, 1)
    word = btf.integer("long unsigned int", 8)
    btf.integer("_Bool", 1, 4)
    node = btf.count + 1
    btf.struct("node", 32, [("next", node + 1, 0), ("value", number, 64), ("", node + 3, 128)])
    btf.pointer(node)
    btf.array(number, 4)
    btf.struct("", 8, [("low", number, 0), ("all", word, 0)], kind=Kind.UNION)
    bits = [("a", number, 3 << 24), ("b", number, 5 << 24 | 3), ("whole", number, 32)]
    btf.struct("flags", 8, bits, flag=True)
    btf.enum("color", 4, [("RED", 0), ("GREEN", 1)])
    btf.enum("mood", 4, [("BAD", -1), ("FINE", 0)], signed=True)
    btf.enum64("wide", [("TOP", 1 << 63), ("ONE", 1)])
    btf.raw(Kind.FWD, "hidden")
    btf.raw(Kind.FWD, "either", 0, 0, True)
    const = btf.raw(Kind.CONST, "", number)
    btf.raw(Kind.TYPEDEF, "const_int", const)
    btf.raw(Kind.VOLATILE, "", number)
    btf.raw(Kind.RESTRICT, "", node + 1)
    proto = btf.raw(Kind.FUNC_PROTO, "", number, 2, False, btf.text("x"), number, 0, 0)
    btf.raw(Kind.FUNC, "call", proto, 1)
    variable = btf.raw(Kind.VAR, "counter", number, 0, False, 1)
    btf.raw(Kind.DATASEC, ".data", 4, 1, False, variable, 0, 4)
    btf.raw(Kind.FLOAT, "double", 8)
    btf.raw(Kind.DECL_TAG, "tag", node, 0, False, -1)
    btf.raw(Kind.TYPE_TAG, "user", number)
    btf.struct("outer", 48, [("node", node, 0), ("items", node + 2, 256)])
    return btf
