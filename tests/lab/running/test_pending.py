"""Programs that no guest runs yet: each is handed out once, and few guests are booted for them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.lab.running.pending import GuestNeed, ObservedProgram, PendingPrograms, guest_needed, is_long
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel

HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\n"

PLAIN = load_text(HEAD + "a = mmap bar[0:4] wc shared rw\n")
DRIVER = load_text(HEAD + "a = mmap bar[0:4] driver remap wc shared rw\n")
VFIO = load_text(HEAD + "a = mmap bar[0:4] vfio shared rw\n")
RESET = load_text(HEAD + "a = mmap bar[0:4] vfio shared rw\nvfio_reset bar\n")
HELD = load_text(HEAD + "t = thread\na = mmap bar[0:4] wc shared rw\nhold memtype_erase: munmap a\nrelease\n")


def need_of(program: Program, look: LookLevel = LookLevel.MEMORY) -> GuestNeed:
    """The kind of guest that it needs."""
    return guest_needed(ObservedProgram(program, look))


def taken_by(pending: PendingPrograms, bench: str) -> tuple[int, Program] | None:
    """The next program and its index."""
    taken = pending.take(bench)
    return (taken[0][0], taken[0][1].program) if taken else None


def pending_of(programs: list[Program], **had: Program) -> PendingPrograms:
    """A run of benches a, b and c, which ran those programs before."""
    needs = {bench: need_of(program) for bench, program in had.items()}
    counts: dict[object, Counter[GuestNeed]] = {
        bench: Counter([needs[bench]] if bench in needs else []) for bench in "abc"
    }
    asked = [ObservedProgram(program, LookLevel.MEMORY) for program in programs]
    return PendingPrograms(asked, counts)


def test_a_bench_stays_with_its_kind_of_guest() -> None:
    """The two take turns, and each boots one guest; what sorts first is begun first."""
    pending = pending_of([DRIVER, PLAIN, DRIVER, PLAIN, DRIVER])

    taken = [taken_by(pending, bench) for bench in "ababab"]

    assert [(1, PLAIN), (0, DRIVER), (3, PLAIN), (2, DRIVER), None, (4, DRIVER)] == taken


def test_a_bench_takes_several_of_a_kind_and_leaves_the_others_their_share() -> None:
    """A third of them where three benches run; never two kinds at once."""
    pending = pending_of([PLAIN] * 5 + [DRIVER])

    taken = [[index for index, _ in pending.take(bench, 4)] for bench in "abaaa"]

    assert [[0, 1], [5], [2], [3], [4]] == taken


def test_a_bench_goes_on_to_what_no_other_has() -> None:
    """While another is at the many that need no special guest, it takes all the others."""
    pending = pending_of([PLAIN] * 9 + [VFIO, DRIVER, HELD])

    taken = [taken_by(pending, "ab"[number % 2]) for number in range(6)]

    assert [PLAIN, VFIO, PLAIN, DRIVER, PLAIN, HELD] == [entry[1] for entry in taken if entry is not None]


def test_a_bench_takes_first_what_it_has_a_guest_for() -> None:
    """Then what nobody has, and the guest of another bench is not booted again."""
    pending = pending_of([PLAIN, VFIO, DRIVER], a=VFIO, b=DRIVER)

    assert [(1, VFIO), (0, PLAIN), None] == [taken_by(pending, "a") for _ in range(3)]
    assert (2, DRIVER) == taken_by(pending, "b")


def test_guests_that_hold_processors_run_side_by_side() -> None:
    """A held one does not run, so each keeps one of the host's busy."""
    pending = pending_of([HELD] * 9)

    assert [HELD] * 3 == [entry and entry[1] for entry in (taken_by(pending, bench) for bench in "aba")]


@pytest.mark.parametrize(("program", "enough"), [(PLAIN, 6), (RESET, 24)], ids=["restored", "booted"])
def test_a_bench_helps_where_a_boot_pays(program: Program, enough: int) -> None:
    """The more so the sooner its guest is there."""
    taken = []
    for count in (enough, enough + 1):
        pending = pending_of([program] * count)
        taken_by(pending, "a")
        taken.append(taken_by(pending, "b"))

    assert [None, (1, program)] == taken


def test_a_bench_helps_with_a_guest_that_it_has() -> None:
    """Even with the last program."""
    pending = pending_of([PLAIN] * 2, a=PLAIN, b=PLAIN)

    assert [(0, PLAIN), (1, PLAIN)] == [taken_by(pending, bench) for bench in "ab"]


def test_the_fullest_kind_is_shared() -> None:
    """Of those that others are at."""
    pending = pending_of([PLAIN] * 20 + [DRIVER] * 30)

    taken = [taken_by(pending, bench) for bench in "abc"]

    assert [PLAIN, DRIVER, DRIVER] == [entry[1] for entry in taken if entry is not None]


def test_schedules_of_other_processors_need_another_guest() -> None:
    """So they are not mixed, as a guest has as many processors as its program asks for."""
    lines = "t = thread\nu = thread\nv = thread\nw = thread\na = mmap bar[0:4] wc shared rw\n"
    more = load_text(HEAD + lines + "hold memtype_erase: munmap a\nrelease\n")

    assert need_of(HELD) != need_of(more)
    assert need_of(HELD)[:-1] == need_of(more)[:-1]


@pytest.mark.parametrize(("program", "same"), [(PLAIN, False), (HELD, True)], ids=["plain", "held"])
def test_what_is_observed_at_its_end_needs_a_guest_without_probes(program: Program, same: bool) -> None:
    """One that holds processors has none in any case; memory and /proc are observed in the same guest."""
    memory, proc, end = (need_of(program, look) for look in (LookLevel.MEMORY, LookLevel.PROC, LookLevel.END))

    assert (True, same) == (memory == proc, memory == end)


def test_programs_with_needs_of_their_own_take_long() -> None:
    """They count for more guests than others."""
    assert [False, True, True, True] == [is_long(program) for program in (PLAIN, DRIVER, VFIO, HELD)]


def test_none_is_handed_out_after_the_end() -> None:
    """A run that is given up begins nothing."""
    pending = pending_of([PLAIN, DRIVER])

    pending.clear()

    assert taken_by(pending, "a") is None


@given(
    programs=st.lists(st.sampled_from([PLAIN, DRIVER, VFIO, HELD]), max_size=12),
    turns=st.lists(st.sampled_from("abc"), max_size=15),
)
def test_each_is_handed_out_once(programs: list[Program], turns: list[str]) -> None:
    """Whoever comes when, and with its own index."""
    pending = pending_of(programs)
    # A bench that is told that nothing is left does not come again.
    working = {"a", "b", "c"}
    taken = []
    while working:
        bench = next((bench for bench in turns if bench in working), min(working))
        turns = turns[1:]
        entry = taken_by(pending, bench)
        if entry is None:
            working.remove(bench)
        else:
            taken.append(entry)

    assert list(enumerate(programs)) == sorted(taken, key=lambda entry: entry[0])
