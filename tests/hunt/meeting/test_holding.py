"""Two machines compared with each other: what differs is found, once, small; what cannot be asked is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from counting import Parts
from kernels_of_models import LITMUS, Alarmed, Crashing, Headless, Kernel, Moody, Warned, program
from msgspec.structs import replace

from pfnlab.base.errors import Misuse
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.meeting.holding import (
    Pair,
    Programs,
    hold_all,
    walker_programs,
)
from pfnlab.hunt.meeting.walkers import KINDS, WALKERS
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.golden import promoted, write_golden
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

#: The model of a kernel, and what it did before a repair.
NOW, BEFORE = "6.12.117", "6.12.117,dontunmap_unlocks_all=on"

#: A kernel with another tracker, which random programs tell apart soon.
OTHER = "6.12.117,tracker=track_ctx"


def pair(kernel: Kernel, doubles: str | None = None) -> Pair:
    """The model and *kernel*; the model of *doubles* stands in for it."""
    machines = {"model:now": ModelMachine(NOW), "qemu:it": kernel}
    if doubles is None:
        return Pair(machines)
    return Pair(machines, doubles=lambda what, runs: (ModelMachine(NOW), ModelMachine(doubles)))


def test_two_that_agree() -> None:
    """Programs, steps and steps with an order are counted, and nothing differs."""
    both = pair(Kernel(NOW))

    held = both.hold(LITMUS)

    steps = sum(len(one.ops) + 1 for one in LITMUS.values())
    assert (3, steps, 0, 0) == (held.programs, held.steps, held.undecided, held.differences)
    assert steps == both.ordered
    assert ([], []) == (both.differences, both.unstable)


def test_a_difference_is_one_however_many_show_it() -> None:
    """It is kept with the names of all programs that do, and the smallest."""
    both = pair(Kernel(BEFORE))

    held = both.hold(LITMUS)

    (found,) = both.differences
    assert 2 == held.differences
    assert ("locked", "locked-again") == found.shown_by
    assert 3 == len(found.program.ops) < len(LITMUS["locked"].ops)
    assert ["model:now", "qemu:it"] == [run.machine for run in found.runs]


def test_models_stand_in_while_a_program_is_made_smaller() -> None:
    """The kernel is asked three times what it shows at first, and three times of the smallest."""
    slow, quick = Kernel(BEFORE), Kernel(BEFORE)
    both = [pair(slow), pair(quick, doubles=BEFORE)]

    for one in both:
        one.hold({"locked": LITMUS["locked"]})

    assert both[0].differences[0].program == both[1].differences[0].program
    assert 6 == len(quick.asked) < len(slow.asked)


def test_a_double_that_does_something_else() -> None:
    """Then the kernel itself is asked, and the program is as small."""
    both = pair(Kernel(BEFORE), doubles="6.12.117,mseal=off")

    both.hold({"locked": LITMUS["locked"]})

    assert 3 == len(both.differences[0].program.ops)


def test_a_warning_of_both_kernels() -> None:
    """It is no difference between them."""
    warns = program("a = mmap bar[0:16] wc shared rw\nmem_read a[0]\n")
    kernels = Warned(NOW), Warned(NOW)
    both = Pair({"qemu:one": kernels[0], "qemu:other": kernels[1]})

    held = both.hold({"warns": warns})

    assert all(step.log for step in kernels[0].one(warns).steps)
    assert 0 == held.differences
    assert 0 == both.random(3, 1, Vocabulary()).differences


def test_what_does_not_show_again() -> None:
    """It is counted and said, and is no difference that could be explained."""
    both = pair(Moody(NOW))

    held = both.hold(LITMUS)

    assert (1, []) == (held.differences, both.differences)
    (said,) = both.unstable
    assert said.startswith("middle: ") and said.endswith("; it showed in 1 of 2 runs")


def test_what_a_kernel_lacks_is_undecided() -> None:
    """Programs for which there are no modules are counted apart."""
    held = pair(Headless(NOW)).hold(walker_programs())

    assert (len(WALKERS), 0) == (held.undecided, held.differences)
    assert len(WALKERS) * (len(KINDS) - 1) == held.programs


def test_a_lost_guest_is_a_difference() -> None:
    """It is asked once more first."""
    kernel = Crashing(NOW)
    both = pair(kernel)

    held = both.hold({"locked": LITMUS["locked"]})

    assert 1 == held.differences
    assert "lost" == both.differences[0].signature.kind
    assert 2 <= kernel.asked.count(LITMUS["locked"])


def test_an_alarm_is_a_difference_although_it_does_not_repeat() -> None:
    """A kernel that crashed is not asked again until it does not."""
    both = pair(Alarmed(NOW))

    held = both.hold({"locked": LITMUS["locked"]})

    assert (1, []) == (held.differences, both.differences)
    (said,) = both.unstable
    assert said.startswith("locked: alarm mremap (qemu:it): oops: BUG: in move_page_tables")


def test_an_alarm_that_repeats_is_made_smaller() -> None:
    """As any difference."""
    kernel = Alarmed(NOW)
    kernel.always = True
    both = pair(kernel)

    both.hold({"locked": LITMUS["locked"]})

    (difference,) = both.differences
    assert "alarm" == difference.signature.kind
    assert len(difference.program.ops) < len(LITMUS["locked"].ops)


def test_random_programs() -> None:
    """A difference is found without a program made for it; the seed is kept."""
    both = pair(Kernel(OTHER), doubles=OTHER)

    held = both.random(25, 3, Vocabulary())

    assert held.differences and both.differences and 3 == held.seed
    assert held.programs + held.undecided <= 25
    assert held.steps > held.programs


def test_random_programs_that_show_what_is_known() -> None:
    """They are counted by the difference they show, which is not made smaller once more."""
    both = pair(Kernel(OTHER), doubles=OTHER)
    both.random(25, 3, Vocabulary())
    (first, *_) = both.differences
    found = len(both.differences)

    both.random(25, 3, Vocabulary())

    assert found == len(both.differences)
    assert both.differences[0].shown_by[0] == first.shown_by[0]
    assert "random program" in both.differences[0].shown_by[-1]


class Looked(Kernel):
    """A kernel that notes how it is looked at for each program."""

    sees_memory = True

    def __init__(self, spec: str) -> None:
        super().__init__(spec)
        self.seen: list[tuple[Program, LookLevel]] = []

    @property
    def look(self) -> LookLevel:
        """As the model that stands behind it."""
        return self.model.look

    @look.setter
    def look(self, look: LookLevel) -> None:
        self.model.look = look

    def one(self, program: Program) -> Run:
        """Its run, noted."""
        self.seen.append((program, self.look))
        return super().one(program)


def test_each_program_is_looked_at_as_for_its_golden() -> None:
    """The others, and all later ones, as always."""
    first = ModelMachine(NOW)
    kernel = Looked(NOW)
    both = Pair({"model:now": first, "qemu:it": kernel})

    both.hold(LITMUS, {"locked": LookLevel.MEMORY})

    assert [(LITMUS["locked"], LookLevel.MEMORY)] == [
        (what, look) for what, look in kernel.seen if look is not LookLevel.PROC
    ]
    assert (3, LookLevel.PROC, LookLevel.PROC) == (len(kernel.seen), first.look, kernel.look)


def test_the_two_are_looked_at_alike() -> None:
    """A leaf of 1 GiB differs between ways of looking, and not between the two."""
    leaf = load_text(
        "pfnlab program 1\ndevice bar: pci, 1 GiB\n\na = mmap bar[0:262144] vfio shared rw\nread a[0]\nlook\n"
    )
    both = Pair({"model:7.3": ModelMachine("7.3"), "qemu:it": ModelMachine("7.3")})

    held = both.hold({"leaf": leaf}, {"leaf": LookLevel.MEMORY})

    assert (1, 0) == (held.programs, held.differences)


def test_a_folder_says_how_each_of_its_programs_is_looked_at(tmp_path: Path) -> None:
    """By its golden; a program without one is not named."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.pfn").write_text(format_program(LITMUS["locked"]))
    (run,) = ModelMachine(NOW, LookLevel.MEMORY).run([LITMUS["locked"]])
    write_golden(tmp_path / "a.expected.json", promoted(None, "h", "x", {NOW: run}))

    assert {"a": LookLevel.MEMORY} == Programs.of(tmp_path).looks


def test_everything_there_is() -> None:
    """Every part is held, and orders are counted over all of them."""
    both = pair(Kernel(NOW))

    held = hold_all(both, Programs(LITMUS, 10))

    parts = ["litmus", "walkers", "schedules", "random", "random driver", "random vfio", "random schedules"]
    assert [*parts, "orders"] == list(held)
    assert 0 < held["orders"].steps <= sum(held[part].steps for part in parts)
    assert (3, 112) == (held["litmus"].programs, held["walkers"].programs)
    assert held["random schedules"].programs + held["random schedules"].undecided == 1
    assert all(one.differences == 0 for one in held.values())


@pytest.mark.parametrize("doubles", [NOW, OTHER])
def test_everything_is_counted(doubles: str) -> None:
    """A program each, whether or not the two agree."""
    parts = Parts()
    both = pair(Kernel(doubles), doubles)
    both.counted = parts

    hold_all(both, Programs(LITMUS, 10))

    assert parts.expected == parts.done > 100


def test_two_machines_are_needed() -> None:
    """One has nothing to differ from."""
    with pytest.raises(Misuse, match="two machines"):
        Pair({"model:now": ModelMachine(NOW)})


def test_a_folder_without_programs(tmp_path: Path) -> None:
    """It is named, with the option that names another."""
    with pytest.raises(Misuse, match=r"contains no program: .*--litmus"):
        Programs.of(tmp_path)


class Failing(Kernel):
    """A kernel whose answer number *at* is another."""

    def __init__(self, spec: str, at: int, **other: str) -> None:
        super().__init__(spec)
        self.at, self.other = at, other

    def one(self, program: Program) -> Run:
        """Its first step alone, if it is that answer."""
        run = super().one(program)
        return replace(run, steps=run.steps[:1], **self.other) if len(self.asked) == self.at else run


def test_an_undecided_answer_about_the_smallest_program() -> None:
    """The program that showed the difference is kept with its runs, so that it can be explained."""
    usual = Kernel(BEFORE)
    pair(usual, doubles=BEFORE).hold({"locked": LITMUS["locked"]})
    last = max(at for at, asked in enumerate(usual.asked, 1) if asked is not LITMUS["locked"])
    kernels = [Failing(BEFORE, at, undecided="no memory") for at in range(2, last + 1)]
    both = [pair(kernel, doubles=BEFORE) for kernel in kernels]

    for one in both:
        one.hold({"locked": LITMUS["locked"]})

    found = [difference for one in both for difference in one.differences]
    assert {2} == {len(difference.runs) for difference in found}
    assert LITMUS["locked"] in [difference.program for difference in found]
    assert all(differences(difference.runs) for difference in found)


def test_a_lost_answer_about_the_smallest_program() -> None:
    """It is asked once more, so that the difference can be explained."""
    usual = Kernel(BEFORE)
    pair(usual, doubles=BEFORE).hold({"locked": LITMUS["locked"]})

    for at in range(1, len(usual.asked) + 1):
        both = pair(Failing(BEFORE, at, lost="the guest is gone"), doubles=BEFORE)
        both.hold({"locked": LITMUS["locked"]})
        (found,) = both.differences
        assert (3, [None, None]) == (len(found.program.ops), [run.lost for run in found.runs])
