"""The grammars of ``editors/``, in the engines that read them, on every line of every litmus program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from asking import PROGRAM
from colouring import coloured
from litmus_files import FILES

ROOT = Path(__file__).parents[2]
EDITORS = ROOT / "editors"

#: Lines as one types them, before they are right.
WRONG = (
    *(
        "munmop a",
        "a = mmap $ wc",
        "c: b = mmap bar[0:4] wx shared rwz",
        "read",
        "hold",
        "fail f x: munmap a",
    ),
    *(
        "expect 6.1.. nothing leaked $",
        "device bar: usb, 4 pages # usb",
        "\tmunmap\ta[0:4]\t# tabs",
        "#",
        "=",
    ),
)
LINES = sorted({line for path in FILES.values() for line in path.read_text(encoding="utf-8").splitlines()})
LINES += WRONG


def letters(line: str, tokens: list[Any]) -> list[str]:
    """The token of each letter; of spaces none, wherever an engine counts them to."""
    kinds = [""] * len(line)
    for start, end, kind in tokens:
        kinds[start:end] = [kind] * (end - start)
    return [kind if letter.strip() else "" for kind, letter in zip(kinds, line, strict=True)]


EXPECTED = [letters(line, list(coloured(line))) for line in LINES]


def differing(found: list[list[str]]) -> list[str]:
    """The lines that an engine colours otherwise than the table says."""
    pairs = zip(LINES, found, EXPECTED, strict=True)
    return [f"{line}: {kinds}" for line, kinds, expected in pairs if kinds != expected]


def by_node(grammar: Path) -> dict[str, list[list[Any]]]:
    """What VS Code's engine and JavaScript make of all lines."""
    table = ROOT / "src" / "pfnlab" / "programs" / "lang" / "tokens.json"
    command = ["node", str(EDITORS / "check" / "tokenise.mjs"), str(grammar), str(table)]
    done = subprocess.run(command, input=json.dumps(LINES), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer: dict[str, list[list[Any]]] = json.loads(done.stdout)
    return answer


def by_textmate(grammar: Path) -> list[list[str]]:
    """VS Code's tokens of all lines; the last name of a scope but one is the token's."""
    return [
        letters(line, [(start, end, scope.split(".")[-2]) for start, end, scope in tokens])
        for line, tokens in zip(LINES, by_node(grammar)["textmate"], strict=True)
    ]


def test_vs_code_agrees_with_the_table() -> None:
    """Its own engine gives every letter the token that the table gives."""
    assert differing(by_textmate(EDITORS / "pfnlab.tmLanguage.json")) == []


def test_a_grammar_that_lacks_a_word_is_noticed(tmp_path: Path) -> None:
    """The test above can fail."""
    text = (EDITORS / "pfnlab.tmLanguage.json").read_text(encoding="utf-8")
    (tmp_path / "less.tmLanguage.json").write_text(text.replace("munmap|", ""))

    assert "munmap a: " in "\n".join(differing(by_textmate(tmp_path / "less.tmLanguage.json")))


def test_javascript_agrees_with_the_table() -> None:
    """The table as JSON, read by a dozen lines of JavaScript."""
    tokens = by_node(EDITORS / "pfnlab.tmLanguage.json")["table"]

    assert differing([letters(line, row) for line, row in zip(LINES, tokens, strict=True)]) == []


VIM_SCRIPT = """
set nocompatible encoding=utf-8
let &runtimepath = '{vim},' .. &runtimepath
filetype plugin on
syntax on
edit {file}
let rows = []
for number in range(1, line('$'))
  let row = []
  let text = getline(number)
  for at in range(strchars(text))
    let name = synIDattr(synID(number, byteidx(text, at) + 1, 1), 'name')
    call add(row, tolower(matchstr(name, '^pfnlab\\zs\\a\\+')))
  endfor
  call add(rows, row)
endfor
call writefile([json_encode({{'type': &filetype, 'make': &makeprg, 'rows': rows}})], '{out}')
qall!
"""


def run_vim(tmp_path: Path, script: str) -> None:
    """Run a script in Vim, without anybody's settings."""
    (tmp_path / "script.vim").write_text(script, encoding="utf-8")
    command = ["vim", "-Es", "-u", "NONE", "-i", "NONE", "-n", "-S", str(tmp_path / "script.vim")]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=240, check=False)


def by_vim(tmp_path: Path, folder: Path) -> Any:
    """What Vim makes of all lines in one file, with the runtime files of *folder*."""
    file, out = tmp_path / "all.pfn", tmp_path / "out.json"
    file.write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")
    run_vim(tmp_path, VIM_SCRIPT.format(vim=folder, file=file, out=out))
    return json.loads(out.read_text(encoding="utf-8"))


def test_vim_agrees_with_the_table(tmp_path: Path) -> None:
    """The groups it finds are those of the tokens; the file's type is found by its name."""
    answer = by_vim(tmp_path, EDITORS / "vim")

    assert (answer["type"], answer["make"]) == ("pfnlab", "pfnlab fmt --check %:S")
    assert differing([letters(line, list(zip(range(len(row)), range(1, len(row) + 1), row, strict=True)))
                      for line, row in zip(LINES, answer["rows"], strict=True)]) == []  # fmt: skip


def test_vim_reads_what_fmt_prints(tmp_path: Path) -> None:
    """:make fills the list of errors with file, line and column."""
    lines = "a.pfn:7:8: write `munmap a`\npfnlab: b.pfn:2:1: this is not UTF-8\nsomething else\n"
    out = tmp_path / "out.json"
    script = f"""
set nocompatible
let &runtimepath = '{EDITORS / "vim"},' .. &runtimepath
compiler! pfnlab
cgetexpr {json.dumps(lines)}
let rows = map(getqflist(), '[bufname(v:val.bufnr), v:val.lnum, v:val.col, v:val.text]')
call writefile([json_encode(rows)], '{out}')
qall!
"""
    run_vim(tmp_path, script)

    assert json.loads(out.read_text()) == [
        ["a.pfn", 7, 8, "write `munmap a`"],
        ["b.pfn", 2, 1, "this is not UTF-8"],
    ]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (PROGRAM.replace("munmap a[4:8]", "munmap   a[4:8]\n\n"), PROGRAM.replace("a[4:8]\n", "a[4:8]\n\n")),
        (PROGRAM.replace("munmap", "munmop  "), PROGRAM.replace("munmap", "munmop  ")),
    ],
    ids=["program", "error"],
)
def test_vim_formats_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, after: str
) -> None:
    """gq makes the canonical form of the whole file, and leaves one with an error as it is."""
    command = tmp_path / "pfnlab"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pfnlab "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "a.pfn").write_text(text)
    script = f"""
set nocompatible
let &runtimepath = '{EDITORS / "vim"},' .. &runtimepath
filetype plugin on
edit {tmp_path / "a.pfn"}
normal! gggqG
write
qall!
"""
    run_vim(tmp_path, script)

    assert (tmp_path / "a.pfn").read_text() == after
