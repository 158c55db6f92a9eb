"""The BTF type graph: one small value per type, referring to others by type id (0 is ``void``)."""

from enum import IntEnum
from typing import NamedTuple

import msgspec

#: The kinds of BTF records, in numerical order.
Kind = IntEnum(
    "Kind",
    "VOID INT PTR ARRAY STRUCT UNION ENUM FWD TYPEDEF VOLATILE CONST RESTRICT FUNC FUNC_PROTO VAR DATASEC "
    "FLOAT DECL_TAG TYPE_TAG ENUM64",
    start=0,
)


class BtfType(msgspec.Struct, frozen=True):
    """A type: its kind, and its name or ""."""

    kind: Kind
    name: str


#: The void type, id 0.
VOID = BtfType(Kind.VOID, "")


class Int(BtfType, frozen=True):
    """An integer or boolean of *size* bytes; old bit-fields use *bits* of it, starting at *bit_offset*."""

    size: int
    bits: int
    bit_offset: int
    is_signed: bool
    is_bool: bool


class Float(BtfType, frozen=True):
    """A floating-point number of *size* bytes."""

    size: int


class Reference(BtfType, frozen=True):
    """A pointer, typedef, qualifier or type tag, i.e. a type that wraps another."""

    target: int


class Array(BtfType, frozen=True):
    """*length* elements of type *target*; a flexible array has length 0."""

    target: int
    length: int


class Member(NamedTuple):
    """A member of a structure or union; anonymous members have an empty name.

    :param bit_offset: the offset from the start of the structure
    :param bit_size: the size of a bit-field; 0 for ordinary members
    """

    name: str
    target: int
    bit_offset: int
    bit_size: int


class Composite(BtfType, frozen=True):
    """A structure or union of *size* bytes; *name* is empty if it is anonymous."""

    size: int
    members: tuple[Member, ...]


class Enum(BtfType, frozen=True):
    """An enumeration; if it has no enumerators, it is a forward declaration."""

    size: int
    is_signed: bool
    values: tuple[tuple[str, int], ...]


class Forward(BtfType, frozen=True):
    """A structure or union that is only declared."""

    is_union: bool


class Prototype(BtfType, frozen=True):
    """The type of a function: the name and type of each parameter."""

    target: int
    parameters: tuple[tuple[str, int], ...]
    is_variadic: bool


class Declaration(BtfType, frozen=True):
    """A function, a variable, a section of variables, or an attribute of one: not itself a type."""

    target: int


#: Kinds that only wrap another type without changing its layout.
TRANSPARENT = frozenset(
    {Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG, Kind.DECL_TAG}
)
