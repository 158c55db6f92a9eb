"""The areas in which pages of a device may be seen."""

from __future__ import annotations

from for_each import for_each

from pfnlab.programs.lang.areas import areas_of_driver, areas_of_unknown, areas_showing
from pfnlab.programs.lang.text import parse

HEAD = """pfnlab program 1
device hole: isa, 16 pages
device bar: pci, 16 pages
area a: 16 pages
area b: 16 pages
"""


@for_each(
    ("lines", "areas"),
    [
        ("a = mmap hole[0:4] devmem shared r", {"a"}),
        ("a = mmap bar[0:4] wc shared r", set()),
        ("mmap hole[0:4] devmem shared r over b[4:8]", {"b"}),
        ("a = mmap hole[0:4] devmem shared r\nb = mremap a[0:2] 2 pages maymove fixed", {"a", "b"}),
        ("mremap a[0:2] 2 pages maymove fixed over b[0:2]\na = mmap hole[0:4] devmem shared r", {"a", "b"}),
        ("a = mmap bar[0:4] devmem shared r\nremap_file_pages a[0:2] hole[0:2] devmem", {"a"}),
    ],
)
def test_areas_are_followed(lines: str, areas: set[str]) -> None:
    """A mapping shows the device where it is made and wherever it may be moved, in any order."""
    assert areas == areas_of_unknown(parse(f"{HEAD}{lines}\n"))


def test_a_private_mapping_carries_no_store() -> None:
    """Only shared mappings count where a store to the device is the question."""
    program = parse(f"{HEAD}a = mmap hole[0:4] devmem private rw\nb = mmap hole[0:4] devmem shared r\n")

    assert {"b"} == areas_showing((op.call for op in program.ops), {"hole"}, shared=True)


@for_each(
    ("lines", "areas"),
    [
        ("a = mmap bar[0:4] driver remap wc shared r\nb = mmap bar[0:4] wc shared r", {"a"}),
        ("a = mmap bar[0:4] driver remap shared r\nb = mremap a[0:2] 2 pages maymove fixed", {"a", "b"}),
        ("a = mmap bar[0:4] wc shared r\nb = mremap a[0:2] 2 pages maymove fixed", set()),
    ],
)
def test_the_areas_of_the_driver_are_followed(lines: str, areas: set[str]) -> None:
    """Mappings through another file of the device are none of its own."""
    program = parse(f"{HEAD}{lines}\n")

    assert areas == areas_of_driver(op.call for op in program.ops)
