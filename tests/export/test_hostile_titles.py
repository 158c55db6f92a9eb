"""Programs of hostile titles in every form: nothing of a title, a name or a command line is code."""

from __future__ import annotations

import ast
import re
import subprocess
from contextvars import Context
from pathlib import Path

import msgspec
import pytest
from for_each import for_each
from hostile_texts import PIECES, hostile_texts
from hypothesis import given, settings
from litmus_files import litmus_file, program_of

from pfnlab.base.made import set_command
from pfnlab.export.formats import export
from pfnlab.export.subject import Subject
from pfnlab.programs.model.model_machine import ModelMachine

#: A program with several tasks, which has operations in comments, and one with a driver.
MIDDLE, FORKED, DRIVEN = "munmap-middle", "exec-in-child", "driver-unmap-split"

#: Everything at once, and what acts in a form of its own.
TITLES = (
    "x */ __attribute__((constructor)) void e(void) { } /*",
    *(
        "x /* y",
        "x ??/",
        "x \\",
        "x \n#error ran",
        "x */ int ran; /* %n",
        "coding: utf_7 +AAo-ran",
        "".join(PIECES),
    ),
)


def exported(name: str, title: str, form: str, *, of: str = MIDDLE, machine: str = "") -> dict[str, str]:
    """A program of the library in a form, made by a command line with the same text.

    :param name: that of the program
    :param machine: what the model that answers is called; empty where none does
    """
    program = msgspec.structs.replace(program_of(litmus_file(of)), title=title, asks=f"{title}?")
    run = None
    if machine:
        (run,) = ModelMachine("7.2").run([program])
        run = msgspec.structs.replace(run, machine=machine)

    def made() -> dict[str, str]:
        set_command(["export", title, name])
        return export(Subject(name, program, run), form)

    return Context().run(made)


def code_of(text: str, folder: Path) -> str:
    """What a compiler reads in a file of C: no comment."""
    (folder / "read.c").write_text(text, encoding="utf-8")
    words = ["gcc", "-fpreprocessed", "-E", "-P", "-trigraphs", "-Wall", "-Wextra", "-Werror", "read.c"]
    answer = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert (0, "") == (answer.returncode, answer.stderr)
    return answer.stdout


@for_each("of", [MIDDLE, FORKED, DRIVEN])
@for_each("form", ["c", "kselftest"])
def test_c_has_the_code_of_a_harmless_title(form: str, of: str, tmp_path: Path) -> None:
    """Whatever title, question, machine and command line say; the compiler warns of nothing."""
    if (form, of) == ("kselftest", DRIVEN):
        return
    harmless = exported("x", "x", form, of=of, machine="model:7.2")

    for title in TITLES:
        files = exported("x", title, form, of=of, machine=title)
        for name, text in files.items():
            if name.endswith((".c", ".h")):
                assert code_of(harmless[name], tmp_path) == code_of(text, tmp_path)
            else:
                assert harmless[name] == text


@settings(max_examples=20)
@given(hostile_texts)
def test_c_has_it_for_any_title(tmp_path_factory: pytest.TempPathFactory, title: str) -> None:
    """A property of every text."""
    folder = tmp_path_factory.mktemp("c")

    (text,) = exported("x", title, "c").values()

    assert code_of(next(iter(exported("x", "x", "c").values())), folder) == code_of(text, folder)


def test_other_code_would_be_noticed(tmp_path: Path) -> None:
    """So the checks above say something: a title as it is ends its comment."""
    (text,) = exported("x", "x", "c").values()

    assert "ran" in code_of(text.replace(" * x\n", " * x */ int ran; /*\n", 1), tmp_path)


def test_a_hostile_title_compiles_without_a_warning(tmp_path: Path) -> None:
    """As the head of the file says that it is built, and with trigraphs."""
    for number, title in enumerate(TITLES):
        (text,) = exported("x", title, "c").values()
        (tmp_path / f"{number}.c").write_text(text, encoding="utf-8")

    words = ["gcc", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-trigraphs"]
    files = sorted(path.name for path in tmp_path.iterdir())
    answer = subprocess.run(
        [*words, *files], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )

    assert (0, "") == (answer.returncode, answer.stderr)


@for_each("name", ["-o x", "a b", "a'b", "a\nb", "@x", "$(touch RAN)", "x;touch RAN", "--help", "漢"])
def test_the_line_that_builds_it_builds_it(name: str, tmp_path: Path) -> None:
    """The file has that name; a shell that runs the line of its head makes the program, and nothing else."""
    ((file, text),) = exported(name, "x", "c").items()
    folder = tmp_path / name.encode().hex()
    folder.mkdir()
    (folder / file).write_text("int main(void) { return 0; }\n")
    (build,) = re.findall(r"^ \* Build: (.*)$", text, re.MULTILINE)
    (run,) = re.findall(r"debugfs: (.*) \[PCI ADDRESS", text)

    answer = subprocess.run(
        ["bash", "-ec", f"{build.replace('-static ', '')}\n{run}"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (0, "") == (answer.returncode, answer.stderr)
    assert sorted([file, name]) == sorted(path.name for path in folder.iterdir())


@given(hostile_texts)
def test_a_script_has_the_code_of_a_harmless_title(title: str) -> None:
    """Its first lines say no encoding either."""
    ((_, harmless),) = exported("x", "x", "drgn").items()

    ((_, script),) = exported("x", title, "drgn", machine=title).items()

    assert ast.dump(ast.parse(harmless)) == ast.dump(ast.parse(script.encode()))
