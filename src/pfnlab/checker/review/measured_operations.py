"""Operations whose costs are measured on two kernels: each is the last one of a program."""

from collections.abc import Iterator
from typing import NamedTuple

from pfnlab.programs.cases.mapping_kinds import with_kinds
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.text import parse

#: Pages of the device, enough for the largest chain with a gap after each page.
_HEADER = "pfnlab program 1\ndevice bar: pci, 4096 pages\n"

_SIXTEEN = "a = mmap bar[0:16] <WC> rw\n"


class MeasuredOperation(NamedTuple):
    """An operation that is measured.

    :param title: its name in results
    :param program: the program that it is the last operation of
    :param flushes: whether other processors may have to flush, so that their interrupts are counted too
    """

    title: str
    program: Program
    flushes: bool


def measured_operations() -> Iterator[MeasuredOperation]:
    """Yield every operation that is measured, in the order of results."""
    for title, flushes, text in (
        ("mmap of 1 page", False, "a = mmap bar[0] <WC> rw\n"),
        ("mmap of 512 pages", False, "a = mmap bar[0:512] <WC> rw\n"),
        ("munmap of 1 page", True, "a = mmap bar[0] <WC> rw\nmunmap a\n"),
        ("munmap of 512 pages", True, "a = mmap bar[0:512] <WC> rw\nmunmap a\n"),
        ("munmap of 4,096 pages", False, "a = mmap bar <WC> rw\nmunmap a\n"),
        ("munmap of the middle page", True, f"{_SIXTEEN}munmap a[7]\n"),
        ("munmap of 64 mappings", True, f"{_chain(64)}munmap a[0:64]\n"),
        ("munmap of 512 mappings", False, f"{_chain(512)}munmap a[0:512]\n"),
        ("mprotect of the middle page", True, f"{_SIXTEEN}mprotect a[7] r\n"),
        ("mremap of 16 pages", True, f"{_SIXTEEN}b = mremap a 16 pages maymove fixed\n"),
        ("fork with 64 mappings", False, f"{_chain(64)}c = fork\n"),
        ("exit with 64 mappings", False, f"{_chain(64)}c = fork\nc: exit\n"),
        ("fault of a driver", False, "a = mmap bar[0:16] <fault> rw\nread a[7]\n"),
        (
            "unmap_mapping_range of 16 pages",
            True,
            "a = mmap bar[0:16] <remap> rw\nunmap_mapping_range bar[0:16]\n",
        ),
    ):
        yield MeasuredOperation(title, parse(_HEADER + with_kinds(text), title), flushes)


def _chain(mappings: int) -> str:
    """Mappings of one page side by side, whose frames are not."""
    lines = (f"mmap bar[{2 * at}] <WC> rw over a[{at}]\n" for at in range(mappings))
    return f"area a: {mappings} pages\n{''.join(lines)}"
