"""Export programs as kselftests, then build and run them in the kernel's own layout.

``hold_kselftests.py [KERNEL...] [--programs NAME...] [--wrong]`` puts the folder of each program into the
selftests in the kernel source (a series in the archive), lets the kernel's Makefile build and install it,
and runs ``run_kselftest.sh`` in a guest with that kernel. The series' golden is the expectation. ``--wrong``
makes one expectation in each program wrong, which must be reported. KERNEL is a series; the default is 6.1
and 7.2.

Exit codes: 0 all tests pass, 1 one does not, 3 a guest or a build failed.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from hold_exports import KERNELS, ExportedProgram, spoiled, with_goldens
from own_guest import compile_in, console_of
from page_tables import table

from pfnlab.base.errors import LostGuest, PfnlabError
from pfnlab.base.progress import say
from pfnlab.export.formats import export
from pfnlab.export.subject import Subject
from pfnlab.lab.building.source import source_for
from pfnlab.lab.images.kernels import KernelImage, kernel_for
from pfnlab.lab.vm.launch import device_arguments
from pfnlab.programs.lang.library import find_program
from tests.guests.shell import shell

INIT = Path(__file__).with_name("shell_init.c")

#: One program of each kind: one task, several, an exec, low memory, a walker, a fault.
PROGRAMS = (
    "munmap-middle",
    "fork-adopted",
    "exec-in-child",
    "lowmem",
    "walk-device-page",
    "copied-page-mode",
)

#: Files that the selftest build reads, below ``tools/testing/selftests`` and below the tree.
_LAYOUT = ("Makefile", "lib.mk", "kselftest.h", "kselftest_harness.h", "kselftest", "run_kselftest.sh")
_TREE = ("tools/scripts", "scripts/subarch.include")

#: The build copies its output with rsync.
_RSYNC = '#!/bin/sh\nwhile [ $# -gt 2 ]; do shift; done\nmkdir -p "$2" && exec cp -rL "$1" "$2"\n'

_SCRIPT = """\
/busybox mkdir -p /bin /tests /proc /sys /dev /tmp
/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t debugfs debugfs /sys/kernel/debug
echo 1 > /proc/sys/kernel/printk
tar xf /tests.tar -C /tests
cd /tests && sh ./run_kselftest.sh
echo "kselftests ended"
sleep 1
reboot -f
"""

_LIMIT = 300.0
_SLOT = 0x6
_RESULT = re.compile(r"^(?P<word>ok|not ok) \d+ selftests: (?P<folder>\S+): (?P<test>\S+)", re.MULTILINE)


def main(arguments: Sequence[str]) -> int:
    """Build, run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernels", nargs="*", metavar="KERNEL", default=KERNELS, help="6.1, 7.2")
    parser.add_argument("--programs", nargs="+", metavar="NAME", default=PROGRAMS, help="these")
    parser.add_argument("--wrong", action="store_true", help="with an expectation that is wrong")
    asked = parser.parse_args(arguments)
    wanted = "not ok" if asked.wrong else "ok"
    found: dict[str, dict[str, str]] = {}
    try:
        for series in asked.kernels:
            programs = with_goldens([find_program(name) for name in asked.programs], series)
            with tempfile.TemporaryDirectory(prefix="pfnlab-kselftest-") as name:
                some = [spoiled(one) for one in programs] if asked.wrong else programs
                archive = installed(series, some, Path(name))
                found[series] = results_of(console(kernel_for(series), archive, Path(name)))
    except PfnlabError as trouble:
        print(trouble, file=sys.stderr)
        return 3
    names = sorted({name for results in found.values() for name in results})
    rows = [[f"`{name}`", *(found[series].get(name, "-") for series in found)] for name in names]
    print(table(["test", *found], rows), end="")
    whole = len(names) == len(asked.programs)
    return int(not (whole and all(word == wanted for row in rows for word in row[1:])))


def installed(series: str, programs: Sequence[ExportedProgram], into: Path) -> bytes:
    """Return an archive of the program folders, built and installed by the kernel's Makefile.

    :raises Undecided: if they do not build
    """
    source = source_for(series, say=say).folder
    selftests = into / "tools" / "testing" / "selftests"
    for place in (*(f"tools/testing/selftests/{name}" for name in _LAYOUT), *_TREE):
        target = into / place
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (source / place).is_dir() else shutil.copy
        copy(source / place, target)
    folders = []
    for one in programs:
        subject = Subject(one.name, one.program, one.run)
        folders.append(subject.identifier)
        (selftests / subject.identifier).mkdir()
        for name, text in export(subject, "kselftest").items():
            (selftests / subject.identifier / name).write_text(text, encoding="utf-8")
    tools = into / "bin"
    tools.mkdir()
    (tools / "rsync").write_text(_RSYNC, encoding="utf-8")
    (tools / "rsync").chmod(0o755)
    make = ["make", f"TARGETS={' '.join(folders)}", "FORCE_TARGETS=1", "LDFLAGS=-static", "install"]
    path = f"PATH={tools}:{os.environ['PATH']}"
    compile_in(selftests, ["env", path, *make, f"INSTALL_PATH={into}/out"], "apt-get install make gcc")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(into / "out", arcname=".")
    return archive.getvalue()


def console(kernel: KernelImage, archive: bytes, folder: Path) -> str:
    """Return the console of a guest that ran run_kselftest.sh.

    :raises LostGuest: if the guest did not end by itself
    """
    compile_in(folder, ["gcc", "-O2", "-Wall", "-static", "-o", "init", str(INIT)], "apt-get install gcc")
    text = console_of(
        *(kernel, (folder / "init").read_bytes(), folder, _LIMIT),
        devices=device_arguments("bar", "memory-backend-ram,size=64M", _SLOT),
        extra={"busybox": shell().read_bytes(), "tests.tar": archive, "init.sh": _SCRIPT.encode()},
    )
    if "kselftests ended" not in text:
        raise LostGuest(f"the guest did not end by itself: {text.strip()[-300:]}")
    return text


def results_of(text: str) -> dict[str, str]:
    """Return the result of each test in run_kselftest.sh, by test name."""
    return {found["test"]: found["word"] for found in _RESULT.finditer(text)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
