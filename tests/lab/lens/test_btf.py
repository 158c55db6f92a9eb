"""BTF: every kind is read, and nothing that is not BTF does more than raise a LensError."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from btf_builder import BtfBuilder, sample
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st

from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.btf import MAX_DEPTH, Btf
from pfnlab.lab.lens.btf_types import (
    VOID,
    Array,
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

#: Bounded means this, in seconds; what is measured takes milliseconds.
LIMIT = 5.0

SAMPLE = sample().bytes()


def named(btf: Btf, name: str) -> object:
    """The first type with a name."""
    return btf[btf.ids(name)[0]]


def use_all(data: bytes) -> None:
    """Ask everything of everything."""
    btf = Btf(data)
    for type_id in range(len(btf)):
        btf[type_id]
        btf.resolve(type_id)
        btf.size_of(type_id)
    btf.constants()


def test_every_kind_is_read() -> None:
    """
    Each kind has its own record.
    """
    btf = Btf(SAMPLE)

    assert btf[0] == VOID
    assert named(btf, "int") == Int(Kind.INT, "int", 4, 32, 0, True, False)
    assert named(btf, "_Bool") == Int(Kind.INT, "_Bool", 1, 8, 0, False, True)
    assert named(btf, "double") == Float(Kind.FLOAT, "double", 8)
    assert named(btf, "color") == Enum(Kind.ENUM, "color", 4, False, (("RED", 0), ("GREEN", 1)))
    assert named(btf, "mood") == Enum(Kind.ENUM, "mood", 4, True, (("BAD", -1), ("FINE", 0)))
    assert named(btf, "wide") == Enum(Kind.ENUM64, "wide", 8, False, (("TOP", 1 << 63), ("ONE", 1)))
    assert named(btf, "hidden") == Forward(Kind.FWD, "hidden", False)
    assert named(btf, "either") == Forward(Kind.FWD, "either", True)
    assert isinstance(named(btf, "const_int"), Reference)
    assert {Kind.FUNC, Kind.VAR, Kind.DATASEC, Kind.DECL_TAG} == {
        one.kind for one in map(btf.__getitem__, range(len(btf))) if isinstance(one, Declaration)
    }
    assert named(btf, "tag") == Declaration(Kind.DECL_TAG, "tag", btf.ids("node")[0])


def test_structures_have_members_with_offsets() -> None:
    """
    Anonymous members have no name, bit-fields a size in bits.
    """
    btf = Btf(SAMPLE)
    node, flags = named(btf, "node"), named(btf, "flags")

    assert isinstance(node, Composite)
    assert isinstance(flags, Composite)
    assert [(one.name, one.bit_offset) for one in node.members] == [("next", 0), ("value", 64), ("", 128)]
    assert [(one.name, one.bit_offset, one.bit_size) for one in flags.members] == [
        ("a", 0, 3),
        ("b", 3, 5),
        ("whole", 32, 0),
    ]


def test_bit_fields_as_integers_of_few_bits() -> None:
    """
    Without the kind flag the integer says how many bits there are and where they begin.
    """
    btf = BtfBuilder()
    field = btf.integer("unsigned int", 4, bits=3, offset=2)
    btf.struct("old", 4, [("f", field, 8)])

    assert named(Btf(btf.bytes()), "old").members == (Member("f", field, 10, 3),)  # type: ignore[attr-defined]


def test_a_prototype_may_be_variadic() -> None:
    """
    A last parameter without name and type stands for the dots.
    """
    btf = Btf(SAMPLE)
    (found,) = (btf[one] for one in range(len(btf)) if btf.kind(one) is Kind.FUNC_PROTO)

    assert isinstance(found, Prototype)
    assert found.is_variadic
    assert [name for name, _ in found.parameters] == ["x"]


def test_names_have_all_their_ids() -> None:
    """
    A structure and a typedef may share a name; kinds tell them apart.
    """
    btf = BtfBuilder()
    number = btf.integer("int", 4)
    one = btf.struct("thing", 4, [("x", number, 0)])
    two = btf.raw(Kind.TYPEDEF, "thing", one)
    read = Btf(btf.bytes())

    assert read.ids("thing") == (one, two)
    assert read.find("thing", Kind.TYPEDEF) == two
    assert read.find("thing", Kind.UNION) is None


def test_sizes() -> None:
    """
    Sizes go through typedefs, qualifiers and arrays.
    """
    btf = Btf(SAMPLE)
    (array,) = (one for one in range(len(btf)) if isinstance(btf[one], Array))

    assert btf.size_of(btf.ids("const_int")[0]) == 4
    assert btf.size_of(array) == 16
    assert btf.size_of(btf.ids("outer")[0]) == 48
    assert btf.size_of(0) == 0


def test_constants_are_enumerators() -> None:
    """
    All enumerations together give the constants.
    """
    constants = {"RED": 0, "GREEN": 1, "BAD": -1, "FINE": 0, "TOP": 1 << 63, "ONE": 1}

    assert constants == Btf(SAMPLE).constants()


def test_the_index_is_kept(tmp_path: Path) -> None:
    """
    A kept index answers the same; a damaged one, or one of other data, counts as none.
    """
    path = tmp_path / "deep" / "index"
    first = Btf(SAMPLE, index=path)
    kept = path.read_bytes()
    again = Btf(SAMPLE, index=path)
    other = BtfBuilder()
    other.integer("int", 4)

    assert again.ids("node") == first.ids("node")
    assert len(again) == len(first)
    assert len(Btf(other.bytes(), index=path)) == 2
    path.write_bytes(kept[:-1])
    assert Btf(SAMPLE, index=path).ids("node") == first.ids("node")
    assert path.read_bytes() == kept


def broken(name: str) -> bytes:
    """BTF with one thing wrong."""
    btf = BtfBuilder()
    number = btf.integer("int", 4)
    if name == "cycle of typedefs":
        btf.raw(Kind.TYPEDEF, "a", 3)
        btf.raw(Kind.CONST, "", 2)
    elif name == "array of itself":
        btf.array(2, 10)
    elif name == "structure in itself":
        btf.struct("s", 8, [("s", 2, 0)])
    elif name == "huge array":
        btf.array(number, 0xFFFFFFFF)
        btf.array(2, 0xFFFFFFFF)
    elif name == "member outside":
        btf.struct("s", 4, [("x", number, 64)])
    elif name == "name outside":
        btf.raw(Kind.TYPEDEF, "", 1)
        btf.types = btf.types[:-12] + (999).to_bytes(4, "little") + btf.types[-8:]
    elif name == "unknown kind":
        btf.raw(25, "x")
    elif name == "no such type":
        btf.raw(Kind.TYPEDEF, "x", 77)
    elif name == "long name":
        btf.raw(Kind.TYPEDEF, "x" * 5000, 1)
    elif name == "strings without end":
        btf.strings += b"abc"
    elif name == "members cut off":
        btf.raw(Kind.STRUCT, "s", 4, 60000)
    elif name == "deep typedefs":
        for _ in range(2 * MAX_DEPTH):
            btf.raw(Kind.TYPEDEF, "t", btf.count)
    return btf.bytes()


@for_each(
    ("what", "says"),
    [
        ("cycle of typedefs", "typedefs and qualifiers"),
        ("array of itself", "contains itself"),
        ("structure in itself", "contains itself"),
        ("huge array", "bytes large"),
        ("member outside", "lies at bit 64 of 32"),
        ("name outside", "past the end of the strings"),
        ("unknown kind", "unknown kind 25"),
        ("no such type", "no type 77"),
        ("long name", "longer than"),
        ("strings without end", "not terminated"),
        ("members cut off", "cut off"),
        ("deep typedefs", "typedefs and qualifiers"),
    ],
)
def test_what_is_wrong_is_said(what: str, says: str) -> None:
    """
    Damage of each kind ends in an error that says what and where.
    """
    with pytest.raises(LensError, match=says):
        use_all(broken(what))


@for_each(
    ("data", "says"),
    [
        (b"", "too few"),
        (b"\x7fELF" + bytes(60), "not with the magic"),
        (SAMPLE[:200], "section ends"),
        (SAMPLE[:2] + b"\x07" + SAMPLE[3:], "version 7"),
    ],
)
def test_what_is_no_btf(data: bytes, says: str) -> None:
    """
    Other files are refused by their first bytes.
    """
    with pytest.raises(LensError, match=says):
        Btf(data)


def test_many_names_of_one_long_string_are_bounded() -> None:
    """
    Names that overlap in the string section do not add up to more memory than names may take.
    """
    btf = BtfBuilder()
    btf.strings += b"x" * 1000 + b"\0"
    for at in range(1000):
        btf.raw(Kind.TYPEDEF, "", 0)
        btf.types = btf.types[:-12] + (1 + at).to_bytes(4, "little") + btf.types[-8:]
    begun = time.monotonic()

    use_all(btf.bytes())

    assert time.monotonic() - begun < LIMIT


@settings(max_examples=400, deadline=LIMIT * 1000)
@given(data=st.data())
def test_damaged_btf_ends_in_a_lens_error(data: st.DataObject) -> None:
    """
    Whatever bytes are changed, cut off or added: an answer, or one LensError.
    """
    content = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    with contextlib.suppress(LensError):
        use_all(bytes(content[:cut]))


@settings(max_examples=200, deadline=LIMIT * 1000)
@given(content=st.binary(max_size=400))
def test_any_bytes_behind_a_header_end_in_a_lens_error(content: bytes) -> None:
    """
    A right header before anything at all is no danger either.
    """
    builder = BtfBuilder()
    builder.types = content
    with contextlib.suppress(LensError):
        use_all(builder.bytes())
