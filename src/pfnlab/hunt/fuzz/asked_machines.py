"""The machines of a hunt, by name and observation level."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from pfnlab.hunt.fuzz.causes import Weighed
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine, ObservableMachine, ReportingMachine
from pfnlab.programs.runs.observation import Run, undecided


class AskedMachines:
    """The machines of a hunt, by name, for each observation level.

    :param machines: machines by name, for each observation level
    :param predicting: by level and kernel name, the models that predict the effect of observing; for a kernel
        without one, the first model does
    :ivar at: the machines by level and by name
    :ivar models: the names of the models; all other machines are kernels
    :ivar model: the name of the first model, which decides whether a rule exists; None if there is no model
    :ivar timed: by level, the number of programs that ran on all machines and the total time in seconds
    """

    def __init__(
        self,
        machines: dict[str, Machine] | Mapping[LookLevel, dict[str, Machine]],
        levels: Iterable[LookLevel],
        predicting: Mapping[LookLevel, Mapping[str, Machine]],
    ) -> None:
        self.at: dict[LookLevel, dict[str, Machine]] = {}
        for level in dict.fromkeys(levels):
            found: Any = dict(machines).get(level, machines)
            self.at[level] = found
        self._predicting = predicting
        self.names = tuple(next(iter(self.at.values())))
        self.models = [name for name in self.names if name.startswith("model:")]
        self.kernels = [name for name in self.names if name not in self.models]
        self.model = next(iter(self.models), None)
        self.timed: dict[LookLevel, tuple[int, float]] = {}

    def runs_of(self, name: str, programs: Sequence[Program], level: LookLevel) -> list[Run]:
        """Run *programs* on the machine *name*."""
        runs = self._machine(name, level).run(programs) if programs else []
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

    def predicted(self, name: str, program: Program, level: LookLevel) -> Run | None:
        """The run that predicts the effect of observing kernel *name*; None if no model predicts it."""
        model = self._predicting.get(level, {}).get(name) or self.at[level].get(self.model or "")
        return None if model is None else model.run([program])[0]

    def of_kernels(self, programs: Sequence[Program], level: LookLevel) -> list[list[Run]]:
        """Run each program on all kernels."""
        by_kernel = [self.runs_of(name, programs, level) for name in self.kernels]
        return [[runs[place] for runs in by_kernel] for place in range(len(programs))]

    def weighed(
        self,
        programs: Sequence[Program],
        known: Sequence[Mapping[str, Run]],
        level: LookLevel,
        weigh: Callable[[Program, Sequence[Run]], Weighed],
    ) -> list[Weighed]:
        """Evaluate the runs of every program, one per machine, in the order of the machines.

        The last machine's runs are evaluated as they arrive, while its guests run other programs.

        :param known: runs that already exist, by machine
        """
        began = time.monotonic()
        *others, last = self.names
        by_machine = [self._known_or_run(name, programs, known, level) for name in others]
        found: dict[int, Weighed] = {}

        def told(index: int, run: Run) -> None:
            runs = [*(runs[index] for runs in by_machine), replace(run, machine=last)]
            found[index] = weigh(programs[index], runs)

        machine = self._machine(last, level)
        if programs and isinstance(machine, ReportingMachine):
            machine.run_telling(programs, told)
        else:
            for index, run in enumerate(self._known_or_run(last, programs, known, level)):
                told(index, run)
        count, seconds = self.timed.get(level, (0, 0.0))
        self.timed[level] = count + len(programs), seconds + time.monotonic() - began
        return [found[index] for index in range(len(programs))]

    def _machine(self, name: str, level: LookLevel) -> Machine:
        machine = self.at[level][name]
        # One kernel may serve several levels.
        if isinstance(machine, ObservableMachine) and machine.look is not level:
            machine.look = level
        return machine

    def _known_or_run(
        self, name: str, programs: Sequence[Program], known: Sequence[Mapping[str, Run]], level: LookLevel
    ) -> list[Run]:
        if all(name in runs for runs in known):
            return [runs[name] for runs in known]
        return self.runs_of(name, programs, level)
