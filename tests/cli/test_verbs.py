"""The verbs beside run: fmt, kernels, policies."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from asking import PROGRAM, Ask
from litmus_files import litmus_file

from pfnlab import __version__


def test_fmt_rewrites_in_place(ask: Ask, program: Path) -> None:
    """A file becomes its canonical form, and stays so."""
    program.write_text(PROGRAM.replace("munmap a[4:8]", "munmap   a[ 4 : 8 ]"))

    first, second = ask("fmt", program), ask("fmt", "--check", program)

    assert (first, second) == ((0, "", ""), (0, "", ""))
    assert "\nmunmap a[4:8]\n" in program.read_text()


def test_fmt_check_changes_nothing(ask: Ask, program: Path) -> None:
    """--check says what would change: 1."""
    program.write_text(PROGRAM + "\n\n")

    assert ask("fmt", "--check", program) == (1, f"{program}:12:1: this empty line is too much\n", "")
    assert program.read_text() == PROGRAM + "\n\n"


def test_fmt_refuses_the_json_form(ask: Ask, tmp_path: Path) -> None:
    """JSON has no layout of its own to mend, and the message says so."""
    path = tmp_path / "middle.json"
    path.write_text(' {"format": "pfnlab-program/1"}')

    answer = ask("fmt", path)

    assert (answer.code, answer.out) == (2, "")
    assert "is a program in JSON: fmt formats programs in text form" in answer.err


def test_fmt_reads_standard_input(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """- is standard input to standard output."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(PROGRAM + "\n"))

    answer = ask("fmt", "-")

    assert (answer.code, answer.out.splitlines()) == (0, PROGRAM.splitlines())


@pytest.mark.parametrize("word", ["tested", "every", "all"])
def test_words_for_many_kernels_stand_alone(ask: Ask, word: str) -> None:
    """A name beside one of them would be passed over in silence."""
    answer = ask("kernels", "fetch", word, "6.1")

    assert (2, "") == (answer.code, answer.out)
    assert f"`{word}` stands for several kernels" in answer.err


def test_kernels_are_listed(ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every known kernel has a line, cached or not; no list was read, so nothing is called gone."""
    from pfnlab.kernel.policies.known_kernels import known_packages

    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path))

    answer = ask("kernels")

    assert answer.code == 0
    rows = [line.split() for line in answer.out.splitlines()]
    assert ["version", *known_packages()] == [rows[0][0], *(row[3] for row in rows[1:])]
    assert {"known"} == {row[1] for row in rows[1:]}


def test_an_unknown_kernel_is_not_fetched(ask: Ask) -> None:
    """Fetching names the known series."""
    answer = ask("kernels", "fetch", "6.99")

    assert answer.code == 2
    assert "known series are 6.1, " in answer.err


def test_policies_are_listed(ask: Ask) -> None:
    """Trackers by name, and the profiles."""
    answer = ask("policies")

    assert answer.code == 0
    assert all(name in answer.out for name in ("trackers", "vm_pat", "track_ctx", "6.1, 6.12"))


def test_places_are_listed_with_their_seam(ask: Ask) -> None:
    """As a machine's name has them."""
    listed = ask("policies", "list").out

    assert "  for one place   walker.folio_walk_start=, walker.walk_page_vma=, " in listed
    assert "  for one place   flush.munmap=, flush.exit=, flush.zap=, " in listed


def test_a_policy_and_a_profile_can_be_shown(ask: Ask) -> None:
    """A policy is its source, a profile its switches."""
    policy, profile = ask("policies", "show", "vm_pat"), ask("policies", "show", "6.1")

    assert (policy.code, profile.code) == (0, 0)
    assert policy.out.startswith('"""')
    assert profile.out.startswith("profile 6.1.192, the newest known of 6.1\n\nswitch ")
    assert re.search(r"^cow_knows_its_pfn +on ", profile.out, re.MULTILINE)


def test_a_release_nobody_ran_says_so(ask: Ask) -> None:
    """The listing of an unconfirmed profile tells what is known from what is assumed, and backports."""
    answer = ask("policies", "show", "6.6")

    rows = {line.split()[0]: line.split() for line in answer.out.splitlines()[2:]}
    assert answer.out.startswith("profile 6.6, not confirmed on a kernel (assumed: ")
    assert ["off", "6.9", "(6.6.26)", "04c35ab3bdae", "A01", "known"] == rows["cow_knows_its_pfn"][1:7]
    assert "assumed" in rows["populate_stops_at_hole"]


def test_a_run_on_a_release_nobody_ran_says_so(ask: Ask) -> None:
    """The line about the machine names the guesses."""
    program = litmus_file("munmap-middle")

    answer = ask("run", program, "--on", "model:6.8")

    assert answer.code == 0
    assert "model:6.8 is profile 6.8, not confirmed on a kernel (assumed:" in answer.out


def test_an_unknown_policy_suggests_one(ask: Ask) -> None:
    """A misspelt name is answered with the nearest."""
    answer = ask("policies", "show", "vm_part")

    assert (answer.code, answer.out) == (2, "")
    assert "did you mean vm_pat?" in answer.err


def test_one_is_not_said_in_the_plural(ask: Ask, tmp_path: Path) -> None:
    """A single case, program, operation or difference is one."""
    two = ("--on", "model:6.1", "--on", "model:7.2")

    fuzz = ask("fuzz", *two, "--programs", 1, "--findings", tmp_path / "findings")
    check = ask("check", "--scope", "small", "--depth", 1).out

    assert fuzz.out.startswith("1 program, ")
    assert fuzz.err.startswith("1 program in ")
    assert "at most 1 operation\n" in check


def test_the_package_is_a_program() -> None:
    """``python -m pfnlab`` is the command line."""
    ended = subprocess.run(
        [sys.executable, "-m", "pfnlab", "--version"], capture_output=True, text=True, timeout=60
    )

    assert (0, f"pfnlab {__version__}\n") == (ended.returncode, ended.stdout)


def test_sizes_without_a_kernel_are_those_kept(ask: Ask) -> None:
    """Every series is there, and nothing is fetched for it."""
    answer = ask("kernels", "sizes")

    assert answer.code == 0
    assert "6.1 (" in answer.out
    assert re.search(r"vm_area_struct +152 ", answer.out)


def test_sizes_are_told_as_json(ask: Ask) -> None:
    """With every hole and member."""
    answer = ask("kernels", "sizes", "--json")
    kept = json.loads(answer.out)

    vma = next(iter(kept.values()))["vm_area_struct"]
    assert (vma["size"], vma["holes"]) == (152, [])
    assert vma["members"][0] == ["vm_start", 0, 8, 8, 0, 0]


def test_sizes_of_a_series_there_is_not_are_refused(ask: Ask) -> None:
    """As everywhere."""
    assert ask("kernels", "sizes", "6.99").code == 2
