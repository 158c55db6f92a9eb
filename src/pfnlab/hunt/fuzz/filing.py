"""Findings as folders: the smallest program, a readable report, and the same content as data.

A folder contains ``program.pfn``, ``report.md`` and ``finding.json``. The report's second line is its state:
``private`` until a person has reported the finding. The signatures in ``finding.json`` identify the same
difference in later hunts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from pfnlab.base import inert
from pfnlab.base.errors import Misuse
from pfnlab.base.files import Missing, cannot_write, read_text, write_whole
from pfnlab.base.path_walk import make_folder
from pfnlab.base.result import Outcome, PrintedStruct, other_fields
from pfnlab.base.units import number_of
from pfnlab.hunt.fuzz.signature import Signature, kernel_violations
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program, op_lines
from pfnlab.programs.lang.problems import format_text
from pfnlab.programs.model.model_machine import END
from pfnlab.programs.runs.alarm import Alarm, when
from pfnlab.programs.runs.compare import Difference, alarms, differences
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import PteSeen, Run, VmaSeen

PROGRAM, REPORT, DATA = "program.pfn", "report.md", "finding.json"

#: The value of ``format`` in ``finding.json``.
FORMAT: Final = "pfnlab-filed-finding/1"

#: The line of a report that names its signature.
_SIGNATURE = "\nSignature: "

#: The words used in a report for a program that may not be the smallest.
_CUT_SHORT = "the search for smaller ones was cut short"

#: The maximum number of differences that a report lists for one program.
_LISTED = 12


class FoundDifference(msgspec.Struct, frozen=True):
    """A difference that is ready to be filed.

    :param program: the smallest program that shows it
    :param runs: the runs of that program, one per machine
    :param origin: seed and index of the program that first showed it
    :param operations: the number of operations of that first program
    :param repeated: the number of runs that showed it, and the total number of runs
    :param look: the kernels' observation level
    :param with_it: the other signatures in its step of the smallest program
    :param verb: the command that ran the program that first showed it
    """

    signature: Signature
    program: Program
    runs: tuple[Run, ...]
    origin: str
    operations: int
    repeated: tuple[int, int]
    minimal: bool = True
    look: LookLevel = LookLevel.PROC
    with_it: tuple[Signature, ...] = ()
    verb: str = "pfnlab fuzz"


class FiledData(msgspec.Struct, frozen=True, kw_only=True):
    """``finding.json``: the data of a finding that is read back.

    :param signatures: the finding's signatures; more than one if a person merged several findings
    :param machines: by name, the machines on which its program runs
    :param looks: their observation level; two in findings of an earlier version about observing itself
    :param with_it: the other signatures of its step in its program
    """

    format: Literal["pfnlab-filed-finding/1"] = FORMAT
    signatures: Annotated[tuple[Signature, ...], Meta(min_length=1)]
    machines: Annotated[tuple[str, ...], Meta(min_length=1)]
    looks: Annotated[tuple[LookLevel, ...], Meta(min_length=1, max_length=2)]
    minimal: bool = True
    with_it: tuple[Signature, ...] = ()


def read_data(folder: Path) -> FiledData:
    """Read the data of the finding in *folder*.

    :raises Misuse: if it does not exist, or is not a finding's data
    """
    file = folder / DATA
    try:
        return msgspec.json.decode(read_text(file, "finding"), type=FiledData)
    except Missing:
        raise Misuse(f"there is no {DATA} in {folder}: it does not contain a finding") from None
    except (ValueError, RecursionError) as trouble:
        raise Misuse(f"{file} is not the data of a finding: {inert.one_line(str(trouble))}") from None


class FindingFolder(PrintedStruct, frozen=True, kw_only=True, tag="pfnlab-finding/1"):
    """The folder of a finding, as reports show it.

    :param name: the folder's name
    :param program: the text of its program
    :param report: the text of its report
    """

    name: str
    program: str
    report: str

    @classmethod
    def of(cls, folder: Path) -> FindingFolder:
        """The texts in *folder*."""
        texts = read_text(folder / PROGRAM, "program"), read_text(folder / REPORT, "finding")
        return cls(name=folder.name, program=texts[0], report=texts[1])

    @property
    def outcome(self) -> Outcome:
        """A filed finding is a discovery."""
        return Outcome.DISCOVERY


class Folder:
    """The findings in one directory.

    :param path: the directory; created when the first finding is filed
    :param known: directories with known findings, which are not filed here
    """

    def __init__(self, path: Path, known: Sequence[Path] = ()) -> None:
        self.path = path
        self._known = known

    def known(self) -> dict[str, str]:
        """The name of each finding, by signature key."""
        return {key: folder.name for key, folder in self._all().items()}

    def _all(self) -> dict[str, Path]:
        return self._folders((*self._known, self.path))

    def _folders(self, paths: Sequence[Path]) -> dict[str, Path]:
        """The folder of each finding, by signature key.

        :raises Misuse: if a folder has no data, though its report names a signature
        """
        return {
            signature.key: report.parent
            for path in paths
            for report in sorted(path.glob(f"*/{REPORT}"))
            if _has_data(report)
            for signature in read_data(report.parent).signatures
        }

    def filed(self, key: str) -> tuple[str, FiledData, Program | None] | None:
        """The name of the folder with this signature, its data, and its program if any.

        :raises ProgramError: if the program cannot be read
        """
        folder = self._all().get(key)
        if folder is None:
            return None
        file = folder / PROGRAM
        return folder.name, read_data(folder), load_program(file) if file.is_file() else None

    def alarms(self) -> Iterator[tuple[Program, tuple[str, ...]]]:
        """The program of each known finding that is an alarm, and the machines it runs on.

        :raises ProgramError: if a program cannot be read
        """
        for folder in dict.fromkeys(self._folders(self._known).values()):
            data, file = read_data(folder), folder / PROGRAM
            if file.is_file() and any(signature.raises_alarm for signature in data.signatures):
                yield load_program(file), data.machines

    def file(self, finding: FoundDifference) -> str:
        """File *finding*, unless its signature is already filed; return the name of its folder.

        :raises Misuse: if the directory cannot be written
        :raises Undecided: if the disk is full or fails
        """
        known = self.known().get(finding.signature.key)
        if known is not None:
            return known
        name = slug(finding.signature)
        self._write(self.path / name, finding)
        return name

    def refile(self, name: str, before: FoundDifference, now: FoundDifference) -> None:
        """Replace a finding filed here with *now*, which has a smaller program; raises the same errors as
        :meth:`file`.

        A folder that somebody has changed, or that is filed elsewhere, is left alone.
        """
        file = self.path / name / PROGRAM
        if file.is_file() and read_text(file, "program") == program_text(before):
            self._write(self.path / name, now)

    def _write(self, folder: Path, finding: FoundDifference) -> None:
        try:
            make_folder(folder)
            write_whole(folder / PROGRAM, program_text(finding))
            # Write the report last: it marks the finding as complete.
            write_whole(folder / DATA, data_text(finding))
            write_whole(folder / REPORT, report_text(finding, folder))
        except OSError as trouble:
            raise cannot_write(folder, trouble, "say --findings DIR") from trouble


def _has_data(report: Path) -> bool:
    """True if a folder has data. A report written by a person needs none.

    :raises Misuse: if the report was written by an earlier version, which wrote no data
    """
    if (report.parent / DATA).is_file():
        return True
    if _SIGNATURE in read_text(report, "report"):
        raise Misuse(
            f"{report.parent} was filed by an earlier version, without {DATA}: "
            "move it away, and the finding is filed again where it shows"
        )
    return False


def slug(signature: Signature) -> str:
    """The name of a finding's folder: operation, field or kind, and the start of its key."""
    words = f"{signature.op} {signature.field or signature.kind}"
    return f"{re.sub('[^a-z0-9]+', '-', words.lower()).strip('-')}-{signature.key[:6]}"


def program_text(finding: FoundDifference) -> str:
    """The program file in canonical layout, with a title that names the differing field."""
    asks = "Why does a kernel do this?" if finding.signature.by_itself else "Why do the machines differ?"
    program = msgspec.structs.replace(finding.program, title=_title(finding.signature), asks=asks, expects=())
    return format_text(format_program(program))


def report_text(finding: FoundDifference, folder: Path) -> str:
    """The report: the differences, the command that reproduces them, and the origin."""
    signature = finding.signature
    shown, runs = finding.repeated
    machines = "\n".join(inert.markdown(f"- {run.machine}: {run.kernel}") for run in finding.runs)
    on = inert.shell_line(word for run in finding.runs for word in ("--on", run.machine))
    command = f"pfnlab run {inert.shell_path(folder / PROGRAM)} {on} --look {finding.look} --steps --trace"
    smallest = "no operation of it can be left out" if finding.minimal else _CUT_SHORT
    return (
        f"# {inert.markdown(_title(signature))}\n"
        "State: private\n\n"
        "## What differs\n\n"
        f"{_differences(finding.program, finding.runs)}\n\n"
        f"{inert.markdown_block(program_text(finding), 'pfn')}\n"
        f"{_logs(finding.runs)}"
        "## How to see it\n\n"
        f"    {command}\n\n"
        f"{machines}\n\n"
        "## Where it comes from\n\n"
        f"{inert.markdown_code(finding.verb)}, program {inert.markdown(finding.origin)} "
        f"of {number_of(finding.operations, 'operation')}, "
        f"shrunk to {len(finding.program.ops)}; {smallest}. "
        f"It showed in {shown} of {number_of(runs, 'run')}.\n\n"
        f"{_SIGNATURE[1:]}{inert.markdown(f'{signature.key} {signature}')}\n"
        + "".join(f"{inert.markdown(f'With it: {other.key} {other}')}\n" for other in finding.with_it)
    )


def data_text(finding: FoundDifference) -> bytes:
    """The data as JSON, one value per line."""
    data = FiledData(
        signatures=(finding.signature,),
        machines=tuple(seen.machine for seen in finding.runs),
        looks=(finding.look,),
        minimal=finding.minimal,
        with_it=finding.with_it,
    )
    return msgspec.json.format(msgspec.json.encode(data), indent=1) + b"\n"


def _title(signature: Signature) -> str:
    """The kind of finding, its operation, and the field or what a kernel shows on its own."""
    return f"{signature.kind} at {signature.op}: {signature.field or signature.shape}"


def _differences(program: Program, runs: Sequence[Run]) -> str:
    ops = [*op_lines(program), END]
    found = differences(runs)
    lines = [line for difference in found[:_LISTED] for line in _difference(difference)]
    if len(found) > _LISTED:
        lines.append(f"- and {len(found) - _LISTED} more")
    lines += [
        inert.markdown(f"- {violation.machine} breaks {violation}")
        for violation in kernel_violations(program, runs)
        if violation.unknown
    ]
    lines += [
        inert.markdown(f"- {machine} raised an alarm: {_alarm(alarm)}") for machine, alarm in alarms(runs)
    ]
    for run in runs:
        if run.lost is not None and run.alarm is None:
            place = f"at step {len(run.steps) + 1} {inert.markdown_code(ops[len(run.steps)])}"
            lines.append(f"- {inert.markdown(run.machine)} was lost {place}: {inert.markdown(run.lost)}")
    return "\n".join(lines)


def _logs(runs: Sequence[Run]) -> str:
    """The kernels' alarms, with their call traces."""
    return "".join(
        f"## What {inert.markdown(machine)} said\n\n"
        f"{inert.markdown_begun(inert.markdown(_alarm(alarm)))}\n\n"
        + inert.markdown_block("\n".join(alarm.log), "text")
        + "\n"
        for machine, alarm in alarms(runs)
    )


def _alarm(alarm: Alarm) -> str:
    return f"{alarm.kind}, {when(alarm)}: {alarm.title}"


def _difference(difference: Difference) -> list[str]:
    head = f"- step {difference.step + 1} {inert.markdown_code(difference.op)}, {difference.field}:"
    sides = (
        f"{inert.markdown(side.machine)}: {_value(side.value, difference)}" for side in difference.values
    )
    return [head, *(f"  - {side}" for side in sides)]


def _value(value: Any, difference: Difference) -> str:
    """A value in words; for a list, only the elements that the others lack."""
    if not isinstance(value, tuple):
        return inert.markdown_code(value)
    others = [
        side.value for side in difference.values if isinstance(side.value, tuple) and side.value != value
    ]
    if difference.field == "events":
        return inert.markdown_code("; ".join(value) or "-")
    elements = [element for element in value if any(element not in other for other in others)]
    return inert.markdown_code("; ".join(map(_words, elements)) or "-")


def _words(element: Any) -> str:
    if isinstance(element, VmaSeen | PteSeen):
        seen = other_fields(element, ("task", "area", "start", "end"))
        return " ".join(map(str, (element.task, element.span, *seen.values())))
    return str(element)
