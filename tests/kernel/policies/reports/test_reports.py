"""How a free in vain is reported (discussion 002), and what the checker makes of it."""

from __future__ import annotations

import pytest

from pfnlab.base.errors import Misuse
from pfnlab.checker.check import check
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.reports import REPORTS
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine, place
from pfnlab.programs.runs.observation import Step

WARNING = "WARNING at arch/x86/mm/pat/memtype.c"
PIECES = ("a = mmap bar[0:8] wc shared rw", "munmap a[1]", "munmap a[3]", "munmap a[6:8]")


def run(spec: str, *ops: str) -> tuple[Step, ...]:
    """The steps of a program on a BAR of 16 pages and its end."""
    text = "\n".join(("pfnlab program 1", "device bar: pci, 16 pages", *ops, ""))
    return ModelMachine(spec).run_one(load_text(text), check=True).steps


def line(pages: str) -> str:
    """What every kernel says."""
    return f"x86/PAT: main freeing invalid memtype bar[{pages}]"


def test_every_kernel_has_the_line_alone() -> None:
    """A profile says nothing else, and no switch does."""
    assert {"pr_info"} == {profile.freed_in_vain for profile in PROFILES.values()}
    assert [step.log for step in run("6.1", *PIECES)] == [
        step.log for step in run("6.1,freed_in_vain=pr_info", *PIECES)
    ]


def test_the_warning_is_given_once_and_the_line_each_time() -> None:
    """WARN_ON_ONCE stands in front of the first line."""
    logs = [step.log for step in run("6.1,freed_in_vain=warn_on_once", *PIECES)]

    assert [(), (WARNING, line("1:2")), (line("3:4"),)] == logs[:3]


def test_nothing_but_the_log_differs() -> None:
    """The book and everything else are as they were."""
    first, *others = (
        [(step.result, step.book, step.vmas, step.ptes, step.events) for step in run(spec, *PIECES)]
        for spec in (f"6.1,freed_in_vain={name}" for name in REPORTS)
    )

    assert [first, first] == others


def test_an_error_is_the_same_line_at_another_level() -> None:
    """The level alone tells it from what kernels print."""
    info, error = (run(f"6.1,freed_in_vain={name}", *PIECES)[1] for name in ("pr_info", "pr_err"))

    assert info.log == error.log == (line("1:2"),)
    assert (("info",), ("err",)) == (info.levels, error.levels)


@pytest.mark.parametrize(
    ("spec", "lengths"),
    [
        ("6.1", {"freed_once": 2, "no_warning": None}),
        ("6.1,freed_in_vain=warn_on_once", {"freed_once": 2, "no_warning": 2}),
        ("7.2,freed_in_vain=warn_on_once", {"freed_once": None, "no_warning": None}),
        ("7.2,tracker=base_pfn,freed_in_vain=warn_on_once", {"freed_once": 2, "no_warning": 2}),
    ],
)
def test_the_checker_counts_it_as_a_warning(spec: str, lengths: dict[str, int | None]) -> None:
    """Whichever tracker frees in vain; where none does, none is found."""
    result = check(ModelMachine(spec), load_scope("small"), limits=Exhaustive(depth=3))

    assert lengths == {answer.name: answer.length for answer in result.answers if answer.name in lengths}


def test_a_book_that_cannot_shrink_what_it_lacks_reports_it_too() -> None:
    """The same line for exact and its like, should they ever err."""
    machine = ModelMachine("7.2,freed_in_vain=warn_on_once")
    program = load_text("pfnlab program 1\ndevice bar: pci, 16 pages\n\na = mmap bar[0:4] wc shared rw\n")
    platform, devices, _ = place(program)
    kernel = machine.boot(platform, devices)

    kernel.book.shrink_pfn_range(devices["bar"].start << 12, 0x1000, [], who="main:1")

    assert WARNING == kernel.trace.log[0]


def test_another_report_is_refused() -> None:
    """With those there are."""
    with pytest.raises(Misuse, match="there is no report 'pr_warn': did you mean pr_err"):
        ModelMachine("6.1,freed_in_vain=pr_warn")
