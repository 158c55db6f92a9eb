"""Run programs on machines, and print the results side by side with differences marked.

For several programs, print one line each, differences first.

`<` marks rows that differ from the first machine (with colours, the cell is highlighted). An entry of the
book (the memtype list) is LEAKED if it is still reserved but no longer mapped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.verbs.option import AccelOf, LookOf, Option, OutputFile, PolicyFiles, ProfileOf, Request, Say

if TYPE_CHECKING:
    from pfnlab.present.report.run_result import RunResults
    from pfnlab.programs.lang.ops import Program
    from pfnlab.programs.runs.look import LookLevel
    from pfnlab.programs.runs.named_machines import NamedMachine
    from pfnlab.programs.runs.observation import Run


class RunRequest(Request, frozen=True, kw_only=True):
    programs: Annotated[
        tuple[str, ...],
        Option(
            "A name (`pfnlab litmus list`), @all for the whole library, a file, a folder, a pattern, "
            "or - for standard input.",
            "PROGRAM",
            positional=True,
        ),
    ]
    on: Annotated[
        tuple[str, ...],
        Option(
            "model:SERIES[,SEAM=POLICY...], qemu:SERIES or qemu:BZIMAGE (repeatable). 6.1..7.3 and "
            "all are the models of these series, one row each; qemu:6.1..6.12 the kernels. Default: "
            "the model of the newest kernel.",
            "MACHINE",
        ),
    ] = ()
    as_json: Annotated[
        bool, Option("Print one JSON object; for several programs, one per line.", names=("--json",))
    ] = False
    form: Annotated[str | None, Option("Output format.", "text|json|junit|md|html", ("--format",))] = None
    output: OutputFile = None
    full: Annotated[bool, Option("For several programs, print tables instead of one line each.")] = False
    quiet: Annotated[bool, Option("Print only problems.", names=("-q", "--quiet"))] = False
    steps: Annotated[bool, Option("Also show VMAs, tracked ranges, page-table entries and flushes.")] = False
    trace: Annotated[bool, Option("Also show the order of kernel calls.")] = False
    profile: ProfileOf = None
    promote: Annotated[bool, Option("Record the results of real kernels as NAME.expected.json.")] = False
    policy: PolicyFiles = ()
    compare: Annotated[
        str | None,
        Option(
            "Compare only these fields, e.g. result,book,log,ptes (what userspace can observe); "
            "alarms, expectations and violated properties always count. Default: all fields.",
            "FIELD,...",
        ),
    ] = None
    accel: AccelOf = "tcg"
    look: LookOf = None


def perform(request: RunRequest, say: Say) -> Iterator[RunResults]:
    """Run every program on every machine; write goldens after the results have been consumed.

    :raises Misuse: if an option is wrong or conflicts with another
    """
    from pfnlab.base.progress import silent

    with silent() if request.quiet else nullcontext():
        yield from _results(request, say)


def _results(request: RunRequest, say: Say) -> Iterator[RunResults]:
    from pfnlab.base.files import check_output
    from pfnlab.programs.lang.library import STDIN, load_found, program_paths
    from pfnlab.programs.runs.golden import golden_look, golden_path
    from pfnlab.programs.runs.named_machines import files_named

    paths = program_paths(request.programs)
    if request.promote and STDIN in paths:
        raise Misuse("a golden is stored next to its program, and standard input is not a file: name one")
    machines = _machines(request)
    # Goldens that will be recorded again are read too.
    goldens = map(golden_path, paths) if request.promote else ()
    check_output(request.output, [*paths, *map(Path, files_named(one.spec for one in machines)), *goldens])
    programs = dict(zip(program_names(paths), map(load_found, paths), strict=True))
    # A golden that is recorded again is observed in the same way as before.
    looks = list(map(golden_look, paths)) if request.promote and request.look is None else None
    results = programs_run(request, programs, machines, looks)
    yield results
    if request.promote:
        for path, result in zip(paths, results.of_programs, strict=True):
            _promote(request, path, result.program, machines, result.runs, say)


def programs_run(
    request: RunRequest,
    programs: Mapping[str, Program],
    machines: Sequence[NamedMachine] | None = None,
    looks: Sequence[LookLevel | None] | None = None,
) -> RunResults:
    """Run programs that were already read, and return the results.

    :param programs: the programs, by their names in the output
    :param machines: None for the machines of *request*
    :param looks: how each program is observed; None for the way given by *request*
    :raises Misuse: if an option of *request* is wrong
    """
    from pfnlab.checker.judging.judge import judged_runs
    from pfnlab.present.report.run_result import RunResults
    from pfnlab.programs.runs.look import LookLevel
    from pfnlab.programs.runs.machine import Accel

    fields = _fields(request)
    machines = _named(request) if machines is None else machines
    look = LookLevel(request.look) if request.look else None
    found = judged_runs(machines, programs, looks or look, Accel(request.accel), fields)
    return RunResults(tuple(found))


def _fields(request: RunRequest) -> tuple[str, ...]:
    from pfnlab.programs.runs.compare import FIELDS, fields_listed

    return FIELDS if request.compare is None else fields_listed(request.compare)


def _named(request: RunRequest) -> list[NamedMachine]:
    from pfnlab.programs.runs.named_machines import name_machines, spread, with_policies

    specs = with_policies(spread(request.on), request.policy)
    return name_machines(specs, request.profile)


def _machines(request: RunRequest) -> list[NamedMachine]:
    from pfnlab.programs.runs.compare import FIELDS
    from pfnlab.programs.runs.look import LookLevel

    machines = _named(request)
    if request.promote and request.look == LookLevel.END:
        raise Misuse("a golden holds the state after every operation: drop --look end")
    if request.promote:
        for named in machines:
            if not named.is_usual:
                raise Misuse(f"{named.spec} cannot be promoted: goldens come only from qemu:VERSION")
    if _fields(request) != FIELDS and len(machines) < 2:
        raise Misuse("--compare is for several machines: add --on MACHINE")
    return machines


def program_names(paths: Sequence[Path]) -> list[str]:
    """Return a unique name for each program: the file's name, with its path if two files share a name, and a
    number if a file is given several times."""
    names = []
    for at, path in enumerate(paths):
        unique = {path} == {other for other in paths if other.stem == path.stem}
        number = f" #{paths[: at + 1].count(path)}" if paths.count(path) > 1 else ""
        names.append((path.stem if unique else str(path)) + number)
    return names


def _promote(
    request: RunRequest,
    path: Path,
    program: Program,
    machines: Sequence[NamedMachine],
    runs: Sequence[Run],
    say: Say,
) -> None:
    from pfnlab.base.files import writing
    from pfnlab.base.inert import shell_line, shell_path
    from pfnlab.kernel.policies.releases import upstream
    from pfnlab.programs.lang.library import in_library, long_name
    from pfnlab.programs.lang.library_list import FOLDER
    from pfnlab.programs.lang.load import program_hash
    from pfnlab.programs.runs.golden import golden_path, promoted, read_golden, write_golden

    flags = shell_line(word for named in machines for word in ("--on", named.spec))
    if request.look is not None:
        flags += f" --look {request.look}"
    # Goldens are shared: a program of pfnlab is named as in its repository, wherever that is.
    named = f"{FOLDER}/{long_name(path)}{path.suffix}" if in_library(path) else path
    made_by = f"pfnlab run {shell_path(named)} {flags} --promote"
    # The versions of a series change; a golden names the version that ran.
    by_version = {upstream(run.kernel.rpartition(" ")[2]): run for run in runs}
    golden = golden_path(path)
    with writing(golden):
        write_golden(golden, promoted(read_golden(golden), program_hash(program), made_by, by_version))
    say(f"{golden} written")
