"""Kernel symbols, from names to addresses and back."""

import pytest

from pfnlab.base.errors import Undecided
from pfnlab.lab.steering.symbols import Symbols


def test_symbols_both_ways():
    """
    Addresses become functions, and functions addresses; data is found by name only.
    """
    symbols = Symbols("1000 T one\n1010 t two.isra.0\n1018 d datum\n2000 T three\n")

    assert (0x1010, "one", "two", None, 0x1018) == (
        symbols.address("two.isra.0"),
        symbols.function(0x100F),
        symbols.function(0x1019),
        symbols.function(0x10),
        symbols.address("datum"),
    )


def test_symbol_unknown():
    """
    A function this kernel lacks is named together with those like it.
    """
    symbols = Symbols("1000 T vma_interval_tree_remove\n", "6.1")

    with pytest.raises(Undecided, match=r"6\.1 has no symbol `vma_interval_remove`; near: vma_interval_tree"):
        symbols.address("vma_interval_remove")


def test_symbols_of_two():
    """
    Those of a module come after the kernel's own: of several with one name, the first counts.
    """
    symbols = Symbols("1000 T one\n").including("9000 t one\n9010 t two\n")

    assert (0x1000, 0x9010, "one") == (
        symbols.address("one"),
        symbols.address("two"),
        symbols.function(0x9001),
    )


def test_symbols_of_nothing():
    """
    Lines that are no symbols are passed over.
    """
    assert Symbols("\nnonsense\n").function(0x1000) is None


def test_extent():
    """
    A function ends where the next symbol begins.
    """
    symbols = Symbols("1000 T one\n1010 t two\n2000 T three\n")

    assert ((0x1000, 0x10), (0x1010, 0xFF0)) == (symbols.extent("one"), symbols.extent("two"))


def test_called():
    """
    Calls, jumps and conditional jumps to where a function begins; a jump into the middle of one is none.
    """
    symbols = Symbols("1000 T one\n2000 T two\n3000 T three\n4000 T four\n5000 T five\n")
    code = b"\x90".join(
        opcode + (target - 0x1000 - at).to_bytes(4, "little")
        for opcode, target, at in (
            (b"\xe8", 0x2000, 5),
            (b"\xe9", 0x3000, 11),
            (b"\x0f\x84", 0x4000, 18),
            (b"\xe8", 0x5001, 24),
        )
    )

    assert ["two", "three", "four"] == symbols.called(code, 0x1000)


def test_symbols_of_a_module_change_nothing():
    """
    The kernel's own symbols stay as they were: another guest has another module.
    """
    own = Symbols("1000 T one\n3000 d datum\n")

    both = own.including("2000 t two\n9000 t one\n")

    assert ("one", True) == (both.function(0x1001), "two" in both)
    assert ("one", False, (0x1000, 0)) == (own.function(0x2001), "two" in own, own.extent("one"))
