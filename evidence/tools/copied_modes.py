"""Show the cache mode of a copied page whose entry is recreated (N05): ``copied_modes.py KERNEL``.

KERNEL is a kernel from ``pfnlab kernels build`` (``<cache>/built/NAME/vmlinuz``) or a bzImage with the same
options. The model has neither swap nor migration, so the entry is read in a guest, with the QEMU monitor.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pfnlab.lab.images.image import initramfs

_SOURCE = Path(__file__).parents[1] / "patches" / "upstream" / "fixes" / "copied_modes.c"
_LIMIT = 300.0
_SWAP_PAGES = 1 << 17

#: Cache bits (PCD, PWT) in a 4 KiB entry, with the PAT as Linux sets it up.
_MODES = {("-", "-"): "WB", ("-", "T"): "WC", ("C", "-"): "UC-", ("C", "T"): "UC"}


def main(arguments: Sequence[str]) -> int:
    """Print the mode at each mark; return 1 if any is not write-back, 3 if the guest did not end properly."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_initrd(folder)
        make_swap(folder / "swap")
        (folder / "slow").write_bytes(bytes(1 << 20))
        modes, done = [], False
        for line in guest(Path(arguments[0]), folder):
            if found := re.match(r"MARK (\S+) ([0-9a-f]+)", line):
                time.sleep(1)
                modes.append(mode_at(folder / "monitor", int(found[2], 16)))
                print(f"{found[1]:<14} {modes[-1]}", flush=True)
            elif line.startswith(("VALUE", "FAIL")):
                print(line, flush=True)
            done = done or line == "DONE"
    return 3 if not done else int(set(modes) != {"WB"})


def make_initrd(folder: Path) -> None:
    """Make a file system with the program as its init."""
    init = folder / "init"
    subprocess.run(["gcc", "-O1", "-static", "-pthread", "-o", str(init), str(_SOURCE)], check=True)
    (folder / "initrd").write_bytes(initramfs(init.read_bytes()))


def make_swap(path: Path) -> None:
    """Make a disk with the header that mkswap writes."""
    with path.open("wb") as file:
        file.truncate(_SWAP_PAGES * 4096)
        file.seek(1024)
        file.write((1).to_bytes(4, "little") + (_SWAP_PAGES - 1).to_bytes(4, "little"))
        file.seek(4086)
        file.write(b"SWAPSPACE2")


def guest(kernel: Path, folder: Path) -> Iterator[str]:
    """Boot a kernel and yield every line it prints."""
    disks = [
        *("-drive", f"file={folder}/swap,if=none,id=swap,format=raw,cache=unsafe"),
        *("-device", "nvme,drive=swap,serial=1"),
        *("-drive", f"file={folder}/slow,if=none,id=slow,format=raw,throttling.iops-total=1"),
        *("-device", "nvme,drive=slow,serial=2"),
    ]
    command = [
        *("qemu-system-x86_64", "-M", "q35", "-m", "128", "-smp", "1", "-nographic", "-no-reboot"),
        *("-kernel", str(kernel), "-initrd", str(folder / "initrd")),
        *("-append", "console=ttyS0 quiet panic=-1"),
        *("-object", "memory-backend-ram,id=bar,size=1M", "-device", "ivshmem-plain,memdev=bar"),
        *disks,
        *("-monitor", f"unix:{folder}/monitor,server,nowait", "-serial", "stdio", "-display", "none"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    begun = time.monotonic()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            yield line.strip()
            if line.strip() == "DONE" or time.monotonic() - begun > _LIMIT:
                return
    finally:
        process.kill()
        process.wait()


def mode_at(monitor: Path, address: int) -> str:
    """Return the cache mode of the entry for *address* in the page tables that the processor is using."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(monitor))
        connection.settimeout(30)
        connection.sendall(b"info tlb\n")
        text = ""
        while text.count("(qemu)") < 2:
            text += connection.recv(1 << 16).decode(errors="replace")
    found = re.search(rf"^{address:016x}: [0-9a-f]+ (\S+)", text, re.MULTILINE)
    # XGPDACTUW
    return _MODES[found[1][5], found[1][6]] if found else "no entry"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
