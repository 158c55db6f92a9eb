"""The Makefile: three targets for a reader, and one that asks all the others in turn."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from for_each import for_each

ROOT = Path(__file__).parents[1]
TARGETS = re.findall(r"^(test[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
TOGETHER = ("test-kernels", "test-all")


def made(*words: str) -> subprocess.CompletedProcess[str]:
    """What make says, without its own lines."""
    return subprocess.run(
        ["make", "--no-print-directory", "--silent", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def asked(output: str) -> list[str]:
    """The targets that were asked, in their order."""
    return re.findall(r"^== make (\S+)$", output, re.MULTILINE)


def test_all_asks_every_target_that_tests() -> None:
    """Each once; a new target is one more."""
    answer = made("test-all", "make=true")

    assert sorted(set(TARGETS) - set(TOGETHER)) == sorted(asked(answer.stdout))


def test_all_begins_with_what_everybody_runs() -> None:
    """The shortest answer first."""
    answer = made("test-all", "make=true")

    assert "test" == asked(answer.stdout)[0]


@for_each("target", TOGETHER)
def test_a_failure_stops_nothing(target: str) -> None:
    """The others are asked all the same."""
    answer = made(target, "make=false")

    assert asked(made(target, "make=true").stdout) == asked(answer.stdout)


def test_what_failed_is_named_at_the_end(tmp_path: Path) -> None:
    """Those alone, and make fails."""
    script = tmp_path / "make"
    script.write_text('#!/bin/sh\n[ "$1" != test-races ]\n')
    script.chmod(0o755)

    answer = made("test-kernels", f"make={script}")

    assert (2, "failed: test-races") == (answer.returncode, answer.stdout.splitlines()[-1])


def test_help_begins_with_three_targets() -> None:
    """The others are behind them, as more."""
    lines = made("help").stdout.splitlines()

    named = [" ".join(line.split()[:2]) for line in lines[:3]]
    assert ["make test", "make test-kernels", "make test-all"] == named
    assert lines[3].startswith("more: ")


def test_help_names_every_target() -> None:
    """But for what others need alone."""
    phony = re.findall(r"^([a-z][\w-]*):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    said = made("help").stdout.split()

    assert {"help", "system", "system-test"} == set(phony) - set(said)
