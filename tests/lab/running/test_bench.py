"""Programs in one guest after the other, against guests that answer, hang, die and talk nonsense."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from configurations import config_text
from fake_guests import (
    BIG,
    HELD,
    KERNEL,
    MIB,
    PROGRAM,
    STORE,
    FakeGuest,
    Lab,
    clean,
    entry,
    losing,
    with_lines,
)
from having import NEW, OLD, bootable, model_of

from pfnlab.base.errors import LostGuest, TimedOut, Undecided
from pfnlab.lab.images.image import DriverImage
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.bench import MAX_LEAKED
from pfnlab.lab.running.guests import Guests
from pfnlab.lab.running.notes import Noise
from pfnlab.lab.running.placement import BAR_MIB, Placement
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.running.stepper import NO_LENS, SteppedRun, Stepper
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.channel import Hello
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences


def test_a_lost_run_says_why_and_where_the_console_is() -> None:
    """The reason is the guest's own."""
    run = Lab(losing(0)).run(PROGRAM)[0]

    assert run.lost is not None
    assert "30 s" in run.lost
    assert "/lost/console" in run.lost


@pytest.mark.parametrize(
    ("error", "lost", "undecided"),
    [
        (LostGuest("it died"), "it died", None),
        (TimedOut("it was not done within 30 s"), "it was not done within 30 s", None),
        (Undecided("there is no call of vm_area_dup"), None, "there is no call of vm_area_dup"),
    ],
)
def test_a_guest_that_does_not_answer_is_lost_and_a_question_without_answer_is_not(
    error: Undecided, lost: str | None, undecided: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit that passed is a guest that hangs."""

    def fail(*_: object) -> SteppedRun:
        raise error

    monkeypatch.setattr(Stepper, "needs_steps", lambda *_: True)
    monkeypatch.setattr(Stepper, "run", fail)

    (run,) = Lab().run(PROGRAM)

    assert (str(lost), str(undecided)) == (str(run.lost), str(run.undecided))


def test_the_steps_before_a_loss_are_kept() -> None:
    """A guest is lost after an operation that it has answered whole."""
    whole = clean(0, "").partition("step end")[0]

    def reply(number: int, text: str) -> str:
        raise LostGuest("the guest was lost: it hung", answered=whole)

    run = Lab(reply).run(PROGRAM)[0]

    assert (["ok"], "the guest was lost: it hung") == ([step.result for step in run.steps], str(run.lost))


def disturbing(lab: Lab, times: int) -> Callable[[KernelImage, GuestShape, str | None], FakeGuest]:
    """Boots the guests of *lab*; somebody kills or stops so many of them."""

    def boot(kernel: KernelImage, shape: GuestShape, offsets: str | None) -> FakeGuest:
        guest = lab(kernel, shape, offsets)
        guest.is_disturbed = len(lab.guests) <= times
        return guest

    return boot


@pytest.mark.parametrize(("times", "guests"), [(0, 1), (1, 2), (2, 3), (3, 3)])
def test_a_program_whose_guest_is_disturbed_is_run_again(times: int, guests: int) -> None:
    """Not for ever; and one that loses its guest by itself is run once."""
    lab = Lab(*[losing(0)] * max(times, 1), clean)

    with QemuMachine(KERNEL, guests=1, factory=disturbing(lab, times)) as machine:
        run = machine.run([PROGRAM])[0]

    assert (times in (0, 3), guests) == (run.lost is not None, len(lab.guests))


def test_a_guest_that_is_disturbed_before_it_is_steered_is_nobodys_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever notices: its monitor, or what waits for a function."""
    troubles: list[Exception] = [LostGuest("QEMU's monitor did not accept `gdbserver`")]

    def placed(guests: Guests, program: Program, shape: GuestShape, *, blocks: bool) -> object:
        found = place(guests, program, shape, blocks=blocks)
        if troubles:
            raise troubles.pop()
        return found

    place = Guests.place
    monkeypatch.setattr(Guests, "place", placed)
    lab = Lab()

    with QemuMachine(KERNEL, guests=1, factory=disturbing(lab, 1)) as machine:
        run = machine.run([PROGRAM])[0]

    assert (None, 2) == (run.unfinished, len(lab.guests))


def test_a_reply_without_sense_costs_the_guest() -> None:
    """Nobody knows what state a guest is in that talks nonsense."""
    lab = Lab(lambda number, text: "program 1\nbefore\nstep 0\nr 0 0\nquark\n", clean)

    runs = lab.run(PROGRAM, PROGRAM)

    assert [True, False] == [run.lost is not None for run in runs]
    assert lab.guests[0].closed.is_set()


def test_steps_before_the_nonsense_are_kept() -> None:
    """A run that was lost says what was seen."""
    run = Lab(lambda number, text: "program 1\nbefore\nstep 0\nr 0 0\nstep end\nquark\n").run(PROGRAM)[0]

    assert ["a = mmap bar[0:4] wc shared rw"] == [step.op for step in run.steps]


def test_unclean_ground_means_another_guest() -> None:
    """A book entry nobody expected makes the program run again elsewhere."""
    lab = Lab(lambda number, text: with_lines(before=entry(text)), clean)

    runs = lab.run(PROGRAM)

    assert (2, None) == (len(lab.guests), runs[0].unfinished)


def test_an_unread_log_means_another_guest() -> None:
    """A message that came late belongs to an earlier program."""
    late = "k x86/PAT: main:7 freeing invalid memtype [mem 0xf8000000-0xf8000fff]\n"
    lab = Lab(lambda number, text: with_lines(before=late if number else ""), clean)

    runs = lab.run(PROGRAM, PROGRAM)

    assert (2, [None, None]) == (len(lab.guests), [run.unfinished for run in runs])


def test_the_log_of_the_boot_does_not_count() -> None:
    """What a fresh guest had to say about its boot is nobody's."""
    lab = Lab(lambda number, text: with_lines(before="" if number else "k some driver is late\n"))

    assert [None, None] == [run.unfinished for run in lab.run(PROGRAM, PROGRAM)]
    assert len(lab.guests) == 1


def test_ground_that_is_never_clean_loses_the_program() -> None:
    """A new guest that is not clean either will not become so."""
    run = Lab(lambda number, text: with_lines(before=entry(text))).run(PROGRAM)[0]

    assert str(run.lost) == "a guest that had just booted was not clean"


def test_a_leak_moves_the_next_program() -> None:
    """A window in which something stayed is not used again."""
    lab = Lab(lambda number, text: with_lines(left=entry(text)))

    lab.run(PROGRAM, PROGRAM)

    first, second = lab.guests[0].requests
    assert "watch f8000000 f8040000" in first
    assert "watch f8040000 f8080000" in second


def test_a_clean_window_is_used_again() -> None:
    """Nothing stayed, so the same pages serve the next program."""
    lab = Lab()

    lab.run(PROGRAM, PROGRAM)

    assert lab.guests[0].requests[0] == lab.guests[0].requests[1]


def test_stores_move_the_next_program() -> None:
    """The BAR keeps what was stored."""
    lab = Lab(lambda number, text: with_lines().replace("step end", "step 1\nr 0 0\nstep end"))

    lab.run(STORE, STORE)

    assert lab.guests[0].requests[0] != lab.guests[0].requests[1]


def test_a_guest_full_of_leaks_is_replaced() -> None:
    """Reading the list gets slower with every entry in it."""
    lab = Lab(lambda number, text: with_lines(left=entry(text) * 100))

    lab.run(*[PROGRAM] * 4)

    assert -(-4 * 100 // (MAX_LEAKED + 100)) == len(lab.guests)


def test_a_guest_without_windows_is_replaced() -> None:
    """When every window has a leak there is no room left."""
    lab = Lab(lambda number, text: with_lines(left=entry(text)))
    half = load_text(
        "pfnlab program 1\ntitle t\ndevice bar: pci, 32768 pages\na = mmap bar[0:4] wc shared rw\n"
    )

    lab.run(half, half, half)

    assert [2, 1] == [len(guest.requests) for guest in lab.guests]


def test_a_large_device_gets_a_large_bar() -> None:
    """A guest whose BAR is too small is replaced by one whose BAR holds the device."""
    lab = Lab()

    lab.run(PROGRAM, BIG, PROGRAM)

    assert [BAR_MIB, 4096] == [bar for bar, _ in lab.asked]


def test_a_large_bar_is_not_kept_for_small_devices() -> None:
    """Above 4 GiB other MTRRs hold, so a program would see another mode there."""
    lab = Lab()

    with QemuMachine(KERNEL, guests=1, factory=lab) as machine:
        machine.run([BIG])
        machine.run([PROGRAM])

    assert [4096, BAR_MIB] == [bar for bar, _ in lab.asked]


def test_a_program_past_the_end_gets_a_small_bar() -> None:
    """Behind a small BAR there is nothing; such programs come last, so the guest changes once."""
    lab = Lab()
    text = "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\na = mmap bar[0:8] wc shared rw\n"

    lab.run(load_text(text), PROGRAM, load_text(text), PROGRAM)

    assert [(BAR_MIB, 2), (8, 2)] == [
        (bar, len(guest.requests)) for (bar, _), guest in zip(lab.asked, lab.guests, strict=True)
    ]


def test_once_messages_of_earlier_programs_are_spent() -> None:
    """The second program cannot see what the kernel prints once."""
    line = "k main (7): attempted to duplicate a private mapping with mremap.  This is not supported.\n"
    lab = Lab(lambda number, text: with_lines(left="" if number else line))

    first, second = lab.run(PROGRAM, PROGRAM)

    assert ((), ("attempted to duplicate a private mapping with mremap",)) == (first.once, second.once)


def test_what_cannot_be_read_is_not_asked_for() -> None:
    """A guest without page tables leaves them out."""
    lab = Lab()

    def boot(kernel: KernelImage, shape: GuestShape, offsets: str | None) -> FakeGuest:
        guest = lab(kernel, shape, offsets)
        guest.hello = Hello("6.1.1", 0xF8000000, shape.bar_mib * MIB, "no BTF", "")
        return guest

    with QemuMachine(KERNEL, factory=boot) as machine:
        run = machine.run([PROGRAM])[0]

    assert (None, ()) == (run.steps[0].ptes, run.steps[0].vmas)


@pytest.mark.parametrize(("noises", "given_up"), [(2, False), (3, True)])
def test_a_schedule_that_met_noise_is_repeated(
    noises: int, given_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time in a guest of several CPUs that had just booted; three times at most."""
    lab, met = Lab(), list[str]()

    def run(self: Stepper, request: str, program: Program, placement: Placement) -> SteppedRun:
        met.append(request)
        if len(met) <= noises:
            raise Noise("a scheduler's lock")
        return SteppedRun("program 1\n")

    monkeypatch.setattr(Stepper, "run", run)
    with QemuMachine(KERNEL, guests=1, lens=True, factory=lab) as machine:
        (held,) = machine.run([HELD])

    assert (3, 3, [4, 4, 4]) == (len(lab.guests), len(met), lab.cpus)
    assert given_up == (str(held.undecided) == "a scheduler's lock; 3 tries failed like this")


def test_nothing_is_held_without_a_lens() -> None:
    """No guest is booted for it."""
    lab = Lab()

    with QemuMachine(KERNEL, guests=1, lens=False, factory=lab) as machine:
        (run,) = machine.run([HELD])

    assert (NO_LENS, []) == (str(run.undecided), lab.asked)


SLOT = load_text(
    "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\na = mmap bar[0:4] wc shared rw\nremove bar\n"
)


def test_programs_whose_device_goes_have_guests_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """One each, with a slot, after those that can share one."""
    lab = Lab()
    reply = with_lines().replace("step end", "step 1\nr 0 0\nstep end")
    monkeypatch.setattr(Stepper, "run", lambda *_: SteppedRun(reply))

    lab.run(SLOT, PROGRAM, PROGRAM, SLOT)

    assert [False, True, True] == [shape.slot for shape in lab.shapes]


def test_programs_that_reset_share_guests_of_their_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Behind those of other programs of vfio-pci, whose device knows no reset."""
    lab = Lab()
    monkeypatch.setattr(DriverImage, "path", lambda _: tmp_path)
    head = "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\n"
    resets, other = load_text(f"{head}vfio_reset bar\n"), load_text(f"{head}memory_enable bar\n")

    lab.run(resets, other, resets)

    assert [False, True] == [shape.resets for shape in lab.shapes]


def test_nobody_is_held_while_vfio_is_closed() -> None:
    """The agent does that, and would be asked while it stands."""
    held = load_text(
        "pfnlab program 1\ndevice bar: pci, 4 pages\na = mmap bar[0:4] vfio shared rw\nt = thread\n"
        "hold unmap_vmas: vfio_close bar\nrelease\n"
    )

    with QemuMachine(KERNEL, guests=1, lens=True, factory=Lab()) as machine:
        (run,) = machine.run([held])

    assert run.undecided is not None
    assert "no task can be held" in run.undecided


def test_no_device_of_vfio_goes() -> None:
    """A guest has a slot or vfio-pci: nothing is booted for both."""
    lab = Lab()

    (run,) = lab.run(load_text(SLOT_AND_VFIO))

    assert run.undecided is not None and "vfio-pci" in run.undecided
    assert [] == lab.asked


SLOT_AND_VFIO = (
    "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\na = mmap bar[0:4] vfio shared rw\nremove bar\n"
)


@pytest.mark.lab
def test_a_real_device_comes_and_goes() -> None:
    """Its files go and come, the memory stays with the device, and the model says the same."""
    bootable(NEW)
    program = load_text(
        "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\na = mmap bar[0:4] wc shared rw\n"
        "write a[1] 7\nmunmap a\nremove bar\na = mmap bar[0:4] wc shared rw\nexec\nrescan bar\n"
        "a = mmap bar[0:4] wc shared rw\nread a[1]\nmunmap a\nunplug bar\na = mmap bar[0:4] uc shared rw\n"
        "plug bar\na = mmap bar[0:4] wc shared rw\nread a[1]\n"
    )

    with QemuMachine(NEW, guests=1) as machine:
        run = machine.run([program])[0]

    assert (None, [7, 0]) == (run.unfinished, [step.value for step in run.steps if step.op == "read a[1]"])
    assert ["ENOENT", "ENOENT"] == [step.result for step in run.steps if step.result != "ok"]
    assert [] == differences([ModelMachine(model_of(NEW)).run_one(program), run])


@pytest.mark.lab
@pytest.mark.parametrize(("series", "left"), [(OLD, ["bar[0:8] wc"]), (NEW, [])])
def test_the_middle_goes_first_on_real_kernels(series: str, left: list[str]) -> None:
    """The old tracker forgets half of a mapping whose middle went first, the new one does not."""
    bootable(series)
    program = load_text(
        "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\n"
        "a = mmap bar[0:16] wc shared rw\nmunmap a[4:8]\nmunmap a\n"
    )

    with QemuMachine(series, guests=1) as machine:
        run = machine.run([program])[0]

    assert (None, left) == (run.unfinished, [str(entry) for entry in run.steps[-1].book])


def test_no_window_of_shared_anonymous_memory_is_cleared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It has none: the program that stores to it ends as others do."""
    monkeypatch.setattr(DriverImage, "path", lambda _: tmp_path)
    program = load_text(
        "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\n"
        "a = mmap anon[0:4] shared rw\nwrite a[0] 1\nmemory_enable bar\n"
    )
    whole = with_lines().replace("step end", "step 1\nr 0 0\nstep 2\nr 0 0\nstep end")

    (run,) = Lab(lambda number, text: whole).run(program)

    assert run.unfinished is None


def test_what_a_kernel_lacks_costs_no_guest(tmp_path: Path) -> None:
    """The program is undecided before anything boots; others run, and say how the kernel was configured."""
    (tmp_path / "config").write_text(config_text("CGROUP_PIDS"))
    kernel = KernelImage("7.2", "", "7.2.13", "7.2.13", tmp_path / "vmlinuz", "of-this-test")
    head = "pfnlab program 1\ndevice bar: pci, 4 pages\na = mmap bar[0:4] wc shared rw\n"
    lab = Lab()

    with QemuMachine(kernel, guests=1, factory=lab) as machine:
        (refused,) = machine.run([load_text(f"{head}c = fork pids_max\n")])
        guests = len(lab.guests)
        (run,) = machine.run([PROGRAM])

    assert "this kernel has no pids controller: CONFIG_CGROUP_PIDS is off" == str(refused.undecided)
    assert (0, None, False) == (guests, run.unfinished, run.configuration.pids_controller)
