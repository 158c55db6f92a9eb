"""A redacted bundle has other names and addresses, and the same relations."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest
from fake_root import fake_root, link, smaps, write
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.diagnosis.inspector.host_snapshot import Snapshot
from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
from pfnlab.diagnosis.inspector.sources import collecting, redaction
from pfnlab.diagnosis.inspector.sources.bundle import Entry, written
from pfnlab.diagnosis.inspector.sources.collecting import Recorder, collect
from pfnlab.diagnosis.inspector.sources.origins import open_origin
from pfnlab.diagnosis.inspector.sources.redaction import redacted
from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder


def both(root: Path, folder: Path) -> tuple[Snapshot, Snapshot, bytes]:
    """The snapshot of a machine, that of its redacted bundle, and the bundle."""
    path = folder / "redacted"
    whole = collect(path, RootFolder(root), redact=True)
    return whole, open_origin(path), path.read_bytes()


def ranges(snapshot: Snapshot) -> list[tuple[int, int]]:
    """All physical ranges, in the order of the snapshot."""
    found = [(one.start, one.end) for one in snapshot.book or ()]
    found += [(one.start, one.end) for one in snapshot.resources or ()]
    found += [(bar.start, bar.end) for one in snapshot.devices or () for bar in one.bars]
    found += [(one.start, one.end) for one in snapshot.mtrrs or ()]
    return found + [one.physical for one in snapshot.mappings or () if one.physical is not None]


def joined(snapshot: Snapshot) -> list[tuple[bool, bool, bool]]:
    """Of any two ranges: one overlaps the other, holds it, ends where it begins."""
    found = ranges(snapshot)
    return [
        (
            one[0] < other[1] and other[0] < one[1],
            one[0] <= other[0] and other[1] <= one[1],
            one[1] == other[0],
        )
        for one, other in product(found, found)
    ]


@for_each(
    "name",
    [
        *(b"farhost", b"Xorg", b"alice", b"CPU 0/KVM", b"buildhost", b"builder", b"1f2e3d4c", b"systemd"),
        *(b"/1234/", b"/99/", b":1234", b"7f0000000000", b"7f2000001000", b"vmlinuz", b"ffffffffc0a00000"),
    ],
)
def test_no_name_and_number_of_a_process_stays(machine_root: Path, tmp_path: Path, name: bytes) -> None:
    """Of hosts, users, commands, processes, and of addresses in them."""
    text = both(machine_root, tmp_path)[2]

    assert name not in text


def test_no_physical_address_stays(machine_root: Path, tmp_path: Path) -> None:
    """In no file and no line of the log, but below the first megabyte."""
    whole, _, text = both(machine_root, tmp_path)

    known = {end for pair in ranges(whole) for end in pair if end > 1 << 20}
    known |= {end - 1 for end in known} | {0xF8004000, 0xF8007FFF}
    numbers = {int(digits, 16) for digits in re.findall(rb"\b(?:0x)?([0-9a-f]{5,16})\b", text)}
    assert (set(), True) == (known & numbers, len(numbers) > 20)


def test_the_joined_structure_stays(machine_root: Path, tmp_path: Path) -> None:
    """Between reservations, resources, BARs, registers and mappings."""
    whole, other, _ = both(machine_root, tmp_path)

    assert joined(whole) == joined(other)


def test_all_but_names_and_addresses_stays(machine_root: Path, tmp_path: Path) -> None:
    """Modes, drivers, modules, flags, the configuration, and how many of each."""
    whole, other, _ = both(machine_root, tmp_path)

    def rest(snapshot: Snapshot) -> tuple[object, ...]:
        return (
            [one.mode for one in snapshot.book or ()],
            [(one.address, one.ids, one.driver, one.modules, one.group) for one in snapshot.devices or ()],
            [(one.perms, one.flags, one.end - one.start) for one in snapshot.mappings or ()],
            [one.files for one in snapshot.processes or ()],
            (snapshot.modules, snapshot.config, snapshot.pat, snapshot.mtrr_default, snapshot.virtual),
            [(one.name, one.access) for one in snapshot.sources],
        )

    assert rest(whole) == rest(other)


def test_a_line_of_the_log_names_the_same_process(machine_root: Path, tmp_path: Path) -> None:
    """And its range lies where it lay."""
    _, other, _ = both(machine_root, tmp_path)

    process = next(one for one in other.processes or () if one.files == ("/dev/dri/card0",))
    start = next(bar.end for one in other.devices or () for bar in one.bars if one.driver == "vfio-pci")
    line = (
        f"x86/PAT: {process.comm}:{process.pid} freeing invalid memtype [mem {start:#x}-{start + 0x3FFF:#x}]"
    )
    assert other.log is not None
    assert other.log[-1].endswith(line)


def test_the_same_bundle_gives_the_same(machine_root: Path) -> None:
    """So two people may speak of one."""
    entries = Recorder(RootFolder(machine_root))
    snapshot_of(entries)
    text = written(entries.entries, [])

    assert redacted(text) == redacted(text)


def test_the_size_in_a_line_about_a_register_stays(machine_root: Path, tmp_path: Path) -> None:
    """The second number is no address."""
    write(
        machine_root,
        "dev/kmsg",
        "6,1,1,-;mtrr: type mismatch for e0000000,10000000 old: uncachable new: write-back\n",
    )

    other = both(machine_root, tmp_path)[1]

    assert other.log is not None
    assert ",10000000 old" in other.log[0]


def test_a_file_of_another_kind_is_left_out() -> None:
    """Nobody knows what is in it."""
    entries = [Entry("file", "/etc/shadow", b"root:x\n"), Entry("file", "/proc/7/environ", b"KEY=x\n")]

    assert b"pfnlab-bundle 1\nnote left 2 other files\nend 2\n" == redacted(written(entries, []))


_PLACES = st.lists(st.tuples(st.integers(0x1000, 0x1800), st.integers(1, 0x100)), min_size=1, max_size=6)


@given(_PLACES, _PLACES, _PLACES)
def test_any_machine_keeps_its_structure(
    book: list[tuple[int, int]], resources: list[tuple[int, int]], mapped: list[tuple[int, int]]
) -> None:
    """Reservations, resources and mappings at any places."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        lines = "".join(f"write-back @ {at << 12:#x}-{(at + size) << 12:#x}\n" for at, size in book)
        write(root, "sys/kernel/debug/x86/pat_memtype_list", lines)
        lines = "".join(f"{at << 12:08x}-{((at + size) << 12) - 1:08x} : a\n" for at, size in resources)
        write(root, "proc/iomem", lines)
        vmas = [
            f"{0x7F0000000000 + (number << 24):x}-{0x7F0000000000 + (number << 24) + (size << 12):x} "
            f"rw-s {at << 12:08x} 00:05 12 /dev/mem"
            for number, (at, size) in enumerate(mapped)
        ]
        write(root, "proc/7/smaps", smaps("\n".join(vmas), ("rd pf",) * len(vmas)))

        whole, other, _ = both(root, Path(folder))

    assert joined(whole) == joined(other)
    assert [one.end - one.start for one in whole.book or ()] == [
        one.end - one.start for one in other.book or ()
    ]


def test_a_process_that_only_has_a_file_open_is_renumbered(tmp_path: Path) -> None:
    """Its links too."""
    root = fake_root(tmp_path / "root")
    write(root, "proc/31337/comm", "secretd\n")
    write(root, "proc/31337/smaps", "")
    link(root, "proc/31337/fd/3", "/dev/nvidia0")

    text = both(root, tmp_path)[2]

    assert (False, False) == (b"31337" in text, b"secretd" in text)


def test_without_awk_it_is_said(machine_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, and nothing is written."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingTool, match="install mawk"):
        collect(tmp_path / "bundle", RootFolder(machine_root), redact=True)

    assert not (tmp_path / "bundle").exists()


@for_each(
    "program, error",
    [("{ exit 7 }", "exit 7"), ("BEGIN { while (1) n++ }", "did not redact"), ("}", "could not redact")],
)
def test_an_awk_that_fails_leaves_no_bundle(
    machine_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, error: str
) -> None:
    """One with an error, and one that has no end."""
    monkeypatch.setattr(redaction, "program_text", lambda: program)
    monkeypatch.setattr(redaction, "_SECONDS", 1)

    with pytest.raises(Undecided, match=error):
        collect(tmp_path / "bundle", RootFolder(machine_root), redact=True)

    assert not (tmp_path / "bundle").exists()


def _unchanged(machine_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(redaction, "program_text", lambda: "{ print }")
    for name, redact in (("plain", False), ("redacted", True)):
        collect(tmp_path / name, RootFolder(machine_root), redact=redact)
    texts = [(tmp_path / name).read_bytes() for name in ("plain", "redacted")]
    plain, other = (re.sub(rb"(?m)^(at|end) .*\n", b"", text) for text in texts)
    return plain == other


def test_python_changes_nothing_itself(
    machine_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a program that changes nothing, the bundle is that of the machine: no rule has a second copy."""
    assert _unchanged(machine_root, tmp_path, monkeypatch)


def test_a_second_rule_in_python_is_seen(
    machine_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that replaces the name of the host."""
    own = redaction.redacted
    monkeypatch.setattr(collecting, "redacted", lambda text: own(text.replace(b"farhost", b"host")))

    assert not _unchanged(machine_root, tmp_path, monkeypatch)


def test_the_public_words_are_read_at_one_place() -> None:
    """By the module that fills them into the program."""
    package = Path(redaction.__file__).parents[3]

    readers = [path.name for path in package.rglob("*.py") if "public_words" in path.read_text("utf-8")]

    assert ["redaction.py"] == readers
