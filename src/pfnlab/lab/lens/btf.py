"""BTF, the kernel's own type information: an index, and types decoded on demand.

The format is defined in the kernel's Documentation/bpf/btf.rst.

The data is not trusted: sizes and counts are checked against the end of the data, and the lengths of names
and reference chains are limited.
"""

import hashlib
import struct
from array import array
from pathlib import Path

import msgspec

from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.btf_types import (
    TRANSPARENT,
    VOID,
    Array,
    BtfType,
    Composite,
    Declaration,
    Enum,
    Float,
    Forward,
    Int,
    Kind,
    Member,
    Prototype,
    Reference,
)
from pfnlab.lab.lens.result_cache import read_result, write_result

MAGIC = 0xEB9F

#: Maximum size, in bytes, of a BTF blob, of one name (KSYM_NAME_LEN is 512), and of all names together.
MAX_SIZE, MAX_NAME, MAX_TEXT = 64 << 20, 1024, 128 << 20

#: Maximum length of a chain of typedefs, qualifiers and arrays, which is also the maximum nesting; and the
#: maximum size of an object in bytes.
MAX_DEPTH, MAX_OBJECT = 64, 1 << 47

_HEADER = struct.Struct("<HBBIIIII")
_VERSION = 1
# The byte of a record whose low five bits are its kind.
_KIND_AT = 7
# Bytes that follow the first twelve, which all kinds share: a fixed number, and a number for
# each of vlen elements.
_FIXED = {Kind.INT: 4, Kind.ARRAY: 12, Kind.VAR: 4, Kind.DECL_TAG: 4}
_EACH = {Kind.STRUCT: 12, Kind.UNION: 12, Kind.ENUM: 8, Kind.FUNC_PROTO: 8, Kind.DATASEC: 12, Kind.ENUM64: 12}
_ENUMERATIONS = frozenset({int(Kind.ENUM), int(Kind.ENUM64)})
_DECLARATIONS = frozenset({Kind.FUNC, Kind.VAR, Kind.DATASEC, Kind.DECL_TAG})
_REFERENCES = TRANSPARENT - {Kind.DECL_TAG} | {Kind.PTR}


class _Index(msgspec.Struct, array_like=True):
    # The result of a pass over all records, which may be stored on disk.
    offsets: bytes
    names: dict[bytes, list[int]]


class Btf:
    """The types of one kernel.

    :param data: a ``.BTF`` section, or the content of /sys/kernel/btf/vmlinux
    :param index: a file that stores the index for next time; read only if it matches *data*
    :raises LensError: if it is not BTF, or is damaged
    """

    def __init__(self, data: bytes, *, name: str = "BTF", index: Path | None = None) -> None:
        self.name = name
        self._types, self._strings = self._sections(data)
        self._text_size = 0
        self._decoded: dict[int, BtfType] = {}
        self._sizes: dict[int, int] = {}
        self._constants: dict[str, int] | None = None
        stamp = hashlib.sha256(data).digest() if index else b""
        cached_index = _read_index(index, stamp) if index else None
        self._offsets: array[int] = array("I")
        if cached_index is not None:
            self._offsets.frombytes(cached_index.offsets)
            self._names = cached_index.names
        else:
            self._scan()
            if index:
                packed = msgspec.msgpack.encode(_Index(self._offsets.tobytes(), self._names))
                write_result(index, stamp, packed)

    def __len__(self) -> int:
        """The number of type ids, including ``void``."""
        return 1 + len(self._offsets)

    def ids(self, name: str) -> tuple[int, ...]:
        """The ids of all records with this name, whatever their kind, in ascending order."""
        return tuple(self._names.get(name.encode(), ()))

    def find(self, name: str, *kinds: Kind) -> int | None:
        """The id of the first type with this name and one of *kinds*, or None."""
        return next((type_id for type_id in self.ids(name) if self.kind(type_id) in kinds), None)

    def kind(self, type_id: int) -> Kind:
        """The kind of a type, without decoding the type."""
        if type_id == 0:
            return Kind.VOID
        (info,) = struct.unpack_from("<I", self._types, self._record_offset(type_id) + 4)
        return Kind(info >> 24 & 0x1F)

    def __getitem__(self, type_id: int) -> BtfType:
        """The type with this id; LensError if there is none, or its record is damaged."""
        if type_id == 0:
            return VOID
        record = self._decoded.get(type_id)
        if record is None:
            try:
                record = self._decoded[type_id] = self._decode(type_id)
            except struct.error:
                raise self._error(f"type {type_id}: its record is cut off") from None
        return record

    def resolve(self, type_id: int) -> int:
        """The id after stripping typedefs, qualifiers and tags; LensError if they form a cycle."""
        for _ in range(MAX_DEPTH):
            record = self[type_id]
            if record.kind not in TRANSPARENT or not isinstance(record, Reference | Declaration):
                return type_id
            type_id = record.target
        raise self._error(f"type {type_id}: more than {MAX_DEPTH} typedefs and qualifiers on one another")

    def constants(self) -> dict[str, int]:
        """All enumerators of all enumerations; if two have the same name, the first one counts."""
        if self._constants is None:
            values: dict[str, int] = {}
            # A kernel has over a hundred thousand records, of which one in fifty is an enumeration.
            types = self._types
            for type_id, at in enumerate(self._offsets, 1):
                if types[at + _KIND_AT] & 0x1F in _ENUMERATIONS:
                    record = self[type_id]
                    assert isinstance(record, Enum)
                    for name, value in record.values:
                        values.setdefault(name, value)
            self._constants = values
        return self._constants

    def size_of(self, type_id: int, depth: int = 0) -> int:
        """The size in bytes of an object of this type; 0 for void, functions and incomplete types.

        LensError if it is too large or contains itself. *depth* is for the recursion.
        """
        if type_id in self._sizes:
            return self._sizes[type_id]
        if depth > MAX_DEPTH:
            raise self._error(f"type {type_id} contains itself")
        record = self[self.resolve(type_id)]
        size = 0
        if isinstance(record, Array):
            size = record.length * self.size_of(record.target, depth + 1)
        elif isinstance(record, Int | Float | Enum):
            size = record.size
        elif isinstance(record, Composite):
            for member in record.members:
                self.size_of(member.target, depth + 1)
            size = record.size
        elif record.kind is Kind.PTR:
            size = 8
        if size > MAX_OBJECT:
            raise self._error(f"type {type_id} is {size:,} bytes large")
        self._sizes[type_id] = size
        return size

    def _sections(self, data: bytes) -> tuple[bytes, bytes]:
        if len(data) > MAX_SIZE:
            raise self._error(f"{len(data):,} bytes are more than the {MAX_SIZE:,} any kernel has")
        if len(data) < _HEADER.size:
            raise self._error(f"{len(data)} bytes are too few for a header")
        if data[:2] != MAGIC.to_bytes(2, "little"):
            raise self._error(f"it begins with {data[:2].hex()}, not with the magic number of BTF")
        _, version, _, header, type_at, type_size, string_at, string_size = _HEADER.unpack_from(data)
        if version != _VERSION or header < _HEADER.size:
            raise self._error(f"version {version} with a header of {header} bytes is not known")
        parts = []
        for name, at, size in (("type", type_at, type_size), ("string", string_at, string_size)):
            if header + at + size > len(data):
                raise self._error(
                    f"the {name} section ends at byte {header + at + size:,}, the data at {len(data):,}"
                )
            parts.append(bytes(data[header + at : header + at + size]))
        types, strings = parts
        if strings and strings[-1] != 0:
            raise self._error("the last string is not terminated")
        return types, strings

    def _scan(self) -> None:
        # One pass over all records gives the offset of each record, and the offsets by name.
        types, strings = self._types, self._strings
        unpack = struct.Struct("<II").unpack_from
        # Kind 0 does not occur in the data.
        kinds = [Kind(number) if 0 < number < len(Kind) else None for number in range(32)]
        fixed_sizes = [0 if kind is None else 12 + _FIXED.get(kind, 0) for kind in kinds]
        element_sizes = [0 if kind is None else _EACH.get(kind, 0) for kind in kinds]
        offsets: list[int] = []
        ids_by_offset: dict[int, list[int]] = {}
        at, end, type_id = 0, len(types), 1
        while at + 12 <= end:
            name, info = unpack(types, at)
            kind = info >> 24 & 0x1F
            size = fixed_sizes[kind]
            if not size:
                raise self._error(f"type {type_id} at byte {at:,} has the unknown kind {kind}")
            if element_sizes[kind]:
                size += element_sizes[kind] * (info & 0xFFFF)
            offsets.append(at)
            if name in ids_by_offset:
                ids_by_offset[name].append(type_id)
            elif name:
                ids_by_offset[name] = [type_id]
            at += size
            type_id += 1
        if at != end:
            raise self._error(f"type {type_id - 1} is cut off at byte {end:,}")
        self._offsets = array("I", offsets)
        names: dict[bytes, list[int]] = {}
        shared_names = set()
        total = 0
        for offset, ids in ids_by_offset.items():
            stop = strings.find(b"\0", offset, offset + MAX_NAME)
            text = strings[offset:stop] if stop >= 0 else self._string(offset)
            total += len(text)
            if total > MAX_TEXT:
                raise self._error(f"its names are longer than {MAX_TEXT:,} bytes together")
            if text in names:
                names[text] += ids
                shared_names.add(text)
            else:
                names[text] = ids
        for text in shared_names:
            names[text].sort()
        self._names = names

    def _string(self, offset: int) -> bytes:
        if offset >= len(self._strings) and offset:
            raise self._error(
                f"a name at byte {offset:,} is past the end of the strings ({len(self._strings):,} bytes)"
            )
        stop = self._strings.find(b"\0", offset, offset + MAX_NAME)
        if stop < 0 and offset:
            raise self._error(f"the name at byte {offset:,} is longer than {MAX_NAME} bytes")
        self._text_size += stop - offset
        if self._text_size > MAX_TEXT:
            raise self._error(f"its names are longer than {MAX_TEXT:,} bytes together")
        return self._strings[offset:stop]

    def _text(self, offset: int) -> str:
        return self._string(offset).decode("utf-8", "replace") if offset else ""

    def _record_offset(self, type_id: int) -> int:
        if not 0 < type_id < len(self):
            raise self._error(f"no type {type_id}: there are {len(self):,}")
        return self._offsets[type_id - 1]

    def _decode(self, type_id: int) -> BtfType:
        at, data = self._record_offset(type_id), self._types
        name_at, info, word = struct.unpack_from("<III", data, at)
        try:
            kind = Kind(info >> 24 & 0x1F)
        except ValueError:
            raise self._error(f"type {type_id} has the unknown kind {info >> 24 & 0x1F}") from None
        count, flag, name, body = info & 0xFFFF, bool(info >> 31), self._text(name_at), at + 12
        if kind in _REFERENCES:
            return Reference(kind, name, word)
        if kind in (Kind.STRUCT, Kind.UNION):
            return Composite(kind, name, word, self._members(type_id, name, word, body, count, flag))
        if kind in (Kind.ENUM, Kind.ENUM64):
            return Enum(kind, name, word, flag, self._enumerators(kind, body, count, flag))
        if kind is Kind.INT:
            (bits,) = struct.unpack_from("<I", data, body)
            encoding = bits >> 24
            signed, boolean = bool(encoding & 1), bool(encoding & 4)
            return Int(kind, name, word, bits & 0xFF, bits >> 16 & 0xFF, signed, boolean)
        if kind is Kind.ARRAY:
            target, _, length = struct.unpack_from("<III", data, body)
            return Array(kind, name, target, length)
        if kind is Kind.FWD:
            return Forward(kind, name, flag)
        if kind is Kind.FLOAT:
            return Float(kind, name, word)
        if kind is Kind.FUNC_PROTO:
            pairs = list(struct.iter_unpack("<II", data[body : body + 8 * count]))
            variadic = bool(pairs) and pairs[-1] == (0, 0)
            parameters = tuple((self._text(offset), target) for offset, target in pairs[: count - variadic])
            return Prototype(kind, name, word, parameters, variadic)
        if kind in _DECLARATIONS:
            return Declaration(kind, name, word)
        raise self._error(f"type {type_id} has kind {kind.name}, which is not valid for a record")

    def _members(
        self, type_id: int, name: str, size: int, body: int, count: int, flag: bool
    ) -> tuple[Member, ...]:
        members = []
        for offset, target, place in struct.iter_unpack("<III", self._types[body : body + 12 * count]):
            bit_size, bit_offset = (place >> 24, place & 0xFFFFFF) if flag else (0, place)
            if not flag:
                # Without the flag, a bit-field's type is an integer with the same number of bits.
                bit_field = self._bit_field(target)
                if bit_field is not None:
                    bit_size, bit_offset = bit_field.bits, bit_offset + bit_field.bit_offset
            if bit_offset + bit_size > 8 * size:
                problem = f"member {self._text(offset)!r} lies at bit {bit_offset:,} of {8 * size:,}"
                raise self._error(f"type {type_id} ({name or 'anonymous'}): its {problem}")
            members.append(Member(self._text(offset), target, bit_offset, bit_size))
        return tuple(members)

    def _bit_field(self, target: int) -> Int | None:
        if self.kind(target) is not Kind.INT:
            return None
        record = self[target]
        return record if isinstance(record, Int) and record.bits != 8 * record.size else None

    def _enumerators(self, kind: Kind, body: int, count: int, signed: bool) -> tuple[tuple[str, int], ...]:
        if kind is Kind.ENUM:
            form = "<Ii" if signed else "<II"
            pairs = struct.iter_unpack(form, self._types[body : body + 8 * count])
            return tuple((self._text(offset), value) for offset, value in pairs)
        values = []
        triples = self._types[body : body + 12 * count]
        for offset, low, high in struct.iter_unpack("<III", triples):
            value = high << 32 | low
            values.append((self._text(offset), value - (1 << 64) if signed and high >> 31 else value))
        return tuple(values)

    def _error(self, message: str) -> LensError:
        return LensError(f"{self.name}: {message}")


def _read_index(path: Path, stamp: bytes) -> _Index | None:
    content = read_result(path, stamp)
    try:
        return None if content is None else msgspec.msgpack.decode(content, type=_Index)
    except msgspec.DecodeError:
        return None
