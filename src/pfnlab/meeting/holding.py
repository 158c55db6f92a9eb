"""Two machines held against each other: the same programs on both, and what differs.

One of the two is a kernel, the other its model or another kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from pfnlab.errors import Misuse
from pfnlab.fuzz.campaign import Campaign, CampaignState, KnownSignature
from pfnlab.fuzz.kinds import Vocabulary
from pfnlab.fuzz.shrink import Shrunk, shrink
from pfnlab.fuzz.signature import UNCOMPARABLE, Signature, signature_of, undecided
from pfnlab.policies.known import HeldCount
from pfnlab.programs.lang.load import load_program, program_files
from pfnlab.programs.lang.ops import Program, is_held
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run
from pfnlab.report.walkers import KINDS, WALKERS, cell_program
from pfnlab.units import number_of

#: How many random programs there are unless somebody asks for more, and with which seed.
PROGRAMS, SEED = 300, 7

#: How many random programs hold processors at most: each takes several seconds.
SCHEDULES = 10

#: How many programs are run on kernels at most to make one smaller.
_MOST_RUNS = 120

#: A campaign ends when it has met so many differences that were not met before.
_MOST_FOUND = 12


class KernelDifference(msgspec.Struct, frozen=True):
    """One way in which two machines differ, however many programs show it.

    :param shown_by: the programs that show it, by name
    :param program: the smallest that does
    :param runs: of that program, one a machine
    """

    signature: Signature
    shown_by: tuple[str, ...]
    program: Program
    runs: tuple[Run, ...]


#: Two models that differ in a program as its runs do, where there are such.
Doubles = Callable[[Program, Sequence[Run]], tuple[Machine, Machine] | None]


class Pair:
    """Two machines, by name; the first is asked first and may be a model.

    A warning that both print is no difference between them.

    :param say: told one line at a time what is going on
    :param doubles: stand in for the two while a program is made smaller, for models answer at once
    :ivar unstable: differences that did not show again, in words
    :ivar ordered: how many steps both saw the order of calls of
    """

    def __init__(
        self,
        machines: Mapping[str, Machine],
        say: Callable[[str], None] = lambda line: None,
        doubles: Doubles = lambda program, runs: None,
    ) -> None:
        if len(machines) != 2:
            raise Misuse("two machines are held against each other")
        self.machines = dict(machines)
        self.say = say
        self.differences: list[KernelDifference] = []
        self.unstable: list[str] = []
        self.ordered = 0
        self._doubles = doubles

    def runs(self, programs: Sequence[Program]) -> list[tuple[Run, ...]]:
        """Both runs of every program; a lost one is asked once more."""
        return self._runs(programs, tuple(self.machines.values()))

    def hold(self, programs: Mapping[str, Program]) -> HeldCount:
        """Run *programs*, by name, on both and keep what differs."""
        names = list(programs)
        left_out = different = steps = 0
        for name, pair in zip(names, self.runs([programs[one] for one in names]), strict=True):
            if undecided(pair):
                left_out += 1
                continue
            steps += min(len(run.steps) for run in pair)
            self.ordered += _ordered(pair)
            signature = signature_of(programs[name], pair, alarms=False)
            if signature is not None:
                different += 1
                self._keep(signature, name, programs[name])
        return HeldCount(len(names) - left_out, steps, undecided=left_out, differences=different)

    def random(self, programs: int, seed: int, vocabulary: Vocabulary) -> HeldCount:
        """A campaign of random programs on both, without a folder: what it finds is kept here.

        What is known already is counted, and not made smaller once more.
        """
        state = CampaignState(list(self.machines), seed, vocabulary)
        for one in self.differences:
            operations = len(one.program.ops)
            state.findings[one.signature.key] = KnownSignature("", 0, 0, operations, str(one.signature), True)
        steps = 0

        def counted(runs: Sequence[Run]) -> None:
            nonlocal steps
            steps += min(len(run.steps) for run in runs)
            self.ordered += _ordered(runs)

        campaign = Campaign(
            dict(self.machines),
            state,
            watched=False,
            repeats=1,
            on_compared=counted,
            smaller=self.smaller,
            alarms=False,
        )
        campaign.run(programs=programs, most=len(self.differences) + _MOST_FOUND)
        for at, one in enumerate(self.differences):
            met = state.findings[one.signature.key].met
            if met:
                self.differences[at] = _shown_by(one, number_of(met, "random program"))
        for found in campaign.found:
            self._add(KernelDifference(found.signature, (found.origin,), found.program, found.runs))
        for seen in state.unstable:
            self._unstable(f"{seen.program}: {seen.says}; it showed in {seen.shown} of {seen.runs} runs")
        return HeldCount(
            state.compared, steps, undecided=state.undecided, differences=state.different, seed=seed
        )

    def smaller(self, program: Program, signature: Signature) -> Shrunk:
        """The smallest program that shows *signature*: by its doubles if it has any, else on the two."""
        doubles = self._doubles(program, self.runs([program])[0])
        if doubles is not None and self._shows(program, signature, doubles):
            small = shrink(program, lambda one: self._shows(one, signature, doubles))
            if self._shows(small.program, signature):
                return small
        return shrink(program, lambda one: self._shows(one, signature), _MOST_RUNS)

    def _keep(self, signature: Signature, name: str, program: Program) -> None:
        for at, known in enumerate(self.differences):
            if known.signature == signature:
                self.differences[at] = _shown_by(known, name)
                return
        if not self._shows(program, signature):
            self._unstable(f"{name}: {signature}; it did not show again")
            return
        small = self.smaller(program, signature).program
        self._add(KernelDifference(signature, (name,), small, self.runs([small])[0]))

    def _add(self, found: KernelDifference) -> None:
        self.say(f"a difference in {found.shown_by[0]}: {found.signature}")
        self.differences.append(found)

    def _unstable(self, what: str) -> None:
        self.say(f"not stable, {what}")
        self.unstable.append(what)

    def _shows(
        self, program: Program, signature: Signature, machines: Sequence[Machine] | None = None
    ) -> bool:
        try:
            (runs,) = self._runs([program], machines or tuple(self.machines.values()))
        except Misuse:
            # No guest could hold it.
            return False
        return undecided(runs) is None and signature_of(program, runs, alarms=False) == signature

    def _runs(self, programs: Sequence[Program], machines: Sequence[Machine]) -> list[tuple[Run, ...]]:
        named = []
        for name, machine in zip(self.machines, machines, strict=True):
            found = machine.run(programs)
            again = [at for at, run in enumerate(found) if run.lost is not None and not undecided([run])]
            for at in again:
                found[at] = machine.run([programs[at]])[0]
            named.append([msgspec.structs.replace(run, machine=name) for run in found])
        return list(zip(*named, strict=True))


class Comparable:
    """A kernel that is not asked what only a machine decides, or what no kernel survives.

    Where a model is one of the two it refuses such programs itself.

    :param machine: the kernel
    :param model: says what is such a program
    """

    def __init__(self, machine: Machine, model: Machine) -> None:
        self._machine, self._model = machine, model

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run a program; one that says so where it was not asked."""
        refused = [
            run if (run.lost or "").startswith(UNCOMPARABLE) else None for run in self._model.run(programs)
        ]
        asked = [program for program, run in zip(programs, refused, strict=True) if run is None]
        answers = iter(self._machine.run(asked) if asked else [])
        return [run or next(answers) for run in refused]


def litmus_programs(folder: Path) -> dict[str, Program]:
    """The programs of a folder and the folders in it, by name.

    :raises Misuse: there are none
    """
    programs = {name: load_program(path) for name, path in program_files(folder).items()}
    if not programs:
        raise Misuse(f"{folder} holds no program: name the folder of litmus programs with --litmus")
    return programs


def walker_programs() -> dict[str, Program]:
    """The program of every cell of the walkers' table, by walker and kind of entry."""
    return {f"{walker} at {kind}": cell_program(walker, kind) for walker in WALKERS for kind in KINDS}


def hold_all(
    pair: Pair,
    litmus: Mapping[str, Program],
    *,
    programs: int = PROGRAMS,
    seed: int = SEED,
) -> dict[str, HeldCount]:
    """Everything there is: litmus, walkers, orders, schedules, random programs.

    :param programs: how many random programs without a driver; a tenth as many use the test driver, as many
        vfio-pci, and a seventh hold processors, though not more than :data:`SCHEDULES`
    """
    plain = {name: program for name, program in litmus.items() if not is_held(program)}
    holding = {name: program for name, program in litmus.items() if is_held(program)}
    held = {}
    pair.say(f"litmus: {len(plain)} programs")
    held["litmus"] = pair.hold(plain)
    walkers = walker_programs()
    pair.say(f"walkers: {len(walkers)} cells")
    held["walkers"] = pair.hold(walkers)
    pair.say(f"schedules: {len(holding)} programs")
    held["schedules"] = pair.hold(holding)
    pair.say(f"random: {programs} programs, seed {seed}")
    # Of some no rule is known, and others are drawn for them.
    held["random"] = pair.random(programs + programs // 8, seed, Vocabulary())
    some = max(1, programs // 10)
    for name, number, vocabulary in (
        ("driver", some, Vocabulary(driver=True)),
        ("vfio", some, Vocabulary(vfio=True)),
        ("schedules", max(1, min(SCHEDULES, programs // 7)), Vocabulary(schedules=True)),
    ):
        pair.say(f"random, with {name}: {number} programs")
        held[f"random {name}"] = pair.random(number, seed, vocabulary)
    held["orders"] = HeldCount(0, pair.ordered)
    return held


def _shown_by(difference: KernelDifference, name: str) -> KernelDifference:
    return msgspec.structs.replace(difference, shown_by=(*difference.shown_by, name))


def _ordered(runs: Iterable[Run]) -> int:
    """How many steps both machines saw the order of calls of."""
    return sum(
        all(step.events is not None for step in steps)
        for steps in zip(*(run.steps for run in runs), strict=False)
    )
