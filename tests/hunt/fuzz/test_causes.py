"""Findings of one cause: those with its effect, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest

from pfnlab.hunt.fuzz.call_kinds import Vocabulary, kind_of
from pfnlab.hunt.fuzz.causes import (
    FindingCause,
    HuntFinding,
    causes_of,
    effect_of,
    signs_of,
)
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState
from pfnlab.hunt.fuzz.signature import Signature, signatures_of
from pfnlab.present.document.campaign_part import part
from pfnlab.present.document.terminal import terminal
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Mmap, Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run

SIDES = (("model:7.2",), ("qemu:7.2",))

#: One operation of each of eighteen kinds on a mapping of one page.
OPERATIONS = (
    *("munmap a", "mmap anon[0] private rw over a", "mremap a 2 pages maymove", "mprotect a r"),
    *("b = mremap a 1 page maymove fixed", "madvise a random", "mlock a", "munlock a", "msync a"),
    *("mseal a", "read a[0]", "write a[0] 1", "c = fork", "exec", "mincore a", "mlockall"),
    *("munlockall", "pagemap a"),
)


def program(lines: str) -> Program:
    """A program on a BAR of 16 pages."""
    return load_text(f"pfnlab program 1\ndevice bar: pci, 16 pages\n\n{lines}")


PROGRAMS = [program(f"a = mmap bar[0] wc shared rw\n{operation}\n") for operation in OPERATIONS]


class Careless:
    """A kernel that flushes once too often in every operation but mmap.

    :param most: where the program's first mapping has no more pages than this, by the kind of operation
    """

    def __init__(self, most: Callable[[str], int]) -> None:
        self._model, self._most = ModelMachine("7.2"), most

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The model's runs, with the flushes."""
        return [self._flushed(each, self._model.run([each])[0]) for each in programs]

    def _flushed(self, of: Program, run: Run) -> Run:
        mapped = of.ops[0].call
        assert isinstance(mapped, Mmap)
        steps = [
            msgspec.structs.replace(step, flushes=(step.flushes or 0) + 1)
            if number < len(of.ops)
            and number
            and mapped.source.pages <= self._most(kind_of(of.ops[number].call))
            else step
            for number, step in enumerate(run.steps)
        ]
        return msgspec.structs.replace(run, machine="qemu:7.2", steps=tuple(steps))


def grouped(kernel: Careless, programs: Sequence[Program] = PROGRAMS) -> tuple[FindingCause, ...]:
    """The causes of what *programs* show on *kernel*."""
    model = ModelMachine("7.2")

    def ask(of: Program) -> list[Run]:
        (run,) = model.run([of])
        return [msgspec.structs.replace(run, machine="model:7.2"), *kernel.run([of])]

    return causes_of(
        {
            said.key: HuntFinding.of(said, of, (), signs=signs_of(of, said, (), ask))
            for of in programs
            for said in signatures_of(of, ask(of))
        }
    )


def test_eighteen_findings_of_one_cause() -> None:
    """Each has the same effect at another operation: one cause."""
    (cause,) = grouped(Careless(lambda kind: 1))

    assert 18 == len(cause.findings) == len(set(cause.findings))
    assert cause.finding == cause.findings[0]


def signature(field: str, op: str = "munmap", kind: str = "difference") -> Signature:
    """A difference of one field."""
    return Signature(kind, field, op, SIDES, f"{field} / -")


def effect(field: str) -> Signature:
    """That of :func:`signature`."""
    return effect_of(signature(field))


SHORT, LONG = PROGRAMS[0], program("a = mmap bar[0:2] wc shared rw\nc = fork\nc: munmap a\n")


def causes(*found: tuple[Program | None, Signature, list[Signature]]) -> list[tuple[Signature, ...]]:
    """The signatures of each cause; a finding has its signs."""
    by_key = {said.key: said for _, said, _ in found}
    grouped = causes_of({said.key: HuntFinding.of(said, of, (), signs=signs) for of, said, signs in found})
    return [tuple(by_key[key] for key in cause.findings) for cause in grouped]


def test_what_was_never_seen_without_a_cause_follows_from_it() -> None:
    """Its smallest program shows the effect of the cause before it."""
    first, then = signature("tracked"), signature("book", "exit")

    assert [(first, then)] == causes((LONG, then, [effect("tracked")]), (SHORT, first, []))


def test_an_alarm_in_the_program_of_its_cause() -> None:
    """Both have the same program; what comes first in it is the cause."""
    alarm, first = Signature("alarm", "", "end", SIDES[1:], "refcount"), signature("tracked")
    found = (SHORT, alarm, [effect("tracked"), effect("log")]), (SHORT, first, [effect("tracked")])

    assert [(first, alarm)] == causes(*found) == causes(*reversed(found))


def test_what_shows_without_a_cause_is_another() -> None:
    """Its smallest program shows nothing else."""
    first, other = signature("tracked"), signature("book", "exit")

    assert [(first,), (other,)] == causes((SHORT, first, []), (LONG, other, []))


def test_a_flush_leads_to_no_state() -> None:
    """Though it was there: the book does not follow from it. A line of the log may."""
    flush, book, line = signature("flushes"), signature("book"), signature("log")
    found = (SHORT, flush, []), (LONG, book, [effect("flushes")]), (LONG, line, [effect("flushes")])

    assert [(flush, line), (book,)] == causes(*found)


def test_what_follows_from_what_follows() -> None:
    """A chain has one cause, its first."""
    last = program("a = mmap bar[0:3] wc shared rw\nc = fork\nmunmap a\n")
    first, then, later = signature("tracked"), signature("book", "exit"), signature("ptes")

    found = (last, later, [effect("book")]), (LONG, then, [effect("tracked")]), (SHORT, first, [])

    assert [(first, {then, later})] == [(one[0], {*one[1:]}) for one in causes(*found)]


def test_an_answer_is_that_of_its_operation() -> None:
    """A result that differs at two operations has two causes; an effect in the state has one."""
    results, books = (
        [signature(field, "mremap"), signature(field, "munmap")] for field in ("result", "book")
    )

    assert 2 == len(causes(*((SHORT, said, []) for said in results)))
    assert 1 == len(causes(*((SHORT, said, []) for said in books)))


def test_a_finding_without_its_program_is_the_last() -> None:
    """It names a cause only if nothing else does."""
    unknown, first = signature("tracked", "mremap"), signature("tracked")

    assert [(first, unknown)] == causes((None, unknown, []), (SHORT, first, []))


def test_a_leftover_is_an_entry_of_the_book() -> None:
    """Whether somebody looks at the end or before."""
    assert effect("book") == effect_of(signature("book", "end", "leftover"))


def logged(look: LookLevel) -> list[Run]:
    """Runs of :data:`LONG` that differ in the log of their last step."""
    (run,) = ModelMachine("7.2", look).run([LONG])
    other = msgspec.structs.replace(run.steps[-1], log=("x",))
    kernel = msgspec.structs.replace(run, machine="qemu:7.2", steps=(*run.steps[:-1], other))
    return [run, kernel]


def test_the_signs_of_a_finding_are_up_to_its_step() -> None:
    """All effects are, if the finding does not show."""
    runs = logged(LookLevel.MEMORY)
    (said,) = signatures_of(LONG, runs)

    assert [effect_of(said)] == signs_of(LONG, said, (), lambda of: runs)
    assert [effect_of(said)] == signs_of(LONG, signature("book"), (), lambda of: runs)
    assert [] == signs_of(LONG, said, (), lambda of: [runs[0], runs[0]])


def test_what_was_looked_at_in_the_end_only_has_no_signs() -> None:
    """What came before is not known then."""
    assert [] == signs_of(LONG, signature("log"), (), lambda of: logged(LookLevel.END))


class Deaf(ModelMachine):
    """A kernel that refuses advice, and has whatever else its model has."""

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The model's runs with another result of madvise."""
        return [self._refusing(run) for run in super().run(programs)]

    def _refusing(self, run: Run) -> Run:
        steps = (
            msgspec.structs.replace(step, result="EPERM") if "madvise" in step.op else step
            for step in run.steps
        )
        return msgspec.structs.replace(run, steps=tuple(steps))


@pytest.mark.target("long")
@pytest.mark.parametrize(("kernel", "causes"), [(ModelMachine, 1), (Deaf, 2)])
def test_a_hunt_ends_with_causes(kernel: type[ModelMachine], causes: int) -> None:
    """Each finding is of one of them, and the summary begins with the shortest program of each."""
    machines: dict[str, Machine] = {"model:7.2": ModelMachine("7.2"), "qemu:7.2": kernel("7.2,flush=none")}
    state = HuntState(list(machines), 7, Vocabulary())
    Hunt(machines, state, repeats=1).run(programs=20)

    result = FuzzResult.of(state)
    said = terminal(part(result))

    assert causes == len(result.causes) < len(state.findings)
    assert sorted(state.findings) == sorted(key for cause in result.causes for key in cause.findings)
    sizes = [state.findings[cause.finding].operations for cause in result.causes]
    assert sorted(sizes) == sizes
    assert f"{causes} cause{'s' * (causes > 1)} of {len(state.findings)} findings" in said
    assert "\n    a = mmap " in said


def test_causes_as_data() -> None:
    """Each names its findings, and those have their programs."""
    machines: dict[str, Machine] = {"model:7.2": ModelMachine("7.2"), "qemu:7.2": Deaf("7.2")}
    state = HuntState(list(machines), 1, Vocabulary())
    Hunt(machines, state).run(programs=10)

    said = msgspec.json.decode(FuzzResult.of(state).as_json())

    advised, by_another = said["causes"]
    assert advised["finding"] == advised["findings"][0]
    assert set(said["findings"]) == {*advised["findings"], *by_another["findings"]}
    assert "\nmadvise" in said["findings"][advised["finding"]]["program"]
    assert "\nprocess_madvise" in said["findings"][by_another["finding"]]["program"]
