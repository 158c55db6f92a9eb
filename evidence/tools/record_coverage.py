"""The kernel functions that programs reach, for ``docs/kernel-coverage.md``.

``record_coverage.py [SERIES] [--drawn N]`` runs the programs of ``litmus/`` and N random
programs of each of four vocabularies on the stock kernel (default: the newest series that models are compared
with), and writes ``evidence/pages/coverage/reached.json``. With ``--part FILE``, finished programs are
recorded in FILE and skipped next time. ``--add NAME`` runs a single program of ``litmus/`` instead, and adds
the functions that no recorded program reached. Then run ``python -m evidence.pages kernel-coverage --write``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))

from evidence.pages.coverage.page import REACHED, ReachedFunction, ReachedFunctions
from pfnlab.base.errors import Misuse
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.conditions import Bias
from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.hunt.fuzz.signature import KERNELS_GO_ON
from pfnlab.hunt.meeting.holding import Programs
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.lab.running.kernel_blocks import files_by_function, function_of
from pfnlab.lab.running.pending import ObservedProgram, guest_needed
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run, undecided

#: The vocabularies of random programs, as options of `pfnlab fuzz`.
VOCABULARIES = {
    "--driver": Vocabulary(driver=True),
    "--vfio": Vocabulary(vfio=True),
    "--driver --leaves": Vocabulary(driver=True, leaves=True),
    "--vfio --leaves": Vocabulary(vfio=True, leaves=True),
}

#: The number of programs given to the machine at once.
_TOGETHER = 100


class Part(msgspec.Struct):
    """The blocks reached so far.

    :ivar ran: names of the programs that ran
    :ivar passed: names of programs that did not run: the kernel lacks something, or they never end
    :ivar blocks: the blocks reached, each with the number of programs that reached it
    """

    kernel: str = ""
    ran: set[str] = msgspec.field(default_factory=set)
    passed: set[str] = msgspec.field(default_factory=set)
    blocks: dict[str, int] = msgspec.field(default_factory=dict)


def main(words: Sequence[str]) -> int:
    """Record, see the module; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("series", nargs="?", default=CONFIRMED[-1])
    parser.add_argument("--drawn", type=int, default=200, metavar="N", help="random programs of each kind")
    parser.add_argument("--seconds", type=float, metavar="S", help="begin nothing new after so long")
    parser.add_argument("--part", type=Path, metavar="FILE", help="what was run so far")
    parser.add_argument("--add", action="append", default=[], metavar="NAME", help="run this program only")
    asked = parser.parse_args(words)
    part = Part()
    if asked.part and asked.part.exists():
        part = msgspec.json.decode(asked.part.read_bytes(), type=Part)
    with QemuMachine(asked.series, look=LookLevel.END, guests=1, blocks=True) as machine:
        part.kernel = machine.kernel.label
        if asked.add:
            every = dict(Programs.of().litmus)
            run_all(machine, {name: every[name] for name in asked.add}, part)
            old = msgspec.json.decode(REACHED.read_bytes(), type=ReachedFunctions)
            write(with_more(old, reached(part, old.command)))
            return 0
        until = time.monotonic() + asked.seconds if asked.seconds is not None else None
        for programs in programs_in_turn(asked.drawn):
            if until is not None and time.monotonic() >= until:
                break
            left = {name: program for name, program in programs.items() if name not in part.ran | part.passed}
            run_all(machine, left, part)
            if asked.part:
                asked.part.write_bytes(msgspec.json.encode(part))
            print(f"{len(part.ran)} programs, {len(part.blocks)} blocks", flush=True)
    command = f"python evidence/tools/record_coverage.py {asked.series} --drawn {asked.drawn}"
    write(reached(part, command))
    return 0


def write(record: ReachedFunctions) -> None:
    """Write *record* to its file."""
    REACHED.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")


def programs_in_turn(drawn: int) -> Iterator[dict[str, Program]]:
    """Yield batches of programs by name, without those that the model never passes to a kernel."""
    model = ModelMachine(CONFIRMED[-1])
    every = dict(Programs.of().litmus)
    for options, vocabulary in VOCABULARIES.items():
        every |= {f"{options} {index}": draw(1, index, vocabulary, Bias()) for index in range(drawn)}
    # Programs that need separate guests come last.
    names = sorted(every, key=lambda name: guest_needed(ObservedProgram(every[name], LookLevel.END)))
    for at in range(0, len(names), _TOGETHER):
        programs = {name: every[name] for name in names[at : at + _TOGETHER]}
        reasons = {name: undecided(model.run([program])) for name, program in programs.items()}
        yield {
            name: program
            for name, program in programs.items()
            if (reason := reasons[name]) is None or reason.kind in KERNELS_GO_ON
        }


def run_all(machine: QemuMachine, programs: dict[str, Program], part: Part) -> None:
    """Run *programs* and note in *part* what they reached."""
    names = list(programs)

    def done(index: int, run: Run) -> None:
        name = names[index]
        if run.undecided is not None:
            part.passed.add(name)
        if not run.blocks:
            # A guest that failed to boot is not a result: retry it next time.
            return
        part.ran.add(name)
        for block in run.blocks:
            part.blocks[block] = part.blocks.get(block, 0) + 1

    machine.run_telling(list(programs.values()), done)


def reached(part: Part, command: str) -> ReachedFunctions:
    """The functions that contain the blocks reached."""
    blocks: dict[str, list[int]] = {}
    for block, programs in part.blocks.items():
        blocks.setdefault(function_of(block), []).append(programs)
    names = [name for name in files_by_function() if name in blocks]
    kinds = Counter(name.rpartition(" ")[0] or "litmus" for name in part.ran)
    return ReachedFunctions(
        part.kernel,
        command,
        {kind: kinds[kind] for kind in ("litmus", *VOCABULARIES)},
        {name: ReachedFunction(len(blocks[name]), max(blocks[name])) for name in names},
    )


def with_more(old: ReachedFunctions, more: ReachedFunctions) -> ReachedFunctions:
    """Return *old* with the functions that only *more* has. The counts of the others stay.

    :raises Misuse: if the two were recorded on different kernels
    """
    if old.kernel != more.kernel:
        raise Misuse(f"{REACHED.name} is of {old.kernel}, not of {more.kernel}: record all programs")
    functions = more.functions | old.functions
    return ReachedFunctions(
        old.kernel,
        old.command,
        {kind: count + more.programs[kind] for kind, count in old.programs.items()},
        {name: functions[name] for name in files_by_function() if name in functions},
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
