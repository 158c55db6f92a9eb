"""``pfnlab check``: verdicts, exit codes, the JSON object, counterexamples as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asking import Ask

KEYS = {"format", "machine", "scope", "states", "transitions", "depth", "complete", "properties", "seconds"}


def test_a_violation_is_exit_code_1(ask: Ask) -> None:
    """A property that is broken is printed with its program: 1."""
    answer = ask("check", "--on", "model:6.1", "--scope", "small", "--property", "no_leak")

    assert 1 == answer.code
    assert "VIOLATED" in answer.out
    assert ["a = mmap bar[0:4] wc shared rw", "munmap a[0]", "munmap a[1:4]"] == [
        line.strip() for line in answer.out.splitlines() if line.startswith(" " * 14)
    ]


def test_what_holds_is_exit_code_0(ask: Ask) -> None:
    """A property that holds in all of the scope: 0."""
    answer = ask("check", "--on", "model:7.2", "--scope", "small", "--property", "no_leak")

    assert 0 == answer.code
    assert "holds  " in answer.out


def test_a_search_cut_off_is_exit_code_3(ask: Ask) -> None:
    """A search that was ended before it had seen everything decides nothing: 3."""
    answer = ask("check", "--on", "model:7.2", "--scope", "small", "--property", "no_leak", "--states", "10")

    assert 3 == answer.code
    assert "undecided" in answer.out
    assert "cut: states" in answer.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--property", "no_leek"], "did you mean `no_leak`"),
        (["--scope", "smal"], "did you mean `small`"),
        (["--on", "qemu:6.1"], "check takes models"),
    ],
)
def test_misuse_is_exit_code_2(ask: Ask, arguments: list[str], said: str) -> None:
    """What cannot be is refused with what to write: 2."""
    answer = ask("check", *arguments)

    assert 2 == answer.code
    assert said in answer.err


def test_json(ask: Ask) -> None:
    """The object has the keys others rely on."""
    answer = ask("check", "--on", "model:6.1", "--scope", "small", "--json")

    found = json.loads(answer.out)
    assert found.keys() >= KEYS
    assert ("pfnlab-check/1", "model:6.1", "small", 126, 4, True) == tuple(
        found[key] for key in ("format", "machine", "scope", "states", "depth", "complete")
    )
    leak = next(one for one in found["properties"] if one["name"] == "no_leak")
    assert ("always", "violated") == (leak["kind"], leak["verdict"])
    assert leak["path"].count("/") == 3
    assert leak["program"].startswith("pfnlab program 1\n")


def test_counterexamples_are_saved_and_run(ask: Ask, tmp_path: Path) -> None:
    """A saved counterexample is a program like any other, and fails where the kernel is wrong."""
    ask(*("check", "--on", "model:6.1", "--scope", "small", "--property", "no_leak", "--save", tmp_path))

    wrong = ask("run", tmp_path / "no_leak.pfn", "--on", "model:6.1")
    right = ask("run", tmp_path / "no_leak.pfn", "--on", "model:7.3")

    assert (1, 0) == (wrong.code, right.code)
    assert "not as expected, 5.10.. keeps no_leak: model:6.1 violates it" in wrong.out


def test_a_depth_of_ones_own(ask: Ask) -> None:
    """--depth replaces the scope's: the leak takes three operations."""
    answer = ask("check", "--on", "model:6.1", "--scope", "small", "--property", "no_leak", "--depth", "2")

    assert 0 == answer.code


@pytest.mark.target("long")
def test_a_policy_of_ones_own(ask: Ask) -> None:
    """The documented example is exact where track_ctx is not."""
    own = Path(__file__).parent.parent.parent / "docs" / "own-policy" / "per_vma.py"
    asked = "check", "--on", "model:7.2", "--scope", "small", "--property", "exact"

    assert [1, 0] == [ask(*asked).code, ask(*asked, "--policy", own).code]


def test_a_race_is_printed_with_its_schedule(ask: Ask, tmp_path: Path) -> None:
    """A race that breaks a property shows who goes on where, and a program."""
    answer = ask(*("check", "--on", "model:7.2,flush=none", "--scope", "race", "--property", "told_free"))

    assert 1 == answer.code
    assert "main goes on in unlink" in answer.out
    assert "hold flush_tlb_mm_range: munmap a" in answer.out


def test_every_order_of_a_race(ask: Ask) -> None:
    """--every-order comes to the same, in more steps."""
    asked = "check", "--on", "model:7.2", "--scope", "race", "--property", "told_free", "--json"

    few, all_orders = (json.loads(ask(*asked, *more).out) for more in ((), ("--every-order",)))

    assert few["properties"] == all_orders["properties"]
    assert (few["states"], few["transitions"]) < (all_orders["states"], all_orders["transitions"])
    assert few["states"] == all_orders["states"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("check", "--packed", "packed.json"), "has no option --packed"),
        (("report", "packed.json", "-o", "report.html"), "unknown format pfnlab-packed/1"),
        (("replay", "packed.json"), "the field `format` is `pfnlab-packed/1`"),
    ],
)
def test_packed_models_of_earlier_versions_are_refused(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str
) -> None:
    """In one line: their option, and the results that it gave."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "packed.json").write_text(
        '{"format": "pfnlab-packed/1", "model": "counted.py", "states": 28}'
    )

    answer = ask(*words)

    assert (2, "", 1) == (answer.code, answer.out, len(answer.err.splitlines()))
    assert says in answer.err
