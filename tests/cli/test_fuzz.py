"""``pfnlab fuzz``: what it prints, where it files, what its exit codes mean."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from asking import Ask

from pfnlab.base import progress

SAME = ("--on", "model:7.2", "--on", "model:7.2,mseal=on")
OTHER = ("--on", "model:7.2", "--on", "model:7.2,tracker=vm_pat")


def test_machines_that_agree(ask: Ask, tmp_path: Path) -> None:
    """The summary ends it, and nothing is filed: 0."""
    answer = ask("fuzz", *SAME, "--seed", 1, "--programs", 20, "--findings", tmp_path / "found")

    assert 0 == answer.code
    assert "20 programs, 0 differences" == answer.out.splitlines()[0]
    assert not (tmp_path / "found").exists()
    for said in ("operation pairs: ", "kinds of kernel calls: "):
        assert said in answer.out


def test_machines_that_differ(ask: Ask, tmp_path: Path) -> None:
    """The finding is named and filed, and its program shows the difference again: 1."""
    answer = ask("fuzz", *OTHER, "--programs", 20, "--findings", tmp_path, "--stop-after", 1)
    (folder,) = tmp_path.iterdir()

    assert 1 == answer.code
    assert f"\n{folder.name}  " in answer.out
    assert 1 == ask("run", folder / "program.pfn", *OTHER).code


def test_programs_are_counted(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to how many there shall be in all."""
    monkeypatch.setattr(progress, "EVERY", 0.0)

    answer = ask("fuzz", *SAME, "--programs", 20, "--findings", tmp_path)

    assert ": 20 of 20, 100 %\n" in answer.err


@pytest.mark.target("long")
def test_a_hunt_that_time_ends_has_its_part_of_it(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many programs there will be is not known."""
    monkeypatch.setattr(progress, "EVERY", 0.2)

    answer = ask("fuzz", *SAME, "--seconds", 2, "--findings", tmp_path)

    assert re.search(r", \d+ of 2 s, \d+ %$", answer.err, re.MULTILINE)


@pytest.mark.target("long")
def test_a_hunt_goes_on(ask: Ask, tmp_path: Path) -> None:
    """--programs counts from the beginning; machines and seed are those of the file."""
    kept = tmp_path / "state.json"
    options = (*SAME, "--resume", kept, "--findings", tmp_path / "found")

    assert "5 programs" in ask("fuzz", *options, "--seed", 3, "--programs", 5).out
    assert "12 programs" in ask("fuzz", *options, "--programs", 12).out
    assert json.loads(kept.read_text())["seed"] == 3
    for wrong, said in (
        ((*OTHER, "--resume", kept), "holds another hunt: write --on model:7.2 --on"),
        ((*options, "--seed", 4), "--seed 3 --look"),
        ((*options, "--driver"), "--seed 3 --look"),
    ):
        answer = ask("fuzz", *wrong, "--programs", 13)
        assert (2, True) == (answer.code, said in answer.err)


def test_json(ask: Ask, tmp_path: Path) -> None:
    """Everything the summary says, as one object."""
    answer = ask("fuzz", *OTHER, "--programs", 4, "--findings", tmp_path, "--json")
    said = json.loads(answer.out)

    assert (1, 4, 0) == (answer.code, said["programs"], said["seed"])
    assert 0 < said["differences"] <= sum(one["met"] for one in said["findings"].values())
    assert 0 < said["coverage"]["pairs"][0] < said["coverage"]["pairs"][1]


def test_one_machine_is_not_enough(ask: Ask) -> None:
    """There is nothing to differ from."""
    answer = ask("fuzz", "--on", "model:7.2")

    assert 2 == answer.code
    assert "a single machine cannot be compared" in answer.err


def test_leaves_need_somebody_who_makes_them(ask: Ask) -> None:
    """Without the driver and vfio-pci no program has a leaf."""
    answer = ask("fuzz", *SAME, "--leaves", "--programs", 5)

    assert (2, True) == (answer.code, "add --driver, --vfio or both" in answer.err)


def test_leaves_alone(ask: Ask, tmp_path: Path) -> None:
    """A hunt of nothing but programs with leaves; its file is for no other hunt."""
    options = (*SAME, "--driver", "--findings", tmp_path / "found", "--resume", tmp_path / "state.json")

    assert "20 programs, 0 differences" in ask("fuzz", *options, "--leaves", "--programs", 20).out
    answer = ask("fuzz", *options, "--programs", 21)
    assert (2, True) == (answer.code, "--driver --leaves --look " in answer.err)


def test_blocks_of_kernels_need_a_kernel(ask: Ask) -> None:
    """Models have none, and a processor of the host counts none: 2."""
    answer = ask("fuzz", *SAME, "--coverage", "kernel")
    of_host = ask("fuzz", "--coverage", "kernel", "--accel", "kvm")

    assert (2, 2) == (answer.code, of_host.code)
    assert "--coverage kernel needs a kernel: add --on qemu:7.3" in answer.err
    assert "write --accel tcg" in of_host.err


def test_an_unknown_coverage(ask: Ask) -> None:
    """It is refused with the one there is: 2."""
    unknown = ask("fuzz", *SAME, "--coverage", "branches")

    assert (2, True) == (unknown.code, "--coverage has no 'branches': write `kernel`" in unknown.err)


def test_a_hunt_goes_on_with_its_coverage(ask: Ask, tmp_path: Path) -> None:
    """The coverage is the file's; another is refused: 2."""
    options = (*SAME, "--resume", tmp_path / "hunt", "--findings", tmp_path / "found")
    ask("fuzz", *options, "--programs", 4)

    on = ask("fuzz", *options, "--programs", 6)
    other = ask("fuzz", *options[len(SAME) :], "--programs", 8, "--coverage", "kernel")

    assert (0, 2) == (on.code, other.code)
    assert "6 programs" in on.out
    assert "--seed 0 --look" in other.err


def test_an_interrupted_hunt_has_its_summary_and_the_command_to_resume(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Undecided: the state is in the folder of findings, and --resume takes it."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    words = ("fuzz", "--on", "model:6.1", "--on", "model:7.2", "--programs", 2, "--findings", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("pfnlab.hunt.fuzz.hunt.Hunt.run", interrupted)
        first = ask(*words, "--json")

    resumed = ask(*words, "--resume", tmp_path / "interrupted.json", "--json")
    assert (3, True) == (first.code, json.loads(first.out)["interrupted"])
    assert (2, False) == (json.loads(resumed.out)["programs"], json.loads(resumed.out)["interrupted"])
