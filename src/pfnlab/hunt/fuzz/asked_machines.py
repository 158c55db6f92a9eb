"""The machines of a hunt, by name and observation level."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec.structs import replace

from pfnlab.hunt.fuzz.signature import Signature, kernel_violations, signatures_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine, run_telling
from pfnlab.programs.runs.named_machines import see_memory
from pfnlab.programs.runs.observation import Reason, Run, undecided
from pfnlab.programs.runs.violation import Violation


class AskedProgram(NamedTuple):
    """A program that the machines run at one level.

    :param known: runs that already exist, by machine
    :param reason: why the first model has no answer, so that only kernels run it; None if it has one
    """

    program: Program
    look: LookLevel
    known: Mapping[str, Run]
    reason: Reason | None = None


@dataclass(frozen=True)
class Weighed:
    """A program's runs, one per machine, and their evaluation.

    :param reason: why they are undecided, or why nothing is predicted; None if they are decided
    :param judged: whether all runs are from kernels, each judged on its own
    :param broken: the properties that kernels violate in them, known or not
    """

    runs: Sequence[Run]
    reason: Reason | None
    signatures: tuple[Signature, ...] = ()
    judged: bool = False
    broken: Sequence[Violation] = ()


def weigh(program: Program, runs: Sequence[Run], *, agreed: bool = True) -> Weighed:
    """Evaluate *runs* of *program*."""
    reason = undecided(runs)
    if reason is not None:
        return Weighed(runs, reason)
    broken = kernel_violations(program, runs) if agreed else []
    signatures = signatures_of(program, runs, agreed=agreed, broken=broken)
    return Weighed(runs, None, tuple(signatures), broken=broken)


def _ignored(at: int, run: Run) -> None:
    pass


class AskedMachines:
    """The machines of a hunt, by name, for each observation level.

    :param machines: machines by name, for each observation level
    :ivar at: the machines by level and by name
    :ivar models: the names of the models; all other machines are kernels
    :ivar model: the name of the first model, which decides whether a rule exists; None if there is no model
    """

    def __init__(
        self,
        machines: dict[str, Machine] | Mapping[LookLevel, dict[str, Machine]],
        levels: Iterable[LookLevel],
    ) -> None:
        self.at: dict[LookLevel, dict[str, Machine]] = {}
        for level in dict.fromkeys(levels):
            found: Any = dict(machines).get(level, machines)
            self.at[level] = found
        self.names = tuple(next(iter(self.at.values())))
        self.models = [name for name in self.names if name.startswith("model:")]
        self.kernels = [name for name in self.names if name not in self.models]
        self.model = next(iter(self.models), None)

    @property
    def most_telling(self) -> LookLevel:
        """The most detailed of the levels at which all machines can be observed."""

        def rank(level: LookLevel) -> tuple[bool, int]:
            blind = level is LookLevel.MEMORY and not see_memory(list(self.at[level].values()))
            return blind, list(LookLevel).index(level)

        return min(self.at, key=rank)

    def runs_of(self, name: str, programs: Sequence[Program], level: LookLevel) -> list[Run]:
        """Run *programs* on the machine *name*."""
        if not programs:
            return []
        runs = run_telling(self.at[level][name], programs, _ignored, [level] * len(programs))
        return [replace(run, machine=name) for run in runs]

    def run_of(self, name: str, program: Program, level: LookLevel) -> Run:
        """Run one program on one machine."""
        (run,) = self.runs_of(name, [program], level)
        return run

    def runs(self, program: Program, level: LookLevel, names: Iterable[str] | None = None) -> list[Run]:
        """Run one program on the named machines, or on all."""
        return [self.run_of(name, program, level) for name in (self.names if names is None else names)]

    def lacks_rule(self, program: Program, level: LookLevel) -> bool:
        """True if the first model cannot answer *program*."""
        return self.model is not None and undecided([self.run_of(self.model, program, level)]) is not None

    def weighed(
        self, asked: Sequence[AskedProgram], weigh: Callable[[AskedProgram, Sequence[Run]], Weighed]
    ) -> list[Weighed]:
        """Evaluate the runs of every program, one per machine, in the order of the machines.

        The last machine's runs are evaluated as they arrive, while its guests run other programs.
        """
        *others, last = self.names
        before = [self._runs_by(name, asked) for name in others]
        found: dict[int, Weighed] = {}

        def told(at: int, *run: Run) -> None:
            found[at] = weigh(asked[at], [*(runs[at] for runs in before if at in runs), *run])

        self._runs_by(last, asked, told)
        for at in range(len(asked)):
            if at not in found:
                told(at)
        return [found[at] for at in range(len(asked))]

    def _runs_by(
        self, name: str, asked: Sequence[AskedProgram], on_done: Callable[[int, Run], None] = _ignored
    ) -> dict[int, Run]:
        """The runs of one machine, by the place of their program."""
        runs: dict[int, Run] = {}

        def done(at: int, run: Run) -> None:
            runs[at] = run
            on_done(at, run)

        # A kernel is one machine at all levels, so its guests run all programs in one go.
        left: dict[int, list[int]] = {}
        for at, one in enumerate(asked):
            if name in one.known:
                done(at, one.known[name])
            elif one.reason is None or name in self.kernels:
                left.setdefault(id(self.at[one.look][name]), []).append(at)
        for places in left.values():
            run_telling(
                self.at[asked[places[0]].look][name],
                [asked[at].program for at in places],
                lambda index, run, places=places: done(places[index], replace(run, machine=name)),  # type: ignore[misc]
                [asked[at].look for at in places],
            )
        return runs
