"""The small programs in litmus/: each is canonical, asks a question, is listed, and comes out as it says."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from for_each import for_each
from litmus_files import FILES, HOLDING, LITMUS, is_of_leaves, litmus_file, program_of, without_holds

from pfnlab.base.errors import Undecided
from pfnlab.kernel.policies.profiles import exact
from pfnlab.kernel.policies.releases import CONFIRMED, RELEASES, is_series, series_of
from pfnlab.programs.lang.load import program_hash
from pfnlab.programs.lang.problems import format_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import covers, expectation_failures
from pfnlab.programs.runs.golden import golden_differences, golden_path, golden_run, read_golden
from pfnlab.programs.runs.look import LookLevel

PROGRAMS = list(FILES.values())

#: The series whose kernels programs with the driver can be run on.
WITH_HEADERS = ("6.1", "6.12", "7.2", "7.3")
#: Those with modules.
WITH_MODULES = ("6.1", "6.12", "6.16", "6.17", "6.18", "7.2", "7.3")

#: Those that have leaves in mappings of devices: 6.1 has none.
WITH_LEAVES = frozenset(CONFIRMED) - {"6.1"}

#: The releases with a profile that no kernel confirmed.
UNCONFIRMED = [series for series in RELEASES if series not in CONFIRMED]


#: What a glance at each program shows, in one test for all.
every_program = for_each("path", PROGRAMS, ids=lambda path: path.stem)

#: What its runs show, in a test for each folder; they are on one worker, which makes each run once.
each_folder = pytest.mark.parametrize(
    "folder",
    [
        pytest.param(folder, marks=pytest.mark.xdist_group(f"litmus-{folder}"))
        for folder in sorted({path.parent.name for path in PROGRAMS})
    ],
)


golden_of = cache(lambda path: read_golden(golden_path(path)))


class RunFaults(NamedTuple):
    """What is wrong with a run.

    :ivar unmet: why it is not as the program expects it
    :ivar unlike: how it differs from the golden, where that has its version
    """

    unmet: Sequence[object]
    unlike: Sequence[object]


@cache
def judged(path: Path, version: str) -> RunFaults:
    """The run on the model of an exact version, looked at as the golden was, every invariant checked."""
    golden, program = golden_of(path), program_of(path)
    look = golden.look if golden is not None else LookLevel.PROC
    run = ModelMachine(version, look).run_one(program, check=True)
    unmet = expectation_failures(program, run, version)
    asked = golden is not None and version in golden.kernels
    return RunFaults(
        unmet if run.unfinished is None else [str(run.unfinished)],
        golden_differences(path, run, version) if asked else [],
    )


def programs_in(folder: str) -> list[Path]:
    """The programs of a folder."""
    return [path for path in PROGRAMS if path.parent.name == folder]


#: All programs of the test's folder.
of_folder = for_each("path", programs_in, ids=lambda path: path.stem)


def measured_series(path: Path) -> set[str]:
    """The series whose real kernels must have been asked."""
    program = program_of(path)
    asked: Iterable[str] = CONFIRMED
    if program.needs.vfio:
        asked = WITH_MODULES
    elif program.needs.driver:
        asked = WITH_HEADERS
    return set(asked) & WITH_LEAVES if is_of_leaves(path) else set(asked)


def table_row(path: Path) -> list[str]:
    """The cells of the program's row in the README, outer bars cut off."""
    start = f"| [{path.stem}]({path.relative_to(LITMUS)}) |"
    lines = (LITMUS / "README.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith(start)]
    assert len(rows) == 1, f"{path.name} has {len(rows)} rows in litmus/README.md"
    return [cell.strip() for cell in rows[0].strip("|").split("|")]


def test_there_are_programs():
    """
    An empty folder does not pass for a correct one.
    """
    assert len(PROGRAMS) >= 45


@every_program
def test_program_is_canonical(path):
    """
    The formatter would change nothing.
    """
    text = path.read_text(encoding="utf-8")

    assert format_text(text, str(path)) == text


@every_program
def test_program_asks_one_question(path):
    """
    Title, question and expectations are there.
    """
    program = program_of(path)

    assert program.title
    assert program.asks.endswith("?")
    assert program.asks.count("?") == 1
    assert program.expects


@every_program
def test_program_is_listed_with_its_question(path):
    """
    The README has one row for the program: its question, what differs, where it comes from.
    """
    _, question, differs, source = table_row(path)

    assert question == program_of(path).asks
    assert differs
    assert source


@for_each("finding", ["N02", "N03", "N05", "N06", "N07", "N08", "N09"])
def test_every_finding_has_a_program(finding):
    """
    What was found on kernels is the source of a program, and kernels of two series or more were asked.
    """
    programs = [path for path in PROGRAMS if finding in table_row(path)[3].split(", ")]
    asked = [golden.kernels for path in programs if (golden := golden_of(path)) is not None]

    assert programs
    assert all(len(kernels) >= 2 for kernels in asked) and len(asked) == len(programs)


def test_programs_of_races_hold_a_processor():
    """
    Tests of states, which an operation under way is not, leave this folder out and lose nothing.
    """
    assert [] == without_holds(HOLDING)


def test_readme_counts_the_programs():
    """
    The number in the README is the number of files.
    """
    text = (LITMUS / "README.md").read_text(encoding="utf-8")

    assert f"\n{len(PROGRAMS)} programs " in text


def test_every_series_is_spoken_for():
    """
    One expectation of every program is about each series a kernel confirmed, at most one about others; those
    of versions come on top.
    """
    for path in PROGRAMS:
        expects = [expect for expect in program_of(path).expects if is_series(expect.first)]
        counts = {series: sum(covers(expect, series) for expect in expects) for series in RELEASES}

        assert {counts.pop(series) for series in CONFIRMED} == {1}, path.name
        assert max(counts.values()) <= 1, path.name


@each_folder
@of_folder
@for_each("series", CONFIRMED)
def test_model_meets_the_expectations(folder, path, series):
    """
    The model of every series leaves what the program says, every invariant checked on the way.
    """
    assert judged(path, exact(series)).unmet == []


@pytest.mark.target("long")
@each_folder
@of_folder
@for_each("series", UNCONFIRMED)
def test_releases_nobody_ran_meet_the_expectations(folder, path, series):
    """
    Expectations that name a range hold on every release in it, confirmed or not.
    """
    program = program_of(path)

    try:
        run = ModelMachine(series).run_one(program, check=True)
    except Undecided:
        assert series in ("5.10", "5.15"), series
    else:
        assert expectation_failures(program, run, series) == []


@each_folder
@of_folder
def test_model_does_what_kernels_did(folder, path):
    """
    The model of exactly each version that was asked repeats its golden step by step.
    """
    differing = {version: judged(path, version).unlike for version in golden_of(path).kernels}

    assert differing
    assert {} == {version: found for version, found in differing.items() if found}


@for_each("path", [path for path in PROGRAMS if is_of_leaves(path)])
def test_a_leaf_lives_when_the_operation_comes(path):
    """
    Programs about leaves are looked at in memory, and what every kernel had before the third step was one.
    """
    golden = golden_of(path)
    level = "L3" if "pud" in path.stem else "L2"
    before = {version: golden_run(golden, version).steps[1].ptes for version in golden.kernels}

    assert golden.look is LookLevel.MEMORY
    assert [] == [
        version
        for version, entries in before.items()
        if not any(entry.entry.startswith(f"{level} ") for entry in entries)
    ]


def test_a_golden_of_another_kernel_is_noticed():
    """
    The model of 7.2 does not pass for the kernel of 6.1, so the comparison can fail.
    """
    path = litmus_file("munmap-middle")

    run = ModelMachine("7.2").run_one(program_of(path))

    assert golden_differences(path, run, "6.1.192") != []


def test_goldens_name_the_kernels_that_made_them():
    """
    Every golden says which packages and which command it came from, and belongs to its program. Programs
    with a driver were asked of every series with headers or modules, all others of every confirmed series.
    """
    for path in PROGRAMS:
        golden = golden_of(path)

        assert golden is not None, path.name
        assert measured_series(path) <= set(map(series_of, golden.kernels)) <= set(CONFIRMED), path.name
        assert all(golden.kernels.values()), path.name
        assert "--on qemu:" in golden.made_by, path.name
        assert " /" not in golden.made_by, path.name
        assert golden.program == program_hash(program_of(path)), path.name


def test_no_two_programs_do_the_same():
    """
    Programs differ in what they do, not only in what they ask.
    """
    seen: dict[str, str] = {}
    for path in PROGRAMS:
        same = seen.setdefault(program_hash(program_of(path)), path.name)

        assert same == path.name
