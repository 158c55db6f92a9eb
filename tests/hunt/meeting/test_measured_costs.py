"""Two kernels measured: what costs more or less, what is equal, and what could not be measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest
from having import NEW, OLD, bootable

from pfnlab.base.errors import LostGuest, Undecided
from pfnlab.checker.review.measured_operations import MeasuredOperation
from pfnlab.checker.review.review_result import OperationCost
from pfnlab.hunt.meeting import measured_costs as measuring
from pfnlab.hunt.meeting.measured_costs import KernelCounts, Measured, compared, kernel_counts, measured_costs
from pfnlab.kernel.mm.configuration import Configuration
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running import counting_guest
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program

HEADER = "pfnlab program 1\ndevice bar: pci, 16 pages\n"
KERNEL = KernelImage("", "", "", "", Path("vmlinuz"), "")
OPERATIONS = (
    MeasuredOperation("mmap", load_text(HEADER + "a = mmap bar[0] wc shared rw\n"), False),
    MeasuredOperation("munmap", load_text(HEADER + "a = mmap bar[0] wc shared rw\nmunmap a\n"), True),
)


@pytest.fixture(autouse=True)
def two_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two operations are measured, one of which flushes."""
    monkeypatch.setattr(measuring, "measured_operations", lambda: OPERATIONS)


def counted(*runs: dict[str, int]) -> KernelCounts:
    """A kernel in which these functions were counted in a munmap."""
    return KernelCounts({Measured("instructions", "munmap"): list(runs)}, {})


def cost(base: KernelCounts, design: KernelCounts) -> OperationCost:
    """The only cost of two kernels."""
    (found,) = compared(base, design).costs
    return found


def test_a_function_that_executes_more_is_a_cost_and_named() -> None:
    """With the operations that show it."""
    found = cost(counted({"untrack_pfn": 80, "zap": 20}), counted({"untrack_pfn": 100, "zap": 20}))

    assert ("munmap", 100, 120, {"untrack_pfn": 20}) == (
        *(found.operation, found.base, found.design),
        found.functions,
    )
    assert (True, False) == (bool(found.more), bool(found.fewer))
    assert "a = mmap bar[0] wc shared rw\nmunmap a[0]" == found.program


def test_a_function_that_is_gone_is_a_saving() -> None:
    """Its whole count."""
    found = cost(counted({"untrack_pfn": 20, "zap": 80}), counted({"zap": 80}))

    assert (80, {"untrack_pfn": -20}, (0, 1)) == (found.design, found.functions, (found.more, found.fewer))


def test_counts_that_overlap_are_no_difference() -> None:
    """One run happened to fill a cache of the allocator; the other kernel's runs did not."""
    found = cost(counted({"zap": 100, "refill": 50}, {"zap": 100}), counted({"zap": 100}, {"zap": 100}))

    assert (100, 100, {}, False) == (found.base, found.design, found.functions, found.differs)


def test_a_difference_that_no_ratio_shows_is_equal() -> None:
    """It stays in the numbers."""
    found = cost(counted({"zap": 1000}), counted({"zap": 1004}))

    assert (1000, 1004, False) == (found.base, found.design, found.differs)


@pytest.mark.parametrize(("design", "differs"), [((4, 2, 3, 4), False), ((3, 4, 4, 4), True)])
def test_the_median_number_of_interrupts_counts(design: tuple[int, ...], differs: bool) -> None:
    """Another cause may add one, and a processor that is just in the kernel may need none."""
    key = Measured("interrupts", "munmap", 2)
    base, patched = (
        KernelCounts({key: [{"": number} for number in numbers]}, {}) for numbers in ((3, 3, 3, 5), design)
    )

    assert differs == cost(base, patched).differs


def test_what_one_kernel_refuses_is_not_measured() -> None:
    """The reason is a line, however many kernels gave it."""
    refusing = KernelCounts({}, {"munmap": "the kernel refuses it"})

    for pair in ((counted({"zap": 1}), refusing), (refusing, refusing)):
        assert ((), ("munmap: the kernel refuses it",)) == compared(*pair)


class Guest:
    """Counts one instruction in every operation, and one interrupt per other processor."""

    answer: Callable[[Program], int] = staticmethod(lambda program: 1)

    def __init__(self, kernel: KernelImage, processors: int = 1) -> None:
        pass

    def instructions(self, program: Program) -> dict[str, int]:
        """Of one function."""
        return {"zap": self.answer(program)}

    def interrupts(self, program: Program, processors: int) -> int:
        """From one flush."""
        return processors - 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left."""


def measured(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[Program], int] = Guest.answer, end: float = math.inf
) -> KernelCounts:
    """The counts of a kernel whose guests answer like that."""
    monkeypatch.setattr(Guest, "answer", staticmethod(answer))
    monkeypatch.setattr(measuring, "CountingGuest", Guest)
    return kernel_counts(KERNEL, end)


def test_every_operation_is_measured_several_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that flush on several processors too."""
    found = measured(monkeypatch)

    assert {
        Measured("instructions", "mmap"): 6,
        Measured("instructions", "munmap"): 6,
        Measured("interrupts", "munmap", 2): 6,
        Measured("interrupts", "munmap", 4): 6,
        Measured("interrupts", "munmap", 8): 6,
    } == {key: len(runs) for key, runs in found.runs.items()}


def refusing(program: Program) -> int:
    """A kernel that refuses every munmap."""
    if len(program.ops) > 1:
        raise Undecided("the kernel refuses it")
    return 1


def test_a_refused_operation_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """And has its reason."""
    found = measured(monkeypatch, refusing)

    assert ({"munmap": "the kernel refuses it"}, 6) == (
        found.failures,
        len(found.runs[Measured("instructions", "mmap")]),
    )


def losing(program: Program) -> int:
    """A kernel that ends in a munmap."""
    if len(program.ops) > 1:
        raise LostGuest("the guest was lost: an oops")
    return 1


def test_after_a_lost_guest_nothing_more_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says why; what was measured before stays."""
    found = measured(monkeypatch, losing)

    costs, unmeasured = compared(found, found)
    assert (["mmap"], ("the guest was lost: an oops",)) == ([one.operation for one in costs], unmeasured)


def test_without_its_tools_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU first, then a C compiler for the plugin."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(counting_guest, "image_with_driver", lambda kernel: Path("image"))
    monkeypatch.setattr(counting_guest, "configuration_of_kernel", lambda kernel: Configuration())

    found = kernel_counts(KERNEL, math.inf)

    (line,) = compared(found, found).unmeasured
    assert "apt-get install" in line


def test_the_time_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not begun by then is not measured."""
    found = measured(monkeypatch, end=-math.inf)

    assert KernelCounts({}, {"": "the time was up"}) == found


CHAIN = "area a: 16 pages\n" + "".join(
    f"mmap bar[{at}] wc shared rw over a[{at}]\n" for at in range(0, 16, 2)
)


@pytest.mark.parametrize(("base", "differing"), [(NEW, 0), (OLD, 3)])
def test_kernels_cost_the_same_or_not(monkeypatch: pytest.MonkeyPatch, base: str, differing: int) -> None:
    """A kernel against itself is equal; one that flushes for every mapping differs in every cost."""
    munmap = MeasuredOperation("munmap", load_text(HEADER + CHAIN + "munmap a[0:16]\n"), True)
    monkeypatch.setattr(measuring, "measured_operations", lambda: [munmap])
    # Eight processors are emulated by one.
    monkeypatch.setattr(measuring, "PROCESSORS", (2, 4))

    costs, unmeasured = measured_costs(bootable(base), bootable(NEW), seconds=300)

    assert (3, ()) == (len(costs), unmeasured)
    assert differing == sum(one.differs for one in costs)
