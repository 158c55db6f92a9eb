"""``pfnlab run``: programs by name, several at once, formats and files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from asking import PROGRAM, Ask

from pfnlab.programs.lang.library import library_paths

BOTH = ("--on", "model:6.1", "--on", "qemu:7.2")

pytestmark = pytest.mark.usefixtures("fakes")


def test_a_program_runs_by_its_name(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever one is."""
    monkeypatch.chdir(tmp_path)

    assert "Unmapping the middle first" == ask("run", "munmap-middle").out.splitlines()[0]


def test_an_output_that_cannot_be_written_is_refused_before_anything_runs(ask: Ask, tmp_path: Path) -> None:
    """No guest is booted for a result that would be lost."""
    answer = ask("run", "munmap-middle", "--on", "qemu:7.2", "-o", tmp_path / "absent" / "x.json")

    assert (2, True) == (answer.code, "cannot be written: No such file or directory" in answer.err)


def test_an_unknown_name_is_one_line(ask: Ask) -> None:
    """With close names."""
    answer = ask("run", "munmap-midle")

    assert (2, "", 1) == (answer.code, answer.out, len(answer.err.splitlines()))
    assert "did you mean munmap-middle" in answer.err


def test_only_some_fields_are_compared(ask: Ask, program: Path) -> None:
    """The machines that differ in the log agree in their results, which is said."""
    chosen = ("--compare", "result,vmas")

    table, summary = ask("run", program, *BOTH, *chosen), ask("run", program, "munmap-middle", *BOTH, *chosen)
    content = json.loads(ask("run", program, *BOTH, *chosen, "--json").out)

    assert [0, 0] == [table.code, summary.code]
    assert {"compared: result, vmas", "agree: model:6.1, qemu:7.2"} <= set(table.out.splitlines())
    assert "on model:6.1, qemu:7.2 (compared: result, vmas), 2 programs: 2 agree" in summary.out
    assert (["result", "vmas"], True) == (content["compared"], content["agree"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*BOTH, "--compare", "results"), "there is no field 'results': fields of observations are result, "),
        ((*BOTH, "--compare", ","), "no field is named: "),
        (("--on", "model:6.1", "--compare", "result"), "several machines: add --on MACHINE"),
    ],
)
def test_what_cannot_be_compared_is_misuse(ask: Ask, words: tuple[str, ...], says: str) -> None:
    """In one line."""
    answer = ask("run", "munmap-middle", *words)

    assert (2, "", 1) == (answer.code, answer.out, len(answer.err.splitlines()))
    assert says in answer.err


def test_all_programs_run_by_one_word(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that come with pfnlab, whatever lies here."""
    monkeypatch.chdir(tmp_path)

    answer = ask("run", "@all", "--on", "model:6.1", "--on", "qemu:6.1")

    assert f", {len(library_paths())} programs: " in answer.out.splitlines()[-1]


def test_standard_input_runs(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a file does."""
    monkeypatch.setattr("sys.stdin", io.StringIO(PROGRAM))

    assert "-" == json.loads(ask("run", "-", "--json").out)["program"]["name"]


def test_standard_input_has_no_golden(ask: Ask) -> None:
    """There is no place beside it."""
    answer = ask("run", "-", "--on", "qemu:7.2", "--promote")

    assert (2, True) == (answer.code, "standard input is not a file" in answer.err)


def test_several_programs_are_a_line_each(ask: Ask, program: Path) -> None:
    """What they came to, and in all."""
    answer = ask("run", program, "munmap-middle", *BOTH)

    lines = answer.out.splitlines()
    assert (1, 3) == (answer.code, len(lines))
    assert lines[0].startswith("differs  middle         model:6.1 | qemu:7.2; step 2")
    assert "on model:6.1, qemu:7.2, 2 programs: 2 differ" == lines[2]


def test_all_tables_can_be_asked_for(ask: Ask, program: Path) -> None:
    """And are with options that are about tables."""
    for option in ("--full", "--steps", "--trace"):
        out = ask("run", program, "munmap-middle", *BOTH, option).out
        assert 2 == out.count("Unmapping the middle first"), option


def test_quiet_says_only_what_is_wrong(ask: Ask, program: Path) -> None:
    """Nothing at all where nothing is."""
    good, bad = ask("run", program, "-q"), ask("run", program, *BOTH, "--quiet")

    assert (0, "", "") == good
    assert (1, "") == (bad.code, bad.err)
    assert bad.out.startswith("differs  middle")


@pytest.mark.parametrize("options", [("--json",), ("--format", "junit"), ("--steps",)])
def test_quiet_is_not_a_format(ask: Ask, program: Path, options: tuple[str, ...]) -> None:
    """Unless that goes to a file."""
    answer = ask("run", program, "-q", *options)

    assert (2, True) == (answer.code, "-o FILE" in answer.err)


def test_output_goes_to_a_file(ask: Ask, program: Path, tmp_path: Path) -> None:
    """Nothing is printed then; the exit code stays."""
    answer = ask("run", program, *BOTH, "--format", "junit", "-o", tmp_path / "junit.xml")

    assert (1, "") == (answer.code, answer.out)
    assert "testsuites" == ElementTree.fromstring((tmp_path / "junit.xml").read_text()).tag


def test_a_file_that_cannot_be_written_is_misuse(ask: Ask, program: Path, tmp_path: Path) -> None:
    """In one line that says what to do."""
    answer = ask("run", program, "-o", tmp_path / "missing" / "x.json")

    assert (2, True) == (answer.code, "name another file with -o" in answer.err)


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("text", "Unmapping the middle first"),
        ("json", '{"format": "pfnlab-run/1"'),
        ("junit", "<?xml"),
        ("md", "# middle"),
        ("html", "<!DOCTYPE html>"),
    ],
)
def test_every_format_is_printed(ask: Ask, program: Path, name: str, begin: str) -> None:
    """Nothing but the document."""
    assert ask("run", program, *BOTH, "--format", name).out.startswith(begin)


def test_json_has_a_short_name(ask: Ask, program: Path) -> None:
    """It contradicts every other format."""
    short, long = (
        json.loads(ask("run", program, *words).out) for words in (["--json"], ["--format", "json"])
    )
    assert {**short, "made": None} == {**long, "made": None}
    assert 2 == ask("run", program, "--json", "--format", "md").code


def test_an_unknown_format_names_all(ask: Ask, program: Path) -> None:
    """In one line."""
    answer = ask("run", program, "--format", "xml")

    assert (2, True) == (answer.code, "write one of text, json, junit, md, html" in answer.err)


def test_fmt_writes_into_no_name(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may only look at it."""
    monkeypatch.chdir(tmp_path)

    assert [0, 2] == [ask("fmt", "--check", "munmap-middle").code, ask("fmt", "munmap-middle").code]


def test_fmt_takes_a_folder(ask: Ask, program: Path) -> None:
    """Every program in it."""
    program.write_text(PROGRAM.replace("munmap a\n", "munmap   a\n"))

    assert (1, f"{program}:8:8: write `munmap a`\n") == ask("fmt", "--check", program.parent)[:2]


def test_the_page_shows_what_is_printed(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/programs.md, to the letter; a page has 100 columns."""
    monkeypatch.undo()
    monkeypatch.setenv("COLUMNS", "100")
    page = (Path(__file__).parents[2] / "docs" / "programs.md").read_text(encoding="utf-8")
    command, _, output = page.partition("```console\n$ pfnlab ")[2].partition("```\n")[0].partition("\n")

    assert output == ask(*command.split()).out
