"""Policies of users, and the list of ours. What docs/own-policy.md shows is run by ``tests/pages``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from asking import Ask
from hostile_policies import ENDLESS, ENDS, EXAMPLE, HARMLESS, METHOD, RAISES, tracker

from pfnlab.base import own_code, supervised

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are said from the root of a clone."""
    monkeypatch.chdir(ROOT)


def test_a_broken_policy_is_misuse(ask: Ask, tmp_path: Path) -> None:
    """The method's name, on one line, and exit code 2."""
    path = tmp_path / "mine.py"
    example = (ROOT / "docs" / "own-policy" / "per_vma.py").read_text()
    path.write_text(example.replace("def unmap_vmas(", "def unmap_vma("))

    answer = ask("run", "docs/own-policy/middle.pfn", "--policy", path)

    says = f"pfnlab: {path}: unmap_vmas: PerVma has no such method: add unmap_vmas(self, vma)\n"
    assert (2, says) == (answer.code, answer.err)


def test_a_policy_needs_a_model(ask: Ask) -> None:
    """A real kernel has its own."""
    answer = ask("run", "docs/own-policy/middle.pfn", "--policy", "x.py", "--on", "qemu:7.2")

    assert (2, True) == (answer.code, "--policy is for models" in answer.err)


def test_every_policy_is_listed_and_shown(ask: Ask) -> None:
    """Seventeen trackers, sixteen placements, three walkers, three reports, and what each is."""
    listed = ask("policies", "list").out

    names = re.findall(r"^  ([a-z_0-9]+) {2,}", listed, re.MULTILINE)
    assert 39 == len(names)
    assert "vm_pat@4.5" in listed
    assert all(ask("policies", "show", name).out.startswith('"""') for name in names)


def test_an_era_is_shown_by_its_switches(ask: Ask) -> None:
    """It is vm_pat, and what it had by then."""
    answer = ask("policies", "show", "vm_pat@4.5")

    assert answer.out.startswith("vm_pat@4.5: a free may shrink an entry with the same end")
    assert re.search(r"^end_match +on$", answer.out, re.MULTILINE)
    assert re.search(r"^cow_knows_its_pfn +off$", answer.out, re.MULTILINE)


Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the tracker that does something, and gives its name from the folder of the commands."""
    monkeypatch.chdir(tmp_path)

    def written(body: str) -> str:
        Path("mine.py").write_text(tracker(body))
        return "mine.py"

    return written


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short limit."""
    monkeypatch.setattr(own_code, "LIMIT", 1.0)


MIDDLE = EXAMPLE / "middle.pfn"


def refused(ask: Ask, *words: object) -> str:
    """The message about the file, in the one line that a command comes to."""
    answer = ask(*words)

    assert (2, "", 1) == (answer.code, answer.out, answer.err.count("\n"))
    assert answer.err.startswith("pfnlab: mine.py: ")
    return answer.err.removeprefix("pfnlab: mine.py: ").removesuffix("\n")


@pytest.mark.parametrize(("body", "says"), ENDS.items())
def test_a_policy_that_ends_its_process_is_named(ask: Ask, write: Write, body: str, says: str) -> None:
    """The command says which file did what to its process."""
    assert says == refused(ask, "run", MIDDLE, "--json", "--policy", write(body)).removeprefix(f"{METHOD}: ")


@pytest.mark.parametrize(("body", "says"), RAISES.items())
def test_a_policy_that_raises_is_named(ask: Ask, write: Write, body: str, says: str) -> None:
    """With its method and its line."""
    assert f"{METHOD}: {says}" == refused(ask, "run", MIDDLE, "--json", "--policy", write(body))


#: What is said of one that goes on, after the file and, where it was seen, the method.
LOOPS = "it did not return within 1 processor seconds: does it loop?"
WAITS = "it did not return within 2 s: does it wait for ever?"


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("kind", ENDLESS)
def test_an_endless_policy_is_ended(
    ask: Ask, write: Write, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though its file is named by a relative path, and whatever becomes of the signal."""
    waits = kind in ("sleep", "stopped")
    if waits:
        monkeypatch.setattr(own_code, "PATIENCE", 2.0)

    says = refused(ask, "run", MIDDLE, "--policy", write(ENDLESS[kind]))

    assert (WAITS if waits else LOOPS) == says.removeprefix(f"{METHOD}: ")


@pytest.mark.parametrize("body", HARMLESS.values(), ids=HARMLESS)
def test_what_a_policy_prints_is_no_output(write: Write, body: str) -> None:
    """It goes to standard error, and the object that is printed stays one."""
    command = [sys.executable, "-m", "pfnlab", "run", str(MIDDLE), "--json", "--policy", write(body)]

    answer = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (0, "pfnlab-run/1") == (answer.returncode, json.loads(answer.stdout)["format"])
    assert {"printed here"} == set(answer.stderr.splitlines())


def test_a_file_that_ends_its_process(ask: Ask, write: Write) -> None:
    """It is code as well, and no method of it is to blame."""
    Path(write("pass")).write_text("import os; os._exit(0)\n")

    answer = ask("run", MIDDLE, "--policy", "mine.py")

    assert (2, "pfnlab: mine.py: it ended the process it runs in (exit 0)\n") == (
        answer.code,
        answer.err,
    )


OWN = "model:7.2,tracker=mine.py"
SMALL = ("--scope", "small", "--depth", 2)


@pytest.mark.parametrize(
    "words",
    [
        ("run", MIDDLE, "--on", "model:7.3", "--on", OWN),
        ("run", MIDDLE, "--policy=mine.py"),
        ("draw", MIDDLE, "--on", OWN),
        ("check", "--on", OWN, *SMALL, "--jobs", 1),
        ("check", "--on", OWN, *SMALL, "--jobs", 2),
        ("check", "--on", OWN, "--on", "model:7.2", *SMALL, "--jobs", 2),
        ("check", "--policy", "mine.py", *SMALL, "--random", 2),
        ("check", "--policy", "mine.py", *SMALL, "--random", 2, "--jobs", 2),
        ("check", "--policy", "mine.py", "--scope", "race", "--jobs", 1),
        ("check", "--policy", "mine.py", "--scope", "race", "--jobs", 2),
        ("review", "mine.py", "--seconds", 5, "--jobs", 1),
        ("review", "mine.py", "--seconds", 5, "--jobs", 2),
        ("fuzz", "--on", "model:7.2", "--on", OWN, "--programs", 6, "--jobs", 1),
        ("fuzz", "--on", "model:7.2", "--on", OWN, "--programs", 6, "--jobs", 2),
        ("fuzz", "--on", OWN, "--on", "model:7.2", "--programs", 6, "--jobs", 1),
        ("replay", f"pfnlab path 1: {OWN} small no_leak 0/0rne/1dzm/0alu"),
    ],
    ids=lambda words: " ".join(str(word) for word in words if str(word) != str(MIDDLE)),
)
def test_a_policy_is_ended_in_every_verb(ask: Ask, write: Write, words: Sequence[object]) -> None:
    """Where it runs in another process of the command, too."""
    write("import os; os._exit(0)")

    assert "it ended the process it runs in (exit 0)" == refused(ask, *words)


def test_a_policy_that_only_a_file_names(ask: Ask, write: Write) -> None:
    """No word of the command line does, and the user trusts it."""
    write("import os; os._exit(0)")
    found = json.loads(ask("check", "--on", "model:6.1", "--scope", "small", "--depth", 3, "--json").out)
    Path("found.json").write_text(json.dumps(found).replace("model:6.1", OWN))

    assert refused(ask, "replay", "found.json", "--trust").startswith("it ended the process it runs in")


@pytest.mark.parametrize(
    ("words", "own"),
    [
        (["run", "x", "--on=model:7.2,tracker=a.py,flush=end_vma"], True),
        (["kernels", "meet", "6.1", "--profile", "6.1,tracker=a.py"], True),
        (["try", "TREE", "--like", "7.2", "--policy", "tracker=a.py"], True),
        (["explore", "--on", "model:7.2,walker=a.py"], True),
        (["replay", "FOLDER", "--trust"], True),
        (["run", "x", "--on", "model:7.2,tracker=exact", "-o", "a.pyc"], False),
    ],
)
def test_the_words_of_a_command_say_whether_it_is_supervised(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, words: list[str], own: bool
) -> None:
    """Only one that may run a file of the user's has the cost of it."""
    done: list[str] = []
    monkeypatch.setattr("pfnlab.cli.reader.perform_words", lambda argv: 0)
    monkeypatch.setattr(supervised, "supervised", lambda work: done.append("supervised") or work())

    ask(*words)

    assert own == bool(done)


def test_a_command_without_policies_imports_nothing_for_them() -> None:
    """It pays nothing."""
    code = (
        "import sys\nfrom pfnlab.cli import main\n"
        "try: main(['run', 'munmap-middle', '-q'])\n"
        "finally: print('pfnlab.base.supervised' in sys.modules)"
    )

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "False\n" == answer.stdout


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    "words",
    [
        ("check", "--on", OWN, *SMALL, "--jobs", 2),
        ("check", "--on", OWN, "--on", "model:7.2", *SMALL, "--jobs", 2),
        ("fuzz", "--on", "model:7.2", "--on", OWN, "--programs", 6, "--jobs", 2),
    ],
    ids=["states", "models", "programs"],
)
def test_a_loop_is_ended_in_every_process(ask: Ask, write: Write, words: Sequence[object]) -> None:
    """Where no signal reaches it."""
    write(ENDLESS["no signal"])

    assert refused(ask, *words).removeprefix(f"{METHOD}: ").startswith(LOOPS)
