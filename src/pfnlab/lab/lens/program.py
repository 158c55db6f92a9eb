"""A kernel's memory and types as a single drgn program, on which all drgn functions work.

The types that drgn looks up by name are built from the type graph of BTF.
"""

from collections.abc import Callable, Collection, Mapping

from drgn import (
    Architecture,
    BadDataError,
    FindObjectFlags,
    Object,
    Platform,
    Program,
    Qualifiers,
    Type,
    TypeEnumerator,
    TypeKind,
    TypeKindSet,
    TypeMember,
    TypeParameter,
)

from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.btf import MAX_DEPTH, Btf
from pfnlab.lab.lens.btf_types import Array, Composite, Enum, Float, Forward, Int, Kind, Prototype, Reference
from pfnlab.lab.lens.kallsyms import read_kallsyms
from pfnlab.lab.lens.memory import MemorySource

#: Objects available by name, with their types, which BTF does not have.
OBJECTS = {
    "init_task": "struct task_struct",
    "init_pid_ns": "struct pid_namespace",
    "memtype_rbroot": "struct rb_root_cached",
    "page_offset_base": "unsigned long",
    "vmemmap_base": "unsigned long",
    "special_mapping_vmops": "struct vm_operations_struct",
}

#: The address at which the kernel's image is mapped (``__START_KERNEL_map``).
KERNEL_MAP = 0xFFFFFFFF80000000


def find_symbols(source: MemorySource, names: Collection[str] = tuple(OBJECTS)) -> dict[str, int]:
    """The run-time addresses of those symbols that are in the kernel's table; LensError if it is damaged."""
    image = KERNEL_MAP - source.info.number("phys_base")
    return read_kallsyms(lambda address, size: source.read(address - image, size), source.info, names)


def open_program(source: MemorySource, btf: Btf, symbols: Mapping[str, int]) -> Program:
    """A drgn program over *source*.

    :param btf: the types of its kernel
    :param symbols: run-time addresses; those in :data:`OBJECTS` are available as objects
    :raises LensError: if *source* contains no kernel
    """
    program = Program(Platform(Architecture.X86_64))
    try:
        program.set_linux_kernel_custom(source.info.text, source.live)
    except (BadDataError, ValueError) as trouble:
        raise LensError(f"{source.name}: drgn does not accept its VMCOREINFO: {trouble}") from trouble

    def read(address: int, count: int, offset: int, physical: bool) -> bytes:
        del offset, physical
        return source.read(address, count)

    for start, size in source.ranges():
        program.add_memory_segment(start, size, read, True)
    BtfTypes(program, btf).register()

    def find(program: Program, name: str, flags: FindObjectFlags, filename: str | None) -> Object | None:
        if filename:
            return None
        if flags & FindObjectFlags.VARIABLE and name in symbols and name in OBJECTS:
            return Object(program, program.type(OBJECTS[name]), address=symbols[name])
        if flags & FindObjectFlags.CONSTANT:
            value = btf.constants().get(name)
            if value is not None:
                return Object(program, program.int_type("long", 8, True), value)
        return None

    program.register_object_finder("symbols", find, enable_index=0)
    return program


#: Maximum number of members in a structure, including those of its anonymous members, which drgn flattens.
MAX_MEMBERS = 100_000

_KINDS = {
    TypeKind.INT: (Kind.INT,),
    TypeKind.BOOL: (Kind.INT,),
    TypeKind.FLOAT: (Kind.FLOAT,),
    TypeKind.STRUCT: (Kind.STRUCT, Kind.FWD),
    TypeKind.UNION: (Kind.UNION, Kind.FWD),
    TypeKind.ENUM: (Kind.ENUM, Kind.ENUM64),
    TypeKind.TYPEDEF: (Kind.TYPEDEF,),
}

_QUALIFIERS = {
    Kind.CONST: Qualifiers.CONST,
    Kind.VOLATILE: Qualifiers.VOLATILE,
    Kind.RESTRICT: Qualifiers.RESTRICT,
}

#: The integer type of an enumeration, by size, unsigned and signed.
_ENUM_INTEGERS = {
    1: ("unsigned char", "signed char"),
    2: ("unsigned short", "short"),
    4: ("unsigned int", "int"),
    8: ("unsigned long", "long"),
}


class BtfTypes:
    """The types in *btf*, for the drgn program *program*."""

    def __init__(self, program: Program, btf: Btf) -> None:
        self._program = program
        self._btf = btf
        self._types: dict[int, Type] = {}
        self._member_counts: dict[int, int] = {}
        self._depth = 0

    def register(self, name: str = "btf") -> None:
        """Register this as the first type finder of the program."""
        self._program.register_type_finder(name, self.find, enable_index=0)

    def find(self, program: Program, kinds: TypeKindSet, name: str, filename: str | None) -> Type | None:
        """Find a type for drgn: the first type with this name and one of *kinds*.

        Complete types take precedence over declarations. BTF has no file names, so a lookup
        by file finds nothing.
        """
        del program
        if filename:
            return None
        declaration = None
        for type_id in self._btf.ids(name):
            kind = self._btf.kind(type_id)
            if not any(kind in _KINDS.get(wanted, ()) for wanted in kinds):
                continue
            candidate = self.type(type_id)
            if candidate.kind not in kinds:
                continue
            if candidate.is_complete():
                return candidate
            declaration = declaration or candidate
        return declaration

    def type(self, type_id: int) -> Type:
        """The drgn type for a type id; LensError if it is damaged or contains itself in an invalid way."""
        drgn_type = self._types.get(type_id)
        if drgn_type is None:
            # Chains of pointers have the same limit as typedefs; no real chain comes close.
            if self._depth > MAX_DEPTH:
                raise LensError(f"{self._btf.name}: type {type_id} is behind {MAX_DEPTH} references")
            self._depth += 1
            try:
                drgn_type = self._types[type_id] = self._make(type_id)
            except (ValueError, TypeError, OverflowError) as error:
                # drgn itself rejects some types, e.g. an integer of three bytes.
                raise LensError(f"{self._btf.name}: type {type_id} cannot be: {error}") from error
            finally:
                self._depth -= 1
        return drgn_type

    def _make(self, type_id: int) -> Type:
        program, record = self._program, self._btf[type_id]
        if record.kind is Kind.VOID:
            return program.void_type()
        if isinstance(record, Reference):
            if record.kind is Kind.PTR:
                return program.pointer_type(self.type(record.target))
            if record.kind is Kind.TYPEDEF:
                return program.typedef_type(record.name, self.type(record.target))
            target = self.type(record.target)
            extra = _QUALIFIERS.get(record.kind, Qualifiers.NONE)
            return target.qualified(target.qualifiers | extra)
        if isinstance(record, Int):
            return self._integer(type_id, record)
        if isinstance(record, Float):
            return program.float_type(record.name, record.size)
        if isinstance(record, Array):
            self._btf.size_of(type_id)
            return program.array_type(self.type(record.target), record.length)
        if isinstance(record, Composite):
            return self._composite(type_id, record)
        if isinstance(record, Enum):
            return self._enum(type_id, record)
        if isinstance(record, Forward):
            return self._forward(record)
        if isinstance(record, Prototype):
            parameters = [
                TypeParameter(self._lazy_type(target), name or None) for name, target in record.parameters
            ]
            return program.function_type(self.type(record.target), parameters, record.is_variadic)
        raise LensError(f"{self._btf.name}: type {type_id} is used as a type but is a {record.kind.name}")

    def _integer(self, type_id: int, record: Int) -> Type:
        if record.is_bool:
            return self._program.bool_type(record.name or "_Bool", record.size)
        if not record.name or not 0 < record.size <= 16:
            raise LensError(f"{self._btf.name}: type {type_id} is an integer of {record.size} bytes")
        return self._program.int_type(record.name, record.size, record.is_signed)

    def _composite(self, type_id: int, record: Composite) -> Type:
        self._btf.size_of(type_id)
        self._members(type_id)
        members = [
            TypeMember(
                self._lazy_type(member.target, member.bit_size), member.name or None, member.bit_offset
            )
            for member in record.members
        ]
        make_type = self._program.struct_type if record.kind is Kind.STRUCT else self._program.union_type
        return make_type(record.name or None, record.size, members)

    def _members(self, type_id: int) -> int:
        # The number of members that drgn finds here; types that contain themselves were
        # rejected earlier (size_of).
        if type_id not in self._member_counts:
            count = 1
            record = self._btf[self._btf.resolve(type_id)]
            if isinstance(record, Composite):
                count = sum(1 if member.name else self._members(member.target) for member in record.members)
            if count > MAX_MEMBERS:
                raise LensError(f"{self._btf.name}: type {type_id} has {count:,} members")
            self._member_counts[type_id] = count
        return self._member_counts[type_id]

    def _enum(self, type_id: int, record: Enum) -> Type:
        if not record.values:
            return self._program.enum_type(record.name or None)
        if record.size not in _ENUM_INTEGERS:
            raise LensError(f"{self._btf.name}: type {type_id} is an enumeration of {record.size} bytes")
        integer = _ENUM_INTEGERS[record.size][record.is_signed]
        compatible = self._program.int_type(integer, record.size, record.is_signed)
        values = [TypeEnumerator(name, value) for name, value in record.values]
        return self._program.enum_type(record.name or None, compatible, values)

    def _forward(self, record: Forward) -> Type:
        # If exactly one complete type has that name, it is the declared one; otherwise the
        # type stays incomplete.
        kind = Kind.UNION if record.is_union else Kind.STRUCT
        complete_ids = [type_id for type_id in self._btf.ids(record.name) if self._btf.kind(type_id) is kind]
        if len(complete_ids) == 1:
            return self.type(complete_ids[0])
        make_type = self._program.union_type if record.is_union else self._program.struct_type
        return make_type(record.name or None)

    def _lazy_type(self, target: int, bit_size: int = 0) -> Callable[[], Type | Object]:
        # Structures refer to one another in cycles, so a member's type is made only on demand.
        if not bit_size:
            return lambda: self.type(target)

        def bit_field() -> Object:
            try:
                return Object(self._program, self.type(target), bit_field_size=bit_size)
            except (ValueError, TypeError) as error:
                raise LensError(
                    f"{self._btf.name}: a bit-field of type {target} cannot be: {error}"
                ) from error

        return bit_field
