"""A guest whose first process is a tool's program that prints what it observes on the console."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.lab.images.configured import RAM_MIB
from pfnlab.lab.images.image import initramfs
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.images.tools import complaint, run
from pfnlab.lab.vm.launch import PARAMETERS, cpu_arguments, start_qemu
from pfnlab.lab.vm.qemu import QEMU
from pfnlab.programs.runs.machine import Accel

#: Seconds a compiler may take.
_COMPILE_LIMIT = 120.0


def compile_in(folder: Path, command: Sequence[str], remedy: str) -> None:
    """Run a compiler, or its preparation, in *folder*.

    :param remedy: the command that installs it
    :raises Undecided: it fails
    """
    answer = run(command, limit=_COMPILE_LIMIT, remedy=remedy, cwd=folder)
    if answer.returncode:
        raise Undecided(f"{' '.join(command[:1])}: {complaint(answer.stderr or answer.stdout)}")


def console_of(
    kernel: KernelImage,
    program: bytes,
    folder: Path,
    limit: float,
    *,
    cpus: int = 1,
    phys_bits: int | None = None,
    devices: Sequence[str] = (),
    parameters: str = "",
    extra: Mapping[str, bytes] | None = None,
) -> str:
    """
    The console of a *kernel* guest whose first process is *program*, until the guest ends or reaches the
    limit.

    :param folder: for the guest's files
    :param limit: in seconds
    :param phys_bits: the physical address width; None for the emulator's default
    :param devices: QEMU's arguments for them
    :param parameters: further kernel parameters
    :param extra: more files, by their names in the top folder
    :raises MissingTool: there is no QEMU
    """
    qemu = shutil.which(QEMU)
    if qemu is None:
        raise MissingTool(f"`{QEMU}` is not on this machine: apt-get install qemu-system-x86")
    (folder / "initrd").write_bytes(initramfs(program, extra))
    console = folder / "console"
    console.write_bytes(b"")
    command = [
        *(qemu, "-M", "q35", *cpu_arguments(Accel.TCG, cpus, phys_bits), "-m", str(RAM_MIB)),
        *("-nodefaults", "-no-reboot", "-display", "none", "-nic", "none", *devices),
        *("-kernel", str(kernel.vmlinuz), "-initrd", str(folder / "initrd")),
        *("-append", f"{PARAMETERS} {parameters}".rstrip(), "-serial", f"file:{console}"),
    ]
    return console_after(command, console, limit)


def console_after(command: list[str], console: Path, limit: float) -> str:
    """Run a guest until it ends, or for *limit* seconds; return what it wrote to *console*.

    :param command: QEMU with its arguments; it runs with the folder of *console* as its own
    """
    guest, guard = start_qemu(command, console.parent)
    try:
        guest.wait(limit)
    except subprocess.TimeoutExpired:
        pass
    finally:
        for process in (guard, guest):
            process.kill()
            process.wait()
    return console.read_text(errors="replace").replace("\r", "") if console.exists() else ""
