"""``pfnlab campaign``: what its verbs print, and the codes they end with."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from asking import Ask

from pfnlab.campaign.store.rows import DONE
from pfnlab.campaign.store.store import Store

ROOT = Path(__file__).parents[2]

QUICK = """\
form = 1
name = "quick"
[limits]
seconds = 60
tries = 1
[[check]]
machines = ["model:7.2"]
policies = ["trackers/exact", "trackers/vm_pat"]
depth = 2
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which commands are given, with the file of a quick campaign."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PFNLAB_STORE", raising=False)
    (tmp_path / "quick.toml").write_text(QUICK, encoding="utf-8")
    return tmp_path


def test_a_new_file_can_be_checked(folder: Path, ask: Ask) -> None:
    """And is named after itself."""
    assert 0 == ask("campaign", "new", "My night.toml").code
    answer = ask("campaign", "run", "--check", "My night.toml")

    assert (0, "my-night: 27 shards, 0 on real kernels") == (answer.code, answer.out.splitlines()[0])


def test_a_new_hunt_can_be_checked(folder: Path, ask: Ask) -> None:
    """Its file has the name of the word, and every kind of programs."""
    assert 0 == ask("campaign", "new", "hunt").code
    answer = ask("campaign", "run", "--check", "hunt.toml")

    assert (0, "hunt: 13 shards, 13 on real kernels") == (answer.code, answer.out.splitlines()[0])
    assert "  every day: a separate campaign, on the next kernel of the archive" in answer.out.splitlines()
    assert not (folder / "hunt").exists()


def test_a_new_file_takes_none_that_is_there(folder: Path, ask: Ask) -> None:
    """It is left as it was."""
    answer = ask("campaign", "new", "quick.toml")

    assert (2, "pfnlab: quick.toml exists: name a new file\n") == (answer.code, answer.err)
    assert QUICK == (folder / "quick.toml").read_text(encoding="utf-8")


def test_a_file_with_a_mistake_is_misuse(folder: Path, ask: Ask) -> None:
    """It is one line."""
    (folder / "quick.toml").write_text("form = 1\n[[check]]\nscopes = 3\n", encoding="utf-8")

    for words in (["--check"], []):
        answer = ask("campaign", "run", *words, "quick.toml")
        assert (2, 1) == (answer.code, len(answer.err.splitlines()))
    assert not (folder / "pfnlab.db").exists()


def test_a_campaign_runs_and_is_told(folder: Path, ask: Ask) -> None:
    """A violated property is a discovery."""
    ran, status = ask("campaign", "run", "quick.toml"), ask("campaign", "status")

    assert (1, 0) == (ran.code, status.code)
    assert ran.out == status.out
    assert [
        "quick: over, 2 of 2 shards done",
        "  0 programs, 30 results",
        "      26 holds",
        "       2 violated",
    ] == ran.out.splitlines()


def test_a_campaign_that_is_over_runs_nothing(folder: Path, ask: Ask) -> None:
    """And has the same results."""
    ask("campaign", "run", "quick.toml")
    before = ask("campaign", "results", "--json").out
    again = ask("campaign", "run", "quick.toml")

    assert 1 == again.code
    assert json.loads(before)["results"] == json.loads(ask("campaign", "results", "--json").out)["results"]


@pytest.mark.target("long")
def test_what_is_no_discovery_for_a_plan_is_none(folder: Path, ask: Ask) -> None:
    """The plan says what counts."""
    (folder / "quick.toml").write_text(QUICK + '[count]\nverdicts = ["alarm"]\n', encoding="utf-8")

    assert 0 == ask("campaign", "run", "quick.toml").code


@pytest.mark.target("long")
def test_a_shard_that_is_isolated_leaves_the_campaign_undecided(folder: Path, ask: Ask) -> None:
    """It is said, and can be tried once more."""
    tracker = folder / "odd.py"
    tracker.write_text(
        "import os\nfrom pfnlab.design import Exact\nclass Odd(Exact):\n"
        "    def vm_area_free(self, vma):\n        os.abort()\n",
        encoding="utf-8",
    )
    text = QUICK.replace('policies = ["trackers/exact", "trackers/vm_pat"]\n', "")
    (folder / "quick.toml").write_text(
        text.replace("model:7.2", f"model:7.2,tracker={tracker}"), encoding="utf-8"
    )

    answer = ask("campaign", "run", "quick.toml", "--trust")

    assert 3 == answer.code
    assert "shard 0 is isolated" in answer.err
    assert "isolated: shard 0, check" in answer.out and "killed by SIGABRT" in answer.out
    assert 3 == ask("campaign", "resume", "--trust").code
    assert "shard 0 is isolated" in ask("campaign", "resume", "--isolated", "--trust").err


@pytest.mark.target("long")
def test_results_are_filtered(folder: Path, ask: Ask) -> None:
    """By the words of a result."""
    ask("campaign", "run", "quick.toml")

    answer = ask(
        "campaign", "results", "--verdict", "violated", "--machine", "model:7.2,tracker=vm_pat", "--full"
    )

    assert 0 == answer.code
    assert "2 results" == answer.out.splitlines()[-1]
    assert "    pfnlab program 1" in answer.out.splitlines()
    assert "0 results\n" == ask("campaign", "results", "--machine", "model:6.1").out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--verdict", "violate"), "--verdict violate: write one of"),
        (("--kind", "runs"), "--kind has no 'runs': did you mean `run`?"),
        (("quik",), "has no campaign 'quik': did you mean `quick`?"),
        (("--format", "csv"), "--format needs --output FILE: add it"),
        (("--json", "-o", "x.csv"), "--output excludes --json: drop --json"),
        (("-o", "x.xlsx"), "there is no format 'xlsx'"),
    ],
)
def test_a_wrong_filter_is_misuse(folder: Path, ask: Ask, words: tuple[str, ...], says: str) -> None:
    """In one line."""
    with Store("pfnlab.db") as store:
        store.begin("quick", {"form": 1, "name": "quick"}, [])

    answer = ask("campaign", "results", *words)

    assert 2 == answer.code
    assert says in answer.err and 1 == answer.err.count("\n")


@pytest.mark.target("long")
def test_results_are_exported(folder: Path, ask: Ask) -> None:
    """A row for each sighting."""
    ask("campaign", "run", "quick.toml")
    assert 0 == ask("campaign", "results", "-o", "x.csv").code

    with (folder / "x.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    content = json.loads(ask("campaign", "results", "--json").out)
    assert [one["digest"] for one in content["results"]] == [row["digest"] for row in rows]


@pytest.mark.target("long")
def test_a_store_is_copied(folder: Path, ask: Ask) -> None:
    """The copy has the same results."""
    ask("campaign", "run", "quick.toml")
    assert 0 == ask("campaign", "results", "--backup", "copy.db").code

    assert ask("campaign", "results").out == ask("campaign", "results", "--store", "copy.db").out


@pytest.mark.target("long")
def test_the_store_is_named_by_a_variable(folder: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no option names it."""
    monkeypatch.setenv("PFNLAB_STORE", "night.db")
    ask("campaign", "run", "quick.toml")

    assert (folder / "night.db").exists() and not (folder / "pfnlab.db").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("campaign", "status"),
        ("campaign", "resume"),
        ("campaign", "stop"),
        ("campaign", "results"),
        ("report", "--campaign", "quick"),
    ],
)
def test_a_store_that_is_not_there_is_misuse(folder: Path, ask: Ask, words: tuple[str, ...]) -> None:
    """It is not made."""
    answer = ask(*words)

    assert 2 == answer.code and "pfnlab.db: there is no such store" in answer.err
    assert not (folder / "pfnlab.db").exists()


def test_of_several_campaigns_one_is_named(folder: Path, ask: Ask) -> None:
    """The message has their names."""
    with Store("pfnlab.db") as store:
        for name in ("one", "two"):
            store.begin(name, {"form": 1, "name": name}, [])

    assert "name one: one, two" in ask("campaign", "resume").err
    assert "it has one, two" in ask("campaign", "resume", "three").err
    assert 2 == len(json.loads(ask("campaign", "status", "--json").out)["campaigns"])


@pytest.mark.parametrize(("name", "begins"), [("x.html", "<!DOCTYPE html>"), ("x.md", "# Campaign quick")])
def test_a_report_is_written(folder: Path, ask: Ask, name: str, begins: str) -> None:
    """In the form that the name of its file says."""
    ask("campaign", "run", "quick.toml")

    assert 0 == ask("report", "--campaign", "quick", "-o", name).code
    text = (folder / name).read_text(encoding="utf-8")
    assert text.lower().startswith(begins.lower()) and "freed_once" in text


def test_what_results_print_is_taken_by_report(folder: Path, ask: Ask) -> None:
    """As every other result."""
    ask("campaign", "run", "quick.toml")
    (folder / "x.json").write_text(ask("campaign", "results", "--json").out, encoding="utf-8")

    assert "# Campaign quick" in ask("report", "x.json", "--format", "md").out


LONG = QUICK.replace(
    "[[check]]",
    '[[fuzz]]\nmachines = [["model:7.2", "model:7.3"]]\nprograms = 4000\nprograms_per_shard = 5\n[[check]]',
)


@pytest.mark.target("long")
def test_a_campaign_is_stopped_and_goes_on(folder: Path, ask: Ask) -> None:
    """From another process, within seconds; one that does not run cannot be stopped."""
    (folder / "quick.toml").write_text(LONG, encoding="utf-8")
    command = [sys.executable, "-m", "pfnlab", "campaign", "run", "quick.toml", "--jobs", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        _wait_for_some(process)
        assert "quick: running" in ask("campaign", "status").out
        assert "is already running" in ask("campaign", "run", "quick.toml").err
        assert 0 == ask("campaign", "stop").code
        out, err = process.communicate(timeout=60)

    assert b"quick: stopped" in err and b"to be done: pfnlab campaign resume quick" in out
    assert "is not running" in ask("campaign", "stop").err


@pytest.mark.target("long")
def test_an_interrupt_ends_a_campaign(folder: Path, ask: Ask) -> None:
    """With the code of an interrupt; what is done is kept."""
    (folder / "quick.toml").write_text(LONG, encoding="utf-8")
    command = [sys.executable, "-m", "pfnlab", "campaign", "run", "quick.toml", "--jobs", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        _wait_for_some(process)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)

    assert (130, False) == (process.returncode, b"Traceback" in err)
    assert "quick: not running" in ask("campaign", "status").out


def _wait_for_some(process: subprocess.Popen[bytes]) -> None:
    """Wait until two shards are done."""
    until = time.monotonic() + 60
    done = 0
    while done < 2:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.1)
        if Path("pfnlab.db").exists() and Path("pfnlab.db").stat().st_size:
            with Store("pfnlab.db") as store:
                done = sum(shard.state == DONE for shard in store.shards("quick"))


def test_a_campaign_runs_programs_of_ones_own(folder: Path, ask: Ask) -> None:
    """They lie beside its file, not in the folder of the command."""
    (folder / "plans").mkdir()
    program = "pfnlab program 1\ndevice  bar: pci, 16 pages\n\na = mmap bar[0:8] wc shared rw\nmunmap a\n"
    (folder / "plans" / "mine.pfn").write_text(program, encoding="utf-8")
    (folder / "plans" / "own.toml").write_text(
        'form = 1\nname = "own"\n[[catalogue]]\nmachines = [["model:6.1", "model:7.2"]]\n'
        'programs = ["mine.pfn"]\n',
        encoding="utf-8",
    )

    answer = ask("campaign", "run", "plans/own.toml")

    assert answer.code in (0, 1) and "own: over, 1 of 1 shard done" in answer.out
    assert " mine.pfn: " in ask("campaign", "results").out
