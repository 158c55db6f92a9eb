"""Cores of real kernels: what is read in them is what the kernel's own files said at that moment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

from having import ASKED, bootable, have
from litmus_files import litmus_file

from pfnlab.base.units import pfn_to_phys
from pfnlab.diagnosis.inspector.host_snapshot import Access, Snapshot
from pfnlab.diagnosis.inspector.sources.core import core_snapshot
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.lab.images.driver_module import driver_for
from pfnlab.programs.lang.load import load_program
from tests.guests.known_state import KnownState, known_state
from tests.guests.shell import shell

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

#: Files of a guest, each behind its name; those of processes and devices by their folders.
SCRIPT = """
show() { echo "== $1"; cat "$1"; }
for file in /proc/iomem /proc/mtrr /proc/modules /proc/cmdline /proc/vmallocinfo \\
    /sys/kernel/debug/x86/pat_memtype_list; do show $file; done
for folder in /proc/[0-9]*; do show $folder/comm; show $folder/smaps; done
for folder in /sys/bus/pci/devices/*; do
    for file in vendor device class enable resource; do show $folder/$file; done
    [ ! -e $folder/driver ] || echo "== $folder/driver
$(basename "$(readlink $folder/driver)")"
done
echo "== dmesg"
dmesg
"""

_HEAD = re.compile(r"^(?P<start>[0-9a-f]+)-(?P<end>[0-9a-f]+) (?P<perms>\S+) (?P<offset>\S+) \S+ \S+ *(.*)$")
_MODES = {
    "write-back": CacheMode.WB,
    "write-combining": CacheMode.WC,
    "uncached-minus": CacheMode.UC_MINUS,
    "uncached": CacheMode.UC,
}


class Moment(NamedTuple):
    """A guest at one moment: from inside, as its files by name, and as its core."""

    state: KnownState
    files: Mapping[str, str]
    seen: Snapshot


def _files(text: str) -> dict[str, str]:
    # The files of a guest by name.
    parts = (part.partition("\n") for part in text.split("== ")[1:])
    return {name.strip(): content for name, _, content in parts}


def taken(program: str, series: str, folder: Path, after: int) -> Moment:
    """The moment after so many operations of a program of litmus/."""
    kernel = bootable(series)
    have(shell)
    script = folder / "collect.sh"
    script.write_text(SCRIPT)
    state = known_state(load_program(litmus_file(program)), kernel, script, folder / program, after=after)
    return Moment(state, _files(state.bundle), core_snapshot(state.core))


@pytest.fixture(
    scope="module",
    params=[pytest.param(series, marks=pytest.mark.xdist_group(f"kernel-{series}")) for series in ASKED],
)
def moment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moment]:
    """Each series asked for, after the middle of a mapping went."""
    yield taken("munmap-middle", request.param, tmp_path_factory.mktemp("core"), after=2)


def test_every_part_is_read(moment: Moment) -> None:
    """
    No source is left out.
    """
    assert [] == [source for source in moment.seen.sources if source.access is not Access.READ]


def test_the_book_is_that_of_debugfs(moment: Moment) -> None:
    """
    In its order, with its modes; the list's own end is exclusive.
    """
    lines = re.findall(
        r"^PAT: \[mem 0x(\w+)-0x(\w+)\] (\S+)$",
        moment.files["/sys/kernel/debug/x86/pat_memtype_list"],
        re.MULTILINE,
    )

    listed = [(int(start, 16), int(end, 16), _MODES[mode]) for start, end, mode in lines]

    assert listed == [(one.start, one.end, one.mode) for one in moment.seen.book or ()]
    assert len(listed) > 2


def test_resources_are_those_of_iomem(moment: Moment) -> None:
    """
    Line by line, with their depths.
    """
    written = [
        f"{'  ' * one.depth}{one.start:08x}-{one.end - 1:08x} : {one.name}"
        for one in moment.seen.resources or ()
    ]

    assert moment.files["/proc/iomem"].splitlines() == written


def test_devices_are_those_of_sysfs(moment: Moment) -> None:
    """
    Ids, class, driver, the regions in memory, and whether a driver has enabled it.
    """
    folder = "/sys/bus/pci/devices"
    names = sorted({Path(name).parent.name for name in moment.files if name.startswith(folder)})
    listed = {}
    for name in names:
        files = {
            Path(file).name: content.strip()
            for file, content in moment.files.items()
            if file.startswith(f"{folder}/{name}/")
        }
        regions = [[int(word, 16) for word in line.split()] for line in files["resource"].splitlines()]
        bars = [
            (number, start, end + 1, bool(flags & 0x2000))
            for number, (start, end, flags) in enumerate(regions)
            if flags & 0x200 and number < 13
        ]
        ids = f"{files['vendor'][2:]}:{files['device'][2:]}"
        listed[name] = ids, files["class"][2:], files.get("driver"), files["enable"] != "0" or None, bars

    seen = {
        one.address: (
            *(one.ids, one.kind, one.driver, one.enabled),
            [(bar.number, bar.start, bar.end, bar.prefetchable) for bar in one.bars],
        )
        for one in moment.seen.devices or ()
    }

    assert listed == seen
    assert any(bars for *_, bars in listed.values())


def test_mappings_are_those_of_smaps(moment: Moment) -> None:
    """
    Those with `pf`, `io` or `mm` of files, with path, offset, permissions and flags.
    """
    listed = []
    for name, content in moment.files.items():
        if not re.fullmatch(r"/proc/\d+/smaps", name):
            continue
        head = None
        for line in content.splitlines():
            head = _HEAD.match(line) or head
            if line.startswith("VmFlags:") and head is not None and head[5].startswith("/"):
                flags = tuple(line.split()[1:])
                if {"pf", "io", "mm"}.intersection(flags):
                    numbers = int(head["start"], 16), int(head["end"], 16), int(head["offset"], 16)
                    listed.append((int(name.split("/")[2]), *numbers, head["perms"], head[5], flags))

    seen = [
        (one.pid, one.start, one.end, one.offset, one.perms, one.path, one.flags)
        for one in moment.seen.mappings or ()
    ]

    assert sorted(listed) == sorted(seen)
    assert moment.state.pids["main"] in {pid for pid, *_ in listed}


def test_entries_are_where_the_program_mapped(moment: Moment) -> None:
    """
    Both pieces are write-combining, and stand for a reservation.
    """
    (device,) = moment.state.placement.places.devices.values()
    start = pfn_to_phys(device.start)
    pieces = [one for one in moment.seen.mappings or () if one.pid == moment.state.pids["main"]]

    entries = [(run.start - start, run.end - start, run.mode) for one in pieces for run in one.entries or ()]

    assert [(0, 4 << 12, CacheMode.WC), (8 << 12, 16 << 12, CacheMode.WC)] == entries
    assert [(True, CacheMode.WC)] * 2 == [(one.tracked, one.mode) for one in pieces]


def test_processes_have_their_names(moment: Moment) -> None:
    """
    Those that lived a moment before, up to the length the kernel keeps; its workers say more in /proc.
    """
    listed = {
        (int(name.split("/")[2]), content.rstrip("\n")[:15])
        for name, content in moment.files.items()
        if re.fullmatch(r"/proc/\d+/comm", name)
    }

    seen = {(one.pid, one.comm) for one in moment.seen.processes or ()}

    assert {one for one in seen if not one[1].startswith("kworker/")} <= listed
    assert (moment.state.pids["main"], "main") in seen


def test_the_log_is_that_of_dmesg(moment: Moment) -> None:
    """
    Line by line, with its stamps; what came after the script is behind it.
    """
    lines = moment.files["dmesg"].splitlines()

    assert tuple(lines) == (moment.seen.log or ())[: len(lines)]
    assert len(lines) > 100


def test_areas_of_ioremap_are_those_of_vmallocinfo(moment: Moment) -> None:
    """
    Each begins at the physical address the list says, and is a guard page smaller.
    """
    lines = moment.files["/proc/vmallocinfo"].splitlines()
    areas = [re.search(r"^\S+ +(\d+) .* phys=0x(\w+) .*ioremap", line) for line in lines]
    listed = [(int(area[2], 16), int(area[1]) - 4096) for area in areas if area is not None]

    seen = [(one.start, one.end - one.start) for one in moment.seen.aliases or () if one.place == "ioremap"]

    assert sorted(listed) == sorted(seen)
    assert len(listed) > 2


def test_registers_and_options_are_those_of_proc(moment: Moment) -> None:
    """
    The variable MTRRs, the configuration of PAT, and the command line.
    """
    lines = moment.files["/proc/mtrr"].splitlines()
    found = [re.search(r"base=0x(\w+) .*size= *(\d+)MB.*: (\S+)", line) for line in lines]
    listed = [(int(one[1], 16), int(one[2]) << 20, one[3]) for one in found if one is not None]
    assert moment.seen.pat is not None

    seen = [(one.start, one.end - one.start, one.kind.name) for one in moment.seen.mtrrs or ()]

    assert [(start, size, {"uncachable": "UC"}[kind]) for start, size, kind in listed] == seen
    assert moment.seen.pat.boot_line() in moment.files["dmesg"]
    assert moment.files["/proc/cmdline"].strip() == moment.seen.options


@pytest.mark.parametrize(
    "series",
    [pytest.param(series, marks=pytest.mark.xdist_group(f"kernel-{series}")) for series in ASKED],
)
def test_ram_that_a_driver_made_write_combining_is_an_alias(series: str, tmp_path: Path) -> None:
    """
    The direct map has it so, and the driver's module is loaded.
    """
    kernel = bootable(series)
    have(lambda: driver_for(kernel))

    moment = taken("driver-set-memory", series, tmp_path, after=2)

    ram = moment.state.placement.places.driver_ram
    assert ram is not None
    changed = [one for one in moment.seen.aliases or () if one.place == "direct map"]
    start = pfn_to_phys(ram.start)
    assert [(start, start + (4 << 12), CacheMode.WC)] == [(one.start, one.end, one.mode) for one in changed]
    listed = [line.split()[0] for line in moment.files["/proc/modules"].splitlines()]
    assert listed == [module.name for module in moment.seen.modules or ()]
