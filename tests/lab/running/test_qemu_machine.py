"""The pool of guests, against guests that answer, hang, die and talk nonsense."""

from __future__ import annotations

import threading
from importlib.machinery import ModuleSpec

import pytest
from fake_guests import (
    HELD,
    KERNEL,
    PROGRAM,
    STORE,
    FakeGuest,
    Lab,
    clean,
    losing,
    with_lines,
)

from pfnlab.base import extras
from pfnlab.base.errors import LostGuest, MissingTool, Misuse
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.qemu_machine import PROGRAMS_PER_GUEST, TOGETHER, QemuMachine
from pfnlab.lab.running.stepper import SteppedRun, Stepper
from pfnlab.lab.vm.boots import MAX_FAILED_BOOTS, GuestShape
from pfnlab.lab.vm.hardware import Hardware
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run


def test_one_boot_serves_many_programs() -> None:
    """A guest stays for as long as it is clean."""
    lab = Lab()

    runs = lab.run(*[PROGRAM] * 20)

    assert (20, 1) == (len(runs), len(lab.guests))


def test_a_run_says_on_what_it_ran() -> None:
    """Machine as the user names it, kernel by package and version."""
    run = Lab().run(PROGRAM)[0]

    assert ("qemu:6.1", "linux-image-6.1 6.1.1-1", None) == (run.machine, run.kernel, run.unfinished)


def test_a_lost_guest_loses_one_program() -> None:
    """The others go on in a new guest."""
    lab = Lab(losing(1), clean)

    lost = [run.lost is not None for run in lab.run(*[PROGRAM] * 4)]

    assert [False, True, False, False] == lost


def test_later_boots_know_what_the_first_one_found() -> None:
    """The offsets of the page-table reader are passed on."""
    lab = Lab(losing(0), clean)

    lab.run(PROGRAM, PROGRAM)

    assert [None, "found"] == [offsets for _, offsets in lab.asked]


def test_a_boot_that_fails_is_tried_again() -> None:
    """One failed boot costs no program."""
    assert [None] == [run.unfinished for run in Lab(fails=1).run(PROGRAM)]


def test_a_kernel_that_never_boots_loses_every_program_soon() -> None:
    """After a few boots in a row nobody waits for more."""
    lab = Lab(fails=1000)

    runs = lab.run(*[PROGRAM] * 50)

    assert (True, MAX_FAILED_BOOTS) == (all(run.lost for run in runs), len(lab.asked))


def test_runs_come_in_the_order_of_the_programs() -> None:
    """Several guests finish in any order."""
    lab = Lab()
    programs = [PROGRAM, STORE] * PROGRAMS_PER_GUEST
    lab.replies = (
        lambda number, text: (
            with_lines().replace("step end", "step 1\nr 0 0\nstep end") if "store" in text else with_lines()
        ),
    )

    runs = lab.run(*programs, guests=2)

    assert [len(program.ops) + 1 for program in programs] == [len(run.steps) for run in runs]


def test_few_programs_need_one_guest() -> None:
    """A boot costs more than a few programs."""
    lab = Lab()

    lab.run(*[PROGRAM] * PROGRAMS_PER_GUEST, guests=8)

    assert len(lab.guests) == 1


def test_small_batches_add_up_to_a_second_guest() -> None:
    """A hunt gives slow programs in small batches, and has two processors for them."""
    lab, both = Lab(), threading.Barrier(2)

    def together(number: int, text: str) -> str:
        both.wait(30)
        return clean(number, text)

    with QemuMachine(KERNEL, guests=2, factory=lab) as machine:
        for _ in range(PROGRAMS_PER_GUEST // 2):
            machine.run([PROGRAM, PROGRAM])
        machine.reboot()
        lab.replies = (together,)
        runs = machine.run([PROGRAM, PROGRAM])

    assert ([None, None], 3) == ([run.unfinished for run in runs], len(lab.guests))


def test_one_program_needs_one_guest() -> None:
    """The shrinker runs one program at a time, and a second guest would have nothing to do."""
    lab = Lab()
    with QemuMachine(KERNEL, guests=2, factory=lab) as machine:
        for _ in range(PROGRAMS_PER_GUEST + 1):
            machine.run([PROGRAM])

    assert len(lab.guests) == 1


def test_every_program_is_reported_when_it_is_done() -> None:
    """Progress is told in the calling thread."""
    seen: list[tuple[int, threading.Thread]] = []
    with QemuMachine(KERNEL, guests=1, factory=Lab()) as machine:
        machine.run_telling(
            [PROGRAM, PROGRAM], lambda index, run: seen.append((index, threading.current_thread()))
        )

    assert [(0, threading.main_thread()), (1, threading.main_thread())] == seen


def test_a_machine_is_looked_at_in_another_way_from_now_on() -> None:
    """In a guest without probes; the request says what the guest is to tell."""
    lab = Lab()
    with QemuMachine(KERNEL, guests=1, factory=lab) as machine:
        machine.run([PROGRAM])
        machine.look = LookLevel.END
        (run,) = machine.run([PROGRAM])

    assert LookLevel.END is run.look
    assert [[True], [False]] == [
        ["observe vmas" in request for request in guest.requests] for guest in lab.guests
    ]


def test_programs_of_one_run_are_observed_in_several_ways() -> None:
    """Each in its own; memory and /proc in the same guest."""
    lab = Lab()
    looks = [LookLevel.PROC, LookLevel.END, LookLevel.PROC]
    with QemuMachine(KERNEL, guests=1, factory=lab) as machine:
        runs = machine.run([PROGRAM] * 3, looks)

    assert (looks, 2) == ([run.look for run in runs], len(lab.guests))


def test_guests_stay_between_runs() -> None:
    """A second batch needs no boot."""
    lab = Lab()
    with QemuMachine(KERNEL, guests=1, factory=lab) as machine:
        machine.run([PROGRAM])
        machine.run([PROGRAM])

    assert len(lab.guests) == 1


def test_after_a_reboot_programs_run_in_new_guests() -> None:
    """Nothing an earlier program left or spent is there."""
    lab = Lab()
    with QemuMachine(KERNEL, guests=1, factory=lab) as machine:
        machine.run([PROGRAM])
        machine.reboot()
        machine.run([PROGRAM, PROGRAM])

    assert 2 == len(lab.guests)


def test_leaving_closes_all_guests() -> None:
    """Nothing stays behind on the host."""
    lab = Lab()
    lab.run(*[PROGRAM] * 100, guests=3)

    assert all(guest.closed.is_set() for guest in lab.guests)


def test_an_interrupt_closes_all_guests() -> None:
    """Whoever interrupts a run waits for no guest."""
    lab = Lab()

    def hang(number: int, text: str) -> str:
        assert lab.guests[-1].closed.wait(30)
        raise LostGuest("closed")

    def interrupt(index: int, run: Run) -> None:
        raise KeyboardInterrupt

    lab.replies = (lambda number, text: (hang if number >= TOGETHER else clean)(number, text),)
    with pytest.raises(KeyboardInterrupt), QemuMachine(KERNEL, guests=1, factory=lab) as machine:
        machine.run_telling([PROGRAM] * (TOGETHER + 1), interrupt)

    assert all(guest.closed.is_set() for guest in lab.guests)


def test_an_interrupted_machine_can_run_again() -> None:
    """The next run boots a new guest."""

    def interrupt(index: int, run: Run) -> None:
        raise KeyboardInterrupt

    with QemuMachine(KERNEL, guests=1, factory=Lab()) as machine:
        with pytest.raises(KeyboardInterrupt):
            machine.run_telling([PROGRAM] * 3, interrupt)

        assert [None, None] == [run.unfinished for run in machine.run([PROGRAM] * 2)]


def test_a_missing_tool_ends_the_run() -> None:
    """No program can be run without QEMU, so none is reported as lost."""

    def boot(kernel: KernelImage, shape: GuestShape, offsets: str | None) -> FakeGuest:
        raise MissingTool("qemu-system-x86_64 is not on this machine")

    with pytest.raises(MissingTool), QemuMachine(KERNEL, factory=boot) as machine:
        machine.run([PROGRAM] * 3)


def test_a_program_no_guest_holds_is_refused_first() -> None:
    """Nothing has been booted by then."""
    lab = Lab()
    huge = load_text("pfnlab program 1\ntitle t\ndevice bar: pci, 1 TiB\na = mmap bar[0:4] wc shared rw\n")

    with pytest.raises(Misuse):
        lab.run(huge, huge)

    assert [] == lab.asked


def test_a_program_no_guest_holds_is_undecided_among_others() -> None:
    """A folder is run without it."""
    huge = load_text("pfnlab program 1\ntitle t\ndevice bar: pci, 1 TiB\na = mmap bar[0:4] wc shared rw\n")

    held, refused = Lab().run(PROGRAM, huge)

    assert held.undecided is None
    assert refused.undecided is not None
    assert "the pci devices need a BAR" in refused.undecided


def test_programs_that_hold_have_guests_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others need one CPU, and come first."""
    lab = Lab()
    monkeypatch.setattr(Stepper, "run", lambda *_: SteppedRun("program 1\n"))

    with QemuMachine(KERNEL, guests=1, lens=True, factory=lab) as machine:
        machine.run([HELD, PROGRAM, HELD])

    # A reply that makes no sense costs the guest.
    assert [1, 4, 4] == lab.cpus


def test_every_guest_has_the_hardware_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """And more processors where a program holds one."""
    lab = Lab()
    monkeypatch.setattr(Stepper, "run", lambda *_: SteppedRun("program 1\n"))
    hardware = Hardware(cpus=2, memory=768)

    with QemuMachine(KERNEL, guests=1, lens=True, hardware=hardware, factory=lab) as machine:
        machine.run([HELD, PROGRAM])

    assert [(2, 768), (4, 768)] == [(shape.cpus, shape.ram_mib) for shape in lab.shapes]


@pytest.mark.parametrize("missing", ["drgn", "lz4", "zstandard"])
def test_memory_is_not_looked_at_without_a_lens(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing would be seen, so there is no such machine."""
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == missing else ModuleSpec(name, None))

    with pytest.raises(MissingTool, match=r"pip install 'pfnlab\[lens\]'"):
        QemuMachine(KERNEL, look=LookLevel.MEMORY, factory=Lab())
