"""``pfnlab bugs``: lists, one bug, the bugs of a kernel, and a bug that programs show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asking import Ask
from for_each import for_each

from pfnlab.kernel.bugs.known_bugs import all_bugs

VERSIONS = ("6.1.20", "6.12.25", "6.16.12", "7.3.4", "6.12.117+deb13-cloud-amd64", "6.1.176-1")


def test_every_bug_is_listed(ask: Ask) -> None:
    """A line each; so it is where no verb is named."""
    answer = ask("bugs", "list")

    assert [one.number for one in all_bugs()] == [line.split()[0] for line in answer.out.splitlines()]
    assert answer.out == ask("bugs").out


def test_options_of_a_list_hold_together(ask: Ask) -> None:
    """What one leaves the other may take."""
    found = json.loads(ask("bugs", "list", "--cve", "--breaks", "fork_whole", "--json").out)["bugs"]

    assert ["A04"] == [one["id"] for one in found]


def test_one_bug_is_shown_by_its_cve(ask: Ask) -> None:
    """With its dates, its trigger and its sources."""
    text = ask("bugs", "show", "CVE-2024-35877").out

    assert all(part in text for part in ("A01  cow-first-pte", "6.1.85", "trigger", "sources"))


@for_each("version", VERSIONS)
def test_a_kernel_has_bugs_each_with_a_source(ask: Ask, version: str) -> None:
    """Upstream's versions, and those of a distribution."""
    answer = ask("bugs", "affects", version, "--json")
    rows = json.loads(answer.out)["bugs"]

    assert 0 == answer.code
    assert rows
    assert all(row["sources"] for row in rows)


def test_a_configuration_is_read(ask: Ask, tmp_path: Path) -> None:
    """Of a build, with a row for what it leaves out."""
    config = tmp_path / "config"
    config.write_text("CONFIG_X86_64=y\nCONFIG_X86_PAT=y\n", encoding="utf-8")

    rows = json.loads(ask("bugs", "affects", "6.12.25", "--config", str(config), "--json").out)["bugs"]

    stands = {row["id"]: row["word"] for row in rows}
    assert ("has", "not with this configuration") == (stands["A06"], stands["E05"])


def test_a_bug_is_shown_on_models(ask: Ask) -> None:
    """As the dates of the bug have it: nothing to look at."""
    answer = ask("bugs", "run", "CVE-2024-35877")

    assert 0 == answer.code
    assert "model:6.1.84  has it" in answer.out
    assert "model:6.1.85  fixed" in answer.out


def test_a_machine_that_cannot_tell_is_undecided(ask: Ask) -> None:
    """Exit code 3."""
    assert 3 == ask("bugs", "run", "A16", "--on", "model:7.3").code


@for_each("version", VERSIONS)
def test_lines_of_a_kernel_fit_a_terminal(ask: Ask, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """Of any kernel."""
    monkeypatch.setenv("COLUMNS", "80")

    assert max(map(len, ask("bugs", "affects", version).out.splitlines())) <= 80


def test_a_sentence_that_repeats_is_said_once(ask: Ask) -> None:
    """Below all rows; each has its mark."""
    out = ask("bugs", "affects", "6.12.25").out

    assert 1 == out.count("No stable series has the fix.")
    assert out.count("[1]") > 2


def test_a_commit_is_found_and_shown(ask: Ask) -> None:
    """The bug that it fixes, and the one that it brings."""
    found, shown = ask("bugs", "find", "04c35ab3bdae").out, ask("bugs", "show", "04c35ab3bdae").out

    assert all(part in found for part in ("A01  fixed by it", "A02  came with it"))
    assert all(part in shown for part in ("A01  cow-first-pte", "A02  "))


def test_a_commit_of_a_stable_series_is_found(ask: Ask) -> None:
    """With the release that got it."""
    found = ask("bugs", "find", "138ada1337b4").out

    assert "E06  fixed by it in 6.12.84" in found


def test_a_version_of_five_numbers_is_read(ask: Ask) -> None:
    """By the release it was built from; what else was backported is not known."""
    found = ask("bugs", "affects", "6.6.57.1-6.azl3").out

    assert "Azure Linux (Microsoft): built from 6.6.57; extra backports are not known." in found
    assert "Fixed in 6.6.87" in found


def test_a_changelogs_line_says_a_cve_once(ask: Ask, tmp_path: Path) -> None:
    """A bug is fixed by it once, whatever the line repeats."""
    log = tmp_path / "changelog"
    log.write_text("linux (6.1.20-2) x\n\n  * CVE-2024-35877, see also cve-2024-35877\n", encoding="utf-8")

    found = ask("bugs", "affects", "6.1.20", "--changelog", str(log)).out

    assert 1 == found.count("Line 3 of the changelog: CVE-2024-35877")


def test_words_need_no_quotes(ask: Ask) -> None:
    """Several are one search."""
    assert ask("bugs", "find", "freeing", "invalid").out == ask("bugs", "find", "freeing invalid").out


@for_each(
    ("words", "said"),
    [
        (("find", "?"), "nothing to search for"),
        (("show", "1234567"), "no bug of the list is about commit 1234567"),
        (("affects", "6.11.99"), "the last 6.11.y on kernel.org is 6.11.11"),
        (("affects", "6.12.25", "--arch", "vax"), "unknown architecture 'vax'"),
        (("affects", "6.12.25", "--changelog", "nothing"), "nothing"),
        (("show", "A99"), "there is no bug 'A99'"),
        (("run", "CVE-2024-35878"), "no bug of the catalogue has the number CVE-2024-35878"),
        (("run", "C07"), "no program shows C07"),
        (("run", "A06", "--on", "modle:6.1"), "there is no machine 'modle:6.1'"),
        (("list", "--breaks", "noleak"), "there is no property 'noleak'"),
        (("affects", "bookworm"), "'bookworm' is not a kernel version"),
        (("affects", "6.1.20", "--config", "nothing"), "nothing"),
    ],
)
def test_what_there_is_not_is_one_line(ask: Ask, words: tuple[str, ...], said: str) -> None:
    """Misuse, with nothing printed."""
    answer = ask("bugs", *words)

    assert (2, "") == (answer.code, answer.out)
    assert said in answer.err
    assert 1 == answer.err.count("\n")
