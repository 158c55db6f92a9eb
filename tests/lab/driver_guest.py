"""Guests with the test driver, asked in the protocol's own words."""

from __future__ import annotations

from typing import TypeVar

from having import EVERY_SERIES, NEW, OLD

from pfnlab.lab.vm.qemu import Guest

T = TypeVar("T")

WITH_HEADERS = ("6.1", "6.12", "7.2", "7.3")
ASKED = WITH_HEADERS if EVERY_SERIES else (OLD, NEW)

AREA = 0x100000000000
PAGE = 0x1000
# MAP_SHARED | MAP_FIXED_NOREPLACE, and the private one; PROT_READ | PROT_WRITE
SHARED, PRIVATE, RW = 0x100001, 0x100002, 3
# enum pfnlab_kind and enum pfnlab_mode
REMAP, FAULT, PART, FAULT_PROT, MIXED, HALVES, RAM, FAIL, PMD = 0, 1, 2, 3, 4, 5, 6, 8, 9
INSERT_PAGE, INSERT_PAGES, MAP_PAGES, PAGE_MKWRITE, MIXED_PAGES = 0x12, 0x13, 0x14, 0x15, 0x16
AS_IS, WC, UC_MINUS, WT = 0, 1, 2, 3
# Cache bits of an entry: PWT, PCD
WC_BITS, UC_MINUS_BITS, CACHE_BITS = 0x08, 0x10, 0x98
SPECIAL = 1 << 9


class Answers:
    """A reply's lines by step, ``0``, ``1``, ... and ``end``; or the error."""

    def __init__(self, text: str, bar: int) -> None:
        self.error = text.splitlines()[0].partition("error ")[2]
        self._bar = bar
        self._steps: dict[str, list[str]] = {}
        current: list[str] = []
        for line in text.splitlines():
            if line.startswith("step "):
                current = self._steps.setdefault(line.removeprefix("step "), [])
            current.append(line)

    def lines(self, step: int | str, kind: str) -> list[str]:
        """The lines of a step that begin with the word *kind*, without it."""
        found = self._steps[str(step)]
        return [line.removeprefix(f"{kind} ") for line in found if line.startswith(f"{kind} ")]

    def result(self, step: int) -> str:
        """What the operation answered."""
        return self.lines(step, "r")[0]

    def book(self, step: int | str) -> list[tuple[int, int, str]]:
        """Entries of the memtype list: pages of the device, half-open, and the mode."""
        entries = (line.split() for line in self.lines(step, "m"))
        return [(self._page(start), self._page(end), mode) for start, end, mode in entries]

    def ptes(self, step: int) -> dict[int, tuple[int, int]]:
        """First page of each run that is mapped: its level and the bits of its first entry."""
        found = {}
        for line in self.lines(step, "p"):
            _, start, _, level, entry, _ = line.split()
            if int(entry, 16):
                found[(int(start, 16) - AREA) // PAGE] = (int(level), int(entry, 16))
        return found

    def cache_bits(self, step: int) -> dict[int, int]:
        """First page of each run that is mapped: the cache bits of its entries."""
        return {page: entry & CACHE_BITS for page, (_, entry) in self.ptes(step).items()}

    def _page(self, address: str) -> int:
        return (int(address, 16) - self._bar) // PAGE


class Lab:
    """A guest with the driver."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.bar = guest.hello.bar_start

    def ask(self, *ops: str, pages: int = 32) -> Answers:
        """Run a program of one task."""
        head = ["program t", "observe ptes", f"watch {self.bar:x} {self.bar + pages * PAGE:x}"]
        area = f"area {AREA:x} {pages:x}"
        return Answers(
            self.guest.request("\n".join([*head, area, *(f"op 0 {op}" for op in ops), "end\n"])), self.bar
        )

    def map(self, pages: int = 8, flags: int = SHARED) -> str:
        """The operation that maps the first pages of the device through the driver."""
        return f"mmap driver {AREA:x} {pages * PAGE:x} {RW:x} {flags:x} {self.bar:x}"


def kind(kind: int, mode: int, start: int = 0, pages: int = 0, insert: int = 0) -> str:
    """The operation that says how the next mmap populates."""
    return f"driver map {kind:x} {mode:x} {start * PAGE:x} {pages * PAGE:x} {insert:x}"
