"""The types read from BTF against the DWARF types of the same kernel, as drgn reads them.

Opt in with ``make test-btf-dwarf``: it fetches a kernel's debug package, some hundred megabytes.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

from debug_kernel import debug_vmlinux
from drgn import Architecture, Platform, Program, Type, TypeKind, sizeof

import pfnlab.lab.lens
from pfnlab.lab.images.kernels import kernel_for
from pfnlab.lab.lens.btf import Btf, Kind
from pfnlab.lab.lens.program import BtfTypes
from pfnlab.lab.lens.vmlinux import btf_of

SERIES = "6.1"

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(1800),
]

RANDOM = 1000
SEED = 7
_MADE_OF = {TypeKind.STRUCT: "struct", TypeKind.UNION: "union", TypeKind.ENUM: "enum"}


class Kernel:
    """One kernel's types, twice."""

    def __init__(self) -> None:
        kernel = kernel_for(SERIES)
        self.btf = Btf(btf_of(kernel.vmlinuz), name=kernel.release)
        self.ours = Program(Platform(Architecture.X86_64))
        BtfTypes(self.ours, self.btf).register()
        self.theirs = Program(Platform(Architecture.X86_64))
        module = self.theirs.extra_module("kernel", create=True)
        (module[0] if isinstance(module, tuple) else module).try_file(
            debug_vmlinux(kernel, say=print), force=True
        )


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    """The kernel that is asked for."""
    return Kernel()


def described(kind: Type, depth: int = 0) -> Iterator[str]:
    """Everything the layout of an object depends on, one line each; named types it is made of by name."""
    tag = kind.tag if kind.kind in _MADE_OF else None
    if kind.qualifiers.value:
        yield str(kind.qualifiers)
    if kind.kind in _MADE_OF and (depth == 0 or tag is None):
        yield f"{_MADE_OF[kind.kind]} {sizeof(kind) if kind.is_complete() else None}"
        if not kind.is_complete():
            return
        if kind.kind is TypeKind.ENUM:
            yield from (f"{one.name} = {one.value}" for one in kind.enumerators or ())
            return
        for member in kind.members or ():
            yield f"{member.name} at bit {member.bit_offset} of {member.bit_field_size} bits:"
            yield from (f"  {line}" for line in described(member.type, depth + 1))
    elif kind.kind in _MADE_OF:
        yield f"{_MADE_OF[kind.kind]} {tag}"
    elif kind.kind is TypeKind.TYPEDEF:
        yield f"typedef {kind.name}"
        if depth < 2:
            yield from (f"  {line}" for line in described(kind.type, depth + 1))
    elif kind.kind is TypeKind.POINTER:
        yield f"pointer {kind.size}"
        yield from (f"  {line}" for line in described(kind.type, depth + 1))
    elif kind.kind is TypeKind.ARRAY:
        # In BTF `[]` is `[0]`, and an array of arrays is one array of all their elements.
        length, element = kind.length or 0, kind.type
        while element.kind is TypeKind.ARRAY:
            length, element = length * (element.length or 0), element.type
        yield f"array {length}"
        yield from (f"  {line}" for line in described(element, depth + 1))
    elif kind.kind is TypeKind.INT:
        yield f"int {kind.size} {'signed' if kind.is_signed else 'unsigned'}"
    elif kind.kind is TypeKind.FUNCTION:
        yield f"function of {len(kind.parameters)}{' and more' if kind.is_variadic else ''}"
    else:
        yield f"{kind.kind.name} {kind.size if kind.kind is TypeKind.BOOL else ''}"


def known(program: Program, name: str) -> bool:
    """Whether a program has this type; drgn does not index what DWARF has inside a function."""
    try:
        return program.type(name).is_complete()
    except LookupError:
        return False


def unlike(kernel: Kernel, name: str) -> list[tuple[str, str]]:
    """The lines of one type's description that differ, ours first."""
    ours, theirs = (list(described(program.type(name))) for program in (kernel.ours, kernel.theirs))
    wide = max(len(ours), len(theirs))
    pairs = zip(ours + [""] * (wide - len(ours)), theirs + [""] * (wide - len(theirs)), strict=True)
    return [(one, other) for one, other in pairs if one != other]


def names_in_the_lens() -> list[str]:
    """The types the sources of the lens name."""
    sources = Path(pfnlab.lab.lens.__path__[0]).glob("*.py")
    found = re.findall(r'"((?:struct|union|enum) \w+)"', "".join(file.read_text() for file in sources))
    return sorted(set(found))


def test_every_type_the_lens_uses(kernel: Kernel) -> None:
    """
    Sizes, offsets and kinds of every member; what one of both has, the other has.
    """
    names = names_in_the_lens()
    here = []
    for name in names:
        assert known(kernel.ours, name) == known(kernel.theirs, name), name
        here += [name] if known(kernel.ours, name) else []

    assert {"struct mm_struct", "struct vm_area_struct", "struct memtype", "struct page"} <= set(here)
    assert {name: unlike(kernel, name) for name in here if unlike(kernel, name)} == {}


def test_random_types(kernel: Kernel) -> None:
    """
    So are a thousand others, where the name stands for one type only.
    """
    named: dict[str, int] = {}
    for type_id in range(1, len(kernel.btf)):
        record_kind = kernel.btf.kind(type_id)
        if record_kind in (Kind.STRUCT, Kind.UNION) and kernel.btf[type_id].name:
            name = f"{'struct' if record_kind is Kind.STRUCT else 'union'} {kernel.btf[type_id].name}"
            named[name] = named.get(name, 0) + 1
    once = sorted(name for name, times in named.items() if times == 1)

    random.Random(SEED).shuffle(once)
    asked = list(itertools.islice((name for name in once if known(kernel.theirs, name)), RANDOM))

    assert len(asked) == RANDOM
    assert {name: unlike(kernel, name) for name in asked if unlike(kernel, name)} == {}


def test_another_layout_is_found(kernel: Kernel) -> None:
    """
    The comparison sees one member that is somewhere else.
    """
    right = kernel.theirs.type("struct memtype")
    wrong = kernel.theirs.struct_type(
        right.tag,
        right.size,
        [type(one)(one.type, one.name, one.bit_offset + 64 * (one.name == "end")) for one in right.members],
    )

    assert list(described(wrong)) != list(described(right))
