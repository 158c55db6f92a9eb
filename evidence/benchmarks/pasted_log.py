"""Time and memory to explain a long log, compared with wc and sort on the same file.

The log is generated: lines of a syslog, of which every 5,000th is a message about a PFN mapping.

.venv/bin/python evidence/benchmarks/pasted_log.py [--megabytes N] [--quick]
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measuring import show

from pfnlab.diagnosis.messages.explaining import explain
from pfnlab.diagnosis.messages.matching import matcher

MEGABYTES, QUICK = 1000, 10

#: The targets: a multiple of the time of wc and sort together, and MB of memory.
TIMES, MEMORY = 10.0, 200.0

_OTHERS = (
    "usb 1-{a}: new high-speed USB device number {b} using xhci_hcd",
    'audit: type=1400 audit(16{b}.{a}:{a}): apparmor="STATUS" operation="profile_load" pid={b}',
    "EXT4-fs (sda{a}): mounted filesystem with ordered data mode. Opts: (null)",
    "IPv6: ADDRCONF(NETDEV_CHANGE): eth{a}: link becomes ready",
    "systemd[1]: Started Session {b} of user root.",
    "nvme nvme0: {a}/0/0 default/read/poll queues",
    "CPU{a}: Core temperature above threshold, cpu clock throttled (total events = {b})",
    "docker0: port {a}(veth{b:x}) entered forwarding state",
    "Out of memory: Killed process {b} (java) total-vm:{b}kB, anon-rss:{a}kB, file-rss:0kB",
    "perf: interrupt took too long ({b} > {a}), lowering kernel.perf_event_max_sample_rate to {a}",
    "BTRFS info (device sdb): disk space caching is enabled",
    "input: Power Button as /devices/LNXSYSTM:00/LNXPWRBN:00/input/input{a}",
)
_OURS = (
    "x86/PAT: Xorg:{b} freeing invalid memtype [mem 0x{c:08x}000-0x{c:08x}fff]",
    "x86/PAT: CPU 0/KVM:{b} map pfn expected mapping type uncached-minus for "
    "[mem 0x{c:08x}000-0x{c:08x}fff], got write-combining",
)
_RARE, _BLOCK = 5000, 1 << 20


def write_log(path: Path, megabytes: int) -> None:
    """Write a log of this size; it is always the same."""
    drawn = random.Random(1)
    written, number, stamp = 0, 0, 0.0
    with path.open("w", encoding="utf-8") as log:
        while written < megabytes * 1_000_000:
            number += 1
            stamp += drawn.random() / 100
            form = drawn.choice(_OURS if number % _RARE == 0 else _OTHERS)
            text = form.format(
                a=drawn.randrange(32), b=drawn.randrange(1000, 99999), c=drawn.randrange(0xF0000, 0xFFFFF)
            )
            clock = f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
            written += log.write(f"Nov 23 {clock} host kernel: [{stamp:12.6f}] {text}\n")


def pieces(path: Path) -> Iterator[bytes]:
    """The file, block by block."""
    with path.open("rb") as log:
        while block := log.read(_BLOCK):
            yield block


def main() -> int:
    """Measure and print; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=MEGABYTES, metavar="N", help="the size of the log")
    parser.add_argument("--quick", action="store_true", help=f"a log of {QUICK} MB")
    chosen = parser.parse_args()
    size = QUICK if chosen.quick else chosen.megabytes
    matcher()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        write_log(path, size)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun = time.perf_counter()
        found = explain(pieces(path))
        took = time.perf_counter() - begun
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        begun = time.perf_counter()
        plain = {**os.environ, "LC_ALL": "C"}
        subprocess.run(["wc", "-l", path], check=True, stdout=subprocess.DEVNULL, env=plain)
        subprocess.run(["sort", "-o", os.devnull, path], check=True, env=plain)
        tools = time.perf_counter() - begun
    show(
        "a log is explained",
        ["MB", "lines", "events", "seconds", "MB/s", "memory grew, MB", "wc and sort, s", "times"],
        [
            [
                *(str(size), str(found.lines), str(len(found.events)), f"{took:.1f}", f"{size / took:.1f}"),
                *(f"{grown:.1f}", f"{tools:.2f}", f"{took / tools:.1f}"),
            ]
        ],
    )
    return 0 if took <= TIMES * tools and grown <= MEMORY else 1


if __name__ == "__main__":
    sys.exit(main())
