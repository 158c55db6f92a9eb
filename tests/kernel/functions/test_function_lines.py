"""A kernel function in sentences."""

from __future__ import annotations

from for_each import for_each

from pfnlab.kernel.functions.function_lines import function_says
from pfnlab.kernel.functions.known_functions import kernel_functions
from pfnlab.present.document.terminal import text_of
from pfnlab.verbs.word_meanings import meanings


@for_each("name", list(kernel_functions()))
def test_help_fits_twenty_lines_of_eighty_columns(name: str) -> None:
    """So it fits a terminal, and a prompt."""
    (one,) = [meaning for meaning in meanings(name) if meaning.kind.startswith("kernel function")]
    lines = text_of(one.blocks(), 80).splitlines()

    assert len(lines) <= 20
    assert max(map(len, lines)) <= 80


def test_callers_and_files_have_their_releases() -> None:
    """A single row has none."""
    says = list(function_says(kernel_functions()["phys_mem_access_prot_allowed"]))

    assert "File: arch/x86/mm/pat/memtype.c." in says
    assert "Callers: up to 6.18: mmap_mem; since 6.19: mmap_mem_prepare." in says


def test_rules_have_titles_and_bugs_the_release_that_fixed_them() -> None:
    """A rule among the bugs was not fixed."""
    says = list(function_says(kernel_functions()["__split_vma"]))

    assert any(line.startswith("Rules: S5.3 Split and merge, ") for line in says)
    assert any("A06 partial-munmap (fixed in 6.16)" in line and "D03 refcount-max," in line for line in says)


def test_a_function_that_went_says_what_took_its_place() -> None:
    """And the new one what it replaces."""
    old, new = (list(function_says(kernel_functions()[name])) for name in ("mmap_mem", "mmap_mem_prepare"))

    assert "Replaced by: mmap_mem_prepare (6.19)." in old
    assert "Replaces: mmap_mem." in new
