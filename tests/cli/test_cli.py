"""The command line: every exit code, and messages that say what to write instead."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from asking import PROGRAM, Ask
from having import OLD, bootable
from litmus_files import litmus_file

from pfnlab import __version__
from pfnlab.base.schema_files import schema
from pfnlab.programs.runs.golden import golden_path, read_golden


def test_version(ask: Ask) -> None:
    """--version prints the package's version."""
    assert ask("--version") == (0, f"pfnlab {__version__}\n", "")


def test_help_names_every_verb(ask: Ask) -> None:
    """--help is a success and lists the verbs."""
    answer = ask("--help")

    assert answer.code == 0
    assert all(f"\n  {verb} " in answer.out for verb in ("run", "fmt", "kernels", "policies"))


@pytest.mark.parametrize(
    "words",
    [(), ("run",), ("fuzz",), ("kernels",), ("kernels", "fetch"), ("policies", "list")],
    ids=" ".join,
)
def test_help_has_a_short_name(ask: Ask, words: tuple[str, ...]) -> None:
    """-h is --help for every verb, and for the verbs below it."""
    short, long = ask(*words, "-h"), ask(*words, "--help")

    assert (0, "") == (short.code, short.err)
    assert long == short


def test_no_arguments_show_the_help_as_misuse(ask: Ask) -> None:
    """A command without a verb says which there are."""
    answer = ask()

    assert (answer.code, answer.err.splitlines()[0]) == (2, "Usage: pfnlab [OPTIONS] COMMAND [ARGS]...")


@pytest.mark.usefixtures("fakes")
def test_machines_that_agree_exit_0(ask: Ask, program: Path) -> None:
    """As expected: 0."""
    answer = ask("run", program, "--on", "model:6.1", "--on", "qemu:6.1")

    assert answer.code == 0
    assert "agree: model:6.1, qemu:6.1" in answer.out


@pytest.mark.usefixtures("fakes")
def test_machines_that_differ_exit_1(ask: Ask, program: Path) -> None:
    """A difference is a discovery: 1."""
    answer = ask("run", program, "--on", "model:6.1", "--on", "model:7.2")

    assert answer.code == 1
    assert "differ: model:6.1 | model:7.2" in answer.out


@pytest.mark.usefixtures("fakes")
def test_a_failed_expectation_exits_1(ask: Ask, program: Path) -> None:
    """One machine that leaves something else than expected: 1."""
    program.write_text(PROGRAM.replace("nothing left", "leaked bar[0:4] wc"))

    answer = ask("run", program, "--on", "model:7.2")

    assert answer.code == 1
    assert "not as expected, 6.16.. leaked bar[0:4] wc: model:7.2 leaves nothing" in answer.out


def test_a_program_without_a_rule_is_undecided_everywhere(ask: Ask, tmp_path: Path) -> None:
    """Nothing was lost: in the table, in the summary, and in every format."""
    name, words = "driver-leaf-gigabyte", ("--on", "model:7.3")

    texts = [ask("run", name, *words), ask("run", name, "munmap-middle", *words)]
    texts += [ask("run", name, *words, "--format", form) for form in ("json", "junit", "md", "html")]

    assert {3} == {answer.code for answer in texts}
    assert [] == [answer.out for answer in texts if "undecided" not in answer.out]
    assert [] == re.findall(r"lost(?!\": ?null)", "".join(answer.out for answer in texts))


@pytest.mark.usefixtures("fakes")
def test_a_lost_guest_exits_3(ask: Ask, program: Path) -> None:
    """What was seen agrees, the rest is unknown: 3."""
    answer = ask("run", program, "--on", "model:6.1", "--on", "model:6.1,lost")

    assert answer.code == 3
    assert "lost: model:6.1,lost after step 2: the guest panicked" in answer.out


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        ("model:missing", 3, "pfnlab: qemu-system-x86_64 is not here: install qemu-system-x86\n"),
        ("model:defect", 4, "pfnlab: a check failed\n"),
        ("model:interrupted", 130, ""),
    ],
)
def test_an_error_is_one_line_and_its_code(
    ask: Ask, program: Path, spec: str, code: int, message: str
) -> None:
    """An error raised on purpose has no traceback."""
    answer = ask("run", program, "--on", spec)

    assert (answer.code, answer.out, answer.err) == (code, "", message)


@pytest.mark.usefixtures("fakes")
def test_anything_uncaught_is_a_defect(ask: Ask, program: Path) -> None:
    """What nobody raised on purpose is ours: 4, with the traceback."""
    answer = ask("run", program, "--on", "model:broken")

    assert answer.code == 4
    assert "ZeroDivisionError" in answer.err


@pytest.mark.usefixtures("fakes")
def test_json_keeps_to_the_schema(ask: Ask, program: Path) -> None:
    """--json prints one object, named after the file, with the names the user gave the machines."""
    answer = ask("run", program, "--on", "model:6.1", "--on", "qemu:7.2", "--json")

    content = json.loads(answer.out)
    jsonschema.Draft202012Validator(schema("run")).validate(content)
    assert content["program"]["name"] == "middle"
    assert [one["machine"] for one in content["machines"]] == ["model:6.1", "qemu:7.2"]


@pytest.mark.usefixtures("fakes")
def test_several_programs_print_one_object_a_line(ask: Ask, program: Path) -> None:
    """JSON Lines; the help says so."""
    answer = ask("run", program, program, "--on", "model:6.1", "--json")

    assert [json.loads(line)["agree"] for line in answer.out.splitlines()] == [True, True]
    assert "several programs, one per line" in " ".join(ask("run", "--help").out.split())


@pytest.mark.usefixtures("fakes")
def test_programs_of_one_name_are_told_apart(
    ask: Ask, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their paths where only folders differ, by a number where one file is given twice."""
    monkeypatch.setenv("COLUMNS", "500")
    other = program.parent / "b" / program.name
    alone = program.with_name("alone.pfn")
    other.parent.mkdir()
    other.write_text(PROGRAM)
    alone.write_text(PROGRAM)
    command = ("run", program, other, alone, other, "--on", "model:6.1")
    names = [str(program), f"{other} #1", "alone", f"{other} #2"]

    lines, tables = ask(*command, "--json").out, ask(*command, "--full").out

    assert names == [json.loads(line)["program"]["name"] for line in lines.splitlines()]
    heads = " ".join(tables.split())
    assert all(f"{name}: Unmapping the middle first" in heads for name in names)


@pytest.mark.usefixtures("fakes")
def test_one_program_needs_no_name(ask: Ask, program: Path) -> None:
    """Its title is the first line."""
    assert "Unmapping the middle first" == ask("run", program).out.splitlines()[0]


def test_the_help_explains_the_table(ask: Ask) -> None:
    """The word and the mark that a table has are in the help of run."""
    said = " ".join(ask("run", "-h").out.split())

    assert "marks rows that differ from the first machine" in said
    assert "is LEAKED if it is still reserved but no longer mapped" in said


@pytest.mark.usefixtures("fakes")
def test_several_programs_exit_with_the_worst(ask: Ask, program: Path) -> None:
    """One discovery among several programs is a discovery."""
    odd = program.with_name("odd.pfn")
    odd.write_text(PROGRAM.replace("leaked bar[0:8] wc", "nothing left"))

    assert ask("run", odd, program, "--on", "model:6.1").code == 1


@pytest.mark.usefixtures("fakes")
def test_without_on_the_newest_model_runs(ask: Ask, program: Path) -> None:
    """The default machine is the model of the newest profile."""
    from pfnlab.kernel.policies.profiles import SERIES

    answer = ask("run", program)

    assert answer.code == 0
    assert f"model:{SERIES[-1]} is profile" in answer.out


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("7.22x", "there is no machine '7.22x': write model:VERSION"),
        ("quemu:7.2", "there is no machine 'quemu:7.2': did you mean qemu:7.2? write model:VERSION"),
        ("kvm", "there is no machine 'kvm': write model:VERSION"),
        ("qemu:", "machine 'qemu:' is incomplete: write model:VERSION"),
        (
            "qemu:7.22",
            "not a series, a file or a kernel built here: did you mean qemu:7.2? known series are 6.1, ",
        ),
        ("qemu:/no/such/file", "no kernel '/no/such/file': not a series, a file or a kernel"),
        ("model:9.9", "9.9"),
    ],
)
def test_an_unknown_machine_says_what_to_write(ask: Ask, program: Path, spec: str, message: str) -> None:
    """A machine that is none is misuse, and the message names the forms or the nearest one."""
    answer = ask("run", program, "--on", spec)

    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err


def test_a_kernel_file_is_a_machine(tmp_path: Path) -> None:
    """qemu:FILE has the series --profile says, and is nothing goldens may be made from."""
    from pfnlab.programs.runs.named_machines import NamedMachine, name_machine

    image = tmp_path / "bzImage"
    image.touch()

    named = name_machine(f"qemu:{image}", "6.12")

    assert named == NamedMachine(f"qemu:{image}", "6.12", stock=False)
    assert (named.kind, named.rest) == ("qemu", str(image))


def test_the_model_runs(ask: Ask, program: Path) -> None:
    """Without fakes the model itself answers."""
    answer = ask("run", program, "--on", "model:6.1", "--steps")

    assert answer.code == 0
    assert "bar[0:8] wc  LEAKED" in answer.out


@pytest.mark.parametrize("verb", ["run", "fmt"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b"pfnlab program 1\nmunmap", b"\x00" * 99])
def test_a_file_that_is_no_program_is_misuse(
    ask: Ask, tmp_path: Path, verb: str, content: bytes | None
) -> None:
    """Missing, empty, binary and wrong files are named without a traceback."""
    path = tmp_path / "odd.pfn"
    if content is not None:
        path.write_bytes(content)

    answer = ask(verb, path)

    assert (answer.code, answer.out) == (2, "")
    assert str(path) in answer.err
    assert "Traceback" not in answer.err


def test_a_folder_is_no_program(ask: Ask, tmp_path: Path) -> None:
    """A folder is misuse for every verb that reads programs."""
    assert [ask(verb, tmp_path).code for verb in ("run", "fmt")] == [2, 2]


@pytest.mark.parametrize(
    "words",
    [
        ("rn",),
        ("run",),
        ("run", "x", "--onn", "model:7.2"),
        ("fmt",),
        ("kernels", "fetsh"),
        ("policies", "show"),
    ],
)
def test_wrong_words_are_misuse(ask: Ask, words: tuple[str, ...]) -> None:
    """Unknown verbs, unknown options and missing arguments: 2."""
    answer = ask(*words)

    assert (answer.code, answer.out) == (2, "")
    assert answer.err


@pytest.mark.usefixtures("fakes")
def test_promote_writes_the_golden(ask: Ask, program: Path) -> None:
    """Each series that ran is kept beside the program, with the command that did it."""
    answer = ask("run", program, "--on", "qemu:6.1", "--on", "qemu:7.2", "--promote")

    golden = read_golden(golden_path(program))
    assert answer.code == 1
    assert golden is not None
    assert golden.made_by == f"pfnlab run {program} --on qemu:6.1 --on qemu:7.2 --promote"
    assert [len(seen.versions) for seen in golden.observations] == [1, 1]


@pytest.mark.usefixtures("fakes")
def test_a_golden_of_pfnlab_names_no_folder_of_this_machine(
    ask: Ask, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is that of somebody in the repository."""
    monkeypatch.setattr("pfnlab.programs.lang.library.library_folder", lambda: program.parent)

    ask("run", program, "--on", "qemu:6.1", "--promote")

    golden = read_golden(golden_path(program))
    assert golden is not None
    assert golden.made_by.startswith(f"pfnlab run litmus/{program.name} ")


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("flags", [(), ("--on", "model:6.1"), ("--on", "qemu:6.1", "--on", "model:6.1")])
def test_only_real_kernels_are_promoted(ask: Ask, program: Path, flags: tuple[str, ...]) -> None:
    """A golden made from the model would prove nothing."""
    answer = ask("run", program, *flags, "--promote")

    assert (answer.code, golden_path(program).exists()) == (2, False)
    assert "goldens come only from qemu:VERSION" in answer.err


@pytest.mark.usefixtures("fakes")
def test_a_profile_needs_a_kernel_file(ask: Ask, program: Path) -> None:
    """--profile without qemu:FILE, or with an unknown series, is misuse."""
    assert [ask("run", program, "--profile", one).code for one in ("6.1", "9.9")] == [2, 2]


def test_a_reader_that_leaves_is_no_error(program: Path) -> None:
    """A closed pipe ends the command quietly, with a code that is no verdict."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", "from pfnlab.cli import main; main()", "run", str(program)]

    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)

    os.close(write)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_the_installed_command_answers() -> None:
    """The console script is there and maps misuse to 2."""
    command = [str(Path(sys.executable).with_name("pfnlab")), "run", "/no/such/file.pfn"]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 1


def test_help_imports_nothing_heavy() -> None:
    """Help needs neither the model nor the lab, nor libraries that are slow to import."""
    code = (
        "import sys\nfrom pfnlab.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('rich', 'lark', 'msgspec')"
        " or m.startswith(('pfnlab.kernel.mm', 'pfnlab.lab', 'pfnlab.programs', 'pfnlab.present.report'))))"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert ended.stdout.splitlines()[-1] == "[]"


@pytest.mark.lab
def test_the_first_story_holds_on_a_real_kernel(ask: Ask) -> None:
    """Model and kernel 6.1 see the same of the checked-in program, and what it expects."""
    story = litmus_file("munmap-middle")
    bootable(OLD)

    answer = ask("run", story, "--on", "model:6.1", "--on", "qemu:6.1")

    assert answer.code == 0
    assert "agree: model:6.1, qemu:6.1" in answer.out
    assert "as expected, 6.1..6.12 leaked bar[0:8] wc: model:6.1, qemu:6.1" in answer.out
