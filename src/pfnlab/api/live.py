"""`pl.machine`: a model that runs one operation at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pfnlab.api.acting import Acting, LiveTask
from pfnlab.api.step import ObservationTuple, Pages, StepSeen, Where, seen_steps
from pfnlab.base.errors import Misuse
from pfnlab.base.own_code import is_served
from pfnlab.base.supervised import Result, supervised
from pfnlab.checker.judging.judge import judged
from pfnlab.kernel.policies.guard import HookCall, check_deterministic
from pfnlab.kernel.policies.own import is_path
from pfnlab.kernel.policies.profiles import described
from pfnlab.programs.lang.areas import area_extents
from pfnlab.programs.lang.ops import Area, Device, Op, Program, Thp, tasks_of
from pfnlab.programs.lang.printer import format_program, op_text
from pfnlab.programs.lang.single import read_device, read_op, read_span
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import KEYWORDS
from pfnlab.programs.model.model_machine import ModelMachine, OpenRun, model_of
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.named_machines import full_name, name_machine, newest_series, with_policies
from pfnlab.programs.runs.observation import BookEntry, PteSeen, Run, VmaSeen

if TYPE_CHECKING:
    from pfnlab.api.runs import RunReport

#: The device that a machine has if none is named.
DEVICE = "bar: pci, 16 pages"
#: Devices for a machine, as a program declares them.
Devices = str | Device | Sequence[str | Device]
#: Policies for models: files as `--policy` takes them, or names by seam (``{"tracker": "vm_pat"}``).
Policies = Mapping[str, str | Path] | Sequence[str | Path] | str | Path
#: A command in a message, or an option; and the parameters that are not called like their option.
_OPTION = re.compile(r"`[^`]*`|(?<!\S)--([a-z]+)")
_PARAMETERS = {"--random": "walks"}


class LiveMachine(Acting):
    """A model of a kernel, with one task, that runs operations one by one.

    Its methods are the operations of the program language; ``m.fork()`` and ``m.thread()`` return further
    tasks with the same methods. All operations so far form a program (:attr:`program`).

    :ivar name: the name it was given, e.g. ``model:7.2``
    :ivar kernel: the kernel that the model describes
    """

    def __init__(self, name: str, model: ModelMachine, program: Program) -> None:
        self.name = name
        self.kernel = described(model.spec.partition(",")[0])
        self._model = model
        self._program = program
        self._run: OpenRun | None = None

    # The history.

    @property
    def program(self) -> Program:
        """Everything done so far, as a program to print, save or run on other machines."""
        return self._program

    @property
    def steps(self) -> tuple[StepSeen, ...]:
        """The observations, one after each operation."""
        return seen_steps(self._program, self._as_run())

    @property
    def story(self) -> RunReport:
        """All steps so far, in the form that `pl.run` returns, but without the end of the program."""
        from pfnlab.api.runs import RunReport

        series = {self.name: name_machine(self.name).series}
        return RunReport(judged(self._program, [self._as_run()], series))

    # The current state.

    @property
    def state(self) -> StepSeen | None:
        """The observation after the last operation; None before the first."""
        steps = self.steps
        return steps[-1] if steps else None

    @property
    def book(self) -> ObservationTuple[BookEntry]:
        """The memtype list: reserved device ranges and their cache modes."""
        return (self.state and self.state.book) or ObservationTuple()

    @property
    def vmas(self) -> ObservationTuple[VmaSeen] | None:
        """The VMAs of all tasks in the program's areas; None while a processor is held."""
        return ObservationTuple() if self.state is None else self.state.vmas

    @property
    def ptes(self) -> ObservationTuple[PteSeen] | None:
        """The page-table entries of those VMAs, as runs of equal entries."""
        return ObservationTuple() if self.state is None else self.state.ptes

    @property
    def log(self) -> ObservationTuple[str]:
        """The kernel log from all operations so far; each observation has only its own operation's lines."""
        lines = [line for step in self.steps for line in step.log]
        return ObservationTuple.of(lines, lines) or ObservationTuple()

    @property
    def flushes(self) -> int:
        """The TLB flushes seen in all operations so far."""
        return sum(step.flushes or 0 for step in self.steps)

    @property
    def devices(self) -> dict[str, Pages]:
        """The devices by name; each can be sliced: ``m.devices["bar"][0:4]``."""
        return {device.name: Pages(device.name, 0, device.pages) for device in self._program.devices}

    @property
    def areas(self) -> dict[str, Pages]:
        """The areas by name; each can be sliced."""
        return {name: Pages(name, 0, pages) for name, pages in area_extents(self._program).items()}

    @property
    def tasks(self) -> dict[str, LiveTask]:
        """The tasks by name, including those that have exited."""
        return {name: LiveTask(self, name) for name in tasks_of(self._program)}

    # Operations.

    def do(self, line: str) -> StepSeen:
        """Run one line of program text, e.g. ``munmap a[4:8]`` or ``c: write b[0] 7``.

        :raises ProgramError: if it is not an operation, or not valid at this point; the machine is unchanged
        """
        return self._next(read_op(line, self._program, self._source))

    def undo(self, operations: int = 1) -> None:
        """Undo the last operations by running the earlier ones again."""
        if not 1 <= operations <= len(self._program.ops):
            raise Misuse(f"{operations} operations cannot be undone: {len(self._program.ops)} were done")
        self._run = None
        self._program = msgspec.structs.replace(self._program, ops=self._program.ops[:-operations])

    def copy(self) -> LiveMachine:
        """Another machine on which the same operations have been run."""
        return LiveMachine(self.name, self._model, self._program)

    def _next(self, op: Op) -> StepSeen:
        program = msgspec.structs.replace(self._program, ops=(*self._program.ops, op))
        own = names_own(self.name)
        # Run the caller's code here only after it succeeded in a process that can be killed.
        rehearsed = supervised(lambda: self._rehearsed(program)) if own else []
        opened, self._run = self._opened(), None
        opened = opened.extended(program)
        for guard, calls in zip(opened.guards, rehearsed, strict=True):
            check_deterministic(guard.path, guard.made, calls)
        self._run, self._program = opened, program
        return self.steps[-1]

    def _rehearsed(self, program: Program) -> list[list[HookCall]]:
        """The calls that *program* makes to the caller's own policies when it runs from boot."""
        run = OpenRun(self._model, program)
        run.go_on(program)
        return [guard.made for guard in run.guards]

    def _opened(self) -> OpenRun:
        """A run of the program so far, open for more operations."""
        if self._run is None:
            self._run = OpenRun(self._model, self._program)
            self._run.go_on(self._program)
        return self._run

    @property
    def _source(self) -> str:
        return f"<{self.name}>"

    def _op(self, op: Op) -> StepSeen:
        # Passed as text through the reader of programs, whose errors say what to write instead.
        text = op_text(op)
        read = read_op(text, self._program, self._source)
        if op_text(read) != text:
            raise Misuse(f"{text!r} is more than one operation: give each argument alone")
        return self._next(read)

    def _span(self, where: Where) -> Span:
        if isinstance(where, Pages):
            return where.span
        if not isinstance(where, str):
            found = type(where).__name__
            raise Misuse(
                f'no pages, but of type {found}: write a[4:8] of a mapping, or "bar[0:4]" of a device'
            )
        return read_span(where, self._program, self._source)

    def _free_name(self, letters: str) -> str:
        taken = {*KEYWORDS, *self.devices, *self.areas, *tasks_of(self._program)}
        numbered: Iterator[str] = (f"{letter}{number}" for number in range(1, 1000) for letter in letters)
        plain = letters if len(letters) > 1 else ""
        return next(name for name in chain(plain, numbered) if name not in taken)

    # Display.

    def _as_run(self) -> Run:
        opened = self._opened() if self._program.ops else None
        return Run(
            self.name,
            self.kernel,
            steps=() if opened is None else tuple(opened.steps),
            tlbs=() if opened is None else tuple(opened.tlbs),
            look=self._model.look,
            configuration=self._model.profile.configuration,
        )

    def __repr__(self) -> str:
        done = len(self._program.ops)
        head = f"{self.name}, {done} operation{'' if done == 1 else 's'}"
        return "\n".join([head, *([] if self.state is None else self.state.lines())])

    def _repr_html_(self) -> str:
        from pfnlab.present.document.blocks import Block, Cell, Figure, Paragraph, Table, cell
        from pfnlab.present.document.drawings import checked
        from pfnlab.present.document.html import fragment
        from pfnlab.present.picture import draw_state

        done = [
            (cell(str(number)), cell(seen.op, code=True), cell(seen.result))
            for number, seen in enumerate(self.steps, 1)
        ]
        blocks: list[Block] = [Paragraph(self.name)]
        if self.state is not None:
            now = tuple((cell(label), Cell(lines, code=True)) for label, lines in self.state.rows())
            blocks += (
                Figure("The state", checked(draw_state(self.program, self.story.runs, -1))),
                Table("What was done", ("", "operation", "result"), tuple(done)),
                Table("Current state", ("", self.name), now),
            )
        return fragment(blocks)


def machine(
    name: str | None = None,
    *,
    policies: Policies = (),
    device: Devices = DEVICE,
    thp: Thp | None = None,
    areas: Mapping[str, int] | None = None,
) -> LiveMachine:
    """Make a model that runs operations one by one.

    :param name: a model as `--on` takes it, e.g. ``model:7.2`` or ``model:6.12.107,tracker=exact``; by
        default the newest series
    :param policies: policies to use instead of the kernel's: files (``["mine.py"]``), or names by seam
        (``{"tracker": "exact"}``)
    :param device: one or more devices, as a program declares them: ``"bar: pci, 16 pages"``
    :param thp: the setting of transparent_hugepage
    :param areas: areas by name, with their number of pages, to name more pages than are mapped
    :raises Misuse: if there is no such model, policy or device
    """
    name = name if name is not None else f"model:{newest_series()}"
    if names_own(name, policies) and not is_served():
        # Run the caller's code here only after it succeeded in a process that can be killed.
        supervised(lambda: machine(name, policies=policies, device=device, thp=thp, areas=areas).kernel)
    named = name_machine(with_own(name, policies))
    if named.kind != "model":
        raise Misuse(
            f"{name} is a real kernel, which runs whole programs: do it on a model, m = "
            f'pfnlab.machine("{named.model or "model:7.2"}"), then pfnlab.run(m.program, on="{name}")'
        )
    given = [device] if isinstance(device, str | Device) else list(device)
    devices = tuple(one if isinstance(one, Device) else read_device(one) for one in given)
    declared = tuple(Area(area, pages) for area, pages in (areas or {}).items())
    program = Program("", "", devices, (), declared, (), thp)
    # As text, the header is checked by every rule for headers; the operation can be any that is always valid.
    from pfnlab.programs.lang.load import load_text

    load_text(f"{format_program(program)}\nlook\n", "<machine>")
    live = LiveMachine(named.spec, model_of(named, LookLevel.MEMORY), program)
    live._opened()
    return live


def with_own(name: str, policies: Policies) -> str:
    """The model *name*, with *policies* instead of its default ones.

    :raises Misuse: if a file is not a policy, or *name* is not a model
    """
    name = full_name(name)
    if policies and not name.startswith("model:"):
        raise Misuse(f"policies are for models, and {name} is not one: write model:SERIES")
    if isinstance(policies, Mapping):
        return name + "".join(f",{seam}={policy}" for seam, policy in policies.items())
    paths = [policies] if isinstance(policies, str | Path) else policies
    return with_policies([name], [str(path) for path in paths])[0]


def answered(work: Callable[[], Result], *given: Any) -> Result:
    """The result of *work*, done in a child process if *given* uses policy files of the caller.

    :raises Misuse: with the names of parameters instead of those of options
    """
    try:
        return supervised(work) if names_own(*given) else work()
    except Misuse as wrong:
        wrong.args = (_in_parameters(str(wrong)),)
        raise


def _in_parameters(text: str) -> str:
    """*text*, which is meant for the command line, with parameters instead of options."""
    return _OPTION.sub(lambda found: _PARAMETERS.get(found[0]) or found[1] or found[0], text)


def names_own(*given: Any) -> bool:
    """True if any machine or policy in *given* uses policy files of the caller."""
    return any(is_path(word) for one in given for name in _names(one) for word in name.split(","))


def _names(given: Any) -> Iterator[str]:
    if isinstance(given, str | Path):
        yield str(given)
    elif isinstance(given, Iterable):
        for one in given.values() if isinstance(given, Mapping) else given:
            yield from _names(one)
