"""The interface of all machines, whether models or real kernels, and the accelerators of real ones."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol, runtime_checkable

from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run


class Accel(StrEnum):
    """An accelerator, or letting the machine choose one.

    With KVM, a guest uses the host's processor, including its features, physical address width and page-table
    levels. PAT and MTRRs are registers as usual, so with either accelerator the guest kernel itself
    determines the book and the cache bits in page-table entries. But whether stale translations exist, and
    how long they last, depends on the host.
    """

    AUTO = "auto"
    KVM = "kvm"
    TCG = "tcg"


class Machine(Protocol):
    """A machine that runs programs."""

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run per program, in order."""
        ...


@runtime_checkable
class ReportingMachine(Protocol):
    """A machine that runs several programs at a time, and reports each run as soon as it is complete."""

    def run_telling(
        self,
        programs: Sequence[Program],
        on_done: Callable[[int, Run], None],
        looks: Sequence[LookLevel] | None = None,
    ) -> list[Run]:
        """One run per program, in order.

        :param looks: how each program is observed; as the machine is if None
        :param on_done: called with index and run as soon as a program is done; the order may be any, but the
            thread is always the calling one
        """
        ...


@runtime_checkable
class ObservableMachine(Protocol):
    """A machine that can be observed in several ways.

    :ivar look: how subsequent programs are observed, or are predicted to be observed
    """

    look: LookLevel

    @property
    def sees_memory(self) -> bool:
        """True if its memory can be observed."""
        ...


def run_telling(
    machine: Machine,
    programs: Sequence[Program],
    on_done: Callable[[int, Run], None],
    looks: Sequence[LookLevel] | None = None,
) -> list[Run]:
    """One run per program; a machine that does not report progress runs them one after another.

    :param looks: how each program is observed or predicted; as the machine is if None
    """
    if isinstance(machine, ReportingMachine):
        return machine.run_telling(programs, on_done, looks)
    runs: list[Run] = []
    for index, program in enumerate(programs):
        with looking_at([machine], looks[index] if looks else None):
            answers = machine.run([program])
        for run in answers:
            on_done(index, run)
        runs += answers
    return runs


@contextmanager
def looking_at(machines: Iterable[Machine], look: LookLevel | None) -> Iterator[None]:
    """Context manager that observes *machines* at this level; None leaves their levels unchanged."""
    looked = [machine for machine in machines if isinstance(machine, ObservableMachine)]
    before = [machine.look for machine in looked]
    try:
        for machine in looked:
            machine.look = look or machine.look
        yield
    finally:
        for machine, own in zip(looked, before, strict=True):
            machine.look = own


@runtime_checkable
class RebootableMachine(Protocol):
    """A machine that may run several programs one after another in a single boot."""

    def reboot(self) -> None:
        """From now on, run programs in guests in which no program has run yet."""
        ...
