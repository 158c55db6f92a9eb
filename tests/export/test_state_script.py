"""The drgn script of a program: run on cores of real kernels, it shows what their goldens have."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

from having import ASKED, bootable, have, recorded_as
from litmus_files import litmus_file

from pfnlab.export.formats import as_drgn
from pfnlab.export.subject import Subject
from pfnlab.lab.lens.memory import open_core
from pfnlab.lab.lens.own_types import open_kernel
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.model.model_machine import ModelMachine
from tests.guests.known_state import KnownState, known_state
from tests.guests.shell import shell

PROGRAM = load_program(litmus_file("munmap-middle"))


def script_of(subject: Subject) -> str:
    (text,) = as_drgn(subject).values()
    return text


SCRIPT = script_of(Subject("munmap-middle", PROGRAM))


def shown(
    core: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> str:
    """The output of the script, as ``drgn -c CORE SCRIPT WORDS`` runs it."""
    monkeypatch.setattr("sys.argv", ["munmap_middle.drgn.py", *words])
    capsys.readouterr()
    with open_core(core) as source:
        view = open_kernel(source)
        exec(compile(SCRIPT, "script", "exec"), {"__name__": "__main__", "prog": view.program})
    return capsys.readouterr().out


@pytest.fixture(
    scope="module",
    params=[pytest.param(series, marks=pytest.mark.xdist_group(f"kernel-{series}")) for series in ASKED],
)
def state(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, KnownState]:
    """Each series asked for, after the middle of a mapping went."""
    kernel = bootable(request.param)
    have(shell)
    folder = tmp_path_factory.mktemp("core")
    (folder / "none.sh").write_text("true\n")
    return request.param, known_state(PROGRAM, kernel, folder / "none.sh", folder / "core", after=2)


@pytest.mark.lab
@pytest.mark.timeout(900)
def test_the_state_is_that_of_the_kernel(
    state: tuple[str, KnownState], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reservations of the device, and its VMAs with what is remembered of them."""
    series, known = state
    first = known.placement.windows["bar"].start
    asked = f"{first << 12:x}-{(first + 16 << 12) - 1:x}"

    text = shown(known.core, capsys, monkeypatch, asked)

    ((run,),) = [ModelMachine(recorded_as(series)).run([PROGRAM])]
    book = [
        f"  {first + entry.span.start << 12:08x}-{(first + entry.span.end << 12) - 1:08x} "
        f"({entry.span.pages} pages) {entry.mode}"
        for entry in run.steps[1].book or ()
    ]
    tree, _, vmas = text.partition("VMAs:\n")
    assert ["memtype tree:", *book] == tree.splitlines()
    rows = vmas.splitlines()
    found = [re.search(r"\((\d+) pages\)  first entry pfn (\w+)  (\S+)", row) for row in rows]
    assert [("4", f"{first:#x}", "wc"), ("8", f"{first + 8:#x}", "wc")] == [
        one.groups() for one in found if one is not None
    ]
    tracked = "VM_PAT" if "VM_PAT" in "".join(run.steps[1].tracked or ()) else "refs 2 of"
    assert all(tracked in row and "no VM_PAT" not in row for row in rows)


@pytest.mark.lab
@pytest.mark.timeout(900)
def test_other_memory_is_left_out(
    state: tuple[str, KnownState], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a range is asked for; without one all reservations are shown."""
    core = state[1].core

    assert "memtype tree:\nVMAs:\n" == shown(core, capsys, monkeypatch, "0-fff")
    assert 3 < len(shown(core, capsys, monkeypatch).splitlines())
    with pytest.raises(SystemExit, match="this: this is not a range of physical memory"):
        shown(core, capsys, monkeypatch, "this")


def test_the_script_needs_nothing_but_drgn() -> None:
    """And Python."""
    modules = set()
    for node in ast.walk(ast.parse(SCRIPT)):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add((node.module or "").split(".")[0])

    assert {"__future__", "collections", "drgn", "sys", "typing"} == modules


def test_the_program_stands_above_it() -> None:
    """With what a machine had reserved after each operation, where one was asked."""
    ((run,),) = [ModelMachine("6.1").run([PROGRAM])]

    text = script_of(Subject("munmap-middle", PROGRAM, run))

    assert "# title   Unmapping the middle first\n" in text
    assert "# munmap a\n#     model:6.1: book bar[0:8] wc\n" in text
    assert "# munmap a\n#\n" in SCRIPT
