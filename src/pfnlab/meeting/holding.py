"""Two machines held against each other: the same programs on both, and what differs.

One of the two is a kernel, the other its model or another kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from pfnlab.errors import Misuse
from pfnlab.fuzz.campaign import Campaign, State
from pfnlab.fuzz.filing import Found
from pfnlab.fuzz.kinds import Vocabulary
from pfnlab.fuzz.shrink import shrink
from pfnlab.fuzz.signature import Signature, signature_of, undecided
from pfnlab.policies.known import Held
from pfnlab.programs.load import load_program
from pfnlab.programs.observation import Run
from pfnlab.programs.ops import Program, is_held
from pfnlab.report.walkers import KINDS, WALKERS, cell_program

#: How many random programs there are unless somebody asks for more, and with which seed.
PROGRAMS, SEED = 300, 7

#: How many of a difference's tries to make it smaller there are.
_MOST_RUNS = 120


class Machine(Protocol):
    """What runs programs."""

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run a program, in order."""
        ...


class Difference(msgspec.Struct, frozen=True):
    """One way in which two machines differ, however many programs show it.

    :param shown_by: the programs that show it, by name
    :param program: the smallest that does
    :param runs: of that program, one a machine
    """

    signature: Signature
    shown_by: tuple[str, ...]
    program: Program
    runs: tuple[Run, ...]


class Pair:
    """Two machines, by name; the first is asked first and may be a model.

    :param say: told one line at a time what is going on
    """

    def __init__(
        self, machines: Mapping[str, Machine], say: Callable[[str], None] = lambda line: None
    ) -> None:
        if len(machines) != 2:
            raise Misuse("two machines are held against each other")
        self.machines = dict(machines)
        self.say = say
        self.differences: list[Difference] = []
        self.ordered = 0

    def runs(self, programs: Sequence[Program]) -> list[tuple[Run, ...]]:
        """Both runs of every program; a lost one is asked once more."""
        named = []
        for name, machine in self.machines.items():
            found = machine.run(programs)
            again = [at for at, run in enumerate(found) if run.lost is not None and not undecided([run])]
            for at in again:
                found[at] = machine.run([programs[at]])[0]
            named.append([msgspec.structs.replace(run, machine=name) for run in found])
        return list(zip(*named, strict=True))

    def hold(self, programs: Mapping[str, Program]) -> Held:
        """Run *programs*, by name, on both and keep what differs."""
        names = list(programs)
        left_out = different = steps = 0
        for name, pair in zip(names, self.runs([programs[one] for one in names]), strict=True):
            if undecided(pair):
                left_out += 1
                continue
            steps += min(len(run.steps) for run in pair)
            self.ordered += _ordered(pair)
            signature = signature_of(programs[name], pair)
            if signature is not None:
                different += 1
                self._keep(signature, name, programs[name])
        return Held(len(names) - left_out, steps, undecided=left_out, differences=different)

    def random(self, programs: int, seed: int, vocabulary: Vocabulary) -> Held:
        """A campaign of random programs on both, without a folder: what it finds is kept here."""
        state = State(list(self.machines), seed, vocabulary)
        steps = 0

        def counted(runs: Sequence[Run]) -> None:
            nonlocal steps
            steps += min(len(run.steps) for run in runs)
            self.ordered += _ordered(runs)

        campaign = Campaign(dict(self.machines), state, watched=False, repeats=1, on_compared=counted)
        campaign.run(programs=programs)
        for found in campaign.found:
            self._add(found)
        return Held(state.compared, steps, undecided=state.undecided, differences=state.different, seed=seed)

    def _add(self, found: Found) -> None:
        self._merge(found.signature, found.origin, lambda: (found.program, found.runs))

    def _keep(self, signature: Signature, name: str, program: Program) -> None:
        def smallest() -> tuple[Program, tuple[Run, ...]]:
            small = shrink(program, lambda one: self._shows(one, signature), _MOST_RUNS).program
            return small, self.runs([small])[0]

        self._merge(signature, name, smallest)

    def _merge(
        self, signature: Signature, name: str, smallest: Callable[[], tuple[Program, tuple[Run, ...]]]
    ) -> None:
        for at, known in enumerate(self.differences):
            if known.signature == signature:
                shown_by = (*known.shown_by, name)
                self.differences[at] = msgspec.structs.replace(known, shown_by=shown_by)
                return
        self.say(f"a difference in {name}: {signature}")
        program, runs = smallest()
        self.differences.append(Difference(signature, (name,), program, runs))

    def _shows(self, program: Program, signature: Signature) -> bool:
        try:
            return signature_of(program, self.runs([program])[0]) == signature
        except Misuse:
            # No guest could hold it.
            return False


def litmus_programs(folder: Path) -> dict[str, Program]:
    """The programs of a folder by name.

    :raises Misuse: there are none
    """
    programs = {path.stem: load_program(path) for path in sorted(folder.glob("*.pfn"))}
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
    drivers: bool = True,
) -> dict[str, Held]:
    """Everything there is: litmus, walkers, orders, schedules, random programs.

    :param programs: how many random programs without a driver
    :param drivers: with a tenth as many that use the test driver, and that use vfio-pci
    """
    plain = {name: program for name, program in litmus.items() if not is_held(program)}
    schedules = {name: program for name, program in litmus.items() if is_held(program)}
    held = {}
    pair.say(f"litmus: {len(plain)} programs")
    held["litmus"] = pair.hold(plain)
    walkers = walker_programs()
    pair.say(f"walkers: {len(walkers)} cells")
    held["walkers"] = pair.hold(walkers)
    pair.say(f"schedules: {len(schedules)} programs")
    held["schedules"] = pair.hold(schedules)
    pair.say(f"random: {programs} programs, seed {seed}")
    # Of some no rule is known, and others are drawn for them.
    held["random"] = pair.random(programs + programs // 8, seed, Vocabulary())
    if drivers:
        some = max(1, programs // 10)
        for name, vocabulary in (("driver", Vocabulary(driver=True)), ("vfio", Vocabulary(vfio=True))):
            pair.say(f"random, with {name}: {some} programs")
            held[f"random {name}"] = pair.random(some, seed, vocabulary)
    held["orders"] = Held(0, pair.ordered)
    return held


def _ordered(runs: Iterable[Run]) -> int:
    """How many steps both machines saw the order of calls of."""
    return sum(
        all(step.events is not None for step in steps)
        for steps in zip(*(run.steps for run in runs), strict=False)
    )
