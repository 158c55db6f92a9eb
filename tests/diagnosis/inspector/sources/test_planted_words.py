"""No word that says whose machine it is stays in a redacted bundle, wherever it stands."""

from __future__ import annotations

import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
from fake_root import fake_root
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st
from machine_shapes import shape
from planted_words import plant, plant_reports

from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
from pfnlab.diagnosis.inspector.parsing.text_files import TextFiles
from pfnlab.diagnosis.inspector.sources import redaction
from pfnlab.diagnosis.inspector.sources.bundle import Bundle, Entry, written
from pfnlab.diagnosis.inspector.sources.collecting import Recorder, collect
from pfnlab.diagnosis.inspector.sources.origins import open_origin
from pfnlab.diagnosis.inspector.sources.redaction import program_text, redacted
from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder
from pfnlab.diagnosis.inspector.sources.sosreport import SosFolder

_BUNDLE = Path(__file__).parents[4] / "src/pfnlab/explorer/page/munmap-middle-6.1.bundle"


def left(words: list[str], text: bytes) -> list[str]:
    """The words that are in a bundle."""
    return [word for word in words if word.encode() in text]


def test_no_planted_word_stays(machine_root: Path, tmp_path: Path) -> None:
    """Of some hundred in all files of a machine."""
    words = plant(machine_root)

    collect(tmp_path / "bundle", RootFolder(machine_root), redact=True)

    text = (tmp_path / "bundle").read_bytes()
    assert ([], True) == (left(words, text), len(words) > 400)


def test_they_are_in_the_bundle_that_is_not_redacted(machine_root: Path, tmp_path: Path) -> None:
    """So that the test above has something to miss: nearly all files are collected."""
    words = plant(machine_root)

    collect(tmp_path / "bundle", RootFolder(machine_root))

    assert len(left(words, (tmp_path / "bundle").read_bytes())) > 300


def test_no_planted_word_of_a_report_stays(machine_root: Path, tmp_path: Path) -> None:
    """Of what commands printed: dmesg, lspci, uname."""
    (machine_root / "dev/kmsg").unlink()
    (machine_root / "proc/sys/kernel/osrelease").unlink()
    words = plant_reports(machine_root)
    (machine_root / "sys/bus").rename(tmp_path / "bus")

    collect(tmp_path / "bundle", SosFolder(machine_root), redact=True)

    assert [] == left(words, (tmp_path / "bundle").read_bytes())


def test_a_rule_that_lets_lines_pass_is_seen(
    machine_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words of the log stay where its lines pass as they are."""
    words = plant(machine_root)
    program = program_text().replace(
        "function log_line(line,", "function log_line(line) { return line }\nfunction unused(line,"
    )
    monkeypatch.setattr(redaction, "program_text", lambda: program)

    collect(tmp_path / "bundle", RootFolder(machine_root), redact=True)

    assert len(left(words, (tmp_path / "bundle").read_bytes())) > 100


def _machine(name: str, folder: Path) -> TextFiles:
    if name == "kernel":
        return Bundle.at(_BUNDLE)
    root = fake_root(folder / name)
    if name == "planted":
        plant(root)
    return RootFolder(root)


@for_each("name", ["fake", "planted", "kernel"])
def test_findings_and_counts_stay(tmp_path: Path, name: str) -> None:
    """Of a made-up machine, one with planted words, and a kernel's."""
    files, path = _machine(name, tmp_path), tmp_path / "bundle"

    whole = collect(path, files, redact=True)

    assert shape(whole) == shape(open_origin(path))


def test_lines_that_are_left_out_are_counted(machine_root: Path, tmp_path: Path) -> None:
    """By file; of the log the line of systemd and the continuation."""
    collect(tmp_path / "bundle", RootFolder(machine_root), redact=True)

    found = open_origin(tmp_path / "bundle").left_out
    assert [("/dev/kmsg", 2), ("/proc/cmdline", 1)] == [(one.name, one.lines) for one in found]


def test_a_log_without_a_known_line_is_still_there(machine_root: Path, tmp_path: Path) -> None:
    """So nothing is said to be unread that was read."""
    (machine_root / "dev/kmsg").write_text("6,1,1,-;usb 1-1: SerialNumber: 77\n", encoding="utf-8")

    collect(tmp_path / "bundle", RootFolder(machine_root), redact=True)

    assert ("...",) == open_origin(tmp_path / "bundle").log


def test_a_reason_is_one_of_the_systems() -> None:
    """Other words on what was not read are replaced."""
    entries = [
        Entry("absent", "/proc/mtrr", why="zqwhy"),
        Entry("refused", "/dev/kmsg", why="Permission denied"),
    ]

    text = redacted(written(entries, [])).decode()

    assert ["it cannot be read", "Permission denied"] == re.findall(r"\t(.*)", text)


def test_hidden_processes_stay_hidden(machine_root: Path, tmp_path: Path) -> None:
    """No other process becomes the first one, by which they are known to be shown."""
    shutil.rmtree(machine_root / "proc/1")
    files = RootFolder(machine_root)
    files.root = False

    whole = collect(tmp_path / "bundle", files, redact=True)

    assert shape(whole) == shape(open_origin(tmp_path / "bundle"))


def test_addresses_in_lines_of_the_log_move(machine_root: Path, tmp_path: Path) -> None:
    """Those of the planted lines too."""
    plant(machine_root)

    collect(tmp_path / "bundle", RootFolder(machine_root), redact=True)

    text = (tmp_path / "bundle").read_bytes()
    assert [] == re.findall(rb"f800[0-7][0f]{3}|f9000000|12345067|e0000000|fed00[03][0f]{2}\b", text)


@cache
def _recorded() -> tuple[Entry, ...]:
    with tempfile.TemporaryDirectory() as folder:
        root = fake_root(Path(folder) / "root")
        plant_reports(root)
        recorder = Recorder(RootFolder(root))
        snapshot_of(recorder)
        for path in ("dmesg", "lspci -nnvv", "uname -a"):
            name = {"lspci -nnvv": "pci/lspci_-nnvv", "uname -a": "kernel/uname_-a"}.get(path, "kernel/dmesg")
            recorder.entries.append(Entry("file", path, (root / "sos_commands" / name).read_bytes()))
    return (*recorder.entries, Entry("refused", "/proc/1234/fd", why="Permission denied"))


@given(
    st.data(), st.from_regex(r"[ghjkmqzGHJKMQZ][0-9ghjkmqzGHJKMQZ_.-]{6,14}[ghjkmqzGHJKMQZ]", fullmatch=True)
)
def test_a_word_at_any_place_is_not_in_the_bundle(data: st.DataObject, word: str) -> None:
    """In a line or a path of any file, inside or beside other words."""
    entries = _recorded()
    number = data.draw(st.integers(0, len(entries) - 1))
    one = entries[number]
    field = data.draw(st.sampled_from([name for name in ("data", "path", "why") if getattr(one, name)]))
    content: bytes | str = getattr(one, field)
    text = content.decode() if isinstance(content, bytes) and one.kind != "hex" else str(content)
    at = data.draw(st.integers(0, len(text)))
    blanks = data.draw(st.sampled_from(["", " ", "\n"])) if field == "data" else ""
    changed = f"{text[:at]}{blanks}{word}{blanks}{text[at:]}"
    other = Entry(
        one.kind,
        changed if field == "path" else one.path,
        changed.encode() if field == "data" else one.data,
        changed if field == "why" else one.why,
    )

    found = redacted(written([*entries[:number], other, *entries[number + 1 :]], []))

    assert word.encode() not in found
