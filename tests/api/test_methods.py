"""The methods of an interactive machine: every operation of the language, from one table."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import msgspec
import pytest
import tooling
from for_each import for_each

import pfnlab as pl
from pfnlab.api.methods import Operations
from pfnlab.programs.lang.fields import Ending
from pfnlab.programs.lang.words import BY_VERB, ROWS, VERBS


def test_every_operation_is_a_method() -> None:
    """None of the language is forgotten, and there is no other."""
    made = {name for name in vars(Operations) if not name.startswith("_")}
    by_hand = {"mmap", "mremap", "fork", "thread"}

    assert set(VERBS) == made | by_hand
    assert all(callable(getattr(pl.LiveMachine, verb)) for verb in VERBS)


@for_each("verb", BY_VERB)
def test_the_arguments_are_the_fields(verb: str) -> None:
    """In their order, but for one that the verb says."""
    fields = msgspec.structs.fields(BY_VERB[verb])
    said = [isinstance(shape, Ending) for shape in ROWS[BY_VERB[verb]].fields]

    _, *parameters = inspect.signature(getattr(Operations, verb)).parameters.values()

    assert [field.name for field, is_said in zip(fields, said, strict=True) if not is_said] == [
        parameter.name for parameter in parameters
    ]
    defaults = {field.name: field.default for field in fields if not field.required}
    assert defaults == {one.name: one.default for one in parameters if one.default is not one.empty}


def test_a_method_is_explained_by_its_structure() -> None:
    """So `help` has what its arguments are."""
    assert "The driver maps device pages for itself." in str(inspect.getdoc(pl.LiveMachine.ioremap))
    assert ":param to_end:" in str(inspect.getdoc(pl.LiveMachine.unmap_mapping_range))


def test_a_call_without_an_argument_is_an_error_of_python() -> None:
    """With the name of the method, as of any other."""
    with pytest.raises(TypeError, match=r"mprotect\(\) missing 1 required positional argument: 'prot'"):
        pl.machine("model:7.2").mprotect("bar[0:1]")  # type: ignore[call-arg]


def test_an_argument_has_the_type_of_its_field() -> None:
    """As a checker of types sees it."""
    parameters = inspect.signature(Operations.ioremap).parameters

    assert ("Where", "IoremapMode") == (parameters["span"].annotation, parameters["mode"].annotation)


make_methods = tooling.make_methods()

#: Calls and the line that each is in a program; `a` is a mapping of 8 pages through the driver.
CALLS: list[tuple[Callable[[pl.LiveMachine, pl.Pages], object], str]] = [
    (lambda m, a: m.munmap(a[4:8]), "munmap a[4:8]"),
    (lambda m, a: m.munmap("a"), "munmap a"),
    (lambda m, a: m.mprotect(a[0], "r"), "mprotect a[0] r"),
    (lambda m, a: m.madvise(a, "dontfork"), "madvise a dontfork"),
    (lambda m, a: m.write(a[3], 7), "write a[3] 7"),
    (lambda m, a: m.mremap(a[0:4], 8, maymove=True), "mremap a[0:4] 8 pages maymove"),
    (lambda m, a: m.mremap(a[0:4], 4, maymove=True, fixed=True), "b = mremap a[0:4] 4 pages maymove fixed"),
    (lambda m, a: m.mmap("bar[8:10]", "wc", over=a[2:4]), "mmap bar[8:10] wc shared rw over a[2:4]"),
    (lambda m, a: m.mmap("anon[0:2]", shared=False, prot="none"), "b = mmap anon[0:2] private none"),
    (lambda m, a: m.mem_write(a[1], 5, bytes=(4092, 4)), "mem_write a[1] 5 at 4092 4 bytes"),
    (lambda m, a: m.process_vm_readv(a[1]), "process_vm_readv a[1]"),
    (lambda m, a: m.pagemap(a), "pagemap a"),
    (
        lambda m, a: m.unmap_mapping_range("bar[2:4]", keep_cows=True),
        "unmap_mapping_range bar[2:4] keep_cows",
    ),
    (lambda m, a: m.unmap_mapping_range("bar[12:16]", to_end=True), "unmap_mapping_range bar[12:]"),
    (lambda m, a: m.ioremap(m.devices["bar"][0:4], "uc-"), "ioremap bar[0:4] uc-"),
    (lambda m, a: m.set_memory_wc("ram[0:4]"), "set_memory_wc ram[0:4]"),
    (lambda m, a: m.set_pages_array_uc("ram[0:4]"), "set_pages_array_uc ram[0:4]"),
    (lambda m, a: m.remap_pfn_range(a[0:4], "wc"), "remap_pfn_range a[0:4] wc"),
    (lambda m, a: m.bind("bar"), "bind bar"),
    (lambda m, a: m.look(), "look"),
    (lambda m, a: m.thread(), "t1 = thread"),
    (lambda m, a: m.fork(refused="pids_max"), "c1 = fork pids_max"),
    (
        lambda m, a: m.fail("__pte_alloc", inside="copy_page_range").fork("kid"),
        "fail __pte_alloc 1 in copy_page_range: kid = fork",
    ),
    (lambda m, a: m.skip("flush_tlb_mm_range").munmap(a), "skip flush_tlb_mm_range: munmap a"),
    (
        lambda m, a: m.skip("flush_tlb_mm_range").hold("unlink", 2, at_return=True).munmap(a),
        "skip flush_tlb_mm_range: hold unlink 2 return: munmap a",
    ),
]


@for_each(("call", "line"), CALLS)
def test_a_call_is_a_line_of_the_program(
    call: Callable[[pl.LiveMachine, pl.Pages], object], line: str
) -> None:
    """Every form of argument ends in the words of the language."""
    m = pl.machine("model:7.2")
    a = m.mmap("bar[0:8]", driver="remap wc")

    call(m, a)

    assert line == str(m.program).splitlines()[-1]
    assert line == m.steps[-1].op


def test_the_methods_of_the_table_are_current() -> None:
    """`python tools/make_methods.py --write` makes them."""
    page = make_methods.PAGE.read_text(encoding="utf-8")

    assert make_methods.made(page) == page


def test_a_method_that_is_forgotten_is_noticed() -> None:
    """The comparison above can fail."""
    page = make_methods.PAGE.read_text(encoding="utf-8").replace(
        "    def mlockall(self)", "    def other(self)"
    )

    assert make_methods.made(page) != page
