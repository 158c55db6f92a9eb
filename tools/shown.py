"""Run the commands in pages and compare their output.

A command appears in a page as it does in a terminal::

    ```console kernel $ pfnlab run munmap-middle --on model:6.1 --on qemu:6.1 ... ```

After ``console`` come the block's requirements: ``kernel`` (a real kernel), ``slow`` (more than half a
minute), ``network`` (more than cached kernels), ``exit=2`` (its commands end with that code, else 0 or 1),
``columns=126`` (the terminal's width). ``console synopsis`` is not an example but a list of forms, whose
verbs, options and files must exist. A ``...`` line matches any lines, and ``...`` within a line any text. A
machine's point release and a search's time match any value. A command without output only has to run. A
block with ``title="mine.pfn"`` is a file used by commands below it. Other blocks name their language, or
``text``.

``python tools/shown.py PAGE...`` compares, ``--kinds kernel,slow`` includes blocks marked that way,
``--write`` puts the output into the page. Each page runs in a separate folder with links to a clone's
files.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_pages import ROOT, Block, blocks, page_files, spans

if TYPE_CHECKING:
    from pfnlab.cli.verbs import VerbPage

#: Possible requirements of a block; blocks with none run in every test.
KINDS = ("kernel", "slow", "network")

#: The terminal width that pages show.
COLUMNS = 100

#: The prefix of a typed line.
TYPED = re.compile(r"\s*(\$ |(\.venv/bin/)?pfnlab (?!program \d|path \d)|make [a-z]|git (clone|bisect|am) )")


#: Variables that make passes to its children.
MAKES_OWN = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")


class Wrong(Exception):
    """A block that cannot be run; the message has the place, the fault, and what to write instead."""


@dataclass(frozen=True)
class Command:
    """
    A command in a page.

    :param typed: the text after ``$``, with continued lines joined
    :param output: the lines shown below it
    :param first: the index of the first such line in the page
    """

    typed: str
    output: tuple[str, ...]
    first: int


@dataclass(frozen=True)
class Terminal:
    """
    A ``console`` block.

    :param needs: of :data:`KINDS`
    :param codes: permitted exit codes of its commands
    """

    block: Block
    needs: frozenset[str]
    codes: tuple[int, ...]
    columns: int
    commands: tuple[Command, ...]


def terminals(text: str, name: str) -> list[Terminal]:
    """Return the terminals in a page that must be run.

    :raises Wrong: a block has an unknown word, or looks like a terminal but is not one
    """
    found = []
    for block in blocks(text):
        if block.lang != "console":
            _refuse_typed(block, name)
        elif "synopsis" not in block.info:
            found.append(_terminal(block, name))
    return found


def _refuse_typed(block: Block, name: str) -> None:
    if not block.lang:
        raise Wrong(f"{name}:{block.line}: write what this block is: ```text, or ```console for commands")
    for number, line in enumerate(block.text.splitlines()):
        if TYPED.match(line):
            raise Wrong(
                f"{name}:{block.line + number}: {line.strip()!r} is not run: make it a fence ```console with "
                "$ before each command, or ```console synopsis"
            )


def _terminal(block: Block, name: str) -> Terminal:
    needs: set[str] = set()
    codes: tuple[int, ...] = (0, 1)
    columns = COLUMNS
    for word in block.info:
        if word in KINDS:
            needs.add(word)
        elif re.fullmatch(r"exit=\d", word):
            codes = (int(word[-1]),)
        elif re.fullmatch(r"columns=\d+", word):
            columns = int(word.partition("=")[2])
        else:
            raise Wrong(
                f"{name}:{block.line}: {word!r} says nothing: write {', '.join(KINDS)}, exit=N, columns=N"
            )
    commands = tuple(_commands(block))
    if not commands:
        raise Wrong(f"{name}:{block.line}: no command: write $ before each")
    return Terminal(block, frozenset(needs), codes, columns, commands)


def _commands(block: Block) -> Iterator[Command]:
    lines = block.text.splitlines()
    at = 0
    while at < len(lines):
        if not lines[at].startswith("$ "):
            if not any(line.startswith("$ ") for line in lines[:at]):
                raise Wrong(f"line {block.line + at + 1}: output without a command above it")
            at += 1
            continue
        typed = lines[at][2:]
        while typed.endswith("\\"):
            at += 1
            typed = typed[:-1].rstrip() + " " + lines[at].lstrip("> ")
        at += 1
        end = next((there for there in range(at, len(lines)) if lines[there].startswith("$ ")), len(lines))
        yield Command(typed, tuple(lines[at:end]), block.line + at)
        at = end


def matches(shown: Sequence[str], printed: Sequence[str]) -> bool:
    """True if *shown* matches *printed*, up to its ellipses and trailing blanks."""
    parts = []
    for line in map(_any_day, shown):
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*")
        else:
            parts.append(r"[^\n]*".join(map(re.escape, line.rstrip().split("..."))) + r"\n")
    return (
        re.fullmatch("".join(parts), "".join(f"{_any_day(line).rstrip()}\n" for line in printed)) is not None
    )


def _any_day(line: str) -> str:
    """Replace the parts that change from day to day: point releases and search costs."""
    line = re.sub(r"\b[\d.]+ s( \([\d,]+ states/s\))?$", "some time", line)
    return re.sub(r"^((model|qemu):\S+) is (profile|linux-)\S* .*", r"\1 is its newest", line)


class Clone:
    """A folder for a page's commands: they write here but read the clone's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        for path in ROOT.iterdir():
            if path.name not in (".git", ".venv", "build", "dist", "bin"):
                (folder / path.name).symlink_to(path)
        # Leave the installation alone: for make it is up to date, whatever has changed since.
        (folder / ".venv").mkdir()
        for path in (ROOT / ".venv").iterdir():
            if not path.name.startswith("."):
                (folder / ".venv" / path.name).symlink_to(path)
        for stamp in (".demo", ".test", ".docs"):
            (folder / ".venv" / stamp).touch()
        (folder / "bin" / "pfnlab").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pfnlab "$@"\n')
        (folder / "bin" / "pfnlab").chmod(0o755)

    def write(self, name: str, text: str) -> None:
        """Write a file shown in a page."""
        path = self.folder / name
        if path.parent.resolve() != self.folder.resolve():
            raise Wrong(f'title="{name}": a file of a page is in the folder itself')
        path.write_text(text)

    def run(self, typed: str, columns: int) -> tuple[int, list[str]]:
        """Run a typed command; return its exit code and its output.

        Standard error is included if the command fails or reports a pfnlab error; otherwise it is progress
        output, which depends on timing.
        """
        # If make runs this, the page must not notice.
        env = {
            **{name: value for name, value in os.environ.items() if name not in MAKES_OWN},
            "COLUMNS": str(columns),
            "NO_COLOR": "1",
            "PYTHONPATH": str(ROOT / "src"),
            "PATH": f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            ["bash", "-c", typed],
            cwd=self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        failed = done.returncode not in (0, 1)
        said = [line for line in done.stderr.splitlines() if failed or line.startswith("pfnlab: ")]
        return done.returncode, [*done.stdout.splitlines(), *said]


def run_page(
    text: str, name: str, kinds: Collection[str] = (), folder: Path | None = None
) -> tuple[list[str], str]:
    """Run, in order, the blocks in a page that need nothing beyond *kinds*.

    :return: the faults, each with its location, and the page with the actual output
    """
    with tempfile.TemporaryDirectory() as fresh:
        clone = Clone(folder or Path(fresh))
        waiting = {one.block.line: one for one in terminals(text, name)}
        complaints, printed = [], []
        for block in blocks(text):
            titled = next((word[7:-1] for word in block.info if word.startswith('title="')), None)
            if titled:
                clone.write(titled, block.text)
            terminal = waiting.get(block.line)
            if terminal is None or not terminal.needs <= set(kinds):
                continue
            for command in terminal.commands:
                code, lines = clone.run(command.typed, terminal.columns)
                where = f"{name}:{command.first}: $ {command.typed}"
                if code not in terminal.codes:
                    complaints.append(f"{where}: exit code {code}: " + "\n".join(lines[-5:]))
                elif command.output and not matches(command.output, lines):
                    complaints.append(f"{where}: printed\n" + "\n".join(lines))
                    printed.append((command, lines))
    return complaints, _with_printed(text, printed)


def _with_printed(text: str, printed: Sequence[tuple[Command, list[str]]]) -> str:
    lines = text.splitlines()
    for command, output in reversed(printed):
        lines[command.first : command.first + len(command.output)] = [line.rstrip() for line in output]
    return "\n".join(lines) + "\n"


def unknown_forms(text: str, name: str) -> list[str]:
    """Return forms in a page, in ``console synopsis`` or backquotes, whose verb or option does not exist."""
    forms = [line for one in blocks(text) if "synopsis" in one.info for line in one.text.splitlines()]
    forms += [
        span for span in spans(text) if span.startswith("pfnlab ") and not span.startswith("pfnlab program")
    ]
    return [f"{name}: {form}: {says}" for form in forms if (says := _unknown(form))]


@cache
def _pages() -> dict[str, VerbPage]:
    from pfnlab.cli.verbs import verb_pages

    return {page.name: page for page in verb_pages()}


def _unknown(form: str) -> str | None:
    words = re.split(r" {3,}", form.strip())[0].split()
    if not words or not words[0].endswith("pfnlab"):
        return None
    page = _pages()[""]
    known = {"--help", "-h"} | _options(page)
    for word in words[1:]:
        verbs = [verb for verb in word.split("|") if re.fullmatch(r"[a-z][a-z-]*", verb)]
        if not page.verbs or not verbs:
            break
        missing = [verb for verb in verbs if verb not in page.verbs]
        if missing:
            return f"no verb {missing[0]}"
        page = _pages()[f"{page.name} {verbs[-1]}".strip()]
        known |= _options(page)
    named = [word for word in words if re.match(r"(litmus|docs|patches|tests|tools)/", word)]
    lost = [
        word for word in named if not re.search(r"[A-Z]{3}", word) and not list(ROOT.glob(word.rstrip(")")))
    ]
    if lost:
        return f"there is no file {lost[0]}"
    used = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    return next((f"there is no option {option}" for option in used if option not in known), None)


def _options(page: VerbPage) -> set[str]:
    return {name for row in page.options for name in row.all_names}


def main(argv: Sequence[str]) -> int:
    """Compare or rewrite pages.

    :return: 0 if all pages are right
    """
    kinds = next((one.partition("=")[2].split(",") for one in argv if one.startswith("--kinds=")), [])
    chosen = [Path(one).resolve() for one in argv if not one.startswith("--")] or page_files()
    wrong = 0
    for page in chosen:
        text = page.read_text(encoding="utf-8")
        name = str(page.relative_to(ROOT))
        try:
            complaints, printed = run_page(text, name, kinds)
        except Wrong as what:
            complaints, printed = [str(what)], text
        complaints += unknown_forms(text, name)
        if "--write" in argv and printed != text:
            page.write_text(printed, encoding="utf-8")
        print(*complaints, sep="\n", end="\n" if complaints else "")
        wrong += len(complaints)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
