"""``pfnlab explain`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asking import Ask
from for_each import for_each

LINE = "x86/PAT: Xorg:1234 freeing invalid memtype [mem 0xf8004000-0xf8007fff]"


def test_a_line_is_explained(ask: Ask) -> None:
    """The answer first, what to do, and the bugs, on twelve lines."""
    answer = ask("explain", LINE)

    rows = answer.out.splitlines()
    assert (0, True) == (answer.code, len(rows) <= 12)
    assert rows[0].startswith("1 thing, may be: Xorg (pid 1234) released 16 KiB at 0xf8004000 without")
    assert "bug: one of A06, A01" in answer.out


def test_long_has_everything(ask: Ask) -> None:
    """Whom, whether something is leaked, and which versions."""
    said = " ".join(ask("explain", "--long", LINE).out.split())

    assert "task Xorg, pid 1234; bytes 0xf8004000 up to 0xf8008000 (16 KiB)" in said
    assert "Not from the line alone" in said
    assert "A06: since 2.6.29; mended in 6.16 (f8e97613fed2), no stable series has it." in said


def test_lines_fit_a_terminal(ask: Ask) -> None:
    """With --long and an errno too."""
    asked = (("--long", LINE), ("--errno", "EINVAL", "mmap", "resource0"))
    lines = [line for words in asked for line in ask("explain", *words).out.splitlines()]

    assert [] == [line for line in lines if len(line) > 80]


def test_the_bugs_are_those_of_the_kernel(ask: Ask) -> None:
    """6.16 has no A06."""
    assert "6.1.85 has A06" in ask("explain", "--long", "--kernel", "6.1.85", LINE).out
    assert "A06" not in ask("explain", "--long", "--kernel", "6.16.3", LINE).out


def test_a_file_and_standard_input_are_read(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both say what the line does."""
    log = tmp_path / "dmesg.txt"
    log.write_text(f"[    1.0] {LINE}\n", encoding="utf-8")
    with log.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)

        answer = ask("explain", "-")

    assert ask("explain", str(log)).out == answer.out


def test_json_has_values(ask: Ask) -> None:
    """Ranges are half-open."""
    content = json.loads(ask("explain", LINE, "--json").out)

    assert (1, True) == (content["to_review"], content["answer"].startswith("1 thing, may be: Xorg"))
    ((event,),) = [boot["events"] for boot in content["boots"]]
    assert ("Xorg", 1234) == (event["comm"], event["pid"])
    assert [("0xf8004000", "0xf8008000")] == [(place["start"], place["end"]) for place in event["places"]]


def test_what_is_not_understood_is_undecided(ask: Ask) -> None:
    """Exit code 3, and nothing is invented."""
    answer = ask("explain", "usb 1-1: new high-speed USB device")

    assert 3 == answer.code
    assert answer.out.startswith("Nothing about PFN mappings")


def test_an_errno_has_causes(ask: Ask) -> None:
    """Each with its check."""
    answer = ask("explain", "--errno", "EINVAL", "mmap", "resource0")

    assert 0 == answer.code
    assert "check: " in answer.out


@for_each(
    ("words", "message"),
    [
        (
            ("nowhere.txt",),
            "nowhere.txt: no such file: check the path; a line is given in quotes",
        ),
        (("/dev/zero",), "/dev/zero: this is a device: name a log file"),
        (("/tmp",), "/tmp: this is a directory: name a log file in it"),
        (("--errno", "EXDEV", "mmap", "resource0"), "no causes of 'EXDEV' are known"),
        (("--errno", "EINVAL", "mmap", "nothing"), "is no way to map"),
        (("--kernel", "new", LINE), "new"),
    ],
)
def test_misuse_is_one_line(words: tuple[str, ...], message: str, ask: Ask) -> None:
    """With what to write instead: exit code 2."""
    answer = ask("explain", *words)

    assert (2, "") == (answer.code, answer.out)
    assert message in answer.err
    assert 1 == len(answer.err.splitlines())
