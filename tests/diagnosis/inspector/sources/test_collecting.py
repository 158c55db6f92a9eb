"""A bundle holds what the snapshot reads, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fake_root import GPU, LIST, link, write
from for_each import for_each
from having import lacking
from same_snapshots import facts

from pfnlab.base.errors import Misuse
from pfnlab.diagnosis.inspector.host_snapshot import Access, Snapshot
from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
from pfnlab.diagnosis.inspector.parsing.machine_facts import OPTIONS
from pfnlab.diagnosis.inspector.sources.bundle import Bundle
from pfnlab.diagnosis.inspector.sources.collecting import collect
from pfnlab.diagnosis.inspector.sources.origins import open_origin
from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder
from pfnlab.diagnosis.inspector.sources.sosreport import SosFolder


@for_each("name", ["bundle", "bundle.gz"])
def test_a_bundle_makes_the_same_snapshot(machine_root: Path, tmp_path: Path, name: str) -> None:
    """As the machine did when it was collected, packed or not."""
    path = tmp_path / name

    found = collect(path, RootFolder(machine_root))

    assert facts(found) == facts(open_origin(path))


def test_a_bundle_of_a_bundle_is_the_same(machine_root: Path, tmp_path: Path) -> None:
    """In all that a snapshot has."""
    first, second = tmp_path / "a", tmp_path / "b"
    collect(first, RootFolder(machine_root))

    collect(second, Bundle.at(first))

    assert facts(open_origin(first)) == facts(open_origin(second))


@for_each("words", [b"/usr/bin/Xorg", b".xsession", b"CONFIG_USB", b"kthread", b"Rss:", b"[vvar"])
def test_what_no_snapshot_needs_is_not_collected(machine_root: Path, tmp_path: Path, words: bytes) -> None:
    """Other VMAs, files, options and processes."""
    path = tmp_path / "bundle"

    collect(path, RootFolder(machine_root))

    assert words not in path.read_bytes()


def test_places_of_bars_in_configuration_space_are_not_collected(machine_root: Path, tmp_path: Path) -> None:
    """The first sixteen bytes have no address."""
    write(machine_root, "sys/bus/pci/devices/0000:00:02.0/config", bytes(16) + b"\xab" * 48)
    path = tmp_path / "bundle"

    collect(path, RootFolder(machine_root))

    assert b" ab" not in path.read_bytes()


def test_a_report_becomes_a_bundle(machine_root: Path, tmp_path: Path) -> None:
    """With other names and addresses too."""
    write(machine_root, "sos_commands/kernel/uname_-a", "Linux farhost 6.1.0 #1\n")
    path = tmp_path / "bundle"

    found = collect(path, SosFolder(machine_root), redact=True)

    other = open_origin(path)
    assert (len(found.book or ()), "host") == (len(other.book or ()), other.host)


def test_times_of_a_bundle_are_those_of_its_files(machine_root: Path, tmp_path: Path) -> None:
    """To a thousandth of a second."""
    path = tmp_path / "bundle"

    found = collect(path, RootFolder(machine_root))

    assert abs(found.apart - open_origin(path).apart) < 0.01


def test_a_bundle_that_cannot_be_written_is_said(machine_root: Path, tmp_path: Path) -> None:
    """In one line."""
    with pytest.raises(Misuse, match="cannot be written"):
        collect(tmp_path / "no" / "bundle", RootFolder(machine_root))


def test_only_the_bundle_is_written(machine_root: Path, tmp_path: Path) -> None:
    """No other file comes or changes."""

    def state() -> set[tuple[str, float]]:
        return {
            (os.path.join(folder, name), os.lstat(os.path.join(folder, name)).st_mtime)
            for folder, _, names in os.walk(tmp_path)
            for name in names
        }

    before = state()

    collect(tmp_path / "bundle", RootFolder(machine_root))

    assert [str(tmp_path / "bundle")] == [name for name, _ in state() - before]


SCRIPT = Path(__file__).parents[4] / "src/pfnlab/diagnosis/inspector/pfnlab-collect.sh"

SHELLS = {"dash": ["dash"], "bash": ["bash"], "bash as sh": ["bash", "--posix"], "busybox": ["busybox", "sh"]}

#: Programs that are an awk where they are called so.
AWKS = {"mawk": "mawk", "gawk": "gawk", "original-awk": "original-awk", "busybox": "busybox"}


def shell(name: str) -> list[str]:
    """The command of a shell, which has to be here."""
    if shutil.which(SHELLS[name][0]) is None:
        lacking(f"no {SHELLS[name][0]}: tools/install-missing test")
    return SHELLS[name]


def collected(command: list[str], root: Path, programs: Path | None = None) -> Snapshot:
    """The snapshot of a bundle that the script writes, as it comes over ssh: on standard input.

    :param programs: a folder with programs that are taken first
    """
    path = os.environ["PATH"] if programs is None else f"{programs}:{os.environ['PATH']}"
    with SCRIPT.open("rb") as script:
        done = subprocess.run(
            command,
            stdin=script,
            capture_output=True,
            env={**os.environ, "PATH": path, "PFNLAB_ROOT": str(root)},
            timeout=60,
            check=True,
        )
    assert b"" == done.stderr
    return snapshot_of(Bundle(done.stdout, "script"))


@pytest.mark.parametrize("name", SHELLS)
def test_every_shell_writes_what_python_reads(machine_root: Path, name: str) -> None:
    """The snapshots are equal but for times."""
    found = collected(shell(name), machine_root)

    assert facts(snapshot_of(RootFolder(machine_root))) == facts(found)


@pytest.mark.parametrize("name", AWKS)
def test_every_awk_writes_what_python_reads(machine_root: Path, tmp_path: Path, name: str) -> None:
    """That of busybox is here; of the others those that are."""
    program = shutil.which(AWKS[name])
    if program is None:
        if name == "busybox":
            lacking("no busybox: tools/install-missing test")
        pytest.skip(f"no {name}: apt-get install --no-install-recommends {name}")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "awk").symlink_to(program)

    found = collected(["sh"], machine_root, programs)

    assert facts(snapshot_of(RootFolder(machine_root))) == facts(found)


def test_busybox_alone_will_do(machine_root: Path, tmp_path: Path) -> None:
    """Where every command is its own, as in a small guest."""
    program = shutil.which("busybox")
    if program is None:
        lacking("no busybox: tools/install-missing test")
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("awk", "date", "dmesg", "gzip", "id", "ls", "od", "xargs"):
        (programs / name).symlink_to(program)

    found = collected([program, "sh"], machine_root, programs)

    assert facts(snapshot_of(RootFolder(machine_root))) == facts(found)


def test_lists_without_ends_and_with_blanks_are_the_same(machine_root: Path) -> None:
    """A list whose last line has no end, maps instead of smaps, a device without a driver, empty files."""
    write(machine_root, LIST, "write-back @ 0x1000-0x2000\nuncached @ 0x3000-0x4000")
    (machine_root / "proc/99/smaps").unlink()
    write(machine_root, "proc/99/maps", "7f3100000000-7f3100001000 rw-s fed00000 00:05 12    /dev/mem\n")
    (machine_root / f"sys/bus/pci/devices/{GPU}/driver").unlink()
    write(machine_root, "proc/mtrr", "")
    write(machine_root, "proc/5/smaps", "7f0-7f1 rw-s 0 00:05 1 /dev/fb0 (deleted)\nVmFlags: rd \n")
    link(machine_root, "proc/5/fd/4", "/dev/infiniband/uverbs0")

    found = collected(["sh"], machine_root)

    assert facts(snapshot_of(RootFolder(machine_root))) == facts(found)


def test_a_machine_without_anything_is_the_same(tmp_path: Path) -> None:
    """All absent."""
    found = collected(["sh"], tmp_path)

    assert facts(snapshot_of(RootFolder(tmp_path))) == facts(found)


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can become another user")
def test_another_user_is_refused_the_same(machine_root: Path) -> None:
    """Files, folders and processes, in the words of the system."""
    for path in (LIST, "proc/mtrr", "proc/99/smaps"):
        (machine_root / path).chmod(0)
    (machine_root / "proc/99/fd").chmod(0)
    # The folders of the test, more of them where tests run side by side, are the superuser's alone.
    for folder in (machine_root, *machine_root.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(0o755)

    def as_nobody() -> None:
        os.setgid(65534)
        os.setuid(65534)

    with SCRIPT.open("rb") as script:
        done = subprocess.run(
            ["sh"],
            stdin=script,
            capture_output=True,
            env={**os.environ, "PFNLAB_ROOT": str(machine_root)},
            timeout=60,
            check=True,
            preexec_fn=as_nobody,
        )
    found = snapshot_of(Bundle(done.stdout, "script"))

    assert (
        False,
        None,
        None,
        {
            "/sys/kernel/debug/x86/pat_memtype_list": ("refused", "Permission denied"),
            "/proc/mtrr": ("refused", "Permission denied"),
            "/proc/*/smaps": ("cut", "1 process: Permission denied"),
            "/proc/*/fd": ("cut", "1 process: Permission denied"),
        },
    ) == (
        found.root,
        found.book,
        found.mtrrs,
        {one.name: (one.access.value, one.why) for one in found.sources if one.access.value != "read"},
    )


def test_the_script_asks_for_the_same_options() -> None:
    """Of the kernel's configuration."""
    text = SCRIPT.read_text(encoding="utf-8")
    written = "".join(
        line.partition("'")[2][:-1] for line in text.splitlines() if line.startswith("options=")
    )

    assert OPTIONS == written


def test_shellcheck_finds_nothing() -> None:
    """As POSIX shell."""
    program = shutil.which("shellcheck")
    if program is None:
        lacking("no shellcheck: tools/install-missing test")

    done = subprocess.run([program, "-s", "sh", str(SCRIPT)], capture_output=True, text=True, check=False)

    assert "" == done.stdout


def test_no_name_of_a_file_makes_lines_of_its_own(machine_root: Path) -> None:
    """Who may name a file could give its descriptors to another process, and make up devices."""
    before = collected(["sh"], machine_root)
    folder = machine_root / "proc" / "4242" / "fd"
    folder.mkdir(parents=True)
    for number, target in enumerate(
        ["/tmp/x\n/proc/1/fd:", "/tmp/x\nlr-x 1 root 9 -> /dev/mem", "/tmp/proc/1/fd:"]
    ):
        (folder / str(number)).symlink_to(target)
    (folder / "7").symlink_to("/dev/mem")

    found = collected(["sh"], machine_root)

    assert {4242: ("/dev/mem",)} == {
        one.pid: one.files for one in found.processes or () if one not in (before.processes or ())
    }


def test_a_pipe_in_place_of_a_file_is_not_waited_for(machine_root: Path) -> None:
    """It is as absent."""
    (machine_root / "proc" / "iomem").unlink()
    os.mkfifo(machine_root / "proc" / "iomem")

    (source,) = [one for one in collected(["sh"], machine_root).sources if one.name == "/proc/iomem"]

    assert Access.ABSENT == source.access
