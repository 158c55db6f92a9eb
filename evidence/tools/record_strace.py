"""Record the strace output of programs that map a BAR: ``record_strace.py [--on SERIES] [LOG...]``.

The programs run in a lab guest, traced by this machine's strace: a Python user of the resource files
(tests/export/recorded/bar_user.py), busybox's devmem, which maps /dev/mem, and a pfnlab program exported as
C (tests/export/recorded/processes.pfn). The logs (all, or only those named) and the device's sysfs resource
file go to tests/export/recorded/.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from own_guest import compile_in

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.export.formats import export
from pfnlab.export.subject import Subject
from pfnlab.lab.images.image import extended, guest_image
from pfnlab.lab.images.kernels import fetch
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.load import load_program
from tests.guests.interpreter import interpreter, write_interpreter
from tests.guests.shell import SCRIPT, SHELL, shell

RECORDED = Path(__file__).parents[2] / "tests" / "export" / "recorded"

#: The commands, as typed in the guest, by the name of the log.
COMMANDS = {
    "bar_user.strace": "strace -f -y -o {log} {python} -I -S /bar_user.py $device",
    "devmem.strace": "strace -f -tt -o {log} /busybox devmem $first 32 0x2a",
    "processes.strace": "strace -f -y -o {log} /processes ${{device##*/}}",
}

_SCRIPT = """
exec 2>&1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd / && tar xf /files.tar && rm /files.tar || exit 91
for device in /sys/bus/pci/devices/*; do
    # QEMU's shared memory.
    [ "$(cat $device/vendor)$(cat $device/device)" = 0x1af40x1110 ] && break
done
first=$(head -n 3 $device/resource | tail -n 1 | cut -d ' ' -f 1)
echo "== resource"
cat $device/resource
"""

COMPILE = "gcc -static -Wall -Wextra -Werror -O2 -s -o {name} {name}.c"

#: Guest RAM in MiB, and the time limit for all traces in seconds.
_RAM_MIB, _LIMIT = 768, 300.0


def main() -> None:
    """Record all logs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--on", default="6.12", metavar="SERIES", help="the kernel of the guest")
    parser.add_argument("logs", nargs="*", metavar="LOG", help="processes.strace; all without")
    asked = parser.parse_args()
    (kernel,) = fetch(asked.on)
    with tempfile.TemporaryDirectory() as folder:
        archive, script, image = (Path(folder) / name for name in ("files.tar", SCRIPT, "image.cpio"))
        _pack(archive)
        script.write_text(_SCRIPT + "".join(_recorded(name) for name in COMMANDS))
        extra = {
            "files.tar": archive,
            "bar_user.py": RECORDED / "bar_user.py",
            "processes": _compiled("processes", Path(folder)),
        }
        extended(guest_image({SHELL: shell(), SCRIPT: script}), extra, image)
        with Guest(kernel.vmlinuz, GuestShape(64, image), ram_mib=_RAM_MIB) as guest:
            reply = guest.request("collect\n", _LIMIT)
    parts = re.split(r"^== (\S+)\n", reply.partition("\nstatus ")[0], flags=re.MULTILINE)
    logs = dict(zip(parts[1::2], parts[2::2], strict=True))
    # The output of the traced programs.
    logs.pop("said", None)
    if {*logs} != {*COMMANDS, "resource"} or not all(map(str.strip, logs.values())):
        raise Undecided(f"not all was recorded: {reply[-500:]!r}")
    for name, text in logs.items():
        if asked.logs and name not in asked.logs:
            continue
        # The location of this Python installation is private.
        home = Path(sysconfig.get_path("stdlib")).parents[1]
        for place in (home, *home.parents[:-1]):
            text = text.replace(f"{place}/", "/usr/")
        (RECORDED / name).write_text(text.rstrip("\n") + "\n")
        print(f"{name}: {len(text.splitlines())} lines")


def _recorded(name: str) -> str:
    command = COMMANDS[name].format(log="/log", python=shlex.quote(str(interpreter())))
    home = shlex.quote(str(Path(sysconfig.get_path("stdlib")).parents[1]))
    return f"echo '== said'\nPYTHONHOME={home} {command} </dev/null\necho '== {name}'\ncat /log\n"


def _compiled(name: str, folder: Path) -> Path:
    """Export a pfnlab program as C and compile it."""
    program = load_program(RECORDED / f"{name}.pfn")
    for file, text in export(Subject(name, program), "c").items():
        (folder / file).write_text(text)
    compile_in(folder, COMPILE.format(name=name).split(), "apt-get install gcc")
    return folder / name


def _pack(archive: Path) -> None:
    tracer = shutil.which("strace")
    if tracer is None:
        raise MissingTool("strace is not here: install the package strace")
    write_interpreter(archive)
    done = subprocess.run(["ldd", tracer], capture_output=True, text=True, timeout=60, check=True)
    libraries = re.findall(r"(/\S+) \(0x", done.stdout)
    with tarfile.open(archive, "a", dereference=True) as tar:
        for file in (tracer, *libraries):
            tar.add(file, recursive=False)


if __name__ == "__main__":
    main()
