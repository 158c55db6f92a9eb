"""The candidates for a place of a command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.checker.scopes.properties import MODEL_PROPERTIES
from pfnlab.checker.scopes.scope import scope_names
from pfnlab.cli import completing
from pfnlab.cli.candidates import changes
from pfnlab.cli.completing import _cut, answer, candidates, values_of
from pfnlab.cli.verbs import VerbPage, verb_pages
from pfnlab.kernel.policies import FOLDERS
from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.kernel.policies.known_kernels import known_versions
from pfnlab.kernel.policies.profiles import SEAMS as SEAM_NAMES
from pfnlab.kernel.policies.seams import PLACES, POLICIES, VM_PAT_ERAS
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.kernel.policies.walkers import WALKERS
from pfnlab.lab.building.built import built_kernels
from pfnlab.programs.runs.named_machines import all_series

PAGES = verb_pages()


def values(*words: str) -> list[str]:
    """The candidates for the last of *words*."""
    return list(candidates(words[:-1], words[-1]))


@for_each("page", PAGES, ids=lambda page: page.name or "pfnlab")
def test_every_value_is_known_or_free(page: VerbPage) -> None:
    """Whoever adds an option says in completing.py what its value may be, or that nobody can guess it."""
    rows = [row for row in (*page.arguments, *page.options) if row.metavar]

    assert [row.metavar for row in rows if values_of(page.name, row) is None] == []


def test_verbs_are_candidates() -> None:
    """All of them, at the beginning, in the order of help; and those of a group behind it."""
    assert values("") == list(PAGES[0].verbs)
    assert values("kernels", "d") == ["diff"]


def test_an_option_is_a_candidate_until_it_is_used() -> None:
    """One that may be given several times stays one."""
    assert "--steps" in values("run", "--")
    assert "--steps" not in values("run", "--steps", "--")
    assert "--on" in values("run", "--on", "model:7.2", "--")


def test_a_discussion_is_no_claim() -> None:
    """Where one is asked for, all of them are candidates, and no number of a claim is."""
    assert ["000", "001", "002", "003", "004"] == values("discussions", "list", "--discussion", "")
    assert {"004.22", "T2", "R11"} <= {*values("discussions", "show", "")}
    # An earlier name of a verb completes as it is read.
    assert "004.22" in values("claims", "show", "004.2")


def test_behind_two_dashes_there_are_no_options() -> None:
    """What follows is a file."""
    assert values("run", "--", "--s") == []


def test_an_unknown_verb_has_no_candidates() -> None:
    """Nor does what follows one."""
    assert values("ran", "") == []


def test_machines_are_models_and_kernels() -> None:
    """At first of which kind; then of which series."""
    assert values("run", "--on", "") == ["model:", "qemu:"]
    series = [f"model:{name}" for name in reversed(all_series())]
    assert values("run", "--on", "model:")[: len(series)] == series
    assert "qemu:7.2" in values("run", "--on", "qemu:")


def test_a_value_may_be_glued_to_its_option() -> None:
    """--on=model:7.2."""
    assert "--on=model:7.2" in values("run", "--on=model:7")


def test_fields_follow_each_other_with_commas() -> None:
    """Each once."""
    assert "result" in values("run", "--compare", "")
    assert "result,book" in values("run", "--compare", "result,b")
    assert "result,result" not in values("run", "--compare", "result,")


def test_all_programs_are_a_candidate() -> None:
    """Where programs are named."""
    assert ["@all"] == values("run", "@") == values("litmus", "copy", "@")


def test_exact_versions_come_with_their_series() -> None:
    """All that are known, once a series was typed."""
    version = known_versions()[-1]

    assert f"model:{version}" in values("run", "--on", f"model:{version[:-1]}")


def test_kernels_that_were_built_are_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the names they were given."""
    note = tmp_path / "built" / "mine" / "kernel.json"
    note.parent.mkdir(parents=True)
    (note.parent / "vmlinuz").write_bytes(b"")
    note.write_text(
        '{"name":"mine","version":"7.2.13","series":"7.2","release":"7.2.13","source":"a tree","patches":[],'
        '"policy":"","configuration":"lab","lacks":[],"content":"","sha256":"","seconds":1,"uncalled":[]}'
    )
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path / "built" / "mine")
    assert [kernel.name for kernel in built_kernels()] == ["mine"]

    assert (values("run", "--on", "qemu:m"), values("check", "--on", "model:m")) == (
        ["qemu:mine"],
        ["model:mine"],
    )


@pytest.mark.parametrize(
    "seam, names", [("tracker", [*TRACKERS, *VM_PAT_ERAS]), ("flush", FLUSHES), ("walker", WALKERS)]
)
def test_policies_of_a_model_are_those_of_its_seam(
    seam: str, names: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each, and no other; a file of the user's own is one too."""
    (tmp_path / "own.py").touch()
    (tmp_path / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)

    found = values("run", "--on", f"model:7.2,{seam}=")

    assert sorted(found) == sorted(f"model:7.2,{seam}={name}" for name in [*names, "own.py"])


@pytest.mark.parametrize("seam", PLACES)
def test_places_follow_a_seam_and_a_dot(seam: str) -> None:
    """Each, and its policies behind it."""
    places, first = (
        values("run", "--on", f"model:7.2,{seam}.{typed}") for typed in ("", f"{PLACES[seam][0]}=")
    )

    assert [f"model:7.2,{seam}.{place}=" for place in PLACES[seam]] == places
    assert {f"model:7.2,{seam}.{PLACES[seam][0]}={name}" for name in POLICIES[seam]} <= set(first)


def test_seams_are_those_of_the_model() -> None:
    """Their names, and the folders of their policies."""
    assert tuple(FOLDERS) == SEAM_NAMES
    assert list(changes("")) == [f"{seam}=" for seam in SEAM_NAMES]


def test_switches_are_on_or_off() -> None:
    """Behind several changes too."""
    assert values("run", "--on", "model:7.2,tracker=vm_pat,mseal=") == [
        "model:7.2,tracker=vm_pat,mseal=on",
        "model:7.2,tracker=vm_pat,mseal=off",
    ]


def test_scopes_are_known_by_name() -> None:
    """All of them."""
    assert set(scope_names()) <= set(values("check", "--scope", ""))


def test_properties_are_those_of_the_checker() -> None:
    """They are read from the source of their judges, which take long to import."""
    assert {*MODEL_PROPERTIES, *FOLDERS} == {*values("check", "--property", "")}
    assert values("check", "--property", "no_l") == ["no_leak", "no_loss"]


def test_programs_are_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those that can be programs, and folders, which may have some; a second one too."""
    for name in ("a.pfn", "b.txt", ".hidden.pfn"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)

    found = values("run", "first.pfn", "")

    assert {"a.pfn", "folder/"} <= set(found)
    assert not {"b.txt", ".hidden.pfn"} & set(found)


def test_programs_are_known_by_name() -> None:
    """Those that come with pfnlab; by their folder too."""
    assert {"munmap-middle", "munmap-middle-last"} <= set(values("run", "munmap-m"))
    assert "unmapping/munmap-middle" in values("litmus", "show", "unmapping/munmap-m")


def test_the_words_of_an_option_are_its_values() -> None:
    """As help writes them, with bars between."""
    assert values("run", "--look", "") == ["memory", "proc", "end"]


@pytest.mark.parametrize(
    "line, words",
    [
        ("pfnlab ", ([], "")),
        ("pfnlab run --on model:7", (["run", "--on"], "model:7")),
        ("pfnlab run 'a b' ", (["run", "a b"], "")),
        ("pfnlab run 'a b", (["run"], "a b")),
        ("pfnlab run a\\ b", (["run"], "a b")),
        ("pfnlab run a#b", (["run"], "a#b")),
    ],
)
def test_a_line_is_cut_into_words(line: str, words: tuple[list[str], str]) -> None:
    """As a shell would, finished or not."""
    assert _cut(line) == words


def test_bash_gets_what_it_replaces() -> None:
    """bash has cut the word at its colons, and replaces the last part alone."""
    assert answer(["bash", " :=", "pfnlab run --on model:7.2,mseal=o"]) == "on \noff \n"
    assert "model:7.2,mseal=on \n" in answer(["bash", " ", "pfnlab run --on model:7.2,mseal=o"])


def test_names_of_files_are_inert(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """bash inserts a candidate as it is, so nothing in it may mean something to bash."""
    (tmp_path / "x$(touch bad);`y` z.pfn").touch()
    (tmp_path / "x\nline.pfn").touch()
    monkeypatch.chdir(tmp_path)

    assert answer(["bash", " :=", "pfnlab run x"]) == "x\\$\\(touch\\ bad\\)\\;\\`y\\`\\ z.pfn \n"


@pytest.mark.parametrize("words", [(), ("bash",), ("tcsh",), ("bash", ":", "pfnlab run '\0"), ("zsh",)])
def test_what_is_asked_wrongly_has_no_answer(words: tuple[str, ...]) -> None:
    """And no message."""
    command = [sys.executable, "-m", "pfnlab", "__complete", *(word.replace("\0", "") for word in words)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_defect_is_no_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who types wants to read a traceback."""

    def broken(*words: object) -> list[object]:
        raise RuntimeError("broken")

    monkeypatch.setattr(completing, "candidates", broken)

    assert answer(["zsh", ""]) == ""


def test_the_checker_and_the_lab_stay_unimported() -> None:
    """A completion is quick because of what it does without."""
    code = (
        "import sys; from pfnlab.cli.completing import answer; answer(['zsh', 'run', '--on', 'model:7.2,']);"
        "answer(['zsh', 'check', '--property', '']);"
        "print(*sorted(name for name in sys.modules if name.startswith('pfnlab.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    imported = done.stdout.split()

    assert not [
        name
        for name in imported
        if name.startswith(("pfnlab.checker", "pfnlab.lab.lens", "pfnlab.present.report"))
    ]
