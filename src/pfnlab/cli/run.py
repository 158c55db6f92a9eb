"""``pfnlab run``: programs on machines, side by side."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import msgspec

from pfnlab.cli.run_output import RunOutput, print_results
from pfnlab.errors import Misuse
from pfnlab.files import cannot_write, check_output
from pfnlab.judging.judge import judged
from pfnlab.lab.machines import (
    Named,
    files_named,
    name_machines,
    newest_series,
    side_by_side,
    with_policies,
)
from pfnlab.lab.vm.accel import Accel
from pfnlab.policies.releases import upstream
from pfnlab.programs.lang.form import program_hash
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.library import STDIN, load_found, program_paths
from pfnlab.programs.runs.compare import FIELDS
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run
from pfnlab.progress import say, silent
from pfnlab.report.golden import golden_look, golden_path, promoted, read_golden, write_golden
from pfnlab.report.run_result import RunResult, worst


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of the command line.

    :param programs: files, folders, patterns and names, as `program_paths` reads them
    :param compare: the fields of observations that are compared
    :param look: None for the way a golden was made, where one is promoted, else for the usual one
    """

    programs: list[str]
    on: list[str]
    output: RunOutput = RunOutput()
    profile: str | None = None
    promote: bool = False
    policies: tuple[str, ...] = ()
    accel: Accel = Accel.TCG
    look: LookLevel | None = None
    compare: tuple[str, ...] = FIELDS


def run_programs(request: RunRequest) -> int:
    """Run, print, promote; the exit code."""
    with silent() if request.output.quiet else nullcontext():
        return _run_programs(request)


def _run_programs(request: RunRequest) -> int:
    request.output.check()
    paths = program_paths(request.programs)
    if request.promote and STDIN in paths:
        raise Misuse("a golden lies beside its program, and standard input is no file: name one")
    machines = _machines(request)
    check_output(request.output.file, _inputs(request, paths, machines))
    programs = [load_found(path) for path in paths]
    # A golden that is made anew is looked at as it was made before.
    looks = [request.look or (golden_look(path) if request.promote else None) for path in paths]
    all_runs = side_by_side(machines, programs, looks, request.accel)
    series = {named.spec: named.series for named in machines}
    results = [
        RunResult(name, program, runs, judged(program, runs, series, request.compare))
        for name, program, runs in zip(shown_names(paths), programs, all_runs, strict=True)
    ]
    print_results(results, request.output)
    if request.promote:
        for path, result in zip(paths, results, strict=True):
            _promote(request, path, result.program, machines, result.runs)
    return worst(results).value


def _inputs(request: RunRequest, paths: Sequence[Path], machines: Sequence[Named]) -> list[Path]:
    """The files that are read: programs, those that machines are made of, and goldens that are made anew."""
    files = files_named(machine.spec for machine in machines)
    return [*paths, *map(Path, files), *(map(golden_path, paths) if request.promote else ())]


def shown_names(paths: Sequence[Path]) -> list[str]:
    """A name for each program that no other has: its file's, with the path where two files are called the
    same, and a number where one file is given several times."""
    names = []
    for at, path in enumerate(paths):
        unique = {path} == {other for other in paths if other.stem == path.stem}
        number = f" #{paths[: at + 1].count(path)}" if paths.count(path) > 1 else ""
        names.append((path.stem if unique else str(path)) + number)
    return names


def _machines(request: RunRequest) -> list[Named]:
    specs = with_policies(request.on or [f"model:{newest_series()}"], request.policies)
    machines = name_machines(specs, request.profile)
    if request.promote and request.look is LookLevel.END:
        raise Misuse("a golden holds what is seen after every operation: leave --look end out")
    if request.promote:
        for named in machines:
            if not named.stock:
                raise Misuse(f"{named.spec} cannot be promoted: goldens come from qemu:VERSION alone")
    if request.compare != FIELDS and len(machines) < 2:
        raise Misuse("--compare says what is compared of several machines: add --on MACHINE")
    return machines


def _promote(
    request: RunRequest, path: Path, program: Program, machines: Sequence[Named], runs: Sequence[Run]
) -> None:
    flags = " ".join(f"--on {named.spec}" for named in machines)
    if request.look is not None:
        flags += f" --look {request.look}"
    made_by = f"pfnlab run {shlex.quote(str(path))} {flags} --promote"
    # The version that a series stands for changes; a golden names the version that ran.
    by_version = {upstream(run.kernel.rpartition(" ")[2]): run for run in runs}
    golden = golden_path(path)
    try:
        write_golden(golden, promoted(read_golden(golden), program_hash(program), made_by, by_version))
    except OSError as trouble:
        raise cannot_write(golden, trouble) from trouble
    say(f"{golden} written")
