"""Test the inspector on kernels in known states: ``inspect_states.py [--write] [NAME]...``.

A program runs to its end in a guest. While its tasks are still alive, a bundle and a core are taken and
inspected, and so is a paste of the bundle's lists. With ``--live``, pfnlab also runs inside the guest, as
root and as nobody, who may only find that PAT is off or something is hidden. With ``--deep``, it also reads
the guest kernel's memory. The model of the same kernel predicts reservations and mappings, and from them
exactly the findings that are expected. ``--write`` puts the table into ``docs/evidence/inspector.md``,
``--on SERIES`` chooses kernels, ``--jobs N`` sets the number of parallel guests, and ``--keep FOLDER`` keeps
the bundles.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

import msgspec
from known_machines import EQUIPMENT, EquippedMachine, Kind
from pasted_bundle import expected_of_paste, pasted_text

from pfnlab.base.errors import Undecided
from pfnlab.base.units import PAGE_SHIFT
from pfnlab.diagnosis.inspector.finding.every import findings
from pfnlab.diagnosis.inspector.intervals import uncovered
from pfnlab.diagnosis.inspector.joined_host import JoinedHost
from pfnlab.diagnosis.inspector.sources.origins import open_origin
from pfnlab.lab.images.kernels import fetch
from pfnlab.programs.lang.library import program_paths
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step
from tests.guests.equipment import Equipment
from tests.guests.known_state import known_state
from tests.guests.live_views import LiveView
from tests.guests.plain_kernels import plain_kernel, plain_modules
from tests.guests.views_in_guest import DEEP_VIEW, PLAIN_VIEWS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "evidence" / "inspector.md"
SCRIPT = ROOT / "src" / "pfnlab" / "diagnosis" / "inspector" / "pfnlab-collect.sh"

SERIES = ("6.1", "6.12", "6.16", "7.0", "7.2", "7.3")

#: Programs to inspect at the end or after an operation (``NAME@2``): all kinds of leaks, healthy states,
#: modes, several processes.
PROGRAMS = (
    *("munmap-middle", "munmap-first", "split-by-mprotect", "copied-first-munmap", "mremap-move-pieces"),
    *("exit-after-split", "fork-after-split", "overlap-end", "leak-then-remap", "adopt-wc", "adopt-uc"),
    *("adopt-two-processes", "adopt-straddle", "devmem", "proc", "fork-copied-first", "vfio-fork"),
    *("munmap-middle@2", "adopt-uc@2", "adopt-spreads@3", "exec-after-split@2", "fork-copied-first-moved@2"),
    *("slot-moved", "driver-ioremap-first", "vfio-munmap-middle"),
)


#: A program that leaves nothing behind; every program needs an operation.
_NOTHING = """pfnlab program 1
title   Nothing is left
device  bar: pci, 16 pages

a = mmap bar[0:16] wc shared rw
munmap a
"""

_NOBODY = "Without privilege no other finding was made there but that resources are hidden, and PAT off."


#: The field of State for each view inside a guest.
_FIELDS = {"root": "live", "nobody": "nobody", DEEP_VIEW: "live_deep"}


class State(NamedTuple):
    """One state and its findings."""

    name: str
    kernel: str
    expected: Counter[Kind]
    deep: Counter[Kind]
    bundle: Counter[Kind]
    core: Counter[Kind]
    paste: Counter[Kind]
    live: Counter[Kind] | None = None
    nobody: Counter[Kind] | None = None
    live_deep: Counter[Kind] | None = None
    expected_of_nobody: Counter[Kind] | None = None

    @property
    def expected_of_paste(self) -> Counter[Kind]:
        """The findings expected from a paste."""
        return expected_of_paste(self.expected.elements())

    @property
    def right(self) -> bool:
        """True if every view found exactly what was expected."""
        seen = self.expected == self.bundle and self.deep == self.core
        seen = seen and self.expected_of_paste == self.paste
        by_nobody = self.expected_of_nobody or Counter[Kind]()
        inside = self.live in (None, self.expected) and self.live_deep in (None, self.deep)
        return seen and inside and self.nobody in (None, by_nobody)


def expected_of(program: Program, step: Step) -> tuple[Counter[Kind], Counter[Kind]]:
    """Return the findings implied by the model's last step: without and with page tables."""
    outside: Counter[Kind] = Counter()
    for device in {entry.span.name for entry in step.book or ()}:
        # The driver may have made its own reservation; vfio-pci does so when its file is mapped.
        kept = program.needs.driver or program.needs.vfio
        outside.update(_of_device(device, step, kept=kept))
    deep = outside + Counter(_aliases(step))
    return _summed(outside.elements()), _summed(deep.elements())


def _of_device(device: str, step: Step, *, kept: bool) -> Iterator[Kind]:
    mapped = sorted(
        (vma.offset.start, vma.offset.end)
        for vma in step.vmas or ()
        if vma.offset is not None and vma.offset.name == device
    )
    leaked = 0
    for entry in step.book or ():
        if entry.span.name != device or kept:
            continue
        start, end = entry.span.start, entry.span.end
        over = [(low, high) for low, high in mapped if low < end and start < high]
        if not over:
            leaked += end - start
        elif free := sum(high - low for low, high in uncovered(start, end, over)):
            yield "over_tracking", free
    if leaked:
        yield "leaked_reservation", leaked
    for vma in step.vmas or ():
        if vma.offset is None or vma.offset.name != device or vma.file not in ("wc", "uc", "mem", "proc"):
            continue
        pages = range(vma.offset.start, vma.offset.end)
        modes = Counter(_mode(step, device, page) for page in pages)
        other = sum(count for mode, count in modes.items() if mode not in ("wc", ""))
        if vma.file == "wc" and other:
            yield "uc_where_wc_asked", other
        if len(set(modes) - {""}) > 1:
            yield "two_modes", vma.offset.pages


def _mode(step: Step, device: str, page: int) -> str:
    # The mode in which a page is reserved; empty if it is not reserved.
    for entry in step.book or ():
        if entry.span.name == device and entry.span.start <= page < entry.span.end:
            return entry.mode
    return ""


def _aliases(step: Step) -> Iterator[Kind]:
    # A copied page in a mapping that is not write-back is RAM in two modes: the kernel maps it write-back.
    for entry in step.ptes or ():
        table = entry.table_entry
        if table.maps and entry.target is not None and entry.target.name == "ram" and table.mode != "WB":
            for _ in range(entry.span.pages):
                yield "conflicting_alias", 1


def found_in(path: Path) -> Counter[Kind]:
    """Return the findings in a bundle or a core."""
    return _summed((one.kind, one.size >> PAGE_SHIFT) for one in findings(JoinedHost(open_origin(path))))


def found_in_paste(bundle: Path, text: Path) -> Counter[Kind]:
    """Return the findings in a paste of a bundle's lists, which is written to the file *text*."""
    text.write_text(pasted_text(bundle), encoding="utf-8")
    return found_in(text)


def found_live(view: LiveView) -> Counter[Kind]:
    """Return the findings of an inspection inside a guest; for nobody, hidden sources are correct.

    :raises Undecided: if it ended with an error
    """
    if view.code not in (0, 1):
        raise Undecided(f"the view of {view.name} ended with {view.code}: {view.errors[-300:]}")
    rows = msgspec.json.decode(view.output)["findings"]
    found = [row["finding"] for row in rows if row["finding"]["kind"] != "iomem_hidden"]
    return _summed((one["kind"], one["size"] >> PAGE_SHIFT) for one in found)


def _summed(kinds: Iterable[Kind]) -> Counter[Kind]:
    # Each kind once, with all its pages: findings of one kind at one place are merged.
    pages = Counter[str]()
    for kind, number in kinds:
        pages[kind] += number
    return Counter(dict.fromkeys(pages.items(), 1))


def program_state(name: str, series: str, folder: Path, *, live: Sequence[str] = ()) -> State:
    """Return the state at the end of a program.

    :raises Undecided: if this kernel cannot run it
    """
    plain, _, after = name.partition("@")
    program = load_program(program_paths([plain])[0])
    done = int(after or len(program.ops))
    step = ModelMachine(series).run_one(program).steps[done - 1]
    outside, deep = expected_of(program, step)
    part = msgspec.structs.replace(program, ops=program.ops[:done])
    return State(name, series, outside, deep, **_taken(name, part, series, folder, None, live=live))


def equipped_state(name: str, series: str, folder: Path, *, live: Sequence[str] = ()) -> State:
    """Return the state of a machine with drivers."""
    machine = EQUIPMENT[name]
    expected = _summed(machine.expected)
    views = _taken(name, load_text(_NOTHING), series, folder, machine, live=live)
    return State(
        name, series, expected, expected, **views, expected_of_nobody=_summed(machine.expected_of_nobody)
    )


def _taken(
    name: str,
    program: Program,
    series: str,
    folder: Path,
    equipped: EquippedMachine | None,
    *,
    live: Sequence[str],
) -> dict[str, Counter[Kind]]:
    # The findings from each view, by its field in State.
    [kernel], equipment = fetch(series), None
    if equipped is not None:
        modules: tuple[Path, ...] = ()
        if equipped.modules:
            kernel = plain_kernel(kernel)
            modules = tuple(plain_modules(kernel, equipped.modules))
        equipment = Equipment(
            equipped.devices, modules, equipped.setup, ram_mib=512, parameters=equipped.parameters
        )
    core, bundle = folder / "core", folder / f"{name}-{series}.bundle"
    core.unlink(missing_ok=True)
    state = known_state(program, kernel, SCRIPT, core, equipment=equipment, live=live)
    bundle.write_text(state.bundle, encoding="utf-8")
    paste = found_in_paste(bundle, folder / f"{name}-{series}.txt")
    found = {"bundle": found_in(bundle), "core": found_in(core), "paste": paste}
    core.unlink()
    return found | {_FIELDS[view]: found_live(state.live[view]) for view in live}


def states(
    names: Sequence[str], series: Sequence[str], keep: Path | None, *, live: Sequence[str] = ()
) -> Iterator[State | str]:
    """Yield every state, or a line with the reason why it is unavailable."""
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    with nullcontext(keep) if keep else tempfile.TemporaryDirectory() as folder:
        for kernel in series:
            for name in names:
                take = equipped_state if name in EQUIPMENT else program_state
                try:
                    yield take(name, kernel, Path(folder), live=live)
                except Undecided as trouble:
                    yield f"{name} on {kernel}: {str(trouble).partition(':')[0]}"


class Score(NamedTuple):
    """The score of one view: right, spurious and missing findings."""

    right: int
    invented: int
    missed: int

    @classmethod
    def of(cls, pairs: Iterable[tuple[Counter[Kind], Counter[Kind]]]) -> Score:
        """Compute the score from pairs of expected and actual findings."""
        right = invented = missed = 0
        for expected, found in pairs:
            right += (expected & found).total()
            invented += (found - expected).total()
            missed += (expected - found).total()
        return cls(right, invented, missed)

    def __str__(self) -> str:
        precision = self.right / (self.right + self.invented) if self.right + self.invented else 1.0
        recall = self.right / (self.right + self.missed) if self.right + self.missed else 1.0
        return (
            f"{self.right} right, {self.invented} invented, {self.missed} missed: "
            f"precision {precision:.3f}, recall {recall:.3f}"
        )


def page(taken: Sequence[State], left_out: Sequence[str], series: Sequence[str]) -> str:
    """The page."""
    outside = Score.of((state.expected, state.bundle) for state in taken)
    deep = Score.of((state.deep, state.core) for state in taken)
    paste = Score.of((state.expected_of_paste, state.paste) for state in taken)
    inside = [state for state in taken if state.live is not None]
    live = Score.of((state.expected, state.live) for state in inside if state.live is not None)
    by_memory = [state for state in taken if state.live_deep is not None]
    memory = Score.of((state.deep, state.live_deep) for state in by_memory if state.live_deep is not None)
    names = list(dict.fromkeys(state.name for state in taken))
    by_place = {(state.name, state.kernel): state for state in taken}
    lines = [
        "# The inspector on kernels in known states",
        "",
        "A program runs in a guest; while its tasks live, a bundle and a core of one moment are taken.",
        "The model of the same kernel says what is reserved and mapped then, and so what has to be found.",
        "Of machines with other devices, drivers of Linux and parameters, "
        "`evidence/tools/known_machines.py` says it.",
        "A cell is the findings of bundle and core, each with its pages; `-` is nothing found, as expected.",
        "A cell that ends in `!` is not as expected.",
        "",
        f"{len(taken)} states on {len(series)} kernels.",
        f"Bundles: {outside}.",
        f"Cores: {deep}.",
        f"Pastes of lists, lspci and maps, in which a leak is perhaps one: {paste}.",
        *([f"Live, inside {len(inside)} of them: {live}.", _NOBODY] if inside else []),
        *([f"Live by the kernel's memory, inside {len(by_memory)} of them: {memory}."] if by_memory else []),
        "",
        f"| state | {' | '.join(series)} |",
        f"|---|{'---|' * len(series)}",
    ]
    for name in names:
        cells = [_cell(by_place.get((name, kernel))) for kernel in series]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    if left_out:
        lines += ["", "Not to be had:", "", *(f"- {line}" for line in sorted(left_out))]
    lines += ["", "Generated by `python evidence/tools/inspect_states.py --write`; do not edit."]
    return "\n".join([*lines, ""])


def _cell(state: State | None) -> str:
    if state is None:
        return "not asked"
    bundle, core = _words(state.bundle), _words(state.core)
    words = bundle if bundle == core else f"{bundle}; core: {core}"
    if state.paste != expected_of_paste(state.bundle.elements()):
        words += f"; paste: {_words(state.paste)}"
    if state.live is not None and state.live != state.bundle:
        words += f"; live: {_words(state.live)}"
    if state.live_deep is not None and state.live_deep != state.core:
        words += f"; live and deep: {_words(state.live_deep)}"
    if state.nobody and state.nobody != state.expected_of_nobody:
        words += f"; nobody: {_words(state.nobody)}"
    return words if state.right else f"{words} !"


def _words(found: Counter[Kind]) -> str:
    return ", ".join(f"{kind.replace('_', ' ')} {pages}" for kind, pages in sorted(found.elements())) or "-"


def _of_one_kernel(
    names: Sequence[str], kernel: str, keep: Path | None, *, live: Sequence[str]
) -> list[State | str]:
    # The states, each printed as soon as it is known.
    found = []
    for state in states(names, [kernel], keep, live=live):
        found.append(state)
        if isinstance(state, str):
            print(state, flush=True)
            continue
        verdict = "as expected" if state.right else f"expected {_words(state.expected)}"
        print(f"{state.name} on {state.kernel}: {_cell(state)} ({verdict})", flush=True)
    return found


def main(words: Sequence[str]) -> int:
    """Inspect and print each state, and write the page if requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--on", action="append", metavar="SERIES")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    asked = parser.parse_args(words)
    series = tuple(asked.on or SERIES)
    names = asked.names or (*PROGRAMS, *EQUIPMENT)
    live = (*PLAIN_VIEWS * (asked.live or asked.deep), *(DEEP_VIEW,) * asked.deep)
    with ProcessPoolExecutor(asked.jobs) as pool:
        parts = [pool.submit(_of_one_kernel, names, kernel, asked.keep, live=live) for kernel in series]
        every = [state for part in parts for state in part.result()]
    taken = [state for state in every if isinstance(state, State)]
    left_out = [line for line in every if isinstance(line, str)]
    text = page(taken, left_out, series)
    if asked.write:
        PAGE.write_text(text, encoding="utf-8")
    print("\n".join(line for line in text.splitlines() if "right," in line or "states on" in line))
    return 0 if all(state.right for state in taken) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
