"""The data file that says which functions are in which source file."""

from __future__ import annotations

from collections import Counter

from pfnlab.lab.running.kernel_blocks import FILES, files_by_function, function_of, kernel_files


def test_every_file_has_functions() -> None:
    """The data file has a list of each file, and no other."""
    functions = kernel_files().functions

    assert list(FILES) == list(functions)
    assert all(functions.values())


def test_a_function_is_in_one_file() -> None:
    """No function is named twice: a name is enough to know its file."""
    counts = Counter(name for names in kernel_files().functions.values() for name in names)

    twice = [name for name, count in counts.items() if count > 1]

    assert [] == twice


def test_the_file_of_a_block() -> None:
    """A block belongs to the file of its function."""
    file = files_by_function()[function_of("remap_pfn_range+1a")]

    assert "mm/memory.c" == file
