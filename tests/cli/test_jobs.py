"""``--jobs``: every verb that has it prints with two processes what it prints with one."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from asking import Answer, Ask, open_with

from pfnlab.base.processes import processors
from pfnlab.checker.review import review as reviewing
from pfnlab.cli.verbs import options_of, verb_pages
from pfnlab.hunt.fuzz import rounds
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run


def timeless(text: str) -> str:
    """*text* without times, rates and the command line."""
    text = re.sub(r'"command": "[^"]*"', "", text)
    return re.sub(r'[\d.]+ s \([\d,]+ states/s\)|"seconds": [\d.]+', "", text)


def both(ask: Ask, *words: object) -> tuple[Answer, Answer]:
    """The answers with one process and with two, without times."""
    answers = []
    for jobs in (1, 2):
        answer = ask(*words, "--jobs", jobs)
        answers.append(answer._replace(out=timeless(answer.out), err=""))
    return answers[0], answers[1]


@pytest.mark.target("long")
def test_a_review(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a few pieces, each in a process."""
    pieces = [piece for piece in reviewing.plan() if piece.stage in (1, 3)][:120:10]
    monkeypatch.setattr(reviewing, "plan", lambda: pieces)

    one, two = both(ask, "review", "tracker=vm_pat", "--seconds", 600)

    assert (1, one) == (one.code, two)


def test_races(ask: Ask) -> None:
    """Every race in a process."""
    one, two = both(ask, "check", "--on", "model:6.1", "--scope", "race")

    assert (1, one) == (one.code, two)


def test_races_as_json(ask: Ask) -> None:
    """Counts, schedules and programs."""
    one, two = both(ask, "check", "--on", "model:7.2,flush=end_vma", "--scope", "race", "--json")

    assert one == two


def test_several_models(ask: Ask) -> None:
    """In the order in which they were named."""
    words = ("check", "--on", "model:7.2", "--on", "model:6.1", "--scope", "small", "--depth", 2)

    one, two = both(ask, *words)

    assert one == two


def fuzzed(ask: Ask, folder: Path, jobs: int, *words: object) -> tuple[Answer, dict[str, bytes], str]:
    """The answer of a hunt of two rounds, its findings, and its state."""
    kept = folder / f"state{jobs}.json"
    found = folder / f"found{jobs}"
    answer = ask("fuzz", *words, "--findings", found, "--resume", kept, "--jobs", jobs)
    files = {str(path.relative_to(found)): path.read_bytes() for path in sorted(found.rglob("*.*"))}
    said = {name: text.replace(str(found).encode(), b"") for name, text in files.items()}
    return answer._replace(err=""), said, kept.read_text()


@pytest.mark.target("long")
def test_random_programs(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs, findings with their shrunk programs, causes, coverage and the file to go on from."""
    monkeypatch.setattr(rounds, "ROUND", 10)
    words = ("--on", "model:7.2", "--on", "model:7.2,tracker=vm_pat", "--seed", 1, "--programs", 25)

    one, two = (fuzzed(ask, tmp_path, jobs, *words) for jobs in (1, 2))

    assert one == two
    assert (1, True) == (one[0].code, len(one[1]) > 1)


def test_a_hunt_goes_on_with_other_jobs(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it had not been interrupted."""
    monkeypatch.setattr(rounds, "ROUND", 5)
    words = ("--on", "model:7.2", "--on", "model:7.2,mseal=on", "--findings", tmp_path / "found")
    for name, parts in (("whole", ((15, 1),)), ("parts", ((7, 2), (15, 2)))):
        for programs, jobs in parts:
            file = tmp_path / f"{name}.json"
            ask("fuzz", *words, "--programs", programs, "--resume", file, "--jobs", jobs)

    assert (tmp_path / "whole.json").read_text() == (tmp_path / "parts.json").read_text()


class Killed(ModelMachine):
    """A model whose process is killed by its seventh program."""

    asked = 0

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run a program."""
        Killed.asked += len(programs)
        if Killed.asked > 6 and os.getpid() != MAKER:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(programs)


MAKER = os.getpid()


def test_a_killed_process_ends_a_hunt_with_one_line(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which program it was at, and by what it was killed: 3."""
    open_with(monkeypatch, lambda named, *_, **more: Killed(named.rest))

    words = ("--on", "model:7.2", "--on", "model:7.2,mseal=on", "--programs", 30, "--findings", tmp_path)
    answer = ask("fuzz", *words, "--jobs", 2)

    assert 3 == answer.code
    (line,) = [line for line in answer.err.splitlines() if line.startswith("pfnlab: ")]
    assert re.fullmatch(
        r"pfnlab: random 0:\d+ and the programs after it: its process was killed by SIGKILL; "
        "where memory is short, --jobs 1 takes less",
        line,
    )


TOO_MANY = 8 * processors() + 1


@pytest.mark.parametrize(
    "words",
    [
        ("check", "--jobs"),
        ("fuzz", "--jobs"),
        ("fuzz", "--enumerate", "pci", "--jobs"),
        ("kernels", "build", "7.2", "--jobs"),
        ("kernels", "build", "7.2", "-j"),
        ("kernels", "meet", "6.1", "--jobs"),
        ("campaign", "run", "nightly.toml", "--jobs"),
        ("campaign", "resume", "--jobs"),
    ],
    ids=" ".join,
)
def test_more_jobs_than_a_machine_can_use_are_refused(ask: Ask, words: Sequence[str]) -> None:
    """Before anything begins, in one line with the most there can be."""
    answer = ask(*words, TOO_MANY)

    says = f"--jobs {TOO_MANY} is more than 8 for each of the processors here: write at most {TOO_MANY - 1}"
    assert (2, "", f"pfnlab: {says}\n") == answer


def test_a_tree_is_not_tried_with_too_many_jobs(ask: Ask) -> None:
    """That is misuse, which ends a bisection."""
    answer = ask("try", "TREE", "--like", "7.2", "--jobs", TOO_MANY)

    assert (130, True) == (answer.code, "is more than 8 for each" in answer.err)


def test_every_verb_with_jobs_has_the_same_bound() -> None:
    """A new one gets it from the common option."""
    options = [one for page in verb_pages() for one in options_of(page.name) if "--jobs" in one.names]

    assert [] == [option for option in options if option.check is None]
    assert 11 == len(options)


@pytest.mark.parametrize("jobs", [0, -1])
def test_less_than_one_job_is_refused(ask: Ask, jobs: int) -> None:
    """Nobody would do anything."""
    answer = ask("check", "--jobs", jobs)

    assert (2, 1) == (answer.code, answer.err.count("\n"))
    assert f"--jobs {jobs} is too small: write at least 1" in answer.err
