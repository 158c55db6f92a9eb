"""BTF as drgn's types: what drgn asks for, and what hostile types may not do to it."""

from __future__ import annotations

import pytest
from btf_builder import BtfBuilder, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.btf import Btf
from pfnlab.lab.lens.btf_types import Kind

drgn = pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

# Needs drgn when it is imported.
from pfnlab.lab.lens.program import BtfTypes  # noqa: E402


def program_of(data: bytes) -> drgn.Program:
    """A drgn program with these types and no memory."""
    program = drgn.Program(drgn.Platform(drgn.Architecture.X86_64))
    BtfTypes(program, Btf(data)).register()
    return program


def test_structures_with_everything_in_them() -> None:
    """
    Members, anonymous ones, bit-fields and pointers to the structure itself.
    """
    program = program_of(sample().bytes())
    node = program.type("struct node")

    assert drgn.sizeof(node) == 32
    assert drgn.offsetof(node, "value") == 8
    assert drgn.offsetof(node, "all") == 16
    assert node.member("next").type.type.type_name() == "struct node"
    assert program.type("struct flags").member("b").bit_field_size == 5
    assert drgn.offsetof(program.type("struct outer"), "items[2]") == 40


def test_other_types() -> None:
    """
    Enumerations, typedefs with qualifiers, booleans, floats, functions by pointer and declarations.
    """
    program = program_of(sample().bytes())

    assert [(one.name, one.value) for one in program.type("enum mood").enumerators] == [
        ("BAD", -1),
        ("FINE", 0),
    ]
    assert [one.value for one in program.type("enum wide").enumerators] == [1 << 63, 1]
    assert program.type("const_int").type.qualifiers == drgn.Qualifiers.CONST
    assert program.type("_Bool").kind == drgn.TypeKind.BOOL
    assert program.type("double").size == 8
    assert program.type("unsigned long").size == 8
    assert not program.type("struct hidden").is_complete()
    assert not program.type("union either").is_complete()


def test_names_are_looked_up_by_kind() -> None:
    """
    A name of another kind, or one in a file, is not found.
    """
    program = program_of(sample().bytes())

    for wanted in ("struct color", "struct absent", "enum node"):
        with pytest.raises(LookupError):
            program.type(wanted)
    with pytest.raises(LookupError):
        program.type("struct node", "mm/memory.c")


def test_a_declaration_stands_for_the_one_definition() -> None:
    """
    A pointer to a declared structure leads to its definition when there is exactly one.
    """
    btf = BtfBuilder()
    number = btf.integer("int", 4)
    declared = btf.raw(Kind.FWD, "s")
    btf.struct("user", 8, [("s", btf.count + 2, 0)])
    btf.pointer(declared)
    btf.struct("s", 4, [("x", number, 0)])

    assert program_of(btf.bytes()).type("struct user").member("s").type.type.is_complete()


def test_reading_through_the_types() -> None:
    """
    drgn reads a bit-field and an anonymous member out of bytes.
    """
    program = program_of(sample().bytes())
    content = bytes([0b10110101, 0, 0, 0, 7, 0, 0, 0])
    flags = drgn.Object.from_bytes_(program, "struct flags", content)

    assert flags.a.value_() == -3
    assert flags.b.value_() == -10
    assert flags.whole.value_() == 7


@pytest.mark.parametrize("shape", ["itself", "pair", "array", "wide"])
def test_types_that_would_hang_drgn_are_refused(shape: str) -> None:
    """
    Structures that contain themselves, or unfold to endlessly many members, never reach drgn.
    """
    btf = BtfBuilder()
    number = btf.integer("int", 4)
    if shape == "itself":
        btf.struct("s", 8, [("", 2, 0)])
    elif shape == "pair":
        btf.struct("s", 8, [("", 3, 0)])
        btf.struct("t", 8, [("", 2, 0)])
    elif shape == "array":
        btf.struct("s", 8, [("a", 3, 0)])
        btf.array(2, 1)
    else:
        below = btf.struct("", 4, [("x", number, 0)])
        for _ in range(40):
            below = btf.struct("", 4, [("", below, 0), ("", below, 0)], kind=Kind.UNION)
        btf.struct("s", 4, [("", below, 0)])

    with pytest.raises(LensError):
        program_of(btf.bytes()).type("struct s")


@settings(max_examples=200, deadline=5000)
@given(data=st.data())
def test_damaged_types_end_in_an_error(data: st.DataObject) -> None:
    """
    Looking up every name of damaged BTF gives a type, drgn's own error, or a LensError; it never hangs.
    """
    content = bytearray(sample().bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(24, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    try:
        program = program_of(bytes(content))
    except LensError:
        return
    for name in ("struct node", "struct outer", "struct flags", "enum wide", "const_int", "union either"):
        try:
            found = program.type(name)
            if found.kind == drgn.TypeKind.STRUCT:
                drgn.offsetof(found, "value")
        except (LensError, LookupError, TypeError, ValueError):
            continue
