"""Names of blocks, by made-up symbols; and what programs reach in a real kernel."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from having import NEW, bootable

from pfnlab.base.errors import Undecided
from pfnlab.lab.running.kernel_blocks import NamedBlocks, function_of
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.steering.symbols import Symbols
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.runs.look import LookLevel

SYMBOLS = Symbols(
    "ffffffff81000000 T zap_range\n"
    "ffffffff81000100 t schedule\n"
    "ffffffff81000200 t fill.isra.0\n"
    "ffffffff81000300 t fill.cold\n"
    "ffffffff81000400 D zap_range_table\n"
)
MODULE = Symbols("ffffffffc0000000 t vfio_mmap\nffffffffc0000100 t vfio_other\n")
FUNCTIONS = ("zap_range", "fill", "vfio_mmap")

HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\na = mmap bar[0:16] wc shared rw\n"


class TestNames:
    def test_a_block_has_function_and_offset(self) -> None:
        """The name of a block is its function and the bytes behind its begin, in hex."""
        named = NamedBlocks(SYMBOLS, functions=FUNCTIONS)

        names = named.names([0xFFFFFFFF8100001A, 0xFFFFFFFF81000000])

        assert ("zap_range+0", "zap_range+1a") == names

    def test_other_functions_have_no_name(self) -> None:
        """What the kernel does meanwhile is left out, and so is what is outside of all functions."""
        named = NamedBlocks(SYMBOLS, functions=FUNCTIONS)

        names = named.names([0xFFFFFFFF81000110, 0xFFFFFFFF80000000, 0xFFFFFFFF82000000])

        assert () == names

    def test_parts_belong_to_their_function(self) -> None:
        """What the compiler renamed or put aside counts for its function, each block by itself."""
        named = NamedBlocks(SYMBOLS, functions=FUNCTIONS)

        names = named.names([0xFFFFFFFF81000204, 0xFFFFFFFF81000304])

        assert ("fill+4", "fill+cold+4") == names
        assert {"fill"} == set(map(function_of, names))

    def test_a_module_is_asked_for_once_it_is_there(self) -> None:
        """Symbols of the module are read when it is loaded, and once."""
        answers = [None, MODULE]
        named = NamedBlocks(SYMBOLS, lambda: answers.pop(0), FUNCTIONS)

        before = named.names([0xFFFFFFFFC0000004])
        after = named.names([0xFFFFFFFFC0000004, 0xFFFFFFFFC0000104])
        again = named.names([0xFFFFFFFFC0000008])

        assert ((), ("vfio_mmap+4",), ("vfio_mmap+8",)) == (before, after, again)

    def test_no_module_is_asked_for_without_its_addresses(self) -> None:
        """A kernel whose modules do nothing is not asked for them."""

        def nobody() -> Symbols | None:
            raise AssertionError("the module was asked for")

        names = NamedBlocks(SYMBOLS, nobody, FUNCTIONS).names([0xFFFFFFFF81000000])

        assert ("zap_range+0",) == names


def functions_of(programs: Sequence[str]) -> list[set[str]]:
    """The functions that programs reach, run in this order in one guest."""
    with QemuMachine(bootable(NEW), guests=1, look=LookLevel.END, blocks=True) as machine:
        runs = machine.run([load_text(HEAD + program) for program in programs])
    return [set(map(function_of, run.blocks)) for run in runs]


def test_programs_reach_what_they_do() -> None:
    """mremap reaches its function, and neither the program before nor the one after does."""
    before, moved, after = functions_of(("", "mremap a 8 pages maymove\n", ""))

    assert "remap_pfn_range" in before & moved & after
    assert "__do_sys_mremap" in moved - before - after


def test_a_guest_without_the_module_is_not_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code runs where modules lie in every guest, as that of tracers."""
    asked = list[str]()

    def symbols(guest: Guest, module: str) -> str:
        asked.append(module)
        raise Undecided("there is none")

    monkeypatch.setattr("pfnlab.lab.running.kernel_blocks.module_symbols", symbols)
    with QemuMachine(bootable(NEW), guests=1, look=LookLevel.MEMORY, blocks=True) as machine:
        plain = machine.run([load_text(HEAD)] * 2)
        of_plain = len(asked)
        machine.run([load_text(HEAD.replace("wc shared", "vfio shared"))])

    assert all(run.blocks for run in plain)
    assert (0, True) == (of_plain, len(asked) > 0)


def test_no_block_is_named_unasked() -> None:
    """A machine that is not asked for blocks names none."""
    with QemuMachine(bootable(NEW), guests=1, look=LookLevel.END) as machine:
        (run,) = machine.run([load_text(HEAD)])

    assert () == run.blocks
