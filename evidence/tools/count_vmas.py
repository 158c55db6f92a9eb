"""Count the VMAs in a guest that map PFNs, and how many of them are tracked.

``count_vmas.py KERNEL... [--write]`` boots a guest with each kernel (a name from `pfnlab kernels list`). The
guest counts the VMAs in all its processes three times: after booting, with one process that maps a BAR
through its resource file, and with a second one that maps a BAR through vfio-pci. ``--write`` puts the table
into ``docs/evidence/vmas.md``.

Exit codes: 0 counted, 3 a guest did not end.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from own_guest import compile_in
from page_tables import put, table
from run_selftest import console_with

from pfnlab.base.errors import PfnlabError, Undecided
from pfnlab.lab.images.kernels import kernel_for

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "evidence" / "vmas.md"
INIT = Path(__file__).with_name("count_vmas.c")

#: The marks around the table in the page.
BEGIN = "<!-- counts: `python evidence/tools/count_vmas.py 6.1 6.12 --write` -->\n"
END = "<!-- end of counts -->\n"

_COUNTS = ("processes", "vmas", "pfnmap", "tracked")
_LINE = re.compile(
    r"^count (?P<what>\w+) " + " ".join(rf"{name} (?P<{name}>\d+)" for name in _COUNTS), re.MULTILINE
)
_SAID = {"booted": "-", "resource": "`resource4_wc`", "vfio": "and vfio-pci"}


class VmaCount(NamedTuple):
    """The VMAs in a guest at one moment.

    :param what: what its processes map: ``booted`` for no device mappings
    :param pfnmap: VMAs with VM_PFNMAP
    :param tracked: VMAs with VM_PAT
    """

    what: str
    processes: int
    vmas: int
    pfnmap: int
    tracked: int


def main(arguments: Sequence[str]) -> int:
    """Count in a guest with each kernel, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernels", nargs="+", metavar="KERNEL", help="6.1, 6.12")
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    asked = parser.parse_args(arguments)
    rows = {}
    try:
        with tempfile.TemporaryDirectory(prefix="pfnlab-count-") as name:
            program = compiled(Path(name))
            for series in asked.kernels:
                kernel = kernel_for(series)
                rows[kernel.version] = counts_of(console_with(kernel, program, Path(name)))
    except PfnlabError as trouble:
        print(trouble, file=sys.stderr)
        return 3
    print(table_of(rows), end="")
    if asked.write:
        put(PAGE, (BEGIN, END), table_of(rows))
    return 0


def compiled(into: Path) -> bytes:
    """Return the guest's first process, compiled.

    :raises Undecided: if it does not compile
    """
    command = ["gcc", "-O2", "-Wall", "-static", "-o", "init", str(INIT)]
    compile_in(into, command, "apt-get install gcc libc6-dev")
    return (into / "init").read_bytes()


def counts_of(console: str) -> list[VmaCount]:
    """Return the counts a guest printed, in order.

    :raises Undecided: if one is missing
    """
    found = [
        VmaCount(seen["what"], *(int(seen[name]) for name in _COUNTS)) for seen in _LINE.finditer(console)
    ]
    if [counted.what for counted in found] != list(_SAID):
        raise Undecided(f"the guest did not count all: {console.strip()[-300:]}")
    return found


def table_of(rows: dict[str, list[VmaCount]]) -> str:
    """Make a table with one row per kernel and moment."""
    return table(
        ["kernel", "mapped", "processes", "VMAs", "with PFNs", "tracked"],
        [
            [version, _SAID[one.what], *map(str, one[1:])]
            for version, counts in rows.items()
            for one in counts
        ],
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
