"""Findings as folders: the smallest program, a readable report, and the same content as data.

A folder contains ``program.pfn``, ``report.md`` and ``finding.json``. The report's second line is its state:
``private`` until a person has reported the finding. The signatures in ``finding.json`` identify the same
difference in later hunts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import asdict, replace

from pfnlab.base import inert
from pfnlab.base.errors import Misuse
from pfnlab.base.files import Missing, read_text, write_whole, writing
from pfnlab.base.path_walk import make_folder
from pfnlab.base.result import Outcome, PrintedStruct
from pfnlab.base.units import number_of
from pfnlab.checker.judging.history import kept_after
from pfnlab.hunt.fuzz.signature import Signature, kernel_violations
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program, op_lines
from pfnlab.programs.lang.problems import format_text
from pfnlab.programs.model.model_machine import END
from pfnlab.programs.runs.alarm import Alarm, when
from pfnlab.programs.runs.cells import NOTHING, cell
from pfnlab.programs.runs.compare import Difference, alarms, common_events, differences
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

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
    :param with_it: the other signatures of its step in its program, which follow from it
    """

    format: Literal["pfnlab-filed-finding/1"] = FORMAT
    signatures: Annotated[tuple[Signature, ...], Meta(min_length=1)]
    machines: Annotated[tuple[str, ...], Meta(min_length=1)]
    looks: Annotated[tuple[LookLevel, ...], Meta(min_length=1, max_length=2)] = (LookLevel.PROC,)
    minimal: bool = True
    with_it: tuple[Signature, ...] = ()


class KnownFinding(FiledData, frozen=True, kw_only=True):
    """A finding known before a hunt.

    :param name: its folder's name, or the one that a folder for it would have
    :param program: the text of the program that shows it; empty if its folder has none
    :param again: whether its program runs again: kernels in the series showed it when it last ran
    """

    name: str
    program: str = ""
    again: bool = False

    def keys(self, machines: Sequence[str]) -> frozenset[str]:
        """The keys of its signatures on other machines."""
        return frozenset(signature.on(machines).key for signature in self.signatures)

    def on(self, machines: Sequence[str]) -> KnownFinding:
        """The same finding on other machines; they show it too if its program runs again."""
        return replace(
            self,
            signatures=tuple(signature.on(machines) for signature in self.signatures),
            machines=(*self.machines, *(machines if self.again else ())),
            with_it=tuple(signature.on(machines) for signature in self.with_it),
        )

    def loaded(self) -> Program | None:
        """Its program, if there is one.

        :raises ProgramError: if it is not a valid program
        """
        return load_text(self.program, f"{self.name}/{PROGRAM}") if self.program else None


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


def findings_in(path: Path) -> Iterator[KnownFinding]:
    """The findings filed in the directory *path*, if there is one.

    :raises Misuse: if a folder in it has no data, though its report names a signature, or a file is malformed
    """
    for folder in sorted({file.parent for name in (DATA, REPORT) for file in path.glob(f"*/{name}")}):
        if _has_data(folder):
            program = folder / PROGRAM
            text = read_text(program, "program") if program.is_file() else ""
            yield KnownFinding(name=folder.name, program=text, **asdict(read_data(folder)))


class Folder:
    """The findings of a hunt: those known before it, and those that it files in a directory.

    :param path: the directory; created when the first finding is filed; None to file none
    :param before: the findings known before, which are not filed here
    """

    def __init__(self, path: Path | None = None, before: Iterable[KnownFinding] = ()) -> None:
        self.path = path
        self._before = tuple(before)

    def known(self) -> dict[str, KnownFinding]:
        """Each finding, by signature key; raises the same errors as :func:`findings_in`."""
        filed = () if self.path is None else findings_in(self.path)
        return {one.key: finding for finding in (*self._before, *filed) for one in finding.signatures}

    def alarms(self) -> Iterator[tuple[Program, tuple[str, ...]]]:
        """The program of each finding known before that is an alarm, and the machines it runs on.

        :raises ProgramError: if a program is not valid
        """
        for finding in self._before:
            raises_alarm = any(signature.raises_alarm for signature in finding.signatures)
            if raises_alarm and (program := finding.loaded()) is not None:
                yield program, finding.machines

    def file(self, finding: FoundDifference) -> str:
        """File *finding*, unless its signature is already filed; return the name of its folder, if any.

        :raises Misuse: if the directory cannot be written
        :raises Undecided: if the disk is full or fails
        """
        if self.path is None:
            return ""
        if (known := self.known().get(finding.signature.key)) is not None:
            return known.name
        name = slug(finding.signature)
        self._write(self.path / name, finding)
        return name

    def refile(self, name: str, before: FoundDifference, now: FoundDifference) -> None:
        """Replace a finding filed here with *now*, which has a smaller program; raises the same errors as
        :meth:`file`.

        A folder that somebody has changed, or that is filed elsewhere, is left alone.
        """
        if self.path is None:
            return
        file = self.path / name / PROGRAM
        if file.is_file() and read_text(file, "program") == program_text(before):
            self._write(self.path / name, now)

    def _write(self, folder: Path, finding: FoundDifference) -> None:
        with writing(folder, "say --findings DIR"):
            make_folder(folder)
            write_whole(folder / PROGRAM, program_text(finding))
            # Write the report last: without data, it is refused.
            write_whole(folder / DATA, data_text(finding))
            write_whole(folder / REPORT, report_text(finding, folder))


def _has_data(folder: Path) -> bool:
    """True if a folder has data. A report written by a person needs none.

    :raises Misuse: if the report was written by an earlier version, which wrote no data
    """
    if (folder / DATA).is_file():
        return True
    if _SIGNATURE in read_text(folder / REPORT, "report"):
        raise Misuse(
            f"{folder} was filed by an earlier version, without {DATA}: "
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
    program = replace(finding.program, title=_title(finding.signature), asks=asks, expects=())
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
    lines = [line for difference in found[:_LISTED] for line in _difference(program, difference, runs)]
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


def _difference(program: Program, difference: Difference, runs: Sequence[Run]) -> list[str]:
    """A difference in words, and the lines of each machine that the others lack."""
    head = f"- step {difference.step + 1} {inert.markdown_code(difference.op)}, {difference.field}:"
    own = own_lines(program, runs, difference.step, difference.field)
    return [
        head,
        *(f"  - {inert.markdown(machine)}: {inert.markdown_code(text)}" for machine, text in own.items()),
    ]


def own_lines(program: Program, runs: Sequence[Run], step: int, field: str) -> dict[str, str]:
    """The lines in a field of each machine that reached a step; except for events, those that others lack."""
    seen = {
        run.machine: cell(run.steps[step], field, kept=list(kept_after(program, run))[step])
        for run in common_events(runs)
        if step < len(run.steps)
    }

    def own(machine: str) -> str:
        others = {line for name, lines in seen.items() if name != machine for line in lines}
        return "; ".join(line for line in seen[machine] if field == "events" or line not in others)

    return {machine: own(machine) or NOTHING for machine in seen}
