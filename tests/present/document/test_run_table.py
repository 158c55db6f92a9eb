"""The side-by-side text, compared whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from for_each import for_each
from middle_runs import PROGRAM, book, careful, cut, forgetful, vmas

from pfnlab.base.errors import Why
from pfnlab.checker.judging.judge import judged
from pfnlab.present.document.run_table import kernel_blocks, run_blocks
from pfnlab.present.document.terminal import text_of
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Device, Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.cells import cell, is_leaked
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.observation import DeviceSpan, PteSeen, Run, Step, VmaSeen
from pfnlab.programs.runs.violation import Violation

SERIES = {"model:6.1": "6.1", "qemu:6.1": "6.1", "model:7.2": "7.2", "qemu:7.2": "7.2"}


def table(
    runs: list[Run], program: Program = PROGRAM, violations: tuple[Violation, ...] = (), **options: Any
) -> str:
    """The plain text of the report."""
    broken = [
        msgspec.structs.replace(
            run, violations=tuple(one for one in violations if one.machine == run.machine)
        )
        for run in runs
    ]
    width = options.pop("width", 100)
    return text_of(run_blocks(RunResult.of(program, broken, SERIES), **options), width)


def expected(name: str) -> str:
    """A text kept in ``tables/``."""
    return (Path(__file__).parent / "tables" / f"{name}.txt").read_text(encoding="utf-8")


def test_four_machines_side_by_side() -> None:
    """The first story of the README: 6.1 forgets half, 7.2 does not, model and kernel agree."""
    runs = [
        forgetful(),
        forgetful("qemu:6.1", "linux-image-6.1.0-56-cloud-amd64 6.1.192-2"),
        careful(),
        careful("qemu:7.2", "linux-binary-7.2.13+deb14-cloud-amd64 7.2.13-1"),
    ]

    assert table(runs, width=120) == expected("four")


def test_a_narrow_terminal_wraps_cells() -> None:
    """Long cells are wrapped in their column, labels in theirs, nothing past the terminal's width."""
    assert table([forgetful(), careful()], width=60) == expected("narrow")


def test_a_narrow_terminal_stacks_machines() -> None:
    """Where four do not fit two stand above two, every row in both, and nothing past the terminal's width."""
    runs = [forgetful(), forgetful("qemu:6.1"), careful(), careful("qemu:7.2")]

    text = table(runs, width=80)

    assert text == expected("stacked")
    assert 80 >= max(map(len, text.splitlines()))


@for_each("machines", range(1, 7))
@for_each("width", [40, 60, 80, 100, 120, 160])
def test_no_line_is_wider_than_the_terminal(width: int, machines: int) -> None:
    """However many machines there are: table, title, question, verdict and legend."""
    program = msgspec.structs.replace(PROGRAM, title="middle " * 30, asks="What stays reserved? " * 10)
    runs = [forgetful(), careful("qemu:7.2")] * 3

    text = table(runs[:machines], program, width=width)

    assert width >= max(map(len, text.splitlines()))


def test_marks_are_explained_where_they_are_used() -> None:
    """A table without any has no legend."""
    leaks = "LEAKED: still reserved, but no longer mapped"
    differs = "<: differs from the first machine"

    assert f"\n{leaks}; {differs}\n" in table([forgetful(), careful()], width=120)
    assert f"\n{leaks}\n" in table([forgetful()], width=120)
    assert not any(mark in table([careful()], width=120) for mark in (leaks, differs))


def test_a_program_can_be_named() -> None:
    """Beside others its title may not be its alone."""
    text = table([careful()], name="a/middle.pfn", width=120)

    assert "a/middle.pfn: Unmapping the middle first" == text.splitlines()[0]


def test_machines_that_agree_end_in_agree() -> None:
    """Without a difference no row is marked; an expectation that fails is the last word."""
    assert table([forgetful(), forgetful("model:7.2", "profile 7.2")], width=120) == expected("agree")


def test_a_machine_without_an_answer_is_not_called_lost() -> None:
    """It is undecided from the first step on, and the last lines say why."""
    text = table(
        [forgetful(), Run("model:7.3", "profile 7.3", steps=(), undecided="no rule", why=Why.NO_RULE)],
        width=120,
    )

    assert "undecided: model:7.3 before the first step: no rule" in text
    assert text.splitlines()[4].endswith("   undecided") and "lost" not in text


def test_a_table_says_which_fields_were_compared() -> None:
    """Only rows of these are marked."""
    runs = [forgetful(), careful()]
    result = RunResult.of(PROGRAM, runs, {}, ("result", "book"))

    lines = text_of(run_blocks(result), 120).splitlines()

    assert "compared: result, book" in lines
    assert ["  book"] == [line[:6] for line in lines if line.endswith("<") and line.startswith("  ")][:1]
    assert not [line for line in lines if line.startswith("  log") and line.endswith("<")]


def test_a_lost_guest_is_named() -> None:
    """A lost machine says so at the step it did not reach, and why in the last lines."""
    runs = [forgetful(), cut(forgetful("qemu:6.1", "linux-image 6.1"), 1)]

    assert table(runs, width=120) == expected("lost")


def test_an_alarm_is_printed_with_its_log() -> None:
    """Kind, title and operation on one line, and below it what the kernel said, however wide that is."""
    log = ("BUG: kernel NULL pointer dereference, address: 0000000000000000", "Call Trace:", " <TASK>")
    alarm = Alarm("oops", "BUG: kernel NULL pointer dereference in f", log=log, op="munmap a[2:4]", step=1)
    text = table([msgspec.structs.replace(cut(forgetful(), 1), alarm=alarm)], width=60)

    assert "".join(f"    {line}\n" for line in log) in text
    assert "alarm: model:6.1 in step 2, munmap a[2:4]: oops, BUG:" in " ".join(text.split())


def violation(machine: str, known: str | None) -> Violation:
    return Violation("no_leak", 1, "munmap a[2:4]", "A reservation ends", known, machine=machine)


def test_machines_that_break_a_property_alike_share_a_line() -> None:
    """By what happened, with the reason that is known, and all the steps."""
    broken = tuple(violation(name, "A06: pieces") for name in ("m", "k"))
    later = tuple(msgspec.structs.replace(item, step=2) for item in broken)

    text = table([careful("m"), careful("k")], violations=broken + later, width=200)

    assert (
        "VIOLATION: a range is still reserved but no longer mapped (no_leak), in steps 2, 3: "
        "m, k; known bug A06, fixed in 6.16: pieces\n"
    ) in text


def test_a_reason_is_explained_once() -> None:
    """Then its number is enough."""
    broken = (
        violation("m", "A06: pieces"),
        msgspec.structs.replace(violation("m", "A06: pieces"), name="exact"),
    )

    text = table([careful("m")], violations=broken, width=200)

    assert (1, 2) == (text.count("fixed in 6.16: pieces\n"), text.count("; known bug A06"))


def test_a_rule_is_not_called_a_bug() -> None:
    """What kernels do by design has a number of the rules."""
    text = table([careful("m")], violations=(violation("m", "S8.2.6: freed before the flush"),), width=200)

    assert "in step 2: m; rule S8.2.6: freed before the flush\n" in text


def test_a_reason_of_another_version_is_said_as_it_is() -> None:
    """A result may name a bug that this version does not know, or none at all."""
    for foreign in ("Z99: pieces", "of old", "S"):
        text = table([careful("m")], violations=(violation("m", foreign),), width=200)

        assert f"in step 2: m; known: {foreign}\n" in text


def test_an_unknown_reason_is_said_in_full() -> None:
    """What happened, where, and what was seen."""
    text = table([careful("k")], violations=(violation("k", None),), width=200)

    assert "(no_leak), in step 2, munmap a[2:4]: k: A reservation ends; reason unknown\n" in text


def test_a_leak_is_said_with_what_is_left() -> None:
    """And with the bug that is the reason; it is not said twice."""
    text = table([forgetful()], violations=(violation("model:6.1", "A06: pieces"),), width=200)

    left = "LEAK: bar[0:8] wc still reserved, but no longer mapped: model:6.1"
    assert f"{left}; known bug A06, fixed in 6.16: pieces\n" in text
    assert "VIOLATION" not in text


def test_a_run_without_a_fault_is_said_to_have_none() -> None:
    """The answer where nothing goes wrong; not of a run that was cut."""
    nothing = "no leak, no violation: model:7.2\n"

    assert nothing in table([careful()])
    assert nothing not in table([cut(careful(), 1)])


def test_a_schedule_says_who_waits_for_what() -> None:
    """`held`, `waits` and `busy` stand where results do, what is waited for as the value."""

    model = (
        Step("hold unmap_vmas: munmap a", "main", "held", None, (), (), flushes=0),
        Step("t: munmap a", "t", "waits", "mmap_lock", (), (), flushes=0),
        Step("t: look", "t", "busy", None, (), (), flushes=0),
        Step("release", "main", "ok", "main ok; t ok", (), ()),
    )
    kernel = (
        Step("hold unmap_vmas: munmap a", "main", "ok", "not held", (), (), flushes=1),
        Step("t: munmap a", "t", "ok", None, (), (), flushes=0),
        Step("t: look", "t", "ok", None, (), (), flushes=0),
        Step("release", "main", "ok", None, (), ()),
    )
    program = Program("One waits", "", (Device("bar", "pci", 2),), ())
    runs = [Run("model:7.2", "profile 7.2", steps=model), Run("qemu:7.2", "linux 7.2", steps=kernel)]

    assert table(runs, program, width=120, steps=True) == expected("schedule")


def test_steps_show_vmas_and_entries() -> None:
    """With --trace everything comes; what a machine cannot see is a question mark."""
    full = Step(
        "child: write a[0] = 7",
        "child",
        "ok",
        7,
        book((0, 2)),
        (),
        (VmaSeen("child", "a", 0, 2, "rw-p", "wc", DeviceSpan("bar", 0, 2), "rd wr", rss=4, anonymous=4),),
        (
            PteSeen("child", "a", 0, 1, DeviceSpan("ram", 0, 0), "L1 WB P RW"),
            PteSeen("main", "a", 1, 2, DeviceSpan("bar", 1, 2), "L1 WC P RO SPECIAL"),
            PteSeen("main", "a", 2, 3, None, "none@L1"),
        ),
    )
    blind = msgspec.structs.replace(full, vmas=None, ptes=None)
    program = Program("One write", "", (Device("bar", "pci", 2),), ())

    text = table(
        [Run("a", "A", steps=(full,)), Run("b", "B", steps=(blind,))], program, width=120, trace=True
    )

    assert text == expected("steps")


def test_differences_that_are_not_shown_are_pointed_to() -> None:
    """Machines that differ in their VMAs alone are counted, and say how to see it."""
    step = Step("look", "main", "ok", None, (), (), vmas((0, 1)), flushes=1)
    other = msgspec.structs.replace(step, vmas=(), flushes=2)

    text = table([Run("a", "A", steps=(step,)), Run("b", "B", steps=(other,))])

    assert "differ inside: a | b: 2 differences in 1 step (flushes, vmas)\n" in text
    assert text.endswith("--steps shows where they differ inside\n")


def test_what_happened_is_shown_with_steps() -> None:
    """Flushes and the order of calls are rows of their own, where a machine saw them."""
    step = Step("look", "main", "ok", None, (), (), flushes=2, events=("zap_pte_range", "tlb_flush"))
    blind = msgspec.structs.replace(step, flushes=None, events=None)

    text = table([Run("a", "A", steps=(step,)), Run("b", "B", steps=(blind,))], trace=True)

    assert text.splitlines()[5:8] == [
        "  flushes   2               ?",
        "  events    zap_pte_range   ?",
        "            tlb_flush",
    ]


def test_colours_light_what_differs_and_what_leaks() -> None:
    """The marks are there all the same, also in a row whose differing cell is empty."""
    runs = [forgetful(), careful()]

    blocks = list(run_blocks(RunResult.of(PROGRAM, runs, SERIES)))
    text = text_of(blocks, 120, coloured=True)

    assert "\x1b[1;33m-\x1b[0m" in text
    assert "\x1b[1;31mbar[0:8] wc  LEAKED\x1b[0m" in text
    plain = text_of(blocks, 120)
    assert [line for line in plain.splitlines() if line.startswith("  log") and line.endswith("<")]


def test_the_mode_that_was_asked_for_is_shown_beside_another() -> None:
    """A second mapping of reserved pages gets the mode of the first."""
    program = load_text(
        "pfnlab program 1\ndevice bar: pci, 4 pages\narea a: 4 pages\narea b: 4 pages\n\n"
        "a = mmap bar[0:4] wc shared rw\nb = mmap bar[0:4] driver remap uc- shared rw\n"
    )
    (run,) = ModelMachine("7.3").run([program])

    text = table([run], program, width=120)

    assert ["  mode                                         a[0:4] wc"] * 2 == [
        line for line in text.splitlines() if line.startswith("  mode")
    ]
    assert "b[0:4] wc (asked uc-)" in text


def test_an_entry_somebody_maps_is_not_leaked() -> None:
    """One page mapped by one VMA is enough."""
    step = Step("look", "main", "ok", None, book((0, 8)), (), vmas((7, 9)))

    assert not is_leaked(step.book[0], step)


def test_an_entry_nobody_maps_is_leaked() -> None:
    """VMAs that touch the entry without overlapping it do not keep it."""
    step = Step("look", "main", "ok", None, book((4, 8)), (), vmas((0, 4), (8, 16)))

    assert is_leaked(step.book[0], step)


def test_without_vmas_nothing_is_called_leaked() -> None:
    """A machine that did not look at VMAs cannot say what is leaked."""
    step = Step("look", "main", "ok", None, book((4, 8)), ())

    assert not is_leaked(step.book[0], step)


def test_other_devices_do_not_keep_an_entry() -> None:
    """Equal page numbers of another device are other pages."""
    other = (VmaSeen("main", "a", 0, 16, "rw-s", "mem", DeviceSpan("low", 0, 16), ""),)
    step = Step("look", "main", "ok", None, book((4, 8)), (), other)

    assert is_leaked(step.book[0], step)


def test_flushes_have_a_cell() -> None:
    """A number that was not seen reads as a question mark."""
    step = Step("look", "main", "ok", None, (), ())

    assert (
        cell(step, "flushes"),
        cell(msgspec.structs.replace(step, flushes=3), "flushes"),
    ) == (("?",), ("3",))


@for_each("width", [0, 1, 20])
def test_a_terminal_too_narrow_still_gets_a_table(width: int) -> None:
    """Columns are never squeezed to nothing."""
    assert "LEAKED" in table([forgetful(), careful()], width=width)


def reported(*lines: str, machine: str = "7.2") -> str:
    """The report on a program of the model, on a BAR of 1024 pages."""
    program = load_text("\n".join(("pfnlab program 1", "device bar: pci, 1024 pages", *lines, "")))
    return table([ModelMachine(machine).run_one(program)], program)


@for_each(
    "driver",
    [
        "memremap bar[0:512] wb",
        "ioremap bar[0:512] wc",
        "io_mapping_create_wc bar[0:512]",
        "arch_io_reserve_memtype_wc bar[0:512]",
        "memremap_pages bar[0:512]",
        "memremap_pages bar[0:512] p2pdma",
    ],
)
def test_what_a_driver_has_is_not_leaked(driver: str) -> None:
    """Nor at the end: the driver is still there, with what it reserved."""
    text = reported(driver, "a = mmap bar[0:512] uc shared rw", "munmap a")

    assert "LEAKED" not in text


def test_of_two_entries_the_driver_has_the_other_is_leaked() -> None:
    """The driver has reserved the range once, so of two entries that are left one has no owner."""
    map_and_lose = ("a = mmap bar[0:2] driver remap wc shared rw", "zap_vma_ptes a", "munmap a")

    text = reported("ioremap bar[0:2] wc", *map_and_lose, machine="6.1,tracker=unmap_only")

    last = text.split("munmap a ")[1].split("\n\n")[0].splitlines()
    assert (["book", "bar[0:2]", "wc"], ["bar[0:2]", "wc", "LEAKED"]) == (last[-2].split(), last[-1].split())


def test_a_piece_that_was_lost_beside_the_drivers_entry_is_leaked() -> None:
    """The driver's range overlaps it, but is not it."""
    lines = ("a = mmap bar[0:2] wc shared rw", "ioremap bar[0:2] wc", "munmap a[0]", "munmap a")

    text = reported(*lines, machine="6.1")

    assert ("bar[0:1] wc  LEAKED" in text, "bar[0:2] wc  LEAKED" in text) == (True, False)


def test_a_piece_that_was_lost_after_the_driver_has_gone_is_leaked() -> None:
    """What a driver has given up keeps nothing."""
    lines = ("a = mmap bar[0:2] wc shared rw", "ioremap bar[0:2] wc", "iounmap", "munmap a[0]", "munmap a")

    assert "bar[0:1] wc  LEAKED" in reported(*lines, machine="6.1")


def test_each_kernel_has_a_row_with_its_faults() -> None:
    """And the number of those that misbehave is below."""
    runs = forgetful(), careful()
    result = judged(PROGRAM, runs, {"model:6.1": "6.1", "model:7.2": "7.2"})

    lines = text_of(kernel_blocks(result), 100).splitlines()

    assert "model:6.1  LEAK bar[0:8] wc; freed_once (A06, fixed in 6.16)" == lines[3]
    assert "model:7.2  no leak, no violation" == lines[4]
    assert "1 of 2 kernels misbehave; --full shows the steps" == lines[-1]


def test_a_kernel_without_an_answer_does_not_misbehave() -> None:
    """It is counted by itself."""
    runs = careful(), cut(careful("qemu:7.2"), 1)
    result = judged(PROGRAM, runs, {"model:7.2": "7.2", "qemu:7.2": "7.2"})

    lines = text_of(kernel_blocks(result), 100).splitlines()

    assert "0 of 2 kernels misbehave, 1 did not finish; --full shows the steps" == lines[-1]


def test_an_expectation_that_fails_is_a_fault() -> None:
    """Although nothing leaks."""
    (run,) = runs = (careful(),)
    result = judged(PROGRAM, runs, {"model:7.2": "6.1"})

    lines = text_of(kernel_blocks(result), 100).splitlines()

    assert f"{run.machine}  not as expected: 6.1..6.12 leaked bar[0:8] wc" == lines[3]
