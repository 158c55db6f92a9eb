"""Compares two machines by running the same programs on both.

One is a kernel; the other is its model or another kernel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from pfnlab.base.errors import Misuse
from pfnlab.base.progress import UNCOUNTED, PartCount
from pfnlab.base.units import number_of
from pfnlab.hunt.fuzz.asked_machines import AskedMachines
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.causes import causes_of
from pfnlab.hunt.fuzz.filing import Folder
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import HuntState
from pfnlab.hunt.fuzz.investigation import Doubles, Investigation
from pfnlab.hunt.fuzz.signature import Signature, signature_of
from pfnlab.hunt.meeting.walkers import KINDS, WALKERS, cell_program
from pfnlab.kernel.policies.known_kernels import HeldCount
from pfnlab.programs.lang.library_list import library_folder
from pfnlab.programs.lang.load import load_program, program_files
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.golden import golden_look
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine, run_telling
from pfnlab.programs.runs.observation import Run, undecided

#: The default number of random programs, and the default seed.
PROGRAMS, SEED = 300, 7

#: The maximum number of random programs that hold processors, which take several seconds each.
SCHEDULES = 10

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

        :param folder: None for the programs that come with pfnlab
        :raises Misuse: if it does not exist, or contains no program
        """
        paths = {path.stem: path for path in litmus_files(folder)}
        if not paths:
            raise Misuse(f"{folder} contains no program: name the folder of litmus programs with --litmus")
        litmus = {name: load_program(path) for name, path in paths.items()}
        looks = {name: look for name, path in paths.items() if (look := golden_look(path)) is not None}
        return cls(litmus, random, seed, looks)


class _MetMachines(AskedMachines):
    """Machines that run a program again if its run is lost without an alarm."""

    def runs_of(self, name: str, programs: Sequence[Program], level: LookLevel) -> list[Run]:
        runs = runs_of(self.at[level][name], programs, [level] * len(programs))
        return [replace(run, machine=name) for run in runs]


class Pair:
    """Two machines by name; the first one runs first and may be a model.

    A warning that both print is not a difference.

    :param doubles: as for :class:`~pfnlab.hunt.fuzz.investigation.Investigation`
    :param counted: counts the programs that :meth:`hold` and :meth:`random` run
    :ivar ordered: number of steps for which both machines recorded the order of calls
    """

    def __init__(
        self,
        machines: Mapping[str, Machine],
        say: Callable[[str], None] = lambda line: None,
        doubles: Doubles | None = None,
        counted: PartCount = UNCOUNTED,
    ) -> None:
        if len(machines) != 2:
            raise Misuse("two machines are compared")
        self.machines = dict(machines)
        self.say = say
        self.counted = counted
        self.ordered = 0
        self._state = HuntState(list(machines), SEED, Vocabulary())
        self._investigation = Investigation(
            *(_MetMachines(self.machines, LookLevel), self._state, Folder()),
            repeats=1,
            agreed=False,
            doubles=doubles,
            say=say,
        )
        self._shown_later = defaultdict[str, list[str]](list)

    @property
    def differences(self) -> list[KernelDifference]:
        """The differences that were reproduced, in the order in which they were found."""
        return [
            KernelDifference(
                *(found.signature, (found.origin, *self._shown_later[found.signature.key])),
                *(found.program, found.runs),
            )
            for found in self._investigation.found
        ]

    @property
    def unstable(self) -> list[str]:
        """The differences that could not be reproduced, in words."""
        return list(map(str, self._state.unstable))

    def runs(
        self, programs: Sequence[Program], looks: Sequence[LookLevel], counted: PartCount = UNCOUNTED
    ) -> list[tuple[Run, ...]]:
        """Run every program on both machines; if a run is lost without an alarm, the program is run again.

        :param looks: how each program is observed
        """
        runs_by_machine: list[list[Run]] = []
        for name, machine in self.machines.items():
            # The second machine is a kernel, which takes nearly all the time.
            runs = runs_of(machine, programs, looks, counted if runs_by_machine else UNCOUNTED)
            runs_by_machine.append([replace(run, machine=name) for run in runs])
        return list(zip(*runs_by_machine, strict=True))

    def hold(
        self, programs: Mapping[str, Program], looks: Mapping[str, LookLevel] | None = None
    ) -> HeldCount:
        """Run *programs*, by name, on both machines and keep the differences.

        :param looks: observation levels by program name; other programs are observed through /proc
        """
        undecided_count = difference_count = steps = 0
        levels = [(looks or {}).get(name, LookLevel.PROC) for name in programs]
        runs = self.runs(list(programs.values()), levels, self.counted)
        for (name, program), level, pair in zip(programs.items(), levels, runs, strict=True):
            if undecided(pair):
                undecided_count += 1
                continue
            steps += min(len(run.steps) for run in pair)
            self.ordered += _ordered_steps(pair)
            signature = signature_of(program, pair, agreed=False)
            if signature is not None:
                difference_count += 1
                if signature.key in self._state.findings:
                    self._shown_later[signature.key].append(name)
                self._investigation.note(program, level, pair, [signature], name=name)
        return HeldCount(
            len(programs) - undecided_count, steps, undecided=undecided_count, differences=difference_count
        )

    def random(self, programs: int, seed: int, vocabulary: Vocabulary) -> HeldCount:
        """Hunt with random programs on both machines without a folder; findings are kept in this object.

        Known differences are counted but not minimized again.
        """
        findings = self._state.findings
        # No time is spent on them again.
        self._state.unfinished.clear()
        met = {key: finding.met for key, finding in findings.items()}
        state = HuntState(list(self.machines), seed, vocabulary, findings=findings)
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
            on_progress=count_programs,
            on_compared=count_steps,
            investigation=self._investigation,
            agreed=False,
        )
        hunt.run(programs=programs, most=len(met) + _MOST_FOUND)
        # Earlier programs may have found enough.
        self.counted.advance(programs - shown)
        for key, before in met.items():
            if count := findings[key].met - before:
                self._shown_later[key].append(number_of(count, "random program"))
        return HeldCount(
            state.compared, steps, undecided=state.undecided, differences=state.different, seed=seed
        )

    def causes(self) -> list[tuple[KernelDifference, ...]]:
        """The differences by cause, the shortest program first (:mod:`pfnlab.hunt.fuzz.causes`)."""
        by_key = {difference.signature.key: difference for difference in self.differences}
        causes = causes_of(self._state.findings)
        return [tuple(by_key[key] for key in cause.findings) for cause in causes]


def runs_of(
    machine: Machine,
    programs: Sequence[Program],
    looks: Sequence[LookLevel] | None = None,
    counted: PartCount = UNCOUNTED,
) -> list[Run]:
    """One run per program; a program whose run is lost without an alarm is run again.

    :param looks: how each program is observed; as the machine is if None
    :param counted: counts the programs that have run
    """
    runs = run_telling(machine, programs, lambda index, run: counted.advance(), looks)
    for index, run in enumerate(runs):
        if run.lost is not None and run.alarm is None:
            again = [looks[index]] if looks else None
            runs[index] = run_telling(machine, [programs[index]], lambda at, run: None, again)[0]
    return runs


def litmus_files(folder: Path | None = None) -> list[Path]:
    """The program files in a folder and its subfolders.

    :raises Misuse: if two have the same name
    """
    return list(program_files(folder or library_folder()).values())


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


def _ordered_steps(runs: Iterable[Run]) -> int:
    """The number of steps for which both machines recorded the order of calls."""
    return sum(
        all(step.events is not None for step in steps)
        for steps in zip(*(run.steps for run in runs), strict=False)
    )
