"""A live inspection only reads: its system calls are traced."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from having import lacking

SOURCE = Path(__file__).parents[4] / "src"
SCRIPT = SOURCE / "pfnlab/diagnosis/inspector/pfnlab-collect.sh"

#: Calls that change a file, a file system or the kernel, whatever their arguments are.
CHANGING = (
    *(
        "mount",
        "umount2",
        "mkdir",
        "mkdirat",
        "rmdir",
        "unlink",
        "unlinkat",
        "rename",
        "renameat",
        "renameat2",
    ),
    *("link", "linkat", "symlink", "symlinkat", "truncate", "ftruncate", "fallocate", "chmod", "fchmod"),
    *("fchmodat", "chown", "fchown", "lchown", "fchownat", "mknod", "mknodat", "utimensat", "setxattr"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "ptrace", "process_vm_writev"),
    *("pwrite64", "pwritev", "creat", "bpf", "reboot", "syslog"),
)

_CALL = re.compile(r"^(?:\[pid +\d+\] |\d+ +)?([a-z0-9_]+)\((.*)$")
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")

#: Files to which anybody may write without a change: what is sent there is gone, or is the terminal.
_HARMLESS = ('"/dev/null"', '"/dev/tty"')

#: Actions of syslog that dmesg takes to print the log.
_READS_LOG = ("SYSLOG_ACTION_READ_ALL", "SYSLOG_ACTION_SIZE_BUFFER")


def traced(command: list[str], folder: Path, script: Path | None = None) -> list[tuple[str, str]]:
    """The calls of a command and its children that could change something, with their arguments."""
    program = shutil.which("strace")
    if program is None:
        lacking("no strace: tools/install-missing test")
    log = folder / "trace"
    known = f"trace=?open,?openat,?openat2,?write,{','.join(f'?{name}' for name in CHANGING)}"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    with open(script or os.devnull, "rb") as given:
        done = subprocess.run(
            [program, "-f", "-qq", "-s", "200", "-e", known, "-e", "signal=none", "-o", str(log), *command],
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=120,
            check=False,
        )
    if b"ptrace" in done.stderr.lower() and done.returncode:
        lacking("strace may not trace here: ptrace is refused")
    assert 0 == done.returncode, done.stderr
    calls = [_CALL.match(line) for line in log.read_text(errors="replace").splitlines()]
    return [(call[1], call[2]) for call in calls if call is not None]


def changes(calls: list[tuple[str, str]]) -> list[str]:
    """Those that do change something, or open a file so that they could."""
    found = []
    for name, arguments in calls:
        if name == "write":
            # Other descriptors of a shell and its children are pipes; the test below opens no file to write.
            continue
        if name.startswith("open"):
            if _WRITES.search(arguments) and not any(path in arguments for path in _HARMLESS):
                found.append(f"{name}({arguments}")
        elif name != "syslog" or not any(action in arguments for action in _READS_LOG):
            found.append(f"{name}({arguments}")
    return found


def test_a_live_inspection_changes_nothing(tmp_path: Path) -> None:
    """No file is opened to be written, nothing is mounted, no module is loaded."""
    program = "from pfnlab.diagnosis.inspector.sources.origins import live_snapshot; live_snapshot()"

    calls = traced([sys.executable, "-c", program], tmp_path)

    assert any("/proc/iomem" in arguments for _, arguments in calls)
    assert [] == changes(calls)


def test_a_live_inspection_writes_to_no_descriptor_but_its_own(tmp_path: Path) -> None:
    """Only to standard output and error."""
    program = "from pfnlab.diagnosis.inspector.sources.origins import live_snapshot; live_snapshot()"

    calls = traced([sys.executable, "-c", program], tmp_path)

    assert [] == [
        arguments for name, arguments in calls if name == "write" and arguments[:2] not in ("1,", "2,")
    ]


def test_the_script_changes_nothing(tmp_path: Path) -> None:
    """Neither do the commands it calls: all they write is a pipe's."""
    calls = traced(["sh"], tmp_path, SCRIPT)

    assert any("/proc/iomem" in arguments for _, arguments in calls)
    assert [] == changes(calls)


def test_a_change_is_noticed(tmp_path: Path) -> None:
    """A folder that is made, and a file that is written."""
    calls = traced(["sh", "-c", f"mkdir {tmp_path}/a; echo x > {tmp_path}/b"], tmp_path)

    assert ["mkdir", "openat"] == [one.partition("(")[0] for one in changes(calls)]
