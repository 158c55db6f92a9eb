"""Programs a second through one warm guest, compared with a bare loop of the same system calls in it.

The program has six operations, one of them a fork. The bare loop (`loop` in lab/guest/PROTOCOL.md) makes the
same calls, including the child's exit, in one process with nothing observed or answered in between. So the
ratio is the cost of observing after every operation, a process per program, and the round trip to the host.

    python evidence/benchmarks/programs_per_second.py [SERIES...] [--rounds N] [--against TREE]

With --against, another source tree of pfnlab alternates with this one, each with its own guests.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from measuring import busy, rounds, show
from measuring.paired import AGAINST, SERVE, against, serve

from pfnlab.base.errors import Defect
from pfnlab.base.units import PfnRange, phys_to_pfn
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.placement import Windows
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.running.wire import ObservationRequest, compile_program
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.text import parse
from pfnlab.programs.runs.look import LookLevel

SERIES = ("6.1", "7.2")
PROGRAMS, LOOPS = 50, 200
ROUNDS, SECONDS = 9, 20.0

# It leaves nothing behind, on any kernel, so every round begins in the same state.
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

BARE = "bare loop"

#: Observations: how to look, and the order of kernel calls when memory is read.
OBSERVED = {
    "the end": LookLevel.END,
    "through /proc": LookLevel.PROC,
    "in memory": LookLevel.MEMORY,
}


def loop_request(guest: Guest, program: Program, times: int) -> str:
    """Return the request for *program*'s calls, *times* in a row; a loop's fork includes the child's exit."""
    start = phys_to_pfn(guest.hello.bar_start)
    placement = Windows(PfnRange(start, start + guest.hello.bar_pages)).place(program)
    if placement is None:
        raise Defect("an empty BAR has no room")
    lines = compile_program(program, placement, ObservationRequest(vmas=False, ptes=False)).splitlines()
    kept = [line for line in lines if not line.startswith(("observe", "watch", "area", "name", "op 1 "))]
    return "\n".join([kept[0], f"loop {times:x}", *kept[1:], ""])


def bare_loop(guest: Guest, program: Program) -> float:
    """Return the seconds for one round of the bare loop."""
    reply = guest.request(loop_request(guest, program, LOOPS)).splitlines()
    if reply[1] != "loop" or not reply[2].startswith("r 0 0 "):
        raise Defect(f"the loop failed: {reply}")
    return int(reply[2].split()[3]) / 1e9 / LOOPS


def through(machine: QemuMachine, program: Program) -> float:
    """Seconds from calling `run` to the program's observations."""
    begin = time.perf_counter()
    runs = machine.run([program] * PROGRAMS)
    took = (time.perf_counter() - begin) / PROGRAMS
    bad = next(
        (run for run in runs if run.unfinished or any(step.result != "ok" for step in run.steps)), None
    )
    if bad is not None:
        raise Defect(f"the program failed: {bad}")
    return took


class Rounds:
    """Warm guests of one kernel, one per way to observe; a context manager."""

    def __init__(self, series: str) -> None:
        self._program = parse(PROGRAM)
        self._series = series
        self._guests: list[Guest] = []
        self._opened = contextlib.ExitStack()
        self._machines: dict[str, QemuMachine] = {}

    def __enter__(self) -> Rounds:
        for observed, look in OBSERVED.items():
            machine = QemuMachine(
                self._series,
                guests=1,
                look=look,
                lens=look is LookLevel.MEMORY,
                factory=None if look is LookLevel.MEMORY else self._boot,
            )
            self._machines[observed] = self._opened.enter_context(machine)
            through(machine, self._program)  # boots its guest and warms it
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def round(self) -> dict[str, float]:
        """Return seconds per program, by what is observed, and for a round of the bare loop."""
        seconds = {name: through(machine, self._program) for name, machine in self._machines.items()}
        if len(self._guests) != len(self._machines) - 1:
            raise Defect(f"{len(self._guests)} guests were needed: one for each machine was to be measured")
        return {**seconds, BARE: bare_loop(self._guests[-1], self._program)}

    def _boot(self, kernel: KernelImage, shape: GuestShape, offsets: str | None) -> Guest:
        self._guests.append(Guest(kernel.vmlinuz, shape, offsets=offsets))
        return self._guests[-1]


def measure(series: str, most: int = ROUNDS) -> dict[str, float]:
    """The medians of rounds."""
    with Rounds(series) as warm:
        times = [warm.round() for _ in rounds(most, SECONDS)]
    return {name: statistics.median(one[name] for one in times) for name in times[0]}


def row(what: str, took: float, bare: float) -> list[str]:
    """A line of the table."""
    return [what, f"{1 / took:.0f}/s", f"{took * 1e3:.2f} ms", f"{took / bare:.1f}"]


@contextlib.contextmanager
def all_rounds(series: Sequence[str]) -> Iterator[list[Rounds]]:
    """Warm guests of several kernels."""
    with contextlib.ExitStack() as opened:
        yield [opened.enter_context(Rounds(one)) for one in series]


def serve_rounds(series: Sequence[str]) -> None:
    """Measure a round on every request."""
    with all_rounds(series) as warm:
        serve(
            lambda: {
                f"qemu:{one}, {name}": seconds
                for one, rounds_of_one in zip(series, warm, strict=True)
                for name, seconds in rounds_of_one.round().items()
            }
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("series", nargs="*", default=SERIES, metavar="SERIES")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="at most so many")
    parser.add_argument(AGAINST, type=Path, metavar="TREE", help="another source tree, which takes turns")
    parser.add_argument(SERVE, action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    title = "programs a second, six operations with one fork"
    if chosen.serve:
        serve_rounds(chosen.series)
    elif chosen.against is not None:
        script = Path(__file__)
        against(
            script,
            script.parents[2],
            chosen.against,
            title="seconds a program, six operations with one fork",
            number=chosen.rounds,
            arguments=chosen.series,
        )
        print(busy())
    else:
        rows = []
        for one in chosen.series:
            medians = measure(one, chosen.rounds)
            bare = medians[BARE]
            rows += [row(f"qemu:{one}, {name}", took, bare) for name, took in medians.items()]
        show(title, ["observed", "programs", "each", "/ bare loop"], rows)
        print(f"What matters on any machine: the last column. ({busy()})")


if __name__ == "__main__":
    main()
