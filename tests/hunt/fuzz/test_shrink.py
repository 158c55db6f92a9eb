"""The shrinker: smaller programs only if they show the same, and none smaller is left."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfnlab.hunt.fuzz.call_kinds import Vocabulary, kind_of
from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.hunt.fuzz.shrink import AtOperation, shrink, shrink_quickly
from pfnlab.hunt.fuzz.signature import Signature
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Call, Mmap, Munmap, Program, Write
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.lang.shorter import without
from pfnlab.programs.lang.validity import check_program

HEADER = "pfnlab program 1\ndevice bar: pci, 16 pages\narea a: 24 pages\narea b: 24 pages\n\n"


def kinds(program: Program) -> list[str]:
    """The kinds of a program's operations."""
    return [kind_of(op.call) for op in program.ops]


def holds(wanted: list[str], program: Program) -> bool:
    """Whether the kinds *wanted* come in this order, others between."""
    left = iter(kinds(program))
    return all(kind in left for kind in wanted)


@given(st.integers(0, 10_000), st.data(), st.booleans())
@settings(max_examples=60)
def test_the_result_is_one_minimal(index: int, data: st.DataObject, driver: bool) -> None:
    """Of a program that shows something by its order of kinds, nothing but these kinds is left."""
    program = draw(5, index, Vocabulary(driver=driver))
    chosen = data.draw(st.sets(st.sampled_from(range(len(program.ops))), min_size=1, max_size=4))
    wanted = [kinds(program)[place] for place in sorted(chosen)]

    shrunk = shrink(program, lambda one: holds(wanted, one), most=5000)

    assert shrunk.minimal
    check_program(shrunk.program)
    assert holds(wanted, shrunk.program)
    for place in range(len(shrunk.program.ops)):
        smaller = without(shrunk.program, [place])
        assert smaller is None or not holds(wanted, smaller)


def test_only_what_shows_the_same_is_taken() -> None:
    """Every program on the way was said to show it."""
    program = draw(5, 3)
    shown = []

    def shows(one: Program) -> bool:
        answer = len(one.ops) > 3 and len(one.ops) % 2 == len(program.ops) % 2
        if answer:
            shown.append(one)
        return answer

    result = shrink(program, shows)

    assert result.program in shown


def test_nothing_smaller_leaves_the_program_as_it_is() -> None:
    """A difference only the whole program shows."""
    program = draw(5, 4)

    shrunk = shrink(program, lambda one: one == program)

    assert (program, True) == (shrunk.program, shrunk.minimal)


def test_the_limit_ends_the_search() -> None:
    """What was found by then is the answer, and it says that more was not tried."""
    program = draw(5, 5)

    shrunk = shrink(program, lambda one: True, most=1)

    assert (1, False) == (shrunk.runs, shrunk.minimal)
    assert len(shrunk.program.ops) < len(program.ops)


def test_arguments_become_simple() -> None:
    """Where nothing matters but the kind, the arguments are the plainest."""
    program = load_text(
        f"{HEADER}thp always\n"
        "b = mmap bar[3:9] proc-uc private rx populate locked\nfail vm_area_dup 2: munmap b[2:4]\n"
    )

    shrunk = shrink(program, lambda one: ["mmap", "munmap"] == kinds(one))

    assert ["a = mmap bar[0] wc shared rw", "munmap a"] == op_lines(shrunk.program)
    assert shrunk.program.thp is None
    assert ((), 1, None) == (shrunk.program.areas, shrunk.program.devices[0].pages, shrunk.program.thp)


def test_a_large_program_becomes_small_in_few_steps() -> None:
    """Pages of a device of 2 GiB are not taken away page by page, and exactly a leaf is left."""
    program = load_text("pfnlab program 1\ndevice bar: pci, 2 GiB\n\na = mmap bar[0:263169] wc shared rw\n")

    small = shrink(program, lambda smaller: any(_mapped(op.call) >= 262144 for op in smaller.ops))

    assert small.minimal and small.runs < 60
    assert 262144 == _mapped(small.program.ops[0].call)


def _mapped(call: Call) -> int:
    return call.source.pages if isinstance(call, Mmap) else 0


ALARM = Signature("alarm", "", "munmap", (("qemu:7.2",),), "oops: BUG: in zap")
LINE = Signature("alarm", "log", "munmap", (("model:7.2",), ("qemu:7.2",)), "- / WARNING at mm/memory.c")

PROGRAM = load_text(
    "pfnlab program 1\ndevice bar: pci, 1 page\n\n"
    "a = mmap bar[0] wc shared rw\nwrite a[0] 1\nread a[0]\nmunmap a\n"
)


class Asked:
    """Counts what was asked, and says what shows.

    :param spoiled: guests that have run programs show it without a store too
    """

    def __init__(self, *, spoiled: bool = False) -> None:
        self.quick = self.slow = 0
        self._spoiled = spoiled

    def __call__(self, program: Program, quick: bool) -> set[int | None]:
        """The steps at which it shows."""
        self.quick += quick
        self.slow += not quick
        writes = any(isinstance(op.call, Write) for op in program.ops)
        if not (writes or (quick and self._spoiled)):
            return set()
        return {place for place, op in enumerate(program.ops) if isinstance(op.call, Munmap)}


def test_one_new_guest_confirms() -> None:
    """All other tries run in guests that have run programs."""
    asked = Asked()

    small = shrink_quickly(PROGRAM, ALARM, 3, asked)

    assert 1 == asked.slow < asked.quick
    assert [Mmap, Write, Munmap] == [type(op.call) for op in small.program.ops]


def test_what_a_new_guest_does_not_confirm_is_tried_in_new_ones() -> None:
    """An earlier program had spoiled the guests."""
    asked = Asked(spoiled=True)

    small = shrink_quickly(PROGRAM, ALARM, 3, asked)

    assert 1 < asked.slow
    assert [Mmap, Write, Munmap] == [type(op.call) for op in small.program.ops]


@pytest.mark.parametrize(("signature", "alarm"), [(ALARM, True), (LINE, False)])
def test_a_line_of_the_log_ends_no_guest(signature: Signature, alarm: bool) -> None:
    """So nothing is asked quickly for it."""
    asked = Asked()

    shrink_quickly(PROGRAM, signature, 3, asked)

    assert (alarm, alarm) == (signature.raises_alarm, asked.quick > 0)


TWICE = load_text(
    "pfnlab program 1\ndevice bar: pci, 4 pages\n\n"
    "a = mmap bar[0] wc shared rw\nmunmap a\nb = mmap bar[1] wc shared rw\nwrite b[0] 1\nmunmap b\n"
)


def test_another_operation_of_the_kind_is_not_the_finding() -> None:
    """The first munmap shows an equal signature, for another reason, once the rest is gone."""

    def shown(program: Program) -> set[int | None]:
        if any(isinstance(op.call, Write) for op in program.ops):
            return {len(program.ops) - 1}
        return {1} if kinds(program).count("mmap") == 2 else set()

    small = shrink(TWICE, AtOperation(TWICE, 4, shown))

    assert ["mmap", "write", "munmap"] == kinds(small.program)


def test_a_program_without_the_operation_is_not_run() -> None:
    """It cannot show the finding there."""
    asked: list[Program] = []

    def shown(program: Program) -> set[int | None]:
        asked.append(program)
        return {place for place, op in enumerate(program.ops) if isinstance(op.call, Munmap)}

    shrink(PROGRAM, AtOperation(PROGRAM, 3, shown))

    assert all(isinstance(program.ops[-1].call, Munmap) for program in asked)


def test_equal_operations_stay_apart() -> None:
    """The second of two equal operations shows the finding; the first can be left out."""
    program = load_text(
        "pfnlab program 1\ndevice bar: pci, 4 pages\n\n"
        "a = mmap bar[0] wc shared rw\nread a[0]\nread a[0]\nmunmap a\n"
    )
    accepts = AtOperation(program, 2, lambda candidate: {len(candidate.ops) - 2})

    assert accepts(without(program, [1]) or program)
    assert not accepts(
        load_text("pfnlab program 1\ndevice bar: pci, 4 pages\n\na = mmap bar[0] wc shared rw\n")
    )


@pytest.mark.parametrize("step", [None, 4])
def test_before_the_first_operation_and_at_the_end(step: int | None) -> None:
    """Neither is an operation, and every smaller program has both."""
    accepts = AtOperation(PROGRAM, step, lambda program: {None, len(program.ops)})

    assert accepts(without(PROGRAM, [2]) or PROGRAM)


def test_a_late_search_ends_and_says_so() -> None:
    """The program found by then is the answer."""
    times = iter([False, True])

    small = shrink(PROGRAM, lambda program: True, late=lambda: next(times))

    assert (1, False) == (small.runs, small.minimal)
