"""Random programs: correct, determined by their numbers, and drawn towards what was not reached."""

from __future__ import annotations

from collections import Counter
from statistics import mean
from typing import get_args

import pytest
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st

from pfnlab.hunt.fuzz.call_kinds import AFTER_LEAF, ALL, EVERYWHERE, PLANS, Vocabulary, kind_of, pairs_of
from pfnlab.hunt.fuzz.conditions import Bias
from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.hunt.fuzz.ranges import GIGABYTE, touched_level
from pfnlab.lab.running.placement import check_placeable
from pfnlab.programs.lang.load import from_json, load_text, to_json
from pfnlab.programs.lang.ops import Mmap, Program, Thp, tasks_of
from pfnlab.programs.lang.process_ops import ADVICE
from pfnlab.programs.lang.validity import check_program
from pfnlab.programs.lang.walk_ops import Walk, Walker
from pfnlab.programs.lang.words import PROTS

NUMBERS = st.integers(0, 1 << 32)
_ANY = st.booleans()
VOCABULARIES = st.builds(
    Vocabulary,
    driver=_ANY,
    schedules=_ANY,
    vfio=_ANY,
    slots=_ANY,
    leaves=_ANY,
    fixed=_ANY,
    failures=_ANY,
    neighbours=_ANY,
).filter(lambda vocabulary: vocabulary.has_leaves or not vocabulary.leaves)
#: All there is, and either way to a leaf alone.
WITH_LEAVES = (Vocabulary(driver=True), Vocabulary(vfio=True), Vocabulary(True, True, True, True))


@given(NUMBERS, NUMBERS, VOCABULARIES)
@settings(max_examples=300)
def test_every_program_is_correct_and_fits_into_a_guest(
    seed: int, index: int, vocabulary: Vocabulary
) -> None:
    """Neither the language nor the lab has anything to object to."""
    program = draw(seed, index, vocabulary)

    check_program(program)
    check_placeable(program)


@given(NUMBERS, st.integers(0, 500), VOCABULARIES)
@settings(max_examples=50)
def test_seed_and_index_decide(seed: int, index: int, vocabulary: Vocabulary) -> None:
    """The same numbers give the same program."""
    assert draw(seed, index, vocabulary) == draw(seed, index, vocabulary)


@given(NUMBERS, st.integers(0, 500), st.integers(0, 20), VOCABULARIES)
@settings(max_examples=100)
def test_a_program_that_begins_as_another_is_correct(
    seed: int, index: int, first: int, vocabulary: Vocabulary
) -> None:
    """A bias changes the program, not whether it can be; and it decides with the numbers."""
    bias = Bias(frozenset(pairs_of(draw(seed, first, vocabulary))), (draw(seed, first, vocabulary),))

    program = draw(seed, index, vocabulary, bias)

    check_program(program)
    check_placeable(program)
    assert program == draw(seed, index, vocabulary, bias)


@given(NUMBERS, VOCABULARIES)
@settings(max_examples=50)
def test_a_program_survives_its_json_form(seed: int, vocabulary: Vocabulary) -> None:
    """What a state keeps is what was drawn."""
    program = draw(seed, 1, vocabulary)

    assert program == from_json(to_json(program))


def test_programs_have_about_twelve_operations() -> None:
    """The mean over many."""
    lengths = [len(draw(1, index).ops) for index in range(1000)]

    assert 11 < mean(lengths) < 13
    assert min(lengths) < 6 < 18 < max(lengths)


def test_everything_is_said_sooner_or_later() -> None:
    """Each kind of operation, up to four tasks, neighbouring devices, small and large ones, forced
    failures."""
    vocabulary = Vocabulary(driver=True, vfio=True, slots=True)
    programs = [draw(1, index, vocabulary) for index in range(1500)]
    ops = [op for program in programs for op in program.ops]
    sizes = {device.pages for program in programs for device in program.devices}

    assert set(vocabulary.kinds) == {kind_of(op.call) for op in ops}
    assert {1, 16, 513, 1 << 18} <= sizes
    assert {1, 2, 3, 4} <= {len(program.devices) for program in programs}
    assert {None, *get_args(Thp)} == {program.thp for program in programs}
    assert max(len(tasks_of(program)) for program in programs) >= 4
    failing = {"__pte_alloc", "kmalloc", "vm_area_dup"}
    assert failing == {op.fail.function for op in ops if op.fail is not None}
    assert set(get_args(Walker)) == {op.call.walker for op in ops if isinstance(op.call, Walk)}


def test_operations_that_may_allocate_are_made_to_fail() -> None:
    """Of either many operations, faults and moves too; a thread, an exec and an end never."""
    ops = [op for index in range(2000) for op in draw(1, index, Vocabulary(driver=True)).ops]

    failed = {(op.fail.function, kind_of(op.call)) for op in ops if op.fail is not None}

    counts = Counter(function for function, _ in failed)
    assert {"__pte_alloc", "vm_area_dup"} == {name for name, count in counts.items() if count > 8}
    assert {"read", "write", "munmap", "mremap to"} <= {kind for _, kind in failed}
    assert set() == {kind for _, kind in failed} & {"thread", "exec", "exit", "kill", "look", "status"}


def test_words_stay_out_that_were_not_asked_for() -> None:
    """Without a driver, without schedules and without vfio-pci nothing needs any of them."""
    programs = [draw(1, index) for index in range(300)]

    assert not any(one.needs.driver or one.needs.vfio or one.needs.held for one in programs)
    assert any(draw(1, index, Vocabulary(schedules=True)).needs.held for index in range(20))


def test_a_program_has_the_driver_or_vfio_pci() -> None:
    """A guest has one of them; some programs have neither."""
    vocabulary = Vocabulary(driver=True, vfio=True)
    programs = [draw(1, index, vocabulary) for index in range(300)]

    needs = {(one.needs.driver, one.needs.vfio) for one in programs}
    assert {(False, False), (True, False), (False, True)} == needs


def test_devices_are_reset_in_some_rounds_only() -> None:
    """A guest whose device knows resets is dear, so that programs which need one stand together, and last."""
    programs = {index: draw(1, index, Vocabulary(vfio=True)) for index in range(500, 1500)}

    reset = {index for index, program in programs.items() if program.needs.reset}

    assert 10 < len(reset) and 875 <= min(reset) and max(reset) < 1000


def test_a_short_hunt_needs_no_guest_of_its_own() -> None:
    """Large BARs, and devices at the end of one, come at the end of a thousand programs."""
    needs = [
        draw(1, index).needs.past_end or max(one.pages for one in draw(1, index).devices) > 1 << 16
        for index in range(1000)
    ]

    assert {False} == {bool(need) for need in needs[:992]}
    assert any(any(draw(seed, index).needs.past_end for index in range(992, 1000)) for seed in range(9))


def test_no_more_than_four_tasks_live() -> None:
    """A fork beyond is something else."""
    for index in range(300):
        alive = 1
        for op in draw(2, index).ops:
            alive += (kind_of(op.call) == "fork") - (kind_of(op.call) in ("exit", "kill"))
            assert alive <= 4


def test_rows_are_of_things_there_are() -> None:
    """Every step of a row is an operation, advice, a protection or a walker, perhaps on all of an area."""
    steps = {step for rows in PLANS.values() for row in rows for step in row}
    kinds = Vocabulary(driver=True, vfio=True).kinds

    assert {step.removesuffix(ALL) for step in steps} <= set(kinds) | set(ADVICE) | PROTS | set(
        get_args(Walker)
    )
    assert set(PLANS) <= set(kinds)


def test_pairs_are_of_one_area() -> None:
    """What follows in another area makes no pair; what concerns all areas makes one with each."""
    program = load_text(
        "pfnlab program 1\ndevice bar: pci, 16 pages\n\na = mmap bar[0:8] wc shared rw\n"
        "b = mmap bar[8:16] wc shared rw\nmunmap a\nmlock b\nc = fork\nc: munmap b\n"
    )

    assert {
        "mmap > munmap",
        "mmap > mlock",
        "munmap > fork",
        "mlock > fork",
        "fork > munmap",
    } == pairs_of(program)
    assert "fork" in EVERYWHERE


@pytest.mark.target("long")
@for_each("vocabulary", WITH_LEAVES, ids=["driver", "vfio", "all"])
def test_one_program_of_ten_has_a_leaf_that_is_touched(vocabulary: Vocabulary) -> None:
    """Of both sizes."""
    levels = [touched_level(draw(5, index, vocabulary)) for index in range(600)]

    assert 60 < sum(level > 1 for level in levels) < 180
    assert 15 < levels.count(3)


@for_each("vfio", [False, True], ids=["driver", "vfio"])
def test_leaves_alone(vfio: bool) -> None:
    """Nearly every program touches one; devices have up to 4 GiB, and what splits leaves comes behind."""
    vocabulary = Vocabulary(driver=not vfio, vfio=vfio, leaves=True)
    # The last of them may reset.
    programs = [draw(5, index, vocabulary) for index in range(700, 1000)]

    assert 240 < sum(touched_level(program) > 1 for program in programs)
    assert 90 < sum(touched_level(program) == 3 for program in programs)
    assert 4 * GIGABYTE == max(device.pages for program in programs for device in program.devices)
    words = {step for step in AFTER_LEAF if step in vocabulary.kinds}
    assert words <= {kind_of(op.call) for program in programs for op in program.ops}


def test_leaves_need_a_driver() -> None:
    """Who makes none has no large devices for them."""
    assert not any(touched_level(draw(5, index, Vocabulary(slots=True))) > 1 for index in range(300))


def test_who_binds_a_driver_has_one_device() -> None:
    """And stays within it, for the driver has all of it; it is not one of vfio-pci."""
    programs = [draw(6, index, Vocabulary(driver=True, vfio=True)) for index in range(600)]
    bound = [program for program in programs if program.needs.bound]

    assert bound
    assert all(1 == sum(device.kind == "pci" for device in program.devices) for program in bound)
    assert not any(program.needs.past_end or program.needs.vfio for program in bound)


@pytest.mark.target("long")
def test_a_device_moves_where_there_is_the_driver() -> None:
    """Which keeps its first place for nobody meanwhile."""

    def moved(vocabulary: Vocabulary) -> list[Program]:
        return [program for index in range(2000) if (program := draw(8, index, vocabulary)).needs.moved]

    assert [] == moved(Vocabulary(slots=True))
    sources = [
        op.call.source.name
        for program in moved(Vocabulary(driver=True, slots=True))
        for op in program.ops
        if isinstance(op.call, Mmap)
    ]
    assert {"bar", "moved"} <= set(sources)


def test_devices_at_fixed_places_alone() -> None:
    """Where they are asked for, every program has one; otherwise some have."""
    kinds = [
        {device.kind for device in draw(1, index, Vocabulary(fixed=True)).devices} for index in range(50)
    ]
    others = [{device.kind for device in draw(1, index).devices} for index in range(200)]

    assert all({"isa", "top"} & found for found in kinds)
    assert 0 < sum(bool({"isa", "top"} & found) for found in others) < 50


def test_the_end_of_the_bar_is_a_fixed_place() -> None:
    """Programs with fixed places pass it, by one page too, and others hardly ever do."""
    fixed = [draw(1, index, Vocabulary(fixed=True)) for index in range(600)]
    behind = {
        op.call.source.end - device.pages
        for program in fixed
        for op in program.ops
        for device in program.devices
        if isinstance(op.call, Mmap) and op.call.source.name == device.name and device.kind == "pci"
    }

    assert 1 in behind
    assert sum(bool(draw(1, index).needs.past_end) for index in range(600)) < 6


def test_pages_are_asked_for_and_moved() -> None:
    """move_pages is drawn with a node and without."""
    calls = [op.call for index in range(300) for op in draw(5, index).ops]

    assert {None, "node0"} == {
        call.node for call in calls if isinstance(call, Walk) and call.walker == "move_pages"
    }
