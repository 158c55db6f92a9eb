"""The schedules of random programs: who is held, and what the others do meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

from for_each import for_each

from pfnlab.hunt.fuzz.call_kinds import KINDS, Vocabulary, kind_of
from pfnlab.hunt.fuzz.drawn_schedule import OF_OWN_MEMORY
from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.kernel.policies.profiles import SERIES
from pfnlab.programs.cases.operation_kinds import FUNCTIONS, PLACES
from pfnlab.programs.lang.ops import Exec, Op, Program, Release, Thread
from pfnlab.programs.lang.process_ops import ProcessMrelease, Setrlimit
from pfnlab.programs.lang.validity import check_program
from pfnlab.programs.lang.words import HOLD_FUNCTIONS
from pfnlab.programs.model.model_machine import ModelMachine


def drawn(number: int) -> list[Program]:
    """So many programs with schedules."""
    return [draw(5, index, Vocabulary(schedules=True)) for index in range(number)]


def beside(program: Program) -> Iterator[Op]:
    """The operations while a processor is held."""
    first = next((at for at, op in enumerate(program.ops) if op.hold is not None), len(program.ops))
    yield from (op for op in program.ops[first + 1 :] if not isinstance(op.call, Release))


def test_two_are_held_at_times() -> None:
    """Each release says whose it is while both are, and every program is one."""
    programs = [draw(1, index, Vocabulary(driver=True, schedules=True)) for index in range(120)]
    twice = [one for one in programs if sum(op.hold is not None for op in one.ops) == 2]

    assert 5 < len(twice) < len(programs) // 2
    for one in twice:
        check_program(one)
        first, last = [op.call for op in one.ops if isinstance(op.call, Release)]
        assert first.held is not None
        assert last.held is None


def test_the_places_of_two_holds_are_functions_that_a_model_stops_in() -> None:
    """And their operations are kinds."""
    assert {name for names in PLACES.values() for name in names} <= set(HOLD_FUNCTIONS)
    assert PLACES.keys() <= KINDS.keys()


def test_vfio_pci_is_held_too() -> None:
    """With schedules, also where its faults and changes of the memory bit have a lock (once never)."""
    vocabulary = Vocabulary(schedules=True, vfio=True)
    programs = [
        program for program in (draw(1, index, vocabulary) for index in range(600)) if program.needs.held
    ]

    held = [op for program in programs if program.needs.vfio for op in program.ops if op.hold is not None]

    assert {"read", "memory_disable"} <= {kind_of(op.call) for op in held}
    assert "vmf_insert_pfn_prot" in {op.hold.function for op in held if op.hold is not None}


def test_no_process_with_limited_memory_has_a_thread() -> None:
    """There is no rule for its stack: the limit is taken away, and may come back later."""
    programs = drawn(400)
    threads = [program for program in programs if any(isinstance(op.call, Thread) for op in program.ops)]
    limiting = [
        program
        for program in threads
        if any(
            isinstance(op.call, Setrlimit) and op.call.room is not None and op.call.resource in OF_OWN_MEMORY
            for op in program.ops
        )
    ]

    assert 20 < len(limiting)
    reasons = {str(ModelMachine("7.3").run([program])[0].undecided) for program in limiting}
    assert not any("a thread of a process whose memory" in reason for reason in reasons)


@for_each("series", [SERIES[0], SERIES[-1]])
def test_a_held_process_is_killed_and_reaped(series: str) -> None:
    """It is in the middle of an munmap then, and by itself, so that the model has a rule."""
    killed = [
        program
        for program in drawn(800)
        if any(isinstance(op.call, ProcessMrelease) and op.call.killed for op in beside(program))
    ]
    undecided = [run for run in ModelMachine(series).run(killed) if run.undecided]

    assert 30 < len(killed)
    assert len(undecided) < len(killed) / 3
    assert any(
        not op.call.killed for one in killed for op in beside(one) if isinstance(op.call, ProcessMrelease)
    )
    assert set(FUNCTIONS["always"]) <= {
        op.hold.function for one in killed for op in one.ops if op.hold is not None
    }


def test_another_process_executes_a_program() -> None:
    """While a processor is held."""
    assert any(isinstance(op.call, Exec) for program in drawn(400) for op in beside(program))
