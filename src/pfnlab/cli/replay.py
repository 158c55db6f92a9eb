"""``pfnlab replay``: a counterexample or a finding once more, and whether it still shows what it did."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from pfnlab.checker.check import VIOLATED
from pfnlab.checker.replay import (
    TAG,
    Differs,
    JudgedStep,
    ProgramReplay,
    Replay,
    check_same,
    read_path,
)
from pfnlab.cli.check import SAME, comparison
from pfnlab.cli.machines import fetch_missing, name_machine, open_machine, run_on, say
from pfnlab.errors import Misuse, Undecided
from pfnlab.files import MOST_RECORDED, read_bytes, read_text
from pfnlab.fuzz.filing import PROGRAM, REPORT
from pfnlab.fuzz.signature import signature_of
from pfnlab.lab.vm.accel import Accel
from pfnlab.policies.own import files_in
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import op_lines
from pfnlab.report.check import FORMAT

_SIGNATURE = re.compile(r"^Signature: ([0-9a-f]{12}) (.*)$", re.MULTILINE)
_COMMAND = re.compile(r"^    pfnlab run .*$", re.MULTILINE)
_MACHINE = re.compile(r" --on (\S+)")


#: How a path of any version begins.
_PATH = "pfnlab path "


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asked for.

    :param what: a file or folder, or the words of a path
    :param on: machines instead of the one that was recorded
    :param trust: run policies that only a file names
    """

    what: list[str]
    on: list[str]
    as_json: bool = False
    accel: Accel = Accel.TCG
    trust: bool = False

    def check_asked(self, machine: str, source: str) -> None:
        """
        :param machine: one that is to be made because the file *source* says so
        :raises Misuse: that would run a policy nobody has asked for here
        """
        asked = {file for spec in self.on for file in files_in(spec)}
        for file in files_in(machine):
            if not self.trust and file not in asked:
                raise Misuse(f"{source} names {file}, which would be run: read that policy, then say --trust")


def replay(request: ReplayRequest) -> int:
    """Replay, print; 0 where everything shows the same, 1 where something does not, 3 where a guest was lost.

    :raises Misuse: there is no such file, or it records nothing that could be replayed
    """
    text = " ".join(request.what)
    file = Path(text)
    if text.startswith(_PATH):
        codes = _shown(_of_path(text), request)
    elif file.is_dir() or (file.parent / REPORT).is_file():
        codes = [_finding(Filed(file if file.is_dir() else file.parent), request)]
    elif file.is_file():
        codes = [code for case in _cases(file, request) for code in _shown(case, request)]
    else:
        raise Misuse(f"there is no file {text!r}; a path begins with `{TAG}`")
    return max(codes, key=(0, 3, 1).index)


class Case(NamedTuple):
    """One thing to be replayed.

    :param machine: the one it was found on
    :param schedule: the turns of a race that were written beside it
    :param source: the file that says so; empty where it is the command line
    """

    recorded: Replay | ProgramReplay
    machine: str
    schedule: tuple[str, ...] = ()
    source: str = ""


def _cases(file: Path, request: ReplayRequest) -> list[Case]:
    """The counterexamples in a file that check wrote."""
    content = read_bytes(file, "counterexample", MOST_RECORDED)
    if content.lstrip()[:1] == b"{" and FORMAT.encode() in content:
        return _of_check(content, str(file), request)
    saved = ProgramReplay(load_program(file))
    return [Case(saved, saved.machine, source=str(file))]


def _of_path(text: str) -> Case:
    recorded = read_path(text)
    return Case(Replay(recorded), recorded.machine)


def _of_check(content: bytes, source: str, request: ReplayRequest) -> list[Case]:
    """The counterexamples of what ``check --json`` printed."""
    try:
        objects = [json.loads(line) for line in content.decode().splitlines() if line.strip()]
        found = [one for checked in objects for one in checked["properties"]]
        broken = [one for one in found if one["kind"] == "always" and one["verdict"] == VIOLATED]
        kept = [(str(one["replay"]), tuple(one["schedule"])) for one in broken if one["replay"] is not None]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Misuse(f"{source} is not what `check --json` prints") from None
    if not kept:
        raise Misuse(f"{source} records no counterexample: nothing was violated")
    found = [(read_path(text), schedule) for text, schedule in kept]
    for recorded, _ in found:
        # To find its steps again takes the machine it was found on, wherever it then is replayed.
        request.check_asked(recorded.machine, source)
    return [Case(Replay(recorded), recorded.machine, schedule, source) for recorded, schedule in found]


class Filed:
    """A finding: a program, the machines that differ, and the signature of how.

    :raises Misuse: the folder holds none
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / REPORT).is_file():
            raise Misuse(f"there is no {REPORT} in {folder}: it holds no finding")
        text = read_text(folder / REPORT, "report")
        signature, command = _SIGNATURE.search(text), _COMMAND.search(text)
        if signature is None or command is None:
            raise Misuse(f"{folder / REPORT} has no signature or no command: it is no report of a finding")
        self.source = str(folder / REPORT)
        self.program = load_program(folder / PROGRAM)
        self.key, self.words = signature[1], signature[2]
        self.machines = _MACHINE.findall(command[0])
        self.title = f"finding {folder.name}: {self.words}"


def _shown(case: Case, request: ReplayRequest) -> list[int]:
    """Replay one on every machine; an exit code each."""
    codes = []
    for spec in request.on or [case.machine]:
        said: list[JudgedStep] = []
        verdict = SAME
        model = name_machine(spec).kind == "model"
        # A kernel is held against the machine it was found on.
        if case.source and not (model and request.on):
            request.check_asked(case.machine, case.source)
        try:
            if model:
                for one in case.recorded.on(spec):
                    said.append(one)
                _same_schedule(case.schedule, said)
                check_same(case.recorded.question, said)
            else:
                verdict = _on_kernel(case.recorded.program, case.machine, spec, request.accel)
        except Differs as other:
            verdict = f"shows something else: {other}"
        _print(case.recorded.title, spec, said, verdict, request.as_json)
        codes.append(0 if verdict == SAME else 3 if verdict.startswith("lost") else 1)
    return codes


def _same_schedule(schedule: Sequence[str], said: Sequence[JudgedStep]) -> None:
    for number, (was, now) in enumerate(zip(schedule, said, strict=False), 1):
        if was != now.step:
            raise Differs(number, f"`{was}` was recorded, and it is `{now.step}`")
    if schedule and len(schedule) != len(said):
        raise Differs(min(len(schedule), len(said)) + 1, f"{len(schedule)} turns were recorded")


def _on_kernel(program: Program | None, machine: str, spec: str, accel: Accel) -> str:
    """Whether a kernel does with the program what the model does that it was found on."""
    if program is None:
        raise Misuse(f"{spec} goes through no schedule: replay the program that `check --save` keeps")
    named = name_machine(spec)
    fetch_missing([named], say)
    (model,) = open_machine(machine).run([program])
    (kernel,) = run_on(named, open_machine(spec, accel=accel), [program])
    return comparison(program, model, kernel)


def _finding(filed: Filed, request: ReplayRequest) -> int:
    if not request.on:
        for spec in filed.machines:
            request.check_asked(spec, filed.source)
    machines = [name_machine(spec) for spec in request.on or filed.machines]
    fetch_missing(machines, say)
    opened = [open_machine(one.spec, accel=request.accel) for one in machines]
    runs = [run_on(*one, [filed.program])[0] for one in zip(machines, opened, strict=True)]
    if lost := [run.lost for run in runs if run.lost is not None and "lost" not in filed.words]:
        raise Undecided(lost[0])
    signature = signature_of(filed.program, runs)
    verdict = SAME
    if signature is None:
        verdict = "shows something else: the machines do the same"
    elif signature.key != filed.key:
        verdict = f"shows something else: {signature}"
    said = [JudgedStep(line, "") for line in op_lines(filed.program)]
    _print(filed.title, " and ".join(one.spec for one in machines), said, verdict, request.as_json)
    return 0 if verdict == SAME else 1


def _print(title: str, machine: str, said: Sequence[JudgedStep], verdict: str, as_json: bool) -> None:
    if as_json:
        steps = [{"step": one.step, "says": one.word} for one in said]
        found = {"format": "pfnlab-replay/1", "title": title, "machine": machine, "steps": steps}
        print(json.dumps({**found, "same": verdict == SAME, "verdict": verdict}, ensure_ascii=False))
        return
    print(f"{machine}, {title}")
    width = max((len(one.step) for one in said), default=0)
    for number, one in enumerate(said, 1):
        print(f"{number:3}  {one.step:<{width}}  {one.word}".rstrip())
    print(verdict)
