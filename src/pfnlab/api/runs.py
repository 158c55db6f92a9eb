"""`pl.load`, `pl.run` and `pl.diff`: load programs by path, text or name; run them on machines; compare."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import msgspec

from pfnlab.api.live import LiveMachine, Policies, answered, with_own
from pfnlab.api.records import Record, RowResult, RowsOf, field_text, records_html, step_records
from pfnlab.api.step import StepSeen, seen_steps
from pfnlab.base.errors import Misuse
from pfnlab.base.files import cannot_write, write_whole
from pfnlab.present.document.run_table import run_blocks
from pfnlab.present.document.terminal import folded, text_of
from pfnlab.present.report.run_result import statements
from pfnlab.programs.lang.library import load_found, only_path
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.validity import check_program
from pfnlab.programs.runs.compare import Difference
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.named_machines import full_name, newest_series
from pfnlab.programs.runs.observation import Run
from pfnlab.verbs.run import RunRequest, programs_run

#: Anything accepted as a program: a program, its name, path or text, or a machine that has run it.
AnyProgram = Program | LiveMachine | str | Path


def load(program: str | Path) -> Program:
    """The program with that name, path or text.

    Anything longer than one line is text. A word is a path if there is such a file or if it looks like a
    path; otherwise it is the name of a program that comes with pfnlab (``pfnlab litmus list``).

    :raises ProgramError: if it cannot be read, or is not a valid program
    :raises Misuse: if it is of another type, or is more than one program
    """
    if isinstance(program, Path):
        return load_program(program)
    if "\n" in program:
        return load_text(program)
    return load_found(only_path(program))


def program_of(given: AnyProgram) -> Program:
    """The program that *given* stands for, checked as a whole.

    :raises Misuse: if it is not a program, or is not complete
    """
    if isinstance(given, LiveMachine):
        given = given.program
    if isinstance(given, Program):
        check_program(_of_its_types(given))
        return given
    return load(given)


def _of_its_types(program: Program) -> Program:
    """*program*, after checking the types of its fields, since it may have been built by hand.

    :raises Misuse: if a field has the wrong type
    """
    try:
        return msgspec.convert(msgspec.to_builtins(program), Program)
    except (msgspec.ValidationError, TypeError, ValueError) as wrong:
        raise Misuse(f"not a program: {wrong}: write its text, or do it on a machine") from None


def save(program: AnyProgram, path: str | Path) -> None:
    """Write *program* to the file *path*, in canonical form.

    :raises Misuse: if it is not a program, or the file cannot be written
    """
    text = str(program_of(program))
    try:
        write_whole(Path(path), text)
    except OSError as trouble:
        raise cannot_write(Path(path), trouble) from trouble
    except ValueError as trouble:
        raise Misuse(f"{str(path)!r} is not a file name: {trouble}") from trouble


#: One or more machines by name: ``"model:7.2"``, ``["model:6.1", "qemu:6.1"]``.
On = str | Iterable[str]
#: How kernel state is observed.
Look = LookLevel | Literal["memory", "proc", "end"] | None
#: Fields of observations.
Fields = str | Iterable[str] | None
#: The rows in a notebook's table of steps.
_FIELDS = ("value", "log", "book", "vmas")
#: The columns of a result as text.
_WIDTH = 120


class RunReport(RowResult):
    """One program on one or more machines; it prints like ``pfnlab run``.

    :ivar verdict: the result as stored and printed
    """

    def __init__(self, verdict: RunResult) -> None:
        self.verdict = verdict

    @property
    def program(self) -> Program:
        """The program that was run."""
        return self.verdict.program

    @property
    def runs(self) -> tuple[Run, ...]:
        """One run per machine, in the order the machines were given."""
        return self.verdict.runs

    @property
    def machines(self) -> tuple[str, ...]:
        """The names of the machines."""
        return self.verdict.machines

    @property
    def steps(self) -> dict[str, tuple[StepSeen, ...]]:
        """The observations of each machine by step; the last step is the end, when all tasks are killed."""
        return {run.machine: seen_steps(self.program, run) for run in self.runs}

    def __getitem__(self, machine: str) -> tuple[StepSeen, ...]:
        if machine not in self.machines:
            raise Misuse(f"{machine!r} is not in this result: there are {', '.join(self.machines)}")
        return self.steps[machine]

    @property
    def differences(self) -> Differences:
        """Every field in every step in which the machines differ."""
        return Differences(self)

    @property
    def agree(self) -> bool:
        """True if all machines finished with the same observations, and no kernel raised an alarm."""
        return self.verdict.agree

    @property
    def exit_code(self) -> int:
        """The exit code of ``pfnlab run``: 0 if all is as expected, 1 for a discovery, 3 if undecided."""
        return self.verdict.outcome.value

    @overload
    def to_records(self) -> list[Record]: ...
    @overload
    def to_records(self, rows_of: RowsOf) -> list[Record]: ...
    def to_records(self, rows_of: RowsOf = "steps") -> list[Record]:
        """The result as rows of plain values.

        :param rows_of: one row per step, or one per entry of each step's ``book``, ``vmas`` or ``ptes``
        """
        return step_records(self.runs, rows_of)

    def to_dict(self) -> dict[str, Any]:
        """The object that ``pfnlab run --json`` prints."""
        content: dict[str, Any] = json.loads(self.verdict.as_json())
        return content

    def text(self, *, steps: bool = False, trace: bool = False, width: int = _WIDTH) -> str:
        """A text with the machines side by side.

        :param steps: include VMAs, tracked reservations, page-table entries and flushes
        :param trace: include the order of kernel calls as well
        :param width: in columns
        """
        options = (".text(steps=True)", ".text(trace=True)")
        return text_of(run_blocks(self.verdict, steps=steps, trace=trace, options=options), width)

    def __repr__(self) -> str:
        return self.text().rstrip("\n")

    def _repr_html_(self) -> str:
        from pfnlab.present.document.blocks import Paragraph
        from pfnlab.present.document.html import fragment
        from pfnlab.present.document.run_part import part

        shown = part(self.verdict, _FIELDS)
        return fragment((Paragraph(shown.says), *shown.blocks, *shown.more))


class Differences(RowResult, Sequence[Difference]):
    """The fields in which machines differ, in step order; empty, and thus false, if the machines agree."""

    def __init__(self, result: RunReport) -> None:
        self._result = result
        self._differences = result.verdict.differences

    @overload
    def __getitem__(self, at: int) -> Difference: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Difference]: ...
    def __getitem__(self, at: int | slice) -> Difference | Sequence[Difference]:
        return self._differences[at]

    def __len__(self) -> int:
        return len(self._differences)

    @property
    def result(self) -> RunReport:
        """The runs that differ."""
        return self._result

    def to_records(self) -> list[Record]:
        """One row for each machine and each field that differs."""
        return [
            {
                "step": difference.step + 1,
                "op": difference.op,
                "field": difference.field,
                "machine": run.machine,
                "value": field_text(run.steps[difference.step], difference.field),
            }
            for difference in self._differences
            for run in self._result.runs
            if difference.step < len(run.steps)
        ]

    def lines(self) -> Iterator[str]:
        """The lines that describe the differences."""
        for one in statements(self._result.verdict):
            yield from folded(f"{one.about.value}{one.says}", _WIDTH)

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return records_html(self.to_records(), empty="no differences")


def run(
    program: AnyProgram,
    on: On | None = None,
    *,
    policies: Policies = (),
    look: Look = None,
    accel: str = "tcg",
    profile: str | None = None,
    compare: Fields = None,
) -> RunReport:
    """Run *program* on machines, each freshly booted.

    :param program: a program, its name, path or text, or a machine that has run it
    :param on: machines as ``--on`` takes them; by default the model of the newest kernel. Kernels that are
        not in the cache are fetched
    :param policies: policies to use instead of each model's own
    :param look: how kernel state is observed; by default from guest memory if possible
    :param accel: the guests' accelerator: ``tcg``, ``kvm`` or ``auto``
    :param profile: the series that a kernel file should behave like
    :param compare: compare only these fields of observations, e.g. ``["result", "book", "log",
        "ptes"]``; by default all
    :raises Misuse: if there is no such program or machine
    :raises Undecided: if a tool or kernel is missing. If the model has no rule for an operation, or a guest
        is lost, nothing is raised: the result reports it
    """

    def done() -> RunReport:
        whole = program_of(program)
        request = RunRequest(
            programs=(),
            on=tuple(machine_names(on, policies)),
            look=look,
            accel=accel,
            profile=profile,
            compare=compare if compare is None or isinstance(compare, str) else ",".join(compare),
        )
        return RunReport(*programs_run(request, {whole.title: whole}).of_programs)

    return answered(done, on, policies)


def diff(
    program: AnyProgram,
    on: Collection[str],
    *,
    policies: Policies = (),
    look: Look = None,
    accel: str = "tcg",
    profile: str | None = None,
    compare: Fields = None,
) -> Differences:
    """The differences between machines that run *program*; for the other arguments, see `run`.

    :param on: at least two machines
    :raises Misuse: if there is no such program or machine, or only one machine
    """
    if isinstance(on, str) or len(on) < 2:
        raise Misuse('a difference is between machines: write on=["model:6.1", "model:7.2"]')
    found = run(program, on, policies=policies, look=look, accel=accel, profile=profile, compare=compare)
    return found.differences


def machine_names(on: On | None, policies: Policies = ()) -> list[str]:
    """The names of the machines *on* (by default the newest model), with *policies* added to the models.

    :raises Misuse: if there is no such machine, or *policies* apply to none of them
    """
    specs = [f"model:{newest_series()}"] if on is None else [on] if isinstance(on, str) else list(on)
    if not specs:
        raise Misuse('no machine is named: write on="model:7.2"')
    specs = list(map(full_name, specs))
    if not policies:
        return specs
    if not any(spec.startswith("model:") for spec in specs):
        raise Misuse("policies are for models: add model:SERIES")
    return [with_own(spec, policies) if spec.startswith("model:") else spec for spec in specs]
