"""Compares two machines by running the same programs on both.

One is a kernel; the other is its model or another kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from pfnlab.base.errors import Misuse
from pfnlab.base.progress import UNCOUNTED, PartCount
from pfnlab.base.units import number_of
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.causes import HuntFinding, causes_of, signs_of
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import HuntState
from pfnlab.hunt.fuzz.shrink import AtOperation, Shrunk, first_of, shrink, shrink_quickly, steps_shown
from pfnlab.hunt.fuzz.signature import Signature, in_same_step, signature_of
from pfnlab.hunt.meeting.walkers import KINDS, WALKERS, cell_program
from pfnlab.kernel.policies.known_kernels import HeldCount
from pfnlab.programs.lang.library_list import library_folder
from pfnlab.programs.lang.load import load_program, program_files
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.golden import golden_look
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import (
    Machine,
    ObservableMachine,
    looking_at,
    run_telling,
)
from pfnlab.programs.runs.observation import Run, undecided

#: The default number of random programs, and the default seed.
PROGRAMS, SEED = 300, 7

#: The maximum number of random programs that hold processors, which take several seconds each.
SCHEDULES = 10

#: The maximum number of programs to run on kernels to minimize one.
_MOST_RUNS = 120

#: The number of new differences after which a hunt ends.
_MOST_FOUND = 12


class KernelDifference(msgspec.Struct, frozen=True):
    """One difference between two machines, with all programs that show it.

    :param shown_by: the programs that show it, by name
    :param program: the smallest program that shows it
    :param runs: the runs of that program, one per machine
    """

    signature: Signature
    shown_by: tuple[str, ...]
    program: Program
    runs: tuple[Run, ...]


class Programs(NamedTuple):
    """The programs for comparing two machines.

    :param litmus: the programs in a folder, by name
    :param random: number of random programs without a driver. In addition, a tenth as many use the test
        driver, a tenth as many use vfio-pci, and a seventh as many, but at most :data:`SCHEDULES`, hold
        processors
    :param looks: the observation levels of the goldens of programs, by name
    """

    litmus: Mapping[str, Program]
    random: int = PROGRAMS
    seed: int = SEED
    looks: Mapping[str, LookLevel] = MappingProxyType({})

    @classmethod
    def of(cls, folder: Path | None = None, random: int = PROGRAMS, seed: int = SEED) -> Programs:
        """The programs in *folder* and its subfolders, and random ones.

        :raises Misuse: if it does not exist
        """
        return cls(litmus_programs(folder), random, seed, litmus_looks(folder))


#: Two models whose runs differ in the same way as the given runs of a program, if there are any.
Doubles = Callable[[Program, Sequence[Run]], tuple[Machine, Machine] | None]


class Pair:
    """Two machines by name; the first one runs first and may be a model.

    A warning that both print is not a difference.

    :param doubles: models that replace the two while a program is minimized, because they are fast
    :param counted: counts the programs that :meth:`hold` and :meth:`random` run
    :ivar unstable: differences that could not be reproduced, in words
    :ivar ordered: number of steps for which both machines recorded the order of calls
    """

    def __init__(
        self,
        machines: Mapping[str, Machine],
        say: Callable[[str], None] = lambda line: None,
        doubles: Doubles = lambda program, runs: None,
        counted: PartCount = UNCOUNTED,
    ) -> None:
        if len(machines) != 2:
            raise Misuse("two machines are compared")
        self.machines = dict(machines)
        self.say = say
        self.counted = counted
        self.differences: list[KernelDifference] = []
        self.unstable: list[str] = []
        self.ordered = 0
        self._doubles = doubles

    def runs(self, programs: Sequence[Program]) -> list[tuple[Run, ...]]:
        """Run every program on both machines; if a run is lost without an alarm, the program is run again."""
        return self._runs(programs, tuple(self.machines.values()))

    def hold(
        self, programs: Mapping[str, Program], looks: Mapping[str, LookLevel] | None = None
    ) -> HeldCount:
        """Run *programs*, by name, on both machines and keep the differences.

        :param looks: observation levels by program name; other programs use the default
        """
        undecided_count = difference_count = steps = 0
        looks = looks or {}
        for look in dict.fromkeys(map(looks.get, programs)):
            names = [name for name in programs if looks.get(name) is look]
            with self.looking(look):
                asked, machines = [programs[name] for name in names], tuple(self.machines.values())
                for name, pair in zip(names, self._runs(asked, machines, self.counted), strict=True):
                    if undecided(pair):
                        undecided_count += 1
                        continue
                    steps += min(len(run.steps) for run in pair)
                    self.ordered += _ordered_steps(pair)
                    signature = signature_of(programs[name], pair, agreed=False)
                    if signature is not None:
                        difference_count += 1
                        self._keep(signature, name, programs[name])
        return HeldCount(
            len(programs) - undecided_count, steps, undecided=undecided_count, differences=difference_count
        )

    def random(self, programs: int, seed: int, vocabulary: Vocabulary) -> HeldCount:
        """Hunt with random programs on both machines without a folder; findings are kept in this object.

        Known differences are counted but not minimized again.
        """
        state = HuntState(list(self.machines), seed, vocabulary)
        for difference in self.differences:
            state.findings[difference.signature.key] = _finding(difference)
        steps = 0

        def count_steps(runs: Sequence[Run]) -> None:
            nonlocal steps
            steps += min(len(run.steps) for run in runs)
            self.ordered += _ordered_steps(runs)

        shown = 0

        def count_programs(state: HuntState) -> None:
            nonlocal shown
            self.counted.advance(state.next - shown)
            shown = state.next

        hunt = Hunt(
            dict(self.machines),
            state,
            repeats=1,
            on_progress=count_programs,
            on_compared=count_steps,
            smaller=self.smaller,
            agreed=False,
        )
        hunt.run(programs=programs, most=len(self.differences) + _MOST_FOUND)
        # Earlier programs may have found enough.
        self.counted.advance(programs - shown)
        for index, difference in enumerate(self.differences):
            count = state.findings[difference.signature.key].met
            if count:
                self.differences[index] = _with_program(difference, number_of(count, "random program"))
        for finding in hunt.found:
            self._add(KernelDifference(finding.signature, (finding.origin,), finding.program, finding.runs))
        for unstable in state.unstable:
            self._add_unstable(
                f"{unstable.program}: {unstable.says}; it showed in {unstable.shown} of {unstable.runs} runs"
            )
        return HeldCount(
            state.compared, steps, undecided=state.undecided, differences=state.different, seed=seed
        )

    def smaller(self, program: Program, signature: Signature) -> Shrunk:
        """The smallest program that shows *signature*, found with the doubles if there are any."""
        doubles = self._doubles(program, self.runs([program])[0])
        steps = self._shown(program, signature, doubles)
        if doubles is not None and steps:
            same = AtOperation(
                program, first_of(steps), lambda candidate: self._shown(candidate, signature, doubles)
            )
            small = shrink(program, same)
            if self._shown(small.program, signature):
                return small
        steps = self._shown(program, signature)
        if not steps:
            return Shrunk(program, 1, False)
        return shrink_quickly(
            *(program, signature, first_of(steps)),
            lambda candidate, quick: self._shown(candidate, signature, quick=quick),
            _MOST_RUNS,
        )

    def causes(self) -> list[tuple[KernelDifference, ...]]:
        """The differences by cause, the shortest program first (:mod:`pfnlab.hunt.fuzz.causes`)."""
        if not self.differences:
            return []
        self.say(f"causes of {number_of(len(self.differences), 'difference')}")
        by_key = {difference.signature.key: difference for difference in self.differences}
        looking = [machine for machine in self.machines.values() if isinstance(machine, ObservableMachine)]
        closest = LookLevel.MEMORY if all(machine.sees_memory for machine in looking) else LookLevel.PROC
        found = {key: _finding(difference) for key, difference in by_key.items()}
        with self.looking(closest):
            for key, difference in by_key.items():
                found[key].signs = signs_of(
                    *(difference.program, difference.signature, self.machines.values()),
                    lambda program: self.runs([program])[0],
                    agreed=False,
                )
        return [tuple(by_key[key] for key in cause.findings) for cause in causes_of(found)]

    def looking(self, look: LookLevel | None) -> AbstractContextManager[None]:
        """A context in which both machines are observed at this level; None is the default level."""
        return looking_at(self.machines.values(), look)

    def _keep(self, signature: Signature, name: str, program: Program) -> None:
        for index, difference in enumerate(self.differences):
            if difference.signature == signature:
                self.differences[index] = _with_program(difference, name)
                return
        if not self._shown(program, signature, repeated=True):
            self._add_unstable(f"{name}: {signature}; it could not be reproduced")
            return
        small = self.smaller(program, signature).program
        self._add(KernelDifference(signature, (name,), small, self.runs([small])[0]))

    def _add(self, difference: KernelDifference) -> None:
        self.say(f"a difference in {difference.shown_by[0]}: {difference.signature}")
        self.differences.append(difference)

    def _add_unstable(self, text: str) -> None:
        self.say(f"not stable, {text}")
        self.unstable.append(text)

    def _shown(
        self,
        program: Program,
        signature: Signature,
        machines: Sequence[Machine] | None = None,
        *,
        repeated: bool = False,
        quick: bool = False,
    ) -> frozenset[int | None]:
        asked = machines or tuple(self.machines.values())
        return steps_shown(
            program,
            signature,
            lambda: self._runs([program], asked)[0],
            asked,
            agreed=False,
            repeated=repeated,
            quick=quick,
        )

    def _runs(
        self, programs: Sequence[Program], machines: Sequence[Machine], counted: PartCount = UNCOUNTED
    ) -> list[tuple[Run, ...]]:
        runs_by_machine = []
        for name, machine in zip(self.machines, machines, strict=True):
            # The second machine is a kernel, which takes nearly all the time.
            counting = counted if machine is machines[-1] else UNCOUNTED
            runs = runs_of(machine, programs, _advancing(counting))
            runs_by_machine.append([replace(run, machine=name) for run in runs])
        return list(zip(*runs_by_machine, strict=True))


def runs_of(
    machine: Machine,
    programs: Sequence[Program],
    on_done: Callable[[int, Run], None] = lambda index, run: None,
) -> list[Run]:
    """One run per program; a program whose run is lost without an alarm is run again."""
    runs = run_telling(machine, programs, on_done)
    for index, run in enumerate(runs):
        if run.lost is not None and run.alarm is None:
            runs[index] = machine.run([programs[index]])[0]
    return runs


def litmus_programs(folder: Path | None = None) -> dict[str, Program]:
    """The programs in a folder and its subfolders, by name.

    :param folder: None for the programs that come with pfnlab
    :raises Misuse: if it does not exist
    """
    programs = {path.stem: load_program(path) for path in litmus_files(folder)}
    if not programs:
        raise Misuse(f"{folder} contains no program: name the folder of litmus programs with --litmus")
    return programs


def litmus_files(folder: Path | None = None) -> list[Path]:
    """The program files in a folder and its subfolders.

    :raises Misuse: if two have the same name
    """
    return list(program_files(folder or library_folder()).values())


def litmus_looks(folder: Path | None = None) -> dict[str, LookLevel]:
    """The observation level of each golden in a folder, by program name."""
    looks = {path.stem: golden_look(path) for path in litmus_files(folder)}
    return {name: look for name, look in looks.items() if look is not None}


def walker_programs() -> dict[str, Program]:
    """The program for every cell in the walker table, by walker and kind of entry."""
    return {f"{walker} at {kind}": cell_program(walker, kind) for walker in WALKERS for kind in KINDS}


def hold_all(pair: Pair, compared: Programs) -> dict[str, HeldCount]:
    """Run all programs: litmus, walkers, orders, schedules, random programs."""
    litmus, programs, seed, looks = compared
    plain = {name: program for name, program in litmus.items() if not program.needs.held}
    holding = {name: program for name, program in litmus.items() if program.needs.held}
    walkers = walker_programs()
    tenth = max(1, programs // 10)
    # Run an eighth more, because the model has no rule for some of the programs.
    drawn = {
        "random": (programs + programs // 8, Vocabulary()),
        "random driver": (tenth, Vocabulary(driver=True)),
        "random vfio": (tenth, Vocabulary(vfio=True)),
        "random schedules": (max(1, min(SCHEDULES, programs // 7)), Vocabulary(schedules=True)),
    }
    pair.counted.expect(len(litmus) + len(walkers) + sum(number for number, _ in drawn.values()))
    counts = {}
    pair.say(f"litmus: {len(plain)} programs")
    counts["litmus"] = pair.hold(plain, looks)
    pair.say(f"walkers: {len(walkers)} cells")
    counts["walkers"] = pair.hold(walkers)
    pair.say(f"schedules: {len(holding)} programs")
    counts["schedules"] = pair.hold(holding, looks)
    for name, (number, vocabulary) in drawn.items():
        kind = name.removeprefix("random").strip()
        pair.say(f"random{f', with {kind}' if kind else ''}: {number} programs, seed {seed}")
        counts[name] = pair.random(number, seed, vocabulary)
    counts["orders"] = HeldCount(0, pair.ordered)
    return counts


def _finding(difference: KernelDifference) -> HuntFinding:
    """A difference as a hunt knows it."""
    program, signature = difference.program, difference.signature
    return HuntFinding.of(signature, program, in_same_step(program, difference.runs, signature))


def _advancing(counted: PartCount) -> Callable[[int, Run], None]:
    return lambda index, run: counted.advance()


def _with_program(difference: KernelDifference, name: str) -> KernelDifference:
    return replace(difference, shown_by=(*difference.shown_by, name))


def _ordered_steps(runs: Iterable[Run]) -> int:
    """The number of steps for which both machines recorded the order of calls."""
    return sum(
        all(step.events is not None for step in steps)
        for steps in zip(*(run.steps for run in runs), strict=False)
    )
