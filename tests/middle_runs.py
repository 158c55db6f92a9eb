"""Runs of litmus/unmapping/munmap-middle.pfn, written by hand: the material of several tests."""

from __future__ import annotations

from pfnlab.programs.lang.ops import Device, Expect, LeakedEntry, Mmap, Munmap, Op, Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import BookEntry, DeviceSpan, Run, Step, VmaSeen

MAP = "a = mmap bar[0:16] wc shared rw"

PROGRAM = Program(
    title="Unmapping the middle first",
    asks="What stays reserved?",
    devices=(Device("bar", "pci", 16),),
    ops=(
        Op(Mmap("a", Span("bar", 0, 16), "wc", shared=True, prot="rw")),
        Op(Munmap(Span("a", 4, 8))),
        Op(Munmap(Span("a", 0, 16))),
    ),
    expects=(
        Expect("6.1", "6.12", (LeakedEntry(Span("bar", 0, 8), "wc"),)),
        Expect("6.16", None),
    ),
)


def book(*pages: tuple[int, int]) -> tuple[BookEntry, ...]:
    """Write-combining entries of the device."""
    return tuple(BookEntry("bar", start, end, "wc") for start, end in pages)


def vmas(*pages: tuple[int, int]) -> tuple[VmaSeen, ...]:
    """VMAs that map the device's pages of the same number."""
    return tuple(
        VmaSeen("main", "a", start, end, "rw-s", "wc", DeviceSpan("bar", start, end), "rd wr pf")
        for start, end in pages
    )


def invalid(pages: str) -> tuple[str, ...]:
    """What a kernel says that frees pages nobody reserved like that."""
    return (f"x86/PAT: main freeing invalid memtype bar[{pages}]",)


def forgetful(machine: str = "model:6.1", kernel: str = "profile 6.1") -> Run:
    """A kernel that forgets half of the mapping."""
    steps = (
        Step(MAP, "main", "ok", None, book((0, 16)), (), vmas((0, 16))),
        Step("munmap a[4:8]", "main", "ok", None, book((0, 16)), invalid("4:8"), vmas((0, 4), (8, 16))),
        Step("munmap a", "main", "ok", None, book((0, 8)), invalid("0:4"), ()),
        Step("end", "main", "ok", None, book((0, 8)), ()),
    )
    return Run(machine, kernel, steps=steps)


def careful(machine: str = "model:7.2", kernel: str = "profile 7.2") -> Run:
    """A kernel that frees the mapping as a whole."""
    steps = (
        Step(MAP, "main", "ok", None, book((0, 16)), (), vmas((0, 16))),
        Step("munmap a[4:8]", "main", "ok", None, book((0, 16)), (), vmas((0, 4), (8, 16))),
        Step("munmap a", "main", "ok", None, (), (), ()),
        Step("end", "main", "ok", None, (), ()),
    )
    return Run(machine, kernel, steps=steps)


def cut(run: Run, steps: int, why: str = "the guest panicked") -> Run:
    """The run of a machine that was lost after some steps."""
    return Run(run.machine, run.kernel, steps=run.steps[:steps], lost=why)
