"""An interactive machine: it does what a run of its program does, and refuses what a program would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from for_each import for_each
from litmus_files import LITMUS

import pfnlab as pl
from pfnlab.api.live import LiveMachine
from pfnlab.base.errors import Undecided
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel

#: Every tenth program, in the order of names.
PROGRAMS = sorted(LITMUS.rglob("*.pfn"), key=lambda path: path.stem)[::10]


@for_each("path", PROGRAMS, ids=lambda path: path.stem)
def test_one_by_one_is_as_a_whole(path: Path) -> None:
    """The steps of a program done line by line are those of its run, whatever a later line moves."""
    program = pl.load(path)
    model = ModelMachine("7.2", LookLevel.MEMORY)
    empty = msgspec.structs.replace(program, ops=(), expects=())
    machine = LiveMachine("model:7.2", model, empty)
    try:
        run = model.run_one(program)
    except Undecided:
        with pytest.raises(Undecided):
            _all(machine, program)
        return

    _all(machine, program)

    assert run.steps[:-1] == tuple(seen.step for seen in machine.steps)
    assert program.ops == machine.program.ops


def _all(machine: LiveMachine, program: pl.Program) -> None:
    for line in op_lines(program):
        machine.do(line)


def test_the_program_runs_as_it_was_done() -> None:
    """What was seen step by step is what a run of the program on the same model sees."""
    m = pl.machine("model:6.1")
    a = m.mmap("bar[0:16]", "wc")
    m.munmap(a[4:8])

    result = pl.run(m.program, on="model:6.1")

    assert m.steps == result["model:6.1"][:-1]


def test_mapped_pages_know_their_operation() -> None:
    """The observation is with the pages, also where the kernel refused."""
    m = pl.machine("model:7.2")
    a = m.mmap("bar[0:8]", "wc")

    again = m.mmap("bar[0:8]", "wc", name="a")

    assert (True, False, "EEXIST") == (a.ok, again.ok, again.seen.result)
    assert ("a[0:8]", "a[0:8] EEXIST") == (repr(a), repr(again))


def test_a_task_knows_whether_it_was_made() -> None:
    """A fork that was refused has no task; its name says so."""
    m = pl.machine("model:7.2")

    assert ("task c1", "task c2 EAGAIN") == (repr(m.fork()), repr(m.fork(refused="pids_max")))
    assert ["main", "c1", "c2"] == list(m.tasks)


def test_pages_are_cut_as_a_list_is() -> None:
    """From their own first page."""
    a = pl.Pages("a", 0, 16)

    assert pl.Pages("a", 4, 8) == a[4:8]
    assert pl.Pages("a", 5, 6) == a[4:8][1]
    assert pl.Pages("a", 4, 16) == a[4:]
    assert ("a[4:8]", "a[3]", 4) == (repr(a[4:8]), repr(a[3]), len(a[4:8]))


def test_the_log_is_that_of_all_operations() -> None:
    """As the kernel's own; an observation has that of its operation."""
    m = pl.machine("model:6.1")
    a = m.mmap("bar[0:16]", "wc")
    m.munmap(a[4:8])
    m.munmap(a[0:4])

    assert 2 == len(m.log)
    assert m.log[1:] == m.steps[-1].log
    assert sum(step.flushes or 0 for step in m.steps) == m.flushes


def test_what_a_driver_keeps_is_not_leaked() -> None:
    """An ioremap has no mapping, and its reservation an owner."""
    m = pl.machine("model:7.2")

    seen = m.ioremap("bar[0:4]", "wc")

    assert "bar[0:4] wc" == repr(m.book) == repr(seen.book)


def test_undo_takes_the_last_operation_back() -> None:
    """The machine is as if it had never been."""
    m = pl.machine("model:7.2")
    a = m.mmap("bar[0:16]", "wc")
    before = m.steps
    m.munmap(a[0:4])

    m.undo()

    assert before == m.steps
    assert m.munmap(a[4:8]).ok


def test_a_copy_goes_its_own_way() -> None:
    """What is done on one is not done on the other."""
    m = pl.machine("model:7.2")
    a = m.mmap("bar[0:16]", "wc")
    other = m.copy()

    other.munmap(a)

    assert ("-", "bar[0:16] wc") == (repr(other.book), repr(m.book))


def test_a_held_processor_waits_for_release() -> None:
    """And others go on meanwhile."""
    m = pl.machine("model:7.2")
    a = m.mmap("bar[0:16]", "wc")
    c = m.fork()

    held = m.hold("unmap_vmas").munmap(a)

    assert "held" == held.result
    assert m.vmas is None
    assert c.munmap(a).ok
    assert "main ok" == m.release().value


def test_a_held_machine_can_be_undone_and_copied() -> None:
    """What stands still belongs to one machine alone."""
    m = pl.machine("model:7.2")
    a = m.mmap("bar[0:16]", "wc")
    m.hold("unmap_vmas").munmap(a)
    other = m.copy()

    m.undo()

    assert m.munmap(a).ok
    assert "main ok" == other.release().value


def test_policies_by_name_and_by_file(tmp_path: Path) -> None:
    """In place of the kernel's own."""
    own = tmp_path / "mine.py"
    source = Path(__file__).parents[2] / "src" / "pfnlab" / "kernel" / "policies" / "flushes" / "no_forced.py"
    assert "vm_pat" in pl.machine("model:7.2", policies={"tracker": "vm_pat"}).name
    if source.exists():
        own.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
        assert pl.machine("model:7.2", policies=own).mmap("bar[0:4]", "wc").ok


def test_other_devices_areas_and_settings() -> None:
    """As a program's header declares them."""
    m = pl.machine(
        "model:7.2", device=["bar: pci, 512 pages", "low: lowmem, 2 pages"], thp="always", areas={"z": 8}
    )

    assert {"bar": 512, "low": 2} == {name: len(pages) for name, pages in m.devices.items()}
    assert "EINVAL" != m.mmap("low", "devmem").seen.result
    assert m.munmap("z[0:8]").ok
    assert "thp     always" in str(m.program)


def live() -> pl.LiveMachine:
    """A machine with one mapping of four pages."""
    m = pl.machine("model:7.2")
    m.mmap("bar[0:4]", "wc")
    return m


#: What is wrong, and what the message says of it.
WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: pl.machine("model:99"), "there is no kernel profile '99'"),
    (lambda: pl.machine("modl:7.2"), "did you mean model:7.2"),
    (
        lambda: pl.machine("qemu:7.2"),
        r'm = pfnlab.machine\("model:7.2"\), then pfnlab.run\(m.program, on="qemu:7.2"\)',
    ),
    (lambda: pl.machine(device="bar: usb, 4 pages"), "unknown kind of device `usb`"),
    (lambda: pl.machine(device=[]), "no device"),
    (lambda: pl.machine(device="bar: pci, 4 pages\ntitle x"), "a device is one line"),
    (lambda: pl.machine(areas={"bar": 4}), "`bar` is a device already"),
    (lambda: pl.machine("model:7.2", policies={"tracker": "none"}), "there is no tracker 'none'"),
    (lambda: pl.machine("model:7.2", policies="nowhere.py"), "nowhere.py"),
    (lambda: pl.machine("qemu:7.2", policies=["x.py"]), "^policies are for models, and qemu:7.2 is not one"),
    (lambda: live().munmap("z[0:4]"), "nothing is mapped as `z`"),
    (lambda: live().munmap(3), r"no pages, but of type int: write a\[4:8\] of a mapping"),  # type: ignore[arg-type]
    (lambda: live().munmap("a[0:4] # all"), "a range has no comment"),
    (lambda: live().munmap("a[0:4]\nmunmap a"), "more than one line"),
    (lambda: live().madvise("a", "dontfork # x"), "more than one operation"),
    (lambda: live().madvise("a", "dontfrok"), "did you mean `dontfork`"),
    (lambda: live().mprotect("a", "wr"), "write protection letters once"),
    (lambda: live().mmap("bar[0:4]"), r'write mmap\("bar\[0:4\]", "wc"\)'),
    (lambda: live().mmap("bar[0:4]", "cw"), "unknown via `cw`"),  # type: ignore[arg-type]
    (lambda: live().mmap("bar[0:4]", "wc", name="Big Name"), "Big"),
    (lambda: live().do("munmp a"), "did you mean `munmap`"),
    (lambda: live().do(""), "nothing is written here"),
    (lambda: live().do("# nothing"), "nothing is written here"),
    (lambda: live().do("title x"), "not an operation"),
    (lambda: live().do("expect 6.1 nothing left"), "not an operation"),
    (lambda: live().do("look\nlook"), "more than one line"),
    (lambda: live().release(), "nothing is held here"),
    (lambda: live().undo(2), "2 operations cannot be undone: 1 were done"),
    (lambda: live().undo(0), "0 operations"),
    (lambda: pl.Pages("a", 0, 4)[-1], "pages count upwards from 0"),
    (lambda: pl.Pages("a", 0, 4)[0:4:2], "a range has no step"),
]


@for_each(("call", "says"), WRONG)
def test_misuse_says_what_to_write(call: Callable[[], object], says: str) -> None:
    """An error of the project, in one sentence."""
    with pytest.raises(pl.Misuse, match=says) as refused:
        call()

    assert "Traceback" not in str(refused.value)


def test_what_is_refused_was_not_done() -> None:
    """Neither misuse nor a missing rule leaves anything behind."""
    m = live()
    before = m.steps
    with pytest.raises(pl.Misuse):
        m.munmap("z")
    with pytest.raises(pl.Undecided):
        m.hold("no_function_of_the_model").munmap("a")

    assert before == m.steps
    assert m.munmap("a").ok
