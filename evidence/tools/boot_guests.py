"""Boot consoles, the logs that ``explain`` is tested on: ``boot_guests.py [--write] [SET]...``.

Each set of devices in ``tests/diagnosis/messages/guests/sets.toml`` boots on each kernel without a root file
system, so the console ends with the search for one. ``--write`` puts the consoles into ``consoles.tar.xz``
there and keeps those from other sets and kernels. ``--on KERNEL`` chooses kernels; ``--jobs N`` sets the
number of parallel guests.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from own_guest import console_after

sys.path.insert(0, str(Path(__file__).parents[2]))

from pfnlab.base.errors import Undecided
from pfnlab.lab.images.kernels import KernelImage, fetch
from pfnlab.lab.vm.qemu import QEMU
from tests.diagnosis.messages.guest_consoles import GuestSet, consoles, guest_sets, write_consoles

KERNELS = ("6.1", "6.12", "6.16", "6.17", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3")
#: Parameters that shorten the boot without changing its memory.
_PARAMETERS = "console=ttyS0 panic=-1 nokaslr mitigations=off no_timer_check tsc=reliable cryptomgr.notests"
_END = "Unable to mount root fs"
#: Seconds a boot may take on a busy machine.
_LIMIT = 180.0
_REPEATED = re.compile(r"\{(\d+):([^}]*)\}")


def arguments(guest: GuestSet) -> list[str]:
    """Return QEMU's arguments; ``{3:-device x,id=r@}`` in the file stands for three devices."""

    def every(found: re.Match[str]) -> str:
        return " ".join(found[2].replace("@", str(number)) for number in range(1, int(found[1]) + 1))

    return _REPEATED.sub(every, guest.arguments).split()


def console_of(guest: GuestSet, kernel: KernelImage) -> str:
    """Return the console from one boot.

    :raises Undecided: if the boot did not get as far as its root
    """
    own = arguments(guest)
    with tempfile.TemporaryDirectory() as folder:
        console = Path(folder) / "console"
        command = [
            *(QEMU, "-accel", "tcg", *(() if "-m" in own else ("-m", "512")), *own),
            *("-display", "none", "-no-reboot", "-nic", "none", "-serial", f"file:{console}"),
            *("-kernel", str(kernel.vmlinuz), "-append", f"{_PARAMETERS} {guest.parameters}".rstrip()),
        ]
        text = console_after(command, console, _LIMIT)
    if _END not in text:
        raise Undecided(f"{guest.name} on {kernel.series}: no boot: {text[-200:]!r}")
    # The firmware prints before the kernel does.
    return text[max(0, text.find("[    0.000000]")) :].partition("Kernel panic")[0]


def booted(sets: Sequence[GuestSet], kernels: Sequence[str], jobs: int) -> Iterator[tuple[str, str]]:
    """Yield the consoles by name, in order, each once it is ready; print failed boots."""
    images = dict(zip(kernels, fetch(*kernels), strict=True))
    with ThreadPoolExecutor(jobs) as pool:
        boots = {
            f"{guest.name}-{kernel}": pool.submit(console_of, guest, images[kernel])
            for guest in sets
            for kernel in kernels
        }
        for name, boot in boots.items():
            try:
                yield name, boot.result()
            except Undecided as trouble:
                print(trouble, flush=True)


def main(words: Sequence[str]) -> int:
    """Boot each set on each kernel, and write the consoles if requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET")
    parser.add_argument("--on", action="append", metavar="KERNEL")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--jobs", type=int, default=2, metavar="N")
    asked = parser.parse_args(words)
    known = {guest.name: guest for guest in guest_sets()}
    unknown = [name for name in asked.sets if name not in known]
    if unknown:
        parser.error(f"{unknown[0]} is not a set: {', '.join(known)}")
    chosen = [known[name] for name in asked.sets or known]
    kernels = asked.on or KERNELS
    found = {}
    for name, console in booted(chosen, kernels, asked.jobs):
        found[name] = console
        print(f"{name}: {console.count(chr(10))} lines", flush=True)
    if asked.write:
        write_consoles({**consoles(), **found})
    return 0 if len(found) == len(chosen) * len(kernels) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
