"""Races: which flush placements hold, with what schedule the others break, and programs that show it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from broken import Broken, lines
from some_races import REVOCATIONS, races

from pfnlab.checker.check import CheckResult, PropertyResult, check
from pfnlab.checker.limits import CheckLimits, Exhaustive
from pfnlab.checker.races.race import control, still_read
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import Race, RaceScope, load_scope, read_scope
from pfnlab.kernel.mm.gather import FlushPlacement, MmuGather
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.kernel.policies.flushes.free_vmas import FreeVmas
from pfnlab.programs.lang.device_ops import UnmapMappingRange
from pfnlab.programs.lang.ops import Program, Read
from pfnlab.programs.model.model_machine import ModelMachine

ONE = """
devices = ["bar: pci, 2 pages"]
[[races]]
setup = ["a = mmap bar[0:2] driver remap wc shared rw", "t = thread", "s = thread", "s: read a[0]"]
beside = ["munmap a", "t: unmap_mapping_range bar[0:2]", "s: read a[0]"]
"""

#: Nobody else needs the reverse map.
ALONE = """
devices = ["bar: pci, 2 pages"]
[[races]]
setup = ["a = mmap bar[0:2] driver remap wc shared rw", "t = thread"]
beside = ["zap_vma_ptes a", "t: read a[0]"]
"""

#: The device in front of ordinary memory: nor is the last.
FRONT = """
devices = ["bar: pci, 2 pages"]
areas = ["a: 4 pages"]
[[races]]
setup = [
  "a = mmap bar[0:2] driver remap wc shared rw",
  "mmap anon[0:2] private rw over a[2:4]",
  "t = thread",
  "s = thread",
  "s: read a[0]",
]
beside = ["munmap a[0:4]", "t: unmap_mapping_range bar[0:2]", "s: read a[0]"]
"""

#: A mixed map over two page tables, where a counted page of the first was written: a flush in the middle.
INSIDE = """
devices = ["bar: pci, 2 pages"]
areas = ["a: 513 pages"]
[[races]]
setup = [
  "mmap bar[0:2] driver mixed_pages wc shared rw over a[511:513]",
  "t = thread",
  "s = thread",
  "write a[511] 1",
  "s: read a[512]",
]
beside = ["munmap a[511:513]", "t: unmap_mapping_range bar[1:2]", "s: read a[512]"]
"""

#: Ordinary memory before the device: the first VMA is not the one that matters.
BEHIND = """
devices = ["bar: pci, 2 pages"]
areas = ["a: 4 pages"]
[[races]]
setup = [
  "a = mmap anon[0:2] private rw",
  "mmap bar[0:2] driver remap wc shared rw over a[2:4]",
  "t = thread",
  "s = thread",
  "s: read a[2]",
]
beside = ["munmap a[0:4]", "t: unmap_mapping_range bar[0:2]", "s: read a[2]"]
"""


def raced(flushes: Callable[[], FlushPlacement], text: str) -> CheckResult:
    """All schedules of one race with one flush placement."""
    return check(Broken(flushes=flushes), read_scope(text, "one"))


@pytest.mark.parametrize(
    ("flush", "broken"),
    [
        ("none", {"one", "behind", "front", "inside"}),
        ("first_vma", {"behind"}),
        ("any_vma", set()),
        ("force_v1", {"inside"}),
        ("force_respin_a", {"inside"}),
        ("force_respin_b", set()),
        ("end_vma", set()),
        ("gather_v1", {"front"}),
        ("gather_v2", set()),
        ("gather_v2_junk", set()),
        ("gather_v3", {"inside"}),
        ("gather_draft", {"behind", "inside"}),
        ("gather_v4", {"inside"}),
        ("gather_v5", {"inside"}),
        ("free_vmas", set()),
        ("fullmm", set()),
    ],
)
def test_flush_placements(flush: str, broken: set[str]) -> None:
    """In which of four places each version leaves a mapping unflushed."""
    texts = {"one": ONE, "behind": BEHIND, "front": FRONT, "inside": INSIDE}

    found = {name: raced(FLUSHES[flush], text).answers[0].verdict for name, text in texts.items()}

    assert dict.fromkeys(texts, "holds") | dict.fromkeys(broken, "violated") == found


@pytest.mark.parametrize("flush", ["gather_v1", "gather_v3", "gather_v4", "gather_v5"])
def test_the_named_scope_finds_what_was_found_by_reading(flush: str) -> None:
    """Unaided, with a program of at most twelve operations."""
    scope = load_scope("race")

    (answer,) = check(ModelMachine(f"7.2,flush={flush}"), scope, questions(["told_free"], scope)).answers

    assert "violated" == answer.verdict
    assert len(lines(answer)) <= 12


def test_a_program_ends_where_no_rule_is() -> None:
    """The machine decides what a processor forgets that was idle at a flush: its read is left out."""
    found = lines(raced(FLUSHES["gather_v3"], INSIDE).answers[0])

    held = "hold flush_tlb_mm_range 2: munmap a[511:513]"
    assert [held, "t: unmap_mapping_range bar[1]", "release"] == found[-3:]


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [("flush.munmap=none", "violated"), ("flush=none,flush.munmap=free_vmas", "holds")],
)
def test_the_rule_is_about_the_flush_of_munmap(changes: str, verdict: str) -> None:
    """Left out there alone it is broken, and kept there alone it holds."""
    found = check(ModelMachine(f"7.2,{changes}"), read_scope(ONE, "one"))

    assert verdict == found.answers[0].verdict


def test_a_schedule_is_a_program_with_one_held_task() -> None:
    """Without any forced flush a program shows the race."""
    answer = raced(FLUSHES["none"], ONE).answers[0]

    assert "main goes on in unlink" in answer.schedule
    assert "hold flush_tlb_mm_range: munmap a" in lines(answer)


def test_the_program_shows_a_read_through_a_stale_translation() -> None:
    """On the model the program's third thread still reads the device once the owner was told."""
    answer = raced(FLUSHES["none"], ONE).answers[0]
    assert answer.program is not None

    steps = ModelMachine("7.2,flush=none").run([answer.program])[0].steps

    told_free = next(step for step in steps if step.op.startswith("t: unmap_mapping_range"))
    read = steps[steps.index(told_free) + 1]
    assert ("ok", "ok") == (told_free.result, read.result)


def _of_files(*vias: str) -> str:
    """The race of :data:`ONE` with mappings through these files, and the first of them unmapped."""
    mapped = [f"{area} = mmap bar[0:2] {via} shared rw" for area, via in zip("ab", vias, strict=False)]
    touched = [f"s: read {area}[0]" for area, _ in zip("ab", vias, strict=False)]
    setup = [*mapped, "t = thread", "s = thread", *touched]
    beside = ["munmap a", "t: unmap_mapping_range bar[0:2]"]
    return f'devices = ["bar: pci, 2 pages"]\n[[races]]\nsetup = {setup}\nbeside = {beside}\n'


@pytest.mark.parametrize("via", ["wc", "uc", "proc-wc", "devmem-sync"])
@pytest.mark.parametrize("flush", ["none", "end_vma", "free_vmas"])
def test_nobody_is_told_of_a_mapping_of_another_file(via: str, flush: str) -> None:
    """A driver's revocation is about the mappings of its own file."""
    told_free = raced(FLUSHES[flush], _of_files(via)).answers[0]

    assert "holds" == told_free.verdict


def test_a_revocation_beside_mappings_of_other_files_is_about_those_of_the_driver() -> None:
    """The driver's mapping that is unmapped counts, and that of another file does not."""
    verdicts = [
        raced(FLUSHES["none"], _of_files(*vias)).answers[0].verdict
        for vias in (("driver remap wc", "wc"), ("wc", "driver remap wc"))
    ]

    assert ["violated", "holds"] == verdicts


class KeepsTheLock(FreeVmas):
    """Takes the lock of the reverse map and never gives it back."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        super().tlb_start_vma(tlb, vma)
        vma.mm.kernel.i_mmap_rwsem("driver").take(True)


def test_operations_that_wait_for_each_other_are_found() -> None:
    """A schedule in which nobody can go on is found."""
    found = {answer.name: answer.verdict for answer in raced(KeepsTheLock, ONE).answers}

    assert "violated" == found["no_deadlock"]


def test_the_number_of_schedules_states() -> None:
    """The states of one race are always as many."""
    assert 166 == raced(FreeVmas, ONE).states


def test_the_named_races_are_programs() -> None:
    """What runs side by side is a program when it runs one after the other."""
    scope = load_scope("race")
    assert isinstance(scope, RaceScope)

    for race in scope.races:
        assert isinstance(race, Race)
        assert isinstance(race.program, Program)
        assert race.program.ops == race.setup + race.concurrent


def test_a_control_leaves_the_flush_out_by_force() -> None:
    """A kernel that flushes in time shows the race when its flush is left out, and only then."""
    program = raced(FLUSHES["none"], ONE).answers[0].program
    assert program is not None
    machine = ModelMachine("7.2")

    assert still_read(program, ModelMachine("7.2,flush=none").run([program])[0])
    assert not still_read(program, machine.run([program])[0])
    assert still_read(program, machine.run([control(program)])[0])


def test_a_program_without_a_read_behind_what_was_told_says_neither() -> None:
    """It is not said that nobody reads where nobody tried."""
    program = raced(FLUSHES["none"], ONE).answers[0].program
    assert program is not None
    ops = tuple(op for op in program.ops if not isinstance(op.call, Read) or op is program.ops[-1])
    told = next(at for at, op in enumerate(ops) if isinstance(op.call, UnmapMappingRange))
    cut = msgspec.structs.replace(program, ops=(*ops[: told + 1], program.ops[-1]))

    assert still_read(cut, ModelMachine("7.2,flush=none").run([cut])[0]) is None


@pytest.mark.parametrize("limits", [Exhaustive(), Exhaustive(every_order=True)])
def test_a_turn_without_a_rule_is_left_out(limits: CheckLimits) -> None:
    """Advice on ordinary memory that no rule is there for: then nothing is said to hold."""
    text = """
devices = ["bar: pci, 2 pages"]
[[races]]
setup = ["a = mmap anon[0:2] private rw", "s = thread"]
beside = ["mprotect a[0:2] r", "s: madvise a[1] free"]
"""

    found = check(Broken(), read_scope(text, "one"), limits=limits)

    assert any(reason.startswith("no rule: ") for reason in found.cut)
    assert "undecided" == found.answers[0].verdict


@pytest.mark.parametrize("spec", ["6.1", "6.12", "7.3"])
def test_revocations_beside_new_mappings_come_to_an_end(spec: str) -> None:
    """With a fork or a move beside it, a revocation gives the lock of the reverse map back."""
    found = check(ModelMachine(spec), races(REVOCATIONS))

    verdicts = {answer.name: answer.verdict for answer in found.answers}
    assert {"no_deadlock": "holds", "told_free": "holds"}.items() <= verdicts.items()


def violated(spec: str, name: str) -> PropertyResult:
    """The result for a property that revocations beside new mappings break."""
    scope = races(REVOCATIONS)
    (answer,) = check(ModelMachine(spec), scope, questions([name], scope)).answers
    assert "violated" == answer.verdict
    return answer


def test_a_state_is_judged_when_all_operations_are_done() -> None:
    """A revocation takes the whole reservation away, and the copy that fork makes keeps its entries."""
    schedule = violated("6.1", "no_warning").schedule

    assert "every task: exit" not in schedule
    assert ["main: p = fork", "t: unmap_mapping_range bar[0:2]"] == [
        turn for turn in schedule if "goes on" not in turn
    ]


def test_and_once_more_when_every_task_has_exited() -> None:
    """A leak shows only then: both mappings could still have explained the reservation."""
    answer = violated("6.1", "no_leak")

    assert "every task: exit" == answer.schedule[-1]
    assert answer.program is not None
    assert ["p: exit", "exit"] == lines(answer)[-2:]


def test_warnings_of_turns_that_are_remembered_count() -> None:
    """A kernel prints some only once, and each schedule is a kernel of its own."""
    scope = load_scope("race")
    assert isinstance(scope, RaceScope)

    every_order = check(ModelMachine("6.1"), scope, limits=Exhaustive(every_order=True))

    reduced = check(ModelMachine("6.1"), scope)
    assert every_order.states == reduced.states
    assert ["freed_once", "exact"] == [answer.name for answer in reduced.answered("violated")]


def test_a_lock_that_nobody_gives_back_is_a_deadlock_of_exits() -> None:
    """A task that exits waits for it, when all operations are done."""
    answer = next(answer for answer in raced(KeepsTheLock, ALONE).answers if answer.name == "no_deadlock")

    assert ("violated", "every task: exit") == (answer.verdict, answer.schedule[-1])
