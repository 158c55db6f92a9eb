"""Options that would have no effect, and commands that are advised."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import Ask
from for_each import for_each


@for_each(
    ("words", "says"),
    [
        (
            ("check", "--seed", "4"),
            "--seed needs --random N: add it",
        ),
        (
            ("check", "--random", "2", "--every-order"),
            "--random excludes --every-order: drop --every-order",
        ),
        (
            ("check", "--seconds", "inf"),
            "inf is not a number of seconds: write one up to 31,622,400 (a year)",
        ),
        (
            ("campaign", "results", "--store", "x.db", "--backup", "y", "--kind", "run"),
            "--backup excludes --kind: drop --kind",
        ),
        (
            ("campaign", "results", "--store", "x.db", "-o", "y.csv", "--full"),
            "--output excludes --full: drop --full",
        ),
        (
            ("kernels", "diff", "--model", "6.1", "7.2", "--programs", "5"),
            "--model excludes --programs: drop --programs",
        ),
        (("kernels", "meet", "7.2", "--known", "x"), "--known needs --promote: add it"),
        (
            ("bisect", "munmap-middle", "--good", "7.3", "--bad", "6.1", "--jobs", "1"),
            "--jobs needs --tree TREE: add it",
        ),
        (
            ("campaign", "new", "x.toml", "--schema"),
            "--schema excludes CAMPAIGN.toml|hunt: drop CAMPAIGN.toml|hunt",
        ),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(words: tuple[str, ...], says: str, ask: Ask) -> None:
    """Instead of being left out of account without a word."""
    assert (2, "", f"pfnlab: {says}\n") == ask(*words)


def test_the_command_after_a_new_campaign_can_be_run(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a file that is called like an option."""
    monkeypatch.chdir(tmp_path)

    answer = ask("campaign", "new", "--", "---x.toml")

    assert "---x.toml written; then: pfnlab campaign run --check ./---x.toml\n" == answer.err
    assert 0 == ask("campaign", "run", "--check", "./---x.toml").code
