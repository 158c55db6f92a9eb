"""Findings of one cause: what follows from it, and what does the same under the same conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest

from pfnlab.base.errors import Undecided, Why
from pfnlab.hunt.fuzz import hunt as loop
from pfnlab.hunt.fuzz.call_kinds import Vocabulary, kind_of
from pfnlab.hunt.fuzz.causes import (
    Cause,
    Conditions,
    Effect,
    Evidence,
    Found,
    Grouping,
    Weighed,
    causes_of,
    effect_of,
    sightings,
    weigh,
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
from pfnlab.programs.runs.observation import Reason, Run

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


def grouped(kernel: Careless, programs: Sequence[Program] = PROGRAMS) -> tuple[list[str], list[Cause]]:
    """The keys of what *programs* show on *kernel*, and the causes."""
    model = ModelMachine("7.2")

    def ask(of: Program, fresh: bool) -> list[Run]:
        (run,) = model.run([of])
        return [msgspec.structs.replace(run, machine="model:7.2"), *kernel.run([of])]

    grouping = Grouping(ask)
    found = [
        Found(signature.key, signature, of, grouping.evidence(of, signature))
        for of in programs
        for signature in signatures_of(of, ask(of, False))
    ]
    return [finding.key for finding in found], grouping.causes(found)


def test_eighteen_findings_of_one_cause() -> None:
    """Each at another operation, all under the same conditions: one cause, named by the shortest."""
    keys, causes = grouped(Careless(lambda kind: 1))

    (cause,) = causes
    assert 18 == len(keys) == len(set(keys))
    assert set(keys) == set(cause.keys)


def test_one_effect_under_two_conditions_is_two_causes() -> None:
    """After fork there is a flush too many of any mapping, in other operations of those of one page."""
    keys, causes = grouped(Careless(lambda kind: 16 if kind == "fork" else 1))

    of_fork = keys[OPERATIONS.index("c = fork")]
    assert 2 == len(causes)
    assert (of_fork,) in {cause.keys for cause in causes}


def signature(field: str, op: str = "munmap", kind: str = "difference") -> Signature:
    """A difference of one field."""
    return Signature(kind, field, op, SIDES, f"{field} / -")


def effect(field: str) -> Effect:
    """That of :func:`signature`."""
    return effect_of(signature(field))


SHORT, LONG = PROGRAMS[0], program("a = mmap bar[0:2] wc shared rw\nc = fork\nc: munmap a\n")


def found(
    of: Program | None, said: Signature, *before: Sequence[Effect], behind: Sequence[Effect] = ()
) -> Found:
    """A finding, with the effects before it in each program that showed it."""
    return Found(said.key, said, of, Evidence([list(effects) for effects in before], list(behind)))


def unlike(finding: Found) -> Conditions:
    """No two findings have the same conditions."""
    return (finding.program is SHORT, None)


def test_what_was_never_seen_without_a_cause_follows_from_it() -> None:
    """Every program that showed it is masked."""
    first = found(SHORT, signature("tracked"), [])
    then = found(LONG, signature("book", "exit"), [effect("tracked")], [effect("tracked"), effect("log")])

    assert [Cause((first.key, then.key))] == causes_of([then, first], unlike)


def test_an_alarm_in_the_program_of_its_cause() -> None:
    """Both have the same program; what comes first in it is the cause."""
    alarm = found(
        SHORT, Signature("alarm", "", "end", SIDES[1:], "refcount"), [effect("tracked"), effect("log")]
    )
    first = found(SHORT, signature("tracked"), [])

    assert [Cause((first.key, alarm.key))] == causes_of([alarm, first], unlike)
    assert [Cause((first.key, alarm.key))] == causes_of([first, alarm], unlike)


def test_what_is_left_when_a_cause_is_masked_is_another() -> None:
    """One program showed it without."""
    first = found(SHORT, signature("tracked"), [])
    other = found(LONG, signature("book", "exit"), [effect("tracked")], [])

    assert [Cause((first.key,)), Cause((other.key,))] == causes_of([first, other], unlike)


def test_a_flush_leads_to_no_state() -> None:
    """Though it was there every time: the book does not follow from it. A line of the log may."""
    flush = found(SHORT, signature("flushes"), [])
    book = found(LONG, signature("book"), [effect("flushes")])
    line = found(LONG, signature("log"), [effect("flushes")])

    assert [(flush.key, line.key), (book.key,)] == [
        cause.keys for cause in causes_of([flush, book, line], unlike)
    ]


def test_what_follows_from_what_follows() -> None:
    """A chain has one cause, its first."""
    first = found(SHORT, signature("tracked"), [])
    then = found(LONG, signature("book", "exit"), [effect("tracked")])
    last = found(
        program("a = mmap bar[0:3] wc shared rw\nc = fork\nmunmap a\n"), signature("ptes"), [effect("book")]
    )

    (cause,) = causes_of([last, then, first], unlike)

    assert (first.key, 3) == (cause.first, len(cause.keys))


def test_an_effect_seen_behind_a_cause_is_one_of_it() -> None:
    """Where the same mappings make both stay and go."""
    first = found(SHORT, signature("tracked"), [], behind=[effect("book")])
    then = found(LONG, signature("book", "mremap"), [])

    assert 1 == len(causes_of([first, then], lambda finding: (False, True, None)))
    assert 2 == len(causes_of([first, then], unlike))
    assert 2 == len(causes_of([first, then], lambda finding: (None, None, None)))


def test_a_finding_without_its_program_stands_alone() -> None:
    """Nobody can say what it follows from."""
    first = found(SHORT, signature("tracked"), [])
    unknown = found(None, signature("tracked", "mremap"))

    assert 2 == len(causes_of([first, unknown], lambda finding: (None if finding.program is None else True,)))


def test_a_leftover_is_an_entry_of_the_book() -> None:
    """Whether somebody looks at the end or before."""
    assert effect("book") == effect_of(signature("book", "end", "leftover"))


def test_what_was_looked_at_in_the_end_only_tells_nothing() -> None:
    """What came before is not known then."""
    (run,) = ModelMachine("7.2", LookLevel.END).run([SHORT])
    other = msgspec.structs.replace(run.steps[-1], log=("x",))
    kernel = msgspec.structs.replace(run, machine="qemu:7.2", steps=(*run.steps[:-1], other))

    assert {} == sightings(SHORT, [run, kernel])


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
    Hunt(machines, state, watched=False, repeats=1).run(programs=20)

    said = terminal(part(FuzzResult.of(state, watched=False)))

    assert causes == len(state.causes) < len(state.findings)
    assert sorted(state.findings) == sorted(key for cause in state.causes for key in cause.keys)
    sizes = [state.findings[cause.first].operations for cause in state.causes]
    assert sorted(sizes) == sizes
    assert f"{causes} cause{'s' * (causes > 1)} of {len(state.findings)} findings" in said
    assert "\n    a = mmap " in said


def test_causes_as_data() -> None:
    """Each names its findings, and those have their programs."""
    machines: dict[str, Machine] = {"model:7.2": ModelMachine("7.2"), "qemu:7.2": Deaf("7.2")}
    state = HuntState(list(machines), 1, Vocabulary())
    Hunt(machines, state, watched=False).run(programs=10)

    said = msgspec.json.decode(FuzzResult.of(state, watched=False).as_json())

    (cause,) = said["causes"]
    assert cause["finding"] == cause["findings"][0]
    assert set(said["findings"]) == set(cause["findings"])
    assert "madvise" in said["findings"][cause["finding"]]["program"]


PROGRAM = load_text(
    "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\n"
    "a = mmap bar[0:16] wc shared rw\nmunmap a[4:8]\nmunmap a\n"
)


def runs(*specs: str) -> list[Run]:
    """Of the program, on models."""
    return [
        msgspec.structs.replace(ModelMachine(spec).run([PROGRAM])[0], machine=f"model:{spec}")
        for spec in specs
    ]


@pytest.mark.parametrize("specs", [("7.2", "7.2,mseal=on"), ("6.1", "7.2")], ids=["equal", "different"])
def test_it_tells_what_each_part_tells(specs: tuple[str, str]) -> None:
    """All of it is told at once, because the dear part is the same."""
    both = runs(*specs)

    told = weigh(PROGRAM, both)

    assert (None, both) == (told.reason, told.runs)
    assert list(told.signatures) == signatures_of(PROGRAM, both)
    assert told.sightings == sightings(PROGRAM, both)
    assert bool(told.signatures) == (specs[0] == "6.1")


def test_a_run_without_an_answer_tells_nothing() -> None:
    """Only why."""
    one, other = runs("7.2", "7.3")
    unanswered = msgspec.structs.replace(other, undecided="no headers for 7.3", why=Why.MISSING, steps=())

    assert (Reason("no headers for 7.3", Why.MISSING), (), {}) == (
        (told := weigh(PROGRAM, [one, unanswered])).reason,
        told.signatures,
        told.sightings,
    )


class Kernel(ModelMachine):
    """A model that hands over each run when it is there, the last one first."""

    def __init__(self, trouble: bool = False) -> None:
        super().__init__("7.2")
        self.trouble = trouble
        self.weighed_before_the_last = 0

    def run_telling(
        self,
        programs: Sequence[Program],
        on_done: Callable[[int, Run], None],
        looks: Sequence[LookLevel] | None = None,
    ) -> list[Run]:
        """Runs as those of guests."""
        made = self.run(programs)
        for index in reversed(range(len(programs))):
            if self.trouble and not index:
                raise Undecided("the guest's disk is full")
            on_done(index, made[index])
        return made


def of(machine: ModelMachine) -> HuntState:
    """The end of a hunt with a model on the other side."""
    names = ["model:7.2", "qemu:7.2"]
    state = HuntState(names, 1, Vocabulary())
    Hunt({names[0]: ModelMachine("7.2"), names[1]: machine}, state).run(programs=40)
    return state


@pytest.mark.target("long")
def test_the_order_in_which_runs_come_changes_nothing() -> None:
    """A hunt ends as with a machine that hands over all at once."""
    assert of(ModelMachine("7.2")) == of(Kernel())


@pytest.mark.target("long")
def test_runs_are_weighed_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the last one is there: guests run programs meanwhile."""
    weighed: list[str] = []

    def noted(program: Program, runs: Sequence[Run], *, agreed: bool) -> Weighed:
        weighed.append(program.title)
        return weigh(program, runs, agreed=agreed)

    monkeypatch.setattr(loop, "weigh", noted)
    with pytest.raises(Undecided):
        of(Kernel(trouble=True))

    assert len(weighed) > 20
