"""``pfnlab fuzz --enumerate``: what it prints, where it files, what its exit codes mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asking import Ask

from pfnlab.programs.runs import named_machines

SAME = ("--on", "model:7.3", "--on", "model:7.3,mseal=on")
OTHER = ("--on", "model:7.3", "--on", "model:7.3,mseal=off")


def test_machines_that_agree(ask: Ask, tmp_path: Path) -> None:
    """The counts by letter, and nothing is filed: 0."""
    answer = ask("fuzz", "--enumerate", "pci", *SAME, "--cells", "220:260", "--findings", tmp_path / "found")

    assert 0 == answer.code
    assert [
        "40 cells, 0 differences",
        "40 cells of 220:260, by letter: 40 . (all machines agree, and no property is violated)",
        "only agreement: pci, UC-",
    ] == answer.out.splitlines()
    assert not (tmp_path / "found").exists()


def test_machines_that_differ(ask: Ask, tmp_path: Path) -> None:
    """The table has rows and columns with more than agreement, and the finding shows again: 1."""
    answer = ask("fuzz", "--enumerate", "pci", *OTHER, "--cells", "238:260", "--findings", tmp_path)
    folders = sorted(tmp_path.iterdir())

    assert 1 == answer.code
    assert all(f"\n{folder.name}  " in answer.out for folder in folders)
    assert 1 == ask("run", folders[0] / "program.pfn", *OTHER).code
    assert "two letters, at aligned and at odd places" in answer.out


def test_it_goes_on(ask: Ask, tmp_path: Path) -> None:
    """With the same line; a sweep that has ended runs nothing, and prints the same."""
    words = ("fuzz", "--enumerate", "pci", *OTHER, "--cells", "230:250", "--resume", tmp_path / "kept")
    first = ask(*words, "--findings", tmp_path / "found", "--stop-after", 1)

    second = ask(*words, "--findings", tmp_path / "found")

    assert (1, 1) == (first.code, second.code)
    assert second.out.startswith("20 cells, ")
    assert second.out == ask(*words, "--findings", tmp_path / "found").out


@pytest.mark.parametrize(
    "words",
    [
        ("mem", *SAME, "--cells", "0:20"),
        ("pci", *SAME, "--cells", "0:21"),
        ("pci", *OTHER, "--cells", "0:20"),
        ("pci", *SAME, "--cells", "0:20", "--look", "proc"),
    ],
    ids=["scope", "cells", "machines", "look"],
)
def test_another_sweep_does_not_go_on(ask: Ask, tmp_path: Path, words: tuple[str, ...]) -> None:
    """It is misuse, and the file stays."""
    kept = tmp_path / "kept"
    ask(
        "fuzz",
        "--enumerate",
        "pci",
        *SAME,
        "--cells",
        "0:20",
        "--resume",
        kept,
        "--findings",
        tmp_path / "found",
    )
    before = kept.read_bytes()

    answer = ask("fuzz", "--enumerate", *words, "--resume", kept)

    own = " ".join((*SAME, "--enumerate pci --cells 0:20 --look memory"))
    says = f"holds another hunt: write {own}, or name another file\n"
    assert (2, True, before) == (answer.code, answer.err.endswith(says), kept.read_bytes())


def test_a_file_that_is_none(ask: Ask, tmp_path: Path) -> None:
    """A part of one, as a full disk of another program leaves it, is no state."""
    kept = tmp_path / "kept"
    ask(
        "fuzz",
        "--enumerate",
        "pci",
        *SAME,
        "--cells",
        "0:20",
        "--resume",
        kept,
        "--findings",
        tmp_path / "found",
    )
    kept.write_bytes(kept.read_bytes()[:-30])

    answer = ask("fuzz", "--enumerate", "pci", *SAME, "--cells", "0:20", "--resume", kept)

    assert 2 == answer.code
    assert answer.err.startswith(f"pfnlab: {kept} is not the state of a hunt: ")


def test_a_full_disk_is_no_misuse(ask: Ask) -> None:
    """The state is lost, and nobody asked for anything wrong: 3."""
    answer = ask("fuzz", "--enumerate", "pci", *SAME, "--cells", "0:20", "--resume", "/dev/full")

    assert 2 == answer.code or 3 == answer.code
    assert "/dev/full" in answer.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("pcie",), "there is no scope `pcie`: did you mean `pci`?"),
        (("pci", "--cells", "9:2"), "write --cells 0:1156"),
        (("pci", "--on", "model:7.3"), "a single machine cannot be compared"),
        (("pci", "--on", "model:7.3", "--on", "model:7.3"), "a single machine cannot be compared"),
        (("pci", *SAME, "--look", "nose"), "nose"),
    ],
)
def test_misuse(ask: Ask, words: tuple[str, ...], says: str) -> None:
    """One line says what to write instead."""
    answer = ask("fuzz", "--enumerate", *words)

    assert (2, True) == (answer.code, says in answer.err)


def test_as_json(ask: Ask, tmp_path: Path) -> None:
    """Numbers of every kind of cell, the findings, and a table of letters."""
    answer = ask("fuzz", "--enumerate", "pci", *OTHER, "--cells", "238:244", "--findings", tmp_path, "--json")
    content = json.loads(answer.out)

    cells = content["cells"]
    assert ("pfnlab-fuzz/2", 6, 6, None) == tuple(
        content[key] for key in ("format", "programs", "compared", "coverage")
    )
    assert ("pci", {"D": content["differences"]}) == (cells["scope"], cells["letters"])
    assert {finding["known"] for finding in content["findings"].values()} == {False}
    assert [238 + at for at in range(6)] == [cell["cell"] for cell in cells["found"]]


def test_progress_is_said(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How far it is, what was found so far, and at the end how fast it was."""
    monkeypatch.setattr("pfnlab.base.progress.EVERY", 0.0)

    answer = ask("fuzz", "--enumerate", "pci", *SAME, "--cells", "0:45", "--findings", tmp_path)

    assert ": 45 of 45, 100 %\n" in answer.err
    assert "45 cells in " in answer.err


def test_jobs_change_nothing(ask: Ask, tmp_path: Path) -> None:
    """The output, the state and what is filed."""

    def swept(jobs: int) -> tuple[str, dict[str, str]]:
        folder = tmp_path / f"{jobs}"
        folder.mkdir()
        words = ("fuzz", "--enumerate", "pci", *OTHER, "--cells", "236:246", "--jobs", jobs)
        answer = ask(*words, "--resume", folder / "kept", "--findings", folder / "found")
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        texts = {str(file.relative_to(folder)): file.read_text(encoding="utf-8") for file in files}
        return answer.out, {name: text.replace(str(folder), "") for name, text in texts.items()}

    assert swept(1) == swept(2)


def test_without_machines_it_is_the_newest_kernel(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the model of its series."""
    asked: list[object] = []

    def missing(machines: list[named_machines.NamedMachine]) -> None:
        asked.extend(machine.spec for machine in machines)
        raise KeyboardInterrupt

    monkeypatch.setattr("pfnlab.hunt.fuzz.rounds.fetch_missing", missing)
    ask("fuzz", "--enumerate", "pci")

    newest = named_machines.newest_series()
    assert [f"model:{newest}", f"qemu:{newest}"] == asked


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--enumerate", "pci", "--seed", 1), "--enumerate excludes --seed"),
        (("--enumerate", "pci", "--programs", 5), "--enumerate excludes --programs"),
        (("--enumerate", "pci", "--driver", "--leaves"), "--enumerate excludes --driver and --leaves"),
        (("--enumerate", "pci", "--coverage", "kernel"), "--enumerate excludes --coverage"),
        (("--cells", "0:4"), "--cells needs --enumerate SCOPE: add it"),
    ],
    ids=["seed", "programs", "vocabulary", "coverage", "cells alone"],
)
def test_what_is_drawn_and_what_is_enumerated(ask: Ask, words: tuple[object, ...], says: str) -> None:
    """Options of the one are refused beside the other, in one line."""
    answer = ask("fuzz", *SAME, *words)

    assert (2, True) == (answer.code, says in answer.err)


def test_a_hunt_of_cells_may_end_by_time(ask: Ask, tmp_path: Path) -> None:
    """Time is an end for either; what was not run has no letter."""
    words = ("--cells", "0:4", "--seconds", 0, "--findings", tmp_path)
    answer = ask("fuzz", "--enumerate", "pci", *SAME, *words)

    assert (3, "0 cells, 0 differences") == (answer.code, answer.out.splitlines()[0])


@pytest.mark.parametrize("cells", [True, False], ids=["cells first", "programs first"])
def test_cells_do_not_go_on_as_programs(ask: Ask, tmp_path: Path, cells: bool) -> None:
    """Nor programs as cells: the file of one hunt is for no other."""
    kept = ("--resume", tmp_path / "kept", "--findings", tmp_path / "found")
    of_cells, drawn = ("--enumerate", "pci", "--cells", "0:3"), ("--programs", 3)
    first, second = (of_cells, drawn) if cells else (drawn, of_cells)
    ask("fuzz", *SAME, *first, *kept)

    answer = ask("fuzz", *SAME, *second, *kept)

    drawn_by = "--enumerate pci --cells 0:3" if cells else "--seed 0"
    assert (2, True) == (answer.code, f"{' '.join(SAME)} {drawn_by} --look" in answer.err)


def test_a_file_keeps_one_hunt(ask: Ask, tmp_path: Path) -> None:
    """Each kernel that is named without a model is one."""
    kernels = ("--on", "qemu:6.1", "--on", "qemu:7.3")

    answer = ask("fuzz", "--enumerate", "pci", *kernels, "--resume", tmp_path / "kept")

    assert (2, True) == (answer.code, "holds one hunt, not 2: name one kernel" in answer.err)


def test_the_verb_that_it_was_is_gone(ask: Ask) -> None:
    """In one line, as for every word that is no verb."""
    answer = ask("sweep", "pci")

    assert (2, "pfnlab: no verb 'sweep': `pfnlab --help` lists them\n") == (answer.code, answer.err)
