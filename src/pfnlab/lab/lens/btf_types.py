"""The type graph BTF describes: one small value per type, references by type id (0 is ``void``)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    """The kinds of BTF records, with their numbers."""

    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


class Void(NamedTuple):
    """No type, id 0."""

    kind: Kind = Kind.VOID
    name: str = ""


class Int(NamedTuple):
    """An integer or boolean.

    :param size: bytes
    :param bits: how many of its bits count; old compilers describe bit-fields with it
    :param bit_offset: the first of these bits
    """

    kind: Kind
    name: str
    size: int
    bits: int
    bit_offset: int
    is_signed: bool
    is_bool: bool


class Float(NamedTuple):
    """A floating-point number of *size* bytes."""

    kind: Kind
    name: str
    size: int


class Reference(NamedTuple):
    """A pointer, typedef, qualifier or type tag: a type that wraps another type."""

    kind: Kind
    name: str
    target: int


class Array(NamedTuple):
    """*length* elements of type *target*; 0 for flexible arrays."""

    kind: Kind
    name: str
    target: int
    length: int


class Member(NamedTuple):
    """One member of a structure or union.

    :param name: empty for anonymous structures and unions
    :param bit_offset: from the start of the structure
    :param bit_size: of a bit-field; 0 for ordinary members
    """

    name: str
    target: int
    bit_offset: int
    bit_size: int


class Composite(NamedTuple):
    """A structure or union of *size* bytes; *name* is empty for anonymous ones."""

    kind: Kind
    name: str
    size: int
    members: tuple[Member, ...]


class Enum(NamedTuple):
    """An enumeration; without enumerators it is a forward declaration."""

    kind: Kind
    name: str
    size: int
    is_signed: bool
    values: tuple[tuple[str, int], ...]


class Forward(NamedTuple):
    """A structure or union that is declared only."""

    kind: Kind
    name: str
    is_union: bool


class Prototype(NamedTuple):
    """The type of functions: name and type of each parameter."""

    kind: Kind
    name: str
    target: int
    parameters: tuple[tuple[str, int], ...]
    is_variadic: bool


class Declaration(NamedTuple):
    """A function, a variable, a section of variables, or an attribute on one of these: not a type itself."""

    kind: Kind
    name: str
    target: int


BtfType = Void | Int | Float | Reference | Array | Composite | Enum | Forward | Prototype | Declaration

#: Kinds that only wrap another type without changing its layout.
TRANSPARENT = frozenset(
    {Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG, Kind.DECL_TAG}
)
