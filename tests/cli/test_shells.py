"""The completion scripts, in the shells themselves."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import pytest
from asking import Ask

#: The shells for which there is a script.
SHELLS = ("bash", "zsh", "fish")


#: Seconds until a shell has answered; it takes one, on a machine that has nothing else to do.
PATIENCE = 60.0


def script(shell: str) -> str:
    """The script of a shell, as the wheel has it."""
    return files("pfnlab.verbs").joinpath("shells", f"pfnlab.{shell}").read_text(encoding="utf-8")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with ``pfnlab`` on its path, without anybody's settings, and the scripts in it."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "pfnlab"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pfnlab "$@"\n')
    command.chmod(0o755)
    for shell in SHELLS:
        (tmp_path / f"pfnlab.{shell}").write_text(script(shell))
    (tmp_path / "work").mkdir()
    for name in ("zone.pfn", "zone.txt", "z b.pfn"):
        (tmp_path / "work" / name).touch()
    return tmp_path


def settings(home: Path) -> dict[str, str]:
    """The environment of a shell there."""
    return {**os.environ, "HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}", "TERM": "dumb"}


def bash(home: Path, line: str) -> list[str]:
    """What bash is told for *line*, cut as bash cuts it."""
    code = f"""
source {home}/pfnlab.bash
COMP_LINE=$1 COMP_POINT=${{#1}} COMP_WORDS=(pfnlab) COMP_CWORD=1
_pfnlab pfnlab
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "--norc", "-c", code, "bash", line],
        **{"env": settings(home), "cwd": home / "work", "capture_output": True, "text": True, "timeout": 120},
    )
    assert done.stderr == ""
    return [value for value in done.stdout.split("\n") if value]


def typed(home: Path, start: list[str], prepare: str, keys: str, awaited: str) -> str:
    """What a shell shows on a terminal after *keys*, until *awaited* is there or patience ends."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(home / "work")
        os.execvpe(start[0], start, settings(home))
    shown = ""
    try:
        os.write(terminal, f"{prepare}; PS1='re''ady> '\n".encode())
        for wanted, keys_then in (("ready> ", keys), (awaited, "")):
            limit = time.monotonic() + PATIENCE
            while wanted not in shown and time.monotonic() < limit:
                if select.select([terminal], [], [], 0.2)[0]:
                    shown += os.read(terminal, 65536).decode(errors="replace")
            if keys_then:
                shown = ""
                os.write(terminal, keys_then.encode())
    finally:
        os.close(terminal)
        os.kill(child, 9)
        os.waitpid(child, 0)
    return shown


@pytest.mark.parametrize(
    "line, expected",
    [
        ("pfnlab chec", ["check "]),
        ("pfnlab run --on mo", ["model:"]),
        ("pfnlab run --on model:7.2,tracker=track", ["track_ctx "]),
        ("pfnlab check --scope sm", ["small "]),
        ("pfnlab check --property told", ["told_free ", "told_beside "]),
        ("pfnlab policies show track_c", ["track_ctx "]),
        ("pfnlab run zo", ["zone.pfn "]),
        ("pfnlab run z", ["z\\ b.pfn ", "zone.pfn "]),
        ("pfnlab fmt --check --format g", ["github "]),
        ("pfnlab nonsense ", []),
        ("pfnlab run 'unfinished", []),
    ],
)
def test_bash_is_told_the_candidates(home: Path, line: str, expected: list[str]) -> None:
    """Only the part behind the last colon or equals sign, as bash replaces no more."""
    assert bash(home, line) == expected


def test_bash_completes_on_a_terminal(home: Path) -> None:
    """As one types: the rest of the word, up to the equals sign, and no space behind it."""
    shown = typed(
        home,
        ["bash", "--norc", "-i"],
        f"source {home}/pfnlab.bash",
        "pfnlab run --on model:7.2,trac\tdriver\t",
        "tracker=driver_hook",
    )

    assert "pfnlab run --on model:7.2,tracker=driver_hook" in shown


@pytest.mark.target("shells")
def test_zsh_completes_on_a_terminal(home: Path) -> None:
    """The same in zsh, whose words are not cut at colons."""
    shown = typed(
        home,
        ["zsh", "-f", "-i"],
        f"unsetopt zle_bracketed_paste; autoload -U compinit; compinit -D -u; source {home}/pfnlab.zsh",
        "pfnlab check --on model:7.2 --scope smal\t--depth",
        "--depth",
    )

    # zsh takes its space back before the one that is typed.
    assert "--scope small --depth" in shown.replace(" \b", "")


@pytest.mark.target("shells")
@pytest.mark.parametrize(
    "line, expected",
    [
        ("pfnlab check --scope sm", {"small"}),
        ("pfnlab run --on model:7.2,tracker=track", {"model:7.2,tracker=track_ctx"}),
        ("pfnlab run zo", {"zone.pfn"}),
        ("pfnlab kernels d", {"diff"}),
        ("pfnlab run 'unfinished", set()),
    ],
)
def test_fish_knows_the_candidates(home: Path, line: str, expected: set[str]) -> None:
    """With a description behind a tab, where there is one."""
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {home}/pfnlab.fish; complete -C $argv[1]", line],
        **{"env": settings(home), "cwd": home / "work", "capture_output": True, "text": True, "timeout": 120},
    )

    assert {row.partition("\t")[0] for row in done.stdout.splitlines()} == expected
    assert done.stderr == ""


def test_a_shell_without_a_script_is_misuse(ask: Ask) -> None:
    """The message says which there are."""
    assert ask("help", "--completion", "tcsh") == (
        2,
        "",
        "pfnlab: --completion has no 'tcsh': write one of bash, zsh, fish\n",
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed(ask: Ask, shell: str) -> None:
    """To be sourced, or kept in a file."""
    assert ask("help", "--completion", shell) == (0, script(shell), "")
