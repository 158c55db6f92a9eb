"""Contents that are the machine's own are not reported."""

from __future__ import annotations

from for_each import for_each

from pfnlab.base.units import PfnRange
from pfnlab.programs.lang.text import parse
from pfnlab.programs.runs.places import Places, without_contents

HEAD = """pfnlab program 1
device hole: isa, 16 pages
device bar: pci, 4 pages

a = mmap hole[0:4] devmem shared r
b = mmap bar[0:4] wc shared rw
"""


@for_each(
    ("line", "value", "told"),
    [
        ("read a[0]", 7, None),
        ("read a[0]", "SIGBUS code=2", "SIGBUS code=2"),
        ("read b[0]", 7, 7),
        ("mem_read a[0]", 7, None),
        ("mem_read a[0] at 0 8 bytes", "8 bytes: 00*8", "8 bytes"),
        ("process_vm_readv a[0] at 0 8 bytes", "4 bytes: 00*4", "4 bytes"),
        ("futex_wake a[0]", 0, 0),
        ("pagemap a[0]", "present", "present"),
        ("munmap a", None, None),
    ],
)
def test_what_is_told(line: str, value: int | str | None, told: int | str | None) -> None:
    """Of an area that may show an isa device no word, and of bytes only their number."""
    program = parse(f"{HEAD}{line}\n")
    places = Places.of(program, {"hole": PfnRange(0x98, 0xA8), "bar": PfnRange(0xF8000, 0xF8004)})

    assert told == without_contents(program.ops[-1].call, value, places)
