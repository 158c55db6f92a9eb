"""Shapes: how two values differ, without numbers and names."""

from __future__ import annotations

from typing import Any

from for_each import for_each

from pfnlab.hunt.fuzz.value_shape import shape
from pfnlab.programs.runs.observation import BookEntry, DeviceSpan, PteSeen, VmaSeen


def vma(flags: str, start: int = 0) -> VmaSeen:
    """A VMA of four pages."""
    return VmaSeen("main", "a", start, start + 4, "rw-s", "wc", DeviceSpan("bar", 0, 4), flags)


def pte(entry: str) -> PteSeen:
    """An entry of one page."""
    return PteSeen("main", "a", 0, 1, DeviceSpan("bar", 0, 1), entry)


@for_each(
    ("field", "first", "second", "said"),
    [
        ("result", "ok", "EINVAL", "ok / EINVAL"),
        ("value", "SIGBUS code=2", "SIGSEGV code=1", "SIGBUS code=N / SIGSEGV code=N"),
        ("flushes", 1, 3, "fewer"),
        ("events", ("gather", "clear a[0]"), ("gather", "flush a[0:1]"), "clear PAGES / flush PAGES"),
        ("events", ("clear a[0]",), ("clear a[1]",), "clear PAGES elsewhere"),
        ("vmas", (vma("rd wr ac"),), (vma("rd wr lo"),), "flags -ac +lo"),
        ("vmas", (vma("rd"),), (), "rw-s wc / -"),
        ("vmas", (vma("rd"),), (vma("rd", 4),), "other pages"),
        ("ptes", (pte("L1 WC P RW"),), (pte("L1 UC- P RW"),), "entry -WC +UC-"),
        ("book", (BookEntry("bar", 0, 4, "wc"),), (), "wc / -"),
        ("tracked", ("a[0:4]",), ("a[0:8]",), "other pages"),
        ("tracked", ("VM_PAT a[0:4]", "VM_PAT b[0:1]"), ("VM_PAT b[0:1]", "VM_PAT a[0:4]"), "other order"),
    ],
)
def test_shapes(field: str, first: Any, second: Any, said: str) -> None:
    """How two values differ, without numbers and names."""
    assert said == shape(field, first, second)
