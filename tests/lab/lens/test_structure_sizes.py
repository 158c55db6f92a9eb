"""Sizes of structures: members, holes and padding, computed from types made up for it."""

from __future__ import annotations

import pytest
from btf_builder import BtfBuilder

from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.btf import Btf
from pfnlab.lab.lens.btf_types import Kind
from pfnlab.lab.lens.structure_sizes import Hole, SizedMember, StructureSize, size_of_structure


class Types:
    """A BTF being written, with what every test needs."""

    def __init__(self) -> None:
        self.btf = BtfBuilder()
        self.byte = self.btf.integer("char", 1)
        self.int = self.btf.integer("int", 4, 1)
        self.long = self.btf.integer("long unsigned int", 8)

    def structure(self, name: str, size: int, *members: tuple[str, int, int]) -> int:
        """A structure of members with name, type and byte."""
        return self.btf.struct(name, size, [(label, kind, 8 * at) for label, kind, at in members])

    def union(self, size: int, *members: tuple[str, int]) -> int:
        """An anonymous union."""
        pairs = [(label, kind, 0) for label, kind in members]
        return self.btf.struct("", size, pairs, kind=Kind.UNION)

    def size(self, name: str = "s") -> StructureSize:
        """The layout of one of them."""
        found = size_of_structure(Btf(self.btf.bytes()), name)
        assert found is not None
        return found


@pytest.fixture
def types() -> Types:
    """Nothing but integers yet."""
    return Types()


def holes(structure: StructureSize) -> list[tuple[int, int, str]]:
    """First byte, whole bytes and place of each hole."""
    return [(hole.offset, hole.size, hole.inside) for hole in structure.holes]


def test_a_hole_lies_between_members(types: Types) -> None:
    """
    An int before a long leaves four bytes.
    """
    types.structure("s", 16, ("a", types.int, 0), ("b", types.long, 8))

    assert holes(types.size()) == [(4, 4, "")]


def test_padding_lies_behind_the_last_member(types: Types) -> None:
    """
    It is no hole.
    """
    types.structure("s", 16, ("a", types.long, 0), ("b", types.int, 8))
    structure = types.size()

    assert (structure.size, structure.padding, structure.holes) == (16, 4, ())


def test_a_full_structure_has_neither(types: Types) -> None:
    """
    Members that follow each other without a gap.
    """
    types.structure("s", 16, ("a", types.int, 0), ("b", types.int, 4), ("c", types.long, 8))
    structure = types.size()

    assert (structure.padding, structure.holes) == (0, ())


def test_members_are_listed_with_size_and_alignment(types: Types) -> None:
    """
    Pointers, and arrays of bytes, have an alignment too.
    """
    pointer, name = types.btf.pointer(types.byte), types.btf.array(types.byte, 3)
    types.structure("s", 16, ("name", name, 0), ("next", pointer, 8))
    structure = types.size()

    assert structure.members == (SizedMember("name", 0, 3, 1), SizedMember("next", 8, 8, 8))
    assert structure.alignment == 8


def test_a_hole_in_a_nested_structure_is_inside_of_it(types: Types) -> None:
    """
    A new member of the outer one cannot be put there.
    """
    inner = types.structure("inner", 16, ("a", types.int, 0), ("b", types.long, 8))
    types.structure("s", 32, ("x", types.int, 0), ("in", inner, 8), ("y", types.long, 24))
    structure = types.size()

    assert holes(structure) == [(4, 4, ""), (12, 4, "in")]
    assert structure.own_holes == (Hole(32, 32),)


def test_the_padding_of_a_nested_structure_is_inside_of_it(types: Types) -> None:
    """
    Even at the end of the outer one, whose padding it is not.
    """
    inner = types.structure("inner", 16, ("a", types.long, 0), ("b", types.int, 8))
    types.structure("s", 24, ("x", types.long, 0), ("in", inner, 8))
    structure = types.size()

    assert (structure.padding, holes(structure)) == (0, [(20, 4, "in")])


def test_names_of_nested_members_are_a_path(types: Types) -> None:
    """
    The outermost comes first.
    """
    inner = types.structure("inner", 16, ("a", types.int, 0), ("b", types.long, 8))
    middle = types.structure("middle", 16, ("in", inner, 0))
    types.structure("s", 16, ("mid", middle, 0))

    assert holes(types.size()) == [(4, 4, "mid.in")]


def test_an_anonymous_structure_is_a_part_of_the_one_around_it(types: Types) -> None:
    """
    Who adds a member to the outer one can put it there.
    """
    inner = types.structure("", 16, ("a", types.int, 0), ("b", types.long, 8))
    types.structure("s", 24, ("x", types.long, 0), ("", inner, 8))
    structure = types.size()

    assert holes(structure) == [(12, 4, "")]
    assert [member.name for member in structure.members] == ["x", "a | b"]


def test_an_array_has_the_holes_of_each_element(types: Types) -> None:
    """
    They are inside of the member.
    """
    element = types.structure("element", 16, ("a", types.int, 0), ("b", types.long, 8))
    types.structure("s", 32, ("all", types.btf.array(element, 2), 0))

    assert holes(types.size()) == [(4, 4, "all"), (20, 4, "all")]


def test_only_what_no_variant_uses_is_a_hole_of_a_union(types: Types) -> None:
    """
    The hole of one variant is filled by the other, as far as that goes.
    """
    wide = types.structure("wide", 16, ("a", types.byte, 0), ("b", types.long, 8))
    both = types.union(16, ("wide", wide), ("word", types.int))
    types.structure("s", 16, ("", both, 0))

    assert holes(types.size()) == [(4, 4, "")]


def test_a_union_has_no_hole_behind_its_shorter_variant(types: Types) -> None:
    """
    The longer one uses it.
    """
    both = types.union(8, ("byte", types.byte), ("word", types.long))
    types.structure("s", 8, ("either", both, 0))

    assert types.size().holes == ()


def test_the_rest_of_a_bit_fields_word_is_a_hole_of_bits(types: Types) -> None:
    """
    Eleven of 32 bits are used: 21 are left, of which two are whole bytes.
    """
    fields = [("a", types.int, 8 << 24), ("b", types.int, 3 << 24 | 8), ("c", types.int, 32)]
    types.btf.struct("s", 8, fields, flag=True)
    (hole,) = types.size().holes

    assert (hole.bit, hole.bits, hole.offset, hole.size) == (11, 21, 2, 2)


def test_bit_fields_are_members_of_a_word(types: Types) -> None:
    """
    Each has the word it is a part of, and its place in it.
    """
    fields = [("a", types.int, 3 << 24 | 32), ("b", types.int, 5 << 24 | 35)]
    types.btf.struct("s", 8, fields, flag=True)

    assert types.size().members == (SizedMember("a", 4, 4, 4, 0, 3), SizedMember("b", 4, 4, 4, 3, 5))


def test_an_empty_member_takes_no_room(types: Types) -> None:
    """
    Neither does it end the padding before it, nor does a flexible array.
    """
    empty = types.structure("empty", 0)
    rest = types.btf.array(types.byte, 0)
    types.structure(
        "s", 16, ("a", types.int, 0), ("none", empty, 4), ("b", types.long, 8), ("rest", rest, 16)
    )

    assert holes(types.size()) == [(4, 4, "")]


def test_what_the_kernel_lacks_has_no_size(types: Types) -> None:
    """
    A union of that name is none either.
    """
    types.btf.struct("other", 8, [("a", types.long, 0)], kind=Kind.UNION)

    assert size_of_structure(Btf(types.btf.bytes()), "other") is None


def test_an_array_with_too_many_holes_is_refused(types: Types) -> None:
    """
    Nothing read here is trusted.
    """
    element = types.structure("element", 16, ("a", types.int, 0), ("b", types.long, 8))
    types.structure("s", 16 * 100_000, ("all", types.btf.array(element, 100_000), 0))

    with pytest.raises(LensError, match="holes"):
        types.size()


def test_a_structure_in_itself_is_refused(types: Types) -> None:
    """
    It would have no end.
    """
    own = types.btf.count + 1
    types.structure("s", 8, ("s", own, 0))

    with pytest.raises(LensError):
        types.size()
