"""Run every program that exports to C in guests, and compare it with its golden.

``hold_exports.py [KERNEL...] [--programs NAME...] [--wrong] [--write]`` exports each program of ``litmus/``
that permits it to C, with the golden of the kernel's series as the expectation, compiles it without a
warning, runs it in a guest of each kernel (6.1 and 7.2 by default), and compares each printed line with the
golden: result, errno, value, and remaining reservations. ``--wrong`` makes one expectation of each program
wrong, which it must report as ``not ok``. ``--write`` puts the table into ``docs/evidence/exports.md``.

Exit codes: 0 all agree, 1 one does not, 3 a guest or a compiler failed.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import msgspec
from own_guest import compile_in, console_of
from page_tables import put, table

from pfnlab.base.errors import LostGuest, PfnlabError, Undecided
from pfnlab.base.units import PHYSICAL_BITS
from pfnlab.export.c_plan import leftover_text, outcome_text
from pfnlab.export.formats import export
from pfnlab.export.subject import Subject
from pfnlab.kernel.hw.pgtable import LEAF_PAGES
from pfnlab.kernel.policies.releases import series_of
from pfnlab.lab.images.driver_module import modules_for
from pfnlab.lab.images.kernels import KernelImage, kernel_for
from pfnlab.lab.images.modules import vfio_modules
from pfnlab.lab.vm.launch import NO_DRIVER_OF_CONTROLLER, controller_arguments, device_arguments
from pfnlab.lab.vm.qmp import Slot
from pfnlab.programs.lang.library import find_program, library_paths
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.ops import ONLY_KINDS, Program
from pfnlab.programs.runs.golden import golden_path, golden_run, newest_version, read_golden
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run
from pfnlab.programs.runs.places import bar_mib_for

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "evidence" / "exports.md"
INIT = Path(__file__).with_name("exports_init.c")
KERNELS = ("6.1", "7.2")

#: The marks around the tables of the page.
BEGIN = "<!-- exports: `python evidence/tools/hold_exports.py 6.1 7.2 --write` -->\n"
END = "<!-- end of exports -->\n"

#: Programs per guest (its RAM holds all of them), and the seconds it may take.
BATCH = 40
GUEST_LIMIT = 900.0

#: Seconds that building all modules for a kernel may take.
MODULES_LIMIT = 1800.0

_SLOT = 0x6
_ADDRESS = f"0000:00:{_SLOT:02x}.0"
_IN_SLOT = "0000:01:00.0"
_PAGES_PER_MIB = 256
_MIB_PER_GIB = 1024
#: The smallest BAR, and the largest, in MiB.
_LEAST_BAR, _MOST_BAR = 64, 16384

_COMPILE = "gcc -static -Wall -Wextra -Werror -O2 -s -o {name} {name}.c"
_PROGRAM = re.compile(
    r"^program \d+-(?P<name>\S+)\n(?P<text>.*?)^ended \d+-(?P=name) (?P<status>\d+)$", re.M | re.S
)
_TEST = re.compile(r"^(?P<word>ok|not ok) \d+ - (?P<line>.*)$", re.M)


class GuestKind(NamedTuple):
    """A kind of guest that programs may share.

    :param vfio: whether it has the vfio-pci modules and an IOMMU
    :param reset: whether its device can be reset
    :param wide: whether physical addresses have all bits
    :param large: whether a BAR has several MiB
    :param huge: whether a BAR has GiB and so lies above 4 GiB, where the firmware's MTRRs differ
    :param alone: the program that needs, or leaves something in, a place that a guest has only once
    """

    vfio: bool
    reset: bool
    wide: bool
    large: bool
    huge: bool
    alone: str


class ExportedProgram(NamedTuple):
    """A program with its golden.

    :param run: the golden's run
    :param subject: the reproducer to write instead of the one that expects the golden
    """

    name: str
    program: Program
    run: Run
    subject: Subject | None = None

    @property
    def files(self) -> dict[str, str]:
        """Its C source, and the files next to it."""
        return export(self.subject or Subject(self.name, self.program, self.run), "c")

    @property
    def kind(self) -> GuestKind:
        """The kind of guest it needs."""
        needs, room = self.program.needs, bar_mib_for(self.program)
        once = any(device.kind in ONLY_KINDS for device in self.program.devices)
        # If the kernel checks for claims, only one program can use the first page of a BAR.
        first = bool(needs.first_page) and not needs.vfio
        alone = first or needs.slot or (once and leftover_text(self.run) != "nothing")
        large = room > 1, room >= _MIB_PER_GIB
        return GuestKind(bool(needs.vfio), needs.reset, needs.wide, *large, self.name if alone else "")

    @property
    def wanted(self) -> list[str]:
        """The lines it must print, without numbers."""
        steps = [f"{step.op}: {outcome_text(step)}" for step in self.run.steps[:-1]]
        return [*steps, f"left reserved: {leftover_text(self.run)}"]


class ProgramOutput(NamedTuple):
    """The output of a program.

    :param text: all of it
    :param status: its exit code, or 128 plus the signal that killed it
    """

    name: str
    text: str
    status: int

    @property
    def lines(self) -> list[str]:
        """Its tests without their numbers."""
        return [found["line"] for found in _TEST.finditer(self.text)]

    @property
    def failed(self) -> int:
        """The number of ``not ok`` tests."""
        return sum(found["word"] == "not ok" for found in _TEST.finditer(self.text))


def main(arguments: Sequence[str]) -> int:
    """Export, compile, run and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernels", nargs="*", metavar="KERNEL", default=KERNELS, help="6.1, 7.2")
    parser.add_argument("--programs", nargs="+", metavar="NAME", default=(), help="only these")
    parser.add_argument("--wrong", action="store_true", help="with an expectation that is wrong")
    parser.add_argument("--write", action="store_true", help="put the tables into the page")
    asked = parser.parse_args(arguments)
    paths = [find_program(name) for name in asked.programs] or list(library_paths())
    rows, differences = [], []
    try:
        for name in asked.kernels:
            kernel = kernel_for(name)
            held = with_goldens(paths, series_of(kernel.version))
            told = run_in_guests(kernel, [spoiled(one) for one in held] if asked.wrong else held)
            wrong = [line for one in held for line in difference(one, told.get(one.name), asked.wrong)]
            differences += [f"{name}: {line}" for line in wrong]
            tests = sum(len(one.wanted) for one in held)
            rows.append(
                [kernel.version, str(len(held)), str(tests), str(len({line.split(":")[0] for line in wrong}))]
            )
    except PfnlabError as trouble:
        print(trouble, file=sys.stderr)
        return 3
    text = f"{table(['kernel', 'programs', 'tests', 'programs that differ'], rows)}\n{refusals(paths)}"
    print("\n".join([text, *differences]))
    if asked.write:
        put(PAGE, (BEGIN, END), text)
    return int(bool(differences))


def with_goldens(paths: Sequence[Path], series: str) -> list[ExportedProgram]:
    """Return the programs that can be exported and have a golden for a series."""
    found = []
    for path in paths:
        program, golden = load_program(path), read_golden(golden_path(path))
        version = None if golden is None else newest_version(golden, series)
        run = None if golden is None or version is None else golden_run(golden, version)
        if run is None or looking_changes(program, run):
            continue
        try:
            export(Subject(path.stem, program, run), "c")
        except Undecided:
            continue
        found.append(ExportedProgram(path.stem, program, run))
    return found


def looking_changes(program: Program, run: Run) -> bool:
    """True if the golden depends on observation: reading smaps drops leaves of 1 GiB, and
    a reproducer does not observe.
    """
    return (
        run.look is LookLevel.PROC
        and (program.needs.vfio or program.needs.driver)
        and any(device.pages >= LEAF_PAGES[3] for device in program.devices)
    )


def spoiled(one: ExportedProgram) -> ExportedProgram:
    """Return the same program, but expect its first step to fail in a way that no call ever does."""
    first, *others = one.run.steps
    wrong = msgspec.structs.replace(first, result="EDOM")
    return one._replace(run=msgspec.structs.replace(one.run, steps=(wrong, *others)))


def difference(one: ExportedProgram, told: ProgramOutput | None, wrong: bool = False) -> Iterator[str]:
    """Yield the lines that only a program or only its golden has.

    :param wrong: the first expectation was made wrong, so it must report that and nothing else
    """
    if told is None:
        yield f"{one.name}: it did not run"
        return
    for wanted, seen in zip(one.wanted, told.lines, strict=False):
        if wanted != seen:
            yield f"{one.name}: {seen!r}, golden {wanted!r}"
    if len(told.lines) != len(one.wanted):
        yield f"{one.name}: {len(told.lines)} of {len(one.wanted)} tests: {told.text.strip()[-200:]!r}"
    elif (told.failed, told.status) != (int(wrong), int(wrong)):
        yield f"{one.name}: {told.failed} tests say `not ok`, exit code {told.status}"


def run_in_guests(kernel: KernelImage, programs: Sequence[ExportedProgram]) -> dict[str, ProgramOutput]:
    """Run every program in a guest and return its output; programs that need the same kind share a guest.

    :raises Undecided: if a program or its module does not compile
    :raises LostGuest: if a guest did not end by itself
    """
    told = {}
    with tempfile.TemporaryDirectory(prefix="pfnlab-modules-") as name:
        built = modules(kernel, programs, Path(name))
    ordered = sorted(programs, key=lambda one: (one.kind, bar_mib_for(one.program)))
    for _, same in groupby(ordered, key=lambda one: one.kind):
        for some in _batches(list(same)):
            with tempfile.TemporaryDirectory(prefix="pfnlab-exports-") as name:
                console = _console(kernel, some, built, Path(name))
            for found in _PROGRAM.finditer(console):
                told[found["name"]] = ProgramOutput(found["name"], found["text"], int(found["status"]))
            if "exports ended with" not in console:
                raise LostGuest(f"the guest did not end by itself: {console.strip()[-300:]}")
    return told


def _batches(programs: Sequence[ExportedProgram]) -> Iterator[Sequence[ExportedProgram]]:
    """Yield batches that fit a guest's RAM and BAR; the program with the largest part comes last."""
    some: list[ExportedProgram] = []
    for one in programs:
        if len(some) == BATCH or bar_mib_for(one.program) * (len(some) + 1) > _MOST_BAR:
            yield some
            some = []
        some.append(one)
    yield some


def compiled(programs: Sequence[ExportedProgram], folder: Path) -> dict[str, bytes]:
    """Return each program as a static executable, by name.

    :raises Undecided: if one does not compile without warnings
    """

    def one_of(one: ExportedProgram) -> bytes:
        files = one.files
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        stem = Path(next(iter(files))).stem
        compile_in(folder, _COMPILE.format(name=stem).split(), "apt-get install gcc libc6-dev")
        return (folder / stem).read_bytes()

    with ThreadPoolExecutor(2) as pool:
        return dict(zip((one.name for one in programs), pool.map(one_of, programs), strict=True))


def modules(kernel: KernelImage, programs: Sequence[ExportedProgram], folder: Path) -> dict[str, bytes]:
    """Return the modules that belong to programs, built together for a kernel, by program name.

    :param folder: an empty folder to build in
    :raises Undecided: if one does not build without warnings
    """
    sources: dict[str, str] = {}
    names: dict[str, str] = {}
    for one in programs:
        _, *beside = one.files.items()
        sources |= {name: text for name, text in beside if name != "Makefile"}
        if beside:
            names[one.name] = Path(beside[0][0]).stem
    if not names:
        return {}
    sources["Kbuild"] = "obj-m := " + " ".join(f"{name}.o" for name in names.values()) + "\n"
    built = modules_for(kernel, sources, folder, limit=MODULES_LIMIT)
    return {name: built[module] for name, module in names.items()}


def _console(
    kernel: KernelImage, programs: Sequence[ExportedProgram], built: Mapping[str, bytes], folder: Path
) -> str:
    binaries = compiled(programs, folder)
    extra = {f"{number:03}-{one.name}": binaries[one.name] for number, one in enumerate(programs)}
    extra |= {
        f"driver-{number:03}-{one.name}": built[one.name]
        for number, one in enumerate(programs)
        if one.name in built
    }
    compile_in(folder, ["gcc", "-O2", "-Wall", "-static", "-o", "init", str(INIT)], "apt-get install gcc")
    kind = programs[0].kind
    room = max(bar_mib_for(one.program) for one in programs)
    bar = min(max(_LEAST_BAR, 1 << (room * len(programs) - 1).bit_length()), _MOST_BAR)
    # A removed device returns to its place only if it is behind a port, which keeps its addresses.
    slot = programs[0].program.needs.slot
    address = _IN_SLOT if slot else _ADDRESS
    parameters = [f"exports_device={address}", f"exports_pages={room * _PAGES_PER_MIB}"]
    devices = device_arguments("bar", f"memory-backend-ram,size={bar}M,reserve=off", _SLOT)
    if slot:
        devices = Slot.arguments(bar, _SLOT)
    if kind.reset:
        devices = controller_arguments(bar, _SLOT)
        parameters.append(NO_DRIVER_OF_CONTROLLER)
    if kind.vfio:
        extra |= {name: path.read_bytes() for name, path in vfio_modules(kernel).items()}
        # An IOMMU must come before other devices.
        devices = ["-device", "intel-iommu", *devices]
        parameters.append("intel_iommu=on")
    return console_of(
        *(kernel, (folder / "init").read_bytes(), folder, GUEST_LIMIT),
        devices=devices,
        parameters=" ".join(parameters),
        extra=extra,
        phys_bits=PHYSICAL_BITS if kind.wide else None,
    )


def refusals(paths: Sequence[Path]) -> str:
    """Make a row per reason why programs do not export, and one for those that do."""
    count: Counter[str] = Counter()
    for path in paths:
        try:
            export(Subject(path.stem, load_program(path)), "c")
            count["exported"] += 1
        except Undecided as why:
            count[str(why).rpartition("`: ")[2].partition(": use")[0]] += 1
    rows = [[reason, str(number)] for reason, number in count.most_common()]
    return table(["to C", "programs"], rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
