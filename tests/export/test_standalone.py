"""Programs as C: all that user space can do compile without a warning, others are refused in a line."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from for_each import for_each
from litmus_files import FILES, litmus_file, program_of

from pfnlab.base.errors import Undecided
from pfnlab.export.formats import export
from pfnlab.export.pieces import with_needs
from pfnlab.export.subject import Subject
from pfnlab.programs.lang.device_ops import DriverCall, Plug, RescanMoved, Unplug
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Mmap, Program
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.named_machines import name_machines, side_by_side
from pfnlab.programs.runs.observation import Run

#: As the file's head says it is built, but for the linker.
BUILD = ("gcc", "-Wall", "-Wextra", "-Werror", "-O2", "-c", "-o", "/dev/null")

#: A line of each operation that user space can do and no program of the library does.
RARE = """pfnlab program 1
device  bar: pci, 16 pages

a = mmap bar[0:8] proc-uc shared rw
mprotect a none
mlock a
munlock a
memtype_list
remove bar
rescan bar
"""


def answer_of(program: Program, series: str = "6.1") -> Run:
    """The answer of a model."""
    ((run,),) = side_by_side(name_machines([f"model:{series}"]), [program], LookLevel.END)
    return run


def c_of(program: Program, run: Run | None = None) -> str:
    """The program as C."""
    (text,) = export(Subject("program", program, run), "c").values()
    return text


def is_of_user_space(program: Program) -> bool:
    """Whether nothing in it takes a driver, a debugger, or somebody outside."""
    outside = (*DriverCall.__args__, RescanMoved, Plug, Unplug)
    return not any(
        op.hold or op.fail or op.skip or isinstance(op.call, outside)
        or (isinstance(op.call, Mmap) and op.call.via == "driver")
        for op in program.ops
    )  # fmt: skip


USER_SIDE = [path for path in FILES.values() if is_of_user_space(program_of(path))]


def complaints(texts: list[str], folder: Path) -> list[str]:
    """What the compiler says of each text that does not compile without a warning."""

    def compiled(number: int) -> str:
        path = folder / f"{number}.c"
        path.write_text(texts[number], encoding="utf-8")
        return subprocess.run([*BUILD, path], capture_output=True, text=True, timeout=60).stderr

    with ThreadPoolExecutor(2) as pool:
        return [said for said in pool.map(compiled, range(len(texts))) if said]


def test_no_program_of_user_space_is_refused() -> None:
    """Each is C, and there are many."""
    texts = [c_of(program_of(path)) for path in USER_SIDE]

    assert all(texts)
    assert len(texts) > 200


@pytest.mark.target("long")
def test_each_compiles_without_a_warning(tmp_path: Path) -> None:
    """All; with expectations one of a folder does in ``make test``."""
    assert [] == complaints([c_of(program_of(path)) for path in USER_SIDE], tmp_path)


def test_with_expectations_they_compile_too(tmp_path: Path) -> None:
    """Values are read then where memory is known to be zero; one program of a folder."""
    firsts = {path.parent: path for path in USER_SIDE}
    programs = [program_of(path) for path in firsts.values()] + [load_text(RARE, "rare")]

    texts = [c_of(program, answer_of(program, "7.2")) for program in programs]

    assert [] == complaints(texts, tmp_path)


def test_a_warning_is_noticed(tmp_path: Path) -> None:
    """What is not used, for instance."""
    text = c_of(program_of(litmus_file("munmap-middle"))) + "\nstatic int unused;\n"

    assert "unused" in "".join(complaints([text], tmp_path))


@for_each(
    ("name", "says"),
    [
        ("race-revoked-before-flush", "a hold point needs a debugger: use `pfnlab run`"),
        ("fork-fails-halfway", "needs a debugger: use `pfnlab run`"),
    ],
)
def test_other_programs_are_refused_in_a_line(name: str, says: str) -> None:
    """With the line that cannot be said."""
    with pytest.raises(Undecided, match=r"^program: `") as refused:
        c_of(program_of(litmus_file(name)))

    assert str(refused.value).endswith(says)


def test_a_machine_that_gave_no_answer_is_not_believed() -> None:
    """Nothing is expected of half a run."""
    program = program_of(litmus_file("vfio-leaf-gigabyte"))

    with pytest.raises(Undecided, match=r"model:7\.2 gives no expected results"):
        c_of(program, answer_of(program, "7.2"))


def test_the_head_has_the_program() -> None:
    """A reader needs no other file."""
    program = program_of(litmus_file("munmap-middle"))

    lines = c_of(program).splitlines()

    assert {f" *     {line}".rstrip() for line in str(program).splitlines()} <= {*lines}


def test_expectations_are_those_of_the_machine() -> None:
    """Results, and what is left."""
    text = c_of(program := program_of(litmus_file("munmap-middle")), answer_of(program, "6.1"))

    assert 'step("munmap a[4:8]", "ok", munmap(area_a + 4 * PAGE, 4 * PAGE));' in text
    assert 'check("left reserved", "bar[0:8] wc", left());' in text


def test_without_a_machine_the_program_says_what_is_left() -> None:
    """By version, as its ``expect`` lines do."""
    text = c_of(program_of(litmus_file("munmap-middle")))

    assert '{ 6001000, 6012999, "bar[0:8] wc" },\n\t{ 6016000, 999999999, "nothing" },' in text
    assert 'step("munmap a", NULL, munmap(area_a, 16 * PAGE));' in text


NAMING = """pfnlab program 1
device  bar: pci, 16 pages

a = mmap bar[0:4] wc shared rw
c = fork
process_madvise a cold c
c: process_madvise a[1] pageout main
c: kill
process_mrelease c
"""


def test_a_step_has_the_task_that_it_names() -> None:
    """By its number, from which the first process knows the pid."""
    steps = [line for line in c_of(load_text(NAMING)).splitlines() if line.startswith("\t{ .task")]

    assert [
        '\t{ .task = 0, .text = "process_madvise a cold c", .names = 1 },',
        '\t{ .task = 1, .text = "c: process_madvise a[1] pageout main", .names = 0 },',
    ] == steps[2:4]
    assert '\t{ .task = 0, .text = "process_mrelease c", .names = 1 },' == steps[5]


def test_a_task_that_names_itself_has_its_pid_from_outside_too() -> None:
    """So a program of one task has a first process beside it."""
    text = c_of(load_text(f"{NAMING.partition('c = fork')[0]}process_madvise a cold main\n"))

    assert "operate(i)" in text
    assert "return advise_process(turn.named, area_a, 4, MADV_COLD);" in text


PAST = """pfnlab program 1
device  bar: pci, 3 pages
device  bar2: pci, 16 pages

a = mmap bar[1:4] wc shared w
b = mmap bar2[0:{end}] wc shared w
"""


def test_a_device_that_is_mapped_past_its_end_is_the_last_of_the_bar() -> None:
    """What is behind its end would be another device of the program."""
    places = [
        line.strip() for line in c_of(load_text(PAST.format(end=16))).splitlines() if " = here.bar" in line
    ]

    assert [
        "at_bar2 = here.bar_start + here.room;",
        "at_bar = here.bar_start + here.room + 64 * PAGE;",
    ] == places


def test_one_bar_has_one_end() -> None:
    """Two devices that are mapped past it are refused."""
    with pytest.raises(Undecided, match=r"`bar` and `bar2` would have to end where one BAR ends"):
        c_of(load_text(PAST.format(end=17)))


#: What some kernels call themselves, and what they leave behind munmap-middle.
KERNELS = [
    ("6.1.192", "#1 SMP", "bar[0:8] wc"),
    ("6.12.23", "#1 SMP", "bar[0:16] wc"),
    ("6.12.117+deb13-cloud-amd64", "#1 SMP Debian 6.12.117-1", "bar[0:8] wc"),
    ("6.1.0-56-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026)", "bar[0:8] wc"),
    ("6.8.0-40-generic", "#40-Ubuntu SMP", "bar[0:8] wc"),
    ("6.6.0-1-other", "#1 SMP", "(null)"),
    ("7.2.13+deb14-cloud-amd64", "#1 SMP", "nothing"),
    ("5.4.0", "#1 SMP", "(null)"),
    ("unknown", "#1 SMP", "(null)"),
]


@for_each(("release", "version", "left"), KERNELS)
def test_a_kernel_finds_its_line(release: str, version: str, left: str, tmp_path: Path) -> None:
    """By the version it says; one that could be any of a series with exceptions has none."""
    (leaks,) = (
        part for part in c_of(program_of(litmus_file("munmap-middle"))).split("\n\n") if "leaks[] = {" in part
    )
    fake = (
        "static int fake(struct utsname *name)\n{\n"
        f'strcpy(name->release, "{release}");\nstrcpy(name->version, "{version}");\nreturn 0;\n}}\n'
    )
    (piece,) = with_needs(["leak_of_release"], {})
    headers = "".join(f"#include {header}\n" for header in piece.includes)
    main = "int main(void)\n{\nconst char *left = leak_of_release();\n"
    main += 'return puts(left ? left : "(null)") < 0;\n}\n'
    text = f"{headers}{leaks}\n{fake}\n#define uname fake\n{piece.text}\n{main}"
    (tmp_path / "leak.c").write_text(text, encoding="utf-8")
    subprocess.run(["gcc", "-o", tmp_path / "leak", tmp_path / "leak.c"], check=True, timeout=60)

    said = subprocess.run([tmp_path / "leak"], capture_output=True, text=True, check=True, timeout=60)

    assert left == said.stdout.strip()
