"""Random programs compared a second, and how the time of one is spent.

Drawn as `pfnlab fuzz` draws them, they run on a kernel that is observed in memory: first in a single guest,
with processor time by part, then as a hunt on all processors.

    python evidence/benchmarks/random_programs.py [SERIES...]

On a busy machine only ratios are meaningful, and guests use more time than they need: they poll while
waiting.
"""

from __future__ import annotations

import os
import pkgutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from measuring import busy, show

from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.conditions import Bias
from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import HuntState
from pfnlab.hunt.fuzz.rounds import Looks
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine

SERIES = ("7.2",)
PROGRAMS, PROFILED = 500, 100
SEED = 7
VOCABULARY = Vocabulary(driver=False, schedules=False, vfio=False, slots=False)

#: Parts of host processor time: functions, including calls in them that belong to no other part.
PARTS = (
    ("pfnlab.lab.vm.channel", "_wait", "polling for answers"),
    ("pfnlab.lab.vm.qemu.Guest", "__init__", "booting"),
    ("pfnlab.lab.vm.qemu.Guest", "close", "ending guests"),
    ("pfnlab.lab.running.inside.Inside", "__init__", "opening the lens"),
    ("pfnlab.lab.running.inside.Inside", "look", "looking"),
    ("pfnlab.lab.steering.steering.Steering", "inject", "forcing"),
    ("pfnlab.lab.running.bench", "parse_reply", "reading replies"),
    ("pfnlab.lab.running.bench", "with_inside", "putting steps together"),
    ("pfnlab.lab.running.bench", "compile_program", "writing requests"),
    ("pfnlab.lab.running.bench.Bench", "run", "the rest"),
)


def ticks(pids: Sequence[int]) -> float:
    """Seconds of processor time used by these processes."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


class Clock:
    """Processor time by part; work of a part in a separate thread is counted separately."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._here = threading.local()

    def timed(self, function: Callable[..., object], part: str) -> Callable[..., object]:
        """Wrap *function* to count its time, excluding other parts inside it."""

        def call(*arguments: object, **named: object) -> object:
            here = self._here.__dict__
            before, here["inner"] = here.get("inner", 0.0), 0.0
            began = time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                took = time.thread_time() - began
                self.seconds[part] = self.seconds.get(part, 0.0) + took - here["inner"]
                here["inner"] = before + took

        return call


@contextmanager
def clocked() -> Iterator[Clock]:
    """Time every part inside the context."""
    clock, undo = Clock(), []
    for path, name, part in PARTS:
        owner = pkgutil.resolve_name(path)
        function = getattr(owner, name)
        setattr(owner, name, clock.timed(function, part))
        undo.append((owner, name, function))
    try:
        yield clock
    finally:
        for owner, name, function in undo:
            setattr(owner, name, function)


@contextmanager
def counted_guests(counts: Counter[str]) -> Iterator[None]:
    """Count the guests that end inside the context, and their processor time."""
    from pfnlab.lab.vm.qemu import Guest

    close = Guest.close

    def counting(guest: Guest) -> None:
        if guest._open:
            counts["guests"] += 1
            counts["ms"] += round(1000 * ticks([guest.pid]))
        close(guest)

    Guest.close = counting  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        Guest.close = close  # type: ignore[method-assign]


def hunt(series: str) -> list[str]:
    """A row: programs compared a second."""
    specs = [f"model:{series}", f"qemu:{series}"]
    state = HuntState(specs, SEED, VOCABULARY, looking=Looks((LookLevel.MEMORY,)))
    with QemuMachine(series, look=LookLevel.MEMORY, name=specs[1]) as machine:
        machines: dict[str, Machine] = {specs[0]: ModelMachine(series, LookLevel.MEMORY), specs[1]: machine}
        began, own = time.perf_counter(), time.process_time()
        Hunt(machines, state).run(PROGRAMS)
        took, own = time.perf_counter() - began, time.process_time() - own
    rate = state.compared / took
    differ = f"{state.different} of {state.compared}"
    return [series, f"{rate:.1f}/s", f"{1e3 * own / PROGRAMS:.1f} ms", differ, str(state.undecided)]


def profile(series: str) -> None:
    """A table for one guest."""
    programs = [draw(SEED, index, VOCABULARY, Bias()) for index in range(PROFILED)]
    model = ModelMachine(series, LookLevel.MEMORY)
    own = time.process_time()
    predicted = model.run(programs)
    modelled = time.process_time() - own
    programs = [program for program, run in zip(programs, predicted, strict=True) if run.unfinished is None]
    operations = sum(len(program.ops) + 1 for program in programs)
    guests: Counter[str] = Counter()
    name = f"qemu:{series}"
    with (
        clocked() as clock,
        counted_guests(guests),
        QemuMachine(series, guests=1, look=LookLevel.MEMORY, name=name) as machine,
    ):
        began, own = time.perf_counter(), time.process_time()
        machine.run(programs)
        took, own = time.perf_counter() - began, time.process_time() - own
    parts = sorted(clock.seconds.items(), key=lambda entry: -entry[1])
    rows = [[f"host, {part}", *_each(seconds, programs, operations)] for part, seconds in parts]
    rows.append(["host, all", *_each(own, programs, operations)])
    count = f"{guests['guests']} guest{'s' * (guests['guests'] > 1)}"
    rows.append([count, *_each(guests["ms"] / 1e3, programs, operations)])
    rows.append(["(the time that passed)", *_each(took, programs, operations)])
    rows.append(["(the model, beside it)", *_each(modelled, programs, operations)])
    forced = sum(program.needs.forced for program in programs)
    kinds = f"{forced} of {len(programs)} programs forced, {operations / len(programs):.1f} steps each"
    show(f"{name}, one guest: {kinds}", ["processor time", "a program", "a step"], rows)


def _each(seconds: float, programs: Sequence[Program], operations: int) -> tuple[str, str]:
    return f"{1e3 * seconds / len(programs):.2f} ms", f"{1e3 * seconds / operations:.3f} ms"


def main(series: Sequence[str] = SERIES) -> None:
    """Measure and print."""
    for name in series:
        profile(name)
    rows = [hunt(name) for name in series]
    show("hunts", ["kernel", "compared", "own time each", "differ", "undecided"], rows)
    print(busy())


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or SERIES)
