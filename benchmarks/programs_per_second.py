"""Programs a second through one warm guest, beside the same system calls in a bare loop in that guest.

The program has six operations, one of them a fork. The bare loop (`loop` in lab/guest/PROTOCOL.md) makes the
same calls, the child's exit included, in one process with nothing observed or answered in between. So the
ratio is what observing after every operation, a process a program, and the way to the host and back cost.

    python benchmarks/programs_per_second.py [SERIES...]
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import time

from measuring import busy, rounds, show

from pfnlab.errors import Defect
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.machine import QemuMachine
from pfnlab.lab.running.placement import Windows
from pfnlab.lab.running.wire import compile_program
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.text import parse
from pfnlab.units import PfnRange, phys_to_pfn

SERIES = ("6.1", "7.2")
PROGRAMS, LOOPS = 50, 200
ROUNDS, SECONDS = 9, 20.0

# Nothing of it stays, on any kernel, so that every round begins in the same state.
PROGRAM = """\
pfnlab program 1
device  bar: pci, 16 pages

a = mmap bar[0:16] wc shared rw
read a[3]
c = fork
mprotect a r
c: exit
munmap a
"""

OBSERVED = {"nothing": (False, False), "vmas": (True, False), "vmas and ptes": (True, True)}


def loop_request(guest: Guest, program: Program, times: int) -> str:
    """The request for the calls of *program*, *times* in a row; a loop's fork includes the child's exit."""
    start = phys_to_pfn(guest.hello.bar_start)
    placement = Windows(PfnRange(start, start + guest.hello.bar_pages)).place(program)
    if placement is None:
        raise Defect("an empty BAR has no room")
    lines = compile_program(program, placement, vmas=False, ptes=False).splitlines()
    kept = [line for line in lines if not line.startswith(("observe", "watch", "area", "name", "op 1 "))]
    return "\n".join([kept[0], f"loop {times:x}", *kept[1:], ""])


def bare_loop(guest: Guest, program: Program) -> float:
    """Seconds of one round of the bare loop."""
    reply = guest.request(loop_request(guest, program, LOOPS)).splitlines()
    if reply[1] != "loop" or not reply[2].startswith("r 0 0 "):
        raise Defect(f"the loop failed: {reply}")
    return int(reply[2].split()[3]) / 1e9 / LOOPS


def through(machine: QemuMachine, program: Program) -> float:
    """Seconds a program takes from the call of `run` to its observations."""
    begin = time.perf_counter()
    runs = machine.run([program] * PROGRAMS)
    took = (time.perf_counter() - begin) / PROGRAMS
    bad = next((run for run in runs if run.lost or any(step.result != "ok" for step in run.steps)), None)
    if bad is not None:
        raise Defect(f"the program failed: {bad}")
    return took


def measure(series: str) -> tuple[dict[str, float], float]:
    """The median seconds a program, by what is observed, and a round of the bare loop."""
    program = parse(PROGRAM)
    guests: list[Guest] = []

    def boot(kernel: KernelImage, shape: GuestShape, offsets: str | None) -> Guest:
        guests.append(
            Guest(kernel.vmlinuz, bar_mib=shape.bar_mib, cpus=shape.cpus, offsets=offsets, image=shape.image)
        )
        return guests[-1]

    times: dict[str, list[float]] = {observed: [] for observed in OBSERVED}
    bare: list[float] = []
    with contextlib.ExitStack() as opened:
        machines = {
            observed: opened.enter_context(QemuMachine(series, guests=1, vmas=vmas, ptes=ptes, factory=boot))
            for observed, (vmas, ptes) in OBSERVED.items()
        }
        for machine in machines.values():
            through(machine, program)  # boots its guest and warms it
        for _ in rounds(ROUNDS, SECONDS):
            for observed, machine in machines.items():
                times[observed].append(through(machine, program))
            bare.append(bare_loop(guests[-1], program))
        if len(guests) != len(machines):
            raise Defect(f"{len(guests)} guests were needed: one for each machine was to be measured")
    return {observed: statistics.median(one) for observed, one in times.items()}, statistics.median(bare)


def row(what: str, took: float, bare: float) -> list[str]:
    """A line of the table."""
    return [what, f"{1 / took:.0f}/s", f"{took * 1e3:.2f} ms", f"{took / bare:.1f}"]


def main(series: tuple[str, ...] = SERIES) -> None:
    """Measure and print."""
    rows = []
    for one in series:
        medians, bare = measure(one)
        for observed, took in medians.items():
            rows.append(row(f"qemu:{one}, {observed}", took, bare))
        rows.append(row(f"qemu:{one}, bare loop", bare, bare))
    head = ["observed", "programs", "each", "/ bare loop"]
    show("programs a second, six operations with one fork", head, rows)
    print(f"What matters on any machine: the last column. ({busy()})")


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or SERIES)
