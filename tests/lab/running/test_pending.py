"""Programs that no guest runs yet: each is handed out once, and few guests are booted for them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.lab.running.pending import PendingPrograms, guest_needed
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program

HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\n"

PLAIN = load_text(HEAD + "a = mmap bar[0:4] wc shared rw\n")
DRIVER = load_text(HEAD + "a = mmap bar[0:4] driver remap wc shared rw\n")
VFIO = load_text(HEAD + "a = mmap bar[0:4] vfio shared rw\n")
HELD = load_text(HEAD + "t = thread\na = mmap bar[0:4] wc shared rw\nhold memtype_erase: munmap a\nrelease\n")


def test_a_bench_stays_with_its_kind_of_guest() -> None:
    """The two take turns, and each boots one guest; what sorts first is begun first."""
    pending = PendingPrograms([DRIVER, PLAIN, DRIVER, PLAIN, DRIVER])

    taken = [pending.take(bench) for bench in "ababab"]

    assert [(1, PLAIN), (0, DRIVER), (3, PLAIN), (2, DRIVER), (4, DRIVER), None] == taken


def test_a_bench_goes_on_to_what_no_other_has() -> None:
    """While another is at the many that need no special guest, it takes all the others."""
    pending = PendingPrograms([PLAIN] * 9 + [VFIO, DRIVER, HELD])

    taken = [pending.take("ab"[number % 2]) for number in range(6)]

    assert [PLAIN, VFIO, PLAIN, DRIVER, PLAIN, HELD] == [entry[1] for entry in taken if entry is not None]


def test_a_bench_helps_where_nothing_else_is_left() -> None:
    """It would stand idle otherwise: the fullest kind is shared."""
    pending = PendingPrograms([PLAIN] * 5)

    taken = [pending.take(bench) for bench in "abab"]

    assert [0, 1, 2, 3] == [entry[0] for entry in taken if entry is not None]


def test_schedules_of_other_processors_need_another_guest() -> None:
    """So they are not mixed, as a guest has as many processors as its program asks for."""
    lines = "t = thread\nu = thread\nv = thread\nw = thread\na = mmap bar[0:4] wc shared rw\n"
    more = load_text(HEAD + lines + "hold memtype_erase: munmap a\nrelease\n")

    assert guest_needed(HELD) != guest_needed(more)
    assert guest_needed(HELD)[:-1] == guest_needed(more)[:-1]


def test_none_is_handed_out_after_the_end() -> None:
    """A run that is given up begins nothing."""
    pending = PendingPrograms([PLAIN, DRIVER])

    pending.clear()

    assert pending.take("a") is None


@given(
    programs=st.lists(st.sampled_from([PLAIN, DRIVER, VFIO, HELD]), max_size=12),
    turns=st.lists(st.sampled_from("abc"), min_size=15, max_size=15),
)
def test_each_is_handed_out_once(programs: list[Program], turns: list[str]) -> None:
    """Whoever comes when, and with its own index."""
    pending = PendingPrograms(programs)

    taken = [entry for bench in turns if (entry := pending.take(bench)) is not None]

    assert list(enumerate(programs)) == sorted(taken, key=lambda entry: entry[0])
