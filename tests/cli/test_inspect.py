"""``pfnlab inspect`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asking import Ask
from for_each import for_each

from pfnlab.diagnosis.inspector.sources.bundle import Bundle
from pfnlab.diagnosis.inspector.sources.collecting import collect

ROOT = Path(__file__).parents[2]

#: Linux 6.1 after the middle of a mapping was unmapped, and then the rest.
LEAK = str(ROOT / "src/pfnlab/explorer/page/munmap-middle-6.1.bundle")


def test_a_leak_is_found_in_a_bundle(ask: Ask) -> None:
    """Its size, its device, the bug of this version and that no stable series mends it: exit code 1."""
    answer = ask("inspect", LEAK)

    assert 1 == answer.code
    assert "Leaked reservation: 32 KiB of BAR 2 of 0000:00:10.0" in answer.out
    assert "has A06; fixed in 6.16 (f8e97613fed2), in no stable series" in answer.out
    assert "freeing invalid memtype" in answer.out


def test_json_has_the_same(ask: Ask) -> None:
    """One object."""
    content = json.loads(ask("inspect", LEAK, "--json").out)

    ((finding, around),) = [(one["finding"], one["around"]) for one in content["findings"]]
    assert ("leaked_reservation", 32768, 2) == (finding["kind"], finding["size"], finding["bar"])
    assert ["bar", "reservation", "free"] == [row["kind"] for row in around]


def test_a_device_answers_with_its_exit_code(ask: Ask) -> None:
    """A part of the BAR is reserved, so not all of it is write-combining."""
    answer = ask("inspect", LEAK, "--device", "00:10.0")

    assert 1 == answer.code
    assert "BAR 2 of 0000:00:10.0: write-combining, all of it: no." in answer.out


def test_what_a_redacted_bundle_lacks_is_said(ask: Ask, tmp_path: Path) -> None:
    """In one line: how many lines, and of which files."""
    path = tmp_path / "redacted"
    collect(path, Bundle.at(Path(LEAK)), redact=True)

    lines = [line for line in ask("inspect", str(path)).out.splitlines() if line.startswith("redacted:")]

    said = "redacted: 336 lines in unknown formats left out: 1 of /proc/cmdline, 335 of dmesg"
    assert [said] == lines


def test_more_is_read_where_it_is_asked_for(ask: Ask, tmp_path: Path) -> None:
    """A bound is one line, which names what reads more; so is a device whose file has the bound."""
    lines = b"pfnlab-bundle 1\nfile /proc/iomem\n" + b" 0-fff : x\n" * 31_251
    path = tmp_path / "host.bundle"
    path.write_bytes(lines + b"end %d\n" % lines.count(b"\n"))

    less, more = ask("inspect", str(path), "--most", "1"), ask("inspect", str(path), "--most", "2")

    says = (
        f"pfnlab: {path}:31253: /proc/iomem: more than 31,250 lines: `pfnlab inspect --most 2` reads more\n"
    )
    assert (2, says, 0) == (less.code, less.err, more.code)


def test_the_script_is_printed(ask: Ask) -> None:
    """It is a shell script."""
    assert ask("inspect", "--script").out.startswith("#!/bin/sh\n")


def test_this_machine_is_inspected(ask: Ask) -> None:
    """Whoever asks, and whatever he may see: there is an answer, and what was not looked at is named."""
    content = json.loads(ask("inspect", "--json").out)

    assert content["origin"] == "this machine"
    assert {source["access"] for source in content["sources"]} <= {
        "read",
        "absent",
        "refused",
        "hidden",
        "cut",
    }
    assert all(source["why"] for source in content["sources"] if source["access"] == "refused")


def test_a_collected_bundle_is_the_same_machine(ask: Ask, tmp_path: Path) -> None:
    """What `--collect` writes is read again."""
    bundle = tmp_path / "host.bundle"

    collected = ask("inspect", "--collect", str(bundle))

    assert (0, "") == (collected.code, collected.out)
    here, there = (json.loads(ask("inspect", *words, "--json").out) for words in ((), (str(bundle),)))
    assert here["kernel"] == there["kernel"]
    assert here["counted"]["devices"] == there["counted"]["devices"]


@for_each(
    ("words", "message"),
    [
        (("--bar", "2"), "--bar needs --device BDF: add it"),
        (("--redact",), "--redact needs --collect FILE: add it"),
        ((LEAK, "--deep"), "a file, which is not this machine, excludes --deep: drop --deep"),
        ((LEAK, "--device", "00:99.0"), "there is no PCI device"),
        (("nowhere.bundle",), "nowhere.bundle"),
        (("--collect", "f", "--pid", "1", "--device", "0"), "--collect excludes --device and --pid"),
        (("--collect", "f", "--json", "--deep"), "--collect excludes --deep and --json"),
        (("--script", "--device", "00:01.0"), "--script excludes --device"),
        (("f.bundle", "--script"), "--script excludes BUNDLE|VMCORE|SOSREPORT|TEXT"),
        ((str(ROOT / "README.md"),), "not a bundle"),
    ],
)
def test_misuse_is_one_line(words: tuple[str, ...], message: str, ask: Ask) -> None:
    """With what to write instead: exit code 2."""
    answer = ask("inspect", *words)

    assert (2, "") == (answer.code, answer.out)
    assert message in answer.err
    assert 1 == len(answer.err.splitlines())


def test_a_script_may_be_written_to_a_file(ask: Ask, tmp_path: Path) -> None:
    """What goes with it stays possible."""
    answer = ask("inspect", "--script", "-o", str(tmp_path / "collect.sh"))

    assert (0, True) == (answer.code, (tmp_path / "collect.sh").read_text().startswith("#!"))


def test_a_bundle_is_for_its_owner_alone(ask: Ask, tmp_path: Path) -> None:
    """Names of processes and addresses are in it."""
    answer = ask("inspect", "--collect", str(tmp_path / "host.bundle"))

    assert (0, 0o600) == (answer.code, (tmp_path / "host.bundle").stat().st_mode & 0o777)


def test_the_advised_command_can_be_run(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the file is called."""
    monkeypatch.chdir(tmp_path)

    answer = ask("inspect", "--collect=-a b")

    assert "-a b: inspect it with `pfnlab inspect './-a b'`" in answer.err


def test_one_uncached_entry_is_not_several_modes(tmp_path: Path, ask: Ask) -> None:
    """Without MTRRs its accesses are uncached, or as an MTRR decides; two entries have two modes."""
    listing = (
        "41:00.0 Display controller: Foo\n\tRegion 0: Memory at d0000000 (64-bit, prefetchable) [size=64K]\n"
    )
    head, half = "PAT memtype list:\n", "PAT: [mem 0x00000000d0000000-0x00000000d0008000] uncached-minus\n"
    other = "PAT: [mem 0x00000000d0008000-0x00000000d0010000] write-combining\n"
    text = tmp_path / "text"

    said = []
    for book in (half.replace("d0008000", "d0010000"), half + other):
        text.write_text(head + book + listing, "utf-8")
        said.append(ask("inspect", str(text), "--device", "41:00.0").out)

    assert "accesses: uc-, unless an MTRR changes it (not known); write-combining: not known" in said[0]
    assert "accesses: uc-, wc; write-combining: not known" in said[1]
