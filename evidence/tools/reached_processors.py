"""Which processors the flushes in a munmap reach: ``reached_processors.py KERNEL... [--write]``.

Boots each KERNEL, a name of `pfnlab kernels list`, with two, four and eight processors. A thread on each
processor runs or sleeps while the first one unmaps four device mappings. The TLB line in /proc/interrupts
is read before and after. ``--write`` puts the counts into ``evidence/pages/reached_processors.json``, from
which ``docs/flush-distance.md`` is generated.

Exit codes: 0 everything was counted, 3 a guest did not reach its end.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from own_guest import compile_in, console_of

from evidence.pages.reached import Reach
from pfnlab.base.errors import LostGuest, PfnlabError, Undecided
from pfnlab.lab.building.built import find
from pfnlab.lab.images.kernels import kernel_for
from pfnlab.lab.vm.launch import device_arguments

ROOT = Path(__file__).parents[2]
INIT = Path(__file__).with_suffix(".c")
COUNTS = ROOT / "evidence" / "pages" / "reached_processors.json"

#: The guests, by their processors.
PROCESSORS = (2, 4, 8)

#: The distances of the mappings in pages: side by side, 2 MiB and 8 MiB apart.
DISTANCES = (1, 512, 2048)

#: The bus address hard-coded in reached_processors.c.
_DEVICE = 0x6
#: Seconds a whole guest may take; one with eight emulated processors needs about a minute.
GUEST_LIMIT = 600.0

_COUNTED = re.compile(
    r"^reached (nothing|running|sleeping) (\d+) tlb((?: \d+)+) cal((?: \d+)+)$", re.MULTILINE
)
_WHOLE = re.compile(r"^reached the end with (\d+) processors", re.MULTILINE)


def main(arguments: Sequence[str]) -> int:
    """Count on every kernel and print a line for each guest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernels", nargs="+", metavar="KERNEL", help="6.12, 7.2, flush-gather_v4")
    parser.add_argument("--write", action="store_true", help="put the counts into the file of the page")
    asked = parser.parse_args(arguments)
    try:
        for name in asked.kernels:
            version, found = on_kernel(name)
            print(json.dumps({name: written(found)}))
            if asked.write:
                write(name, version, found)
    except PfnlabError as trouble:
        print(trouble, file=sys.stderr)
        return 3
    return 0


#: By processors, mode and distance.
Counts = Mapping[tuple[int, str, int], Reach]


def on_kernel(name: str) -> tuple[str, Counts]:
    """
    Boot a kernel with each number of processors.

    :return: the package or sources of the kernel, and its counts
    :raises MissingTool: there is no QEMU, no compiler, or no such kernel
    :raises LostGuest: a guest did not reach its end in time
    """
    own = find(name)
    kernel = own.image if own else kernel_for(name)
    found: dict[tuple[int, str, int], Reach] = {}
    with tempfile.TemporaryDirectory(prefix="pfnlab-reached-") as folder:
        program = compiled(Path(folder))
        for processors in PROCESSORS:
            console = console_of(
                *(kernel, program, Path(folder), GUEST_LIMIT),
                cpus=processors,
                devices=device_arguments("bar", "memory-backend-ram,size=1M", _DEVICE),
                parameters=f"-- {' '.join(map(str, DISTANCES))}",
            )
            counts = counts_of(console, processors)
            found |= {(processors, *place): reached for place, reached in counts.items()}
    return own.origin if own else kernel.version, found


def compiled(into: Path) -> bytes:
    """The first process of a guest, one static program.

    :raises Undecided: it does not compile
    """
    command = ["gcc", "-O2", "-Wall", "-static", "-pthread", "-o", "init", str(INIT)]
    compile_in(into, command, "apt-get install gcc libc6-dev")
    return (into / "init").read_bytes()


def counts_of(console: str, processors: int) -> dict[tuple[str, int], Reach]:
    """
    The count that most repetitions agree on, by mode and distance.

    :raises LostGuest: the guest did not reach its end, or not with that many processors
    :raises Undecided: most repetitions interrupted a processor even without an unmap, or there is no majority
    """
    end = _WHOLE.search(console)
    if end is None or int(end[1]) != processors:
        raise LostGuest(f"{processors} processors did not come to the end: {console.strip()[-300:]}")
    repeated: dict[tuple[str, int], list[Reach]] = {}
    for mode, distance, tlb, cal in _COUNTED.findall(console):
        flushes, calls = [int(word) for word in tlb.split()], [int(word) for word in cal.split()]
        # Other calls count there too, but a flush elsewhere is always one of them.
        if any(count > called for count, called in zip(flushes, calls, strict=True)):
            raise Undecided(f"{mode}, {distance} pages apart: flushes without an interrupt: {tlb},{cal}")
        repeated.setdefault((mode, int(distance)), []).append(Reach.of(flushes))
    found = {}
    for place, counts in repeated.items():
        ((most, times),) = Counter(counts).most_common(1)
        if times <= len(counts) // 2:
            raise Undecided(f"{place[0]}, {place[1]} pages apart: the repetitions differ: {counts}")
        if place[0] == "nothing" and any(most):
            raise Undecided(f"{place[1]} pages apart: interrupts where nothing is unmapped: {counts}")
        found[place] = most
    return {place: reached for place, reached in found.items() if place[0] != "nothing"}


def written(found: Counts) -> dict[str, dict[str, dict[str, list[int]]]]:
    """The counts in the form of the file: by processors, mode and distance."""
    content: dict[str, dict[str, dict[str, list[int]]]] = {}
    for (processors, mode, distance), reached in found.items():
        content.setdefault(str(processors), {}).setdefault(mode, {})[str(distance)] = list(reached)
    return content


def write(name: str, version: str, found: Counts) -> None:
    """Put the counts of a kernel into the file."""
    content = json.loads(COUNTS.read_text(encoding="utf-8")) if COUNTS.exists() else {}
    content[name] = {
        "version": version,
        "made_by": f"python evidence/tools/reached_processors.py {name} --write",
        "counts": written(found),
    }
    COUNTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
