"""The modules that commands import: the time from their start to their first work is mostly theirs.

Modules are counted, for a time says more of the machine. ``evidence/benchmarks/start.py`` measures the time.
"""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

from for_each import for_each

#: Packages that take longer to import than a small program runs.
_HEAVY = frozenset(
    {
        *("rich", "importlib.metadata", "asyncio", "multiprocessing"),
        *("urllib.request", "sqlite3", "dask", "distributed", "drgn", "pandas", "polars"),
    }
)

_LINE = "x86/PAT: Xorg:1234 freeing invalid memtype [mem 0xf8004000-0xf8007fff]"


class StartCase(NamedTuple):
    """A command, and what it may import.

    :param most: the most modules of pfnlab; a few more than there are
    :param without: what it does without
    """

    words: tuple[str, ...]
    most: int
    without: frozenset[str] = _HEAVY


_CASES = [
    StartCase(("--version",), 13, _HEAVY | {"msgspec", "argparse"}),
    StartCase(("--help",), 16, _HEAVY | {"msgspec"}),
    StartCase(("check", "--help"), 29, _HEAVY),
    StartCase(("run", "munmap-middle", "--on", "model:7.2"), 252),
    StartCase(("litmus", "list"), 28),
    StartCase(("explain", _LINE), 65),
    StartCase(("kernels", "list"), 49),
    StartCase(("litmus", "show", "munmap-middle"), 61),
]

_CODE = """
import sys
from pfnlab.cli import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    code = ended.code
print(code, *sys.modules, file=sys.stderr)
"""


def imported(*words: str) -> set[str]:
    """The modules that a command has imported at its end."""
    command = [sys.executable, "-c", _CODE, *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    code, *modules = ended.stderr.splitlines()[-1].split()
    assert code in ("0", "1")
    return {*modules}


@for_each("case", _CASES)
def test_a_command_imports_what_it_needs(case: StartCase) -> None:
    """Nothing heavy, and no more of pfnlab than it has work for."""
    modules = imported(*case.words)

    own = sorted(name for name in modules if name.partition(".")[0] == "pfnlab")
    assert set() == case.without & modules
    assert case.most >= len(own), own


def test_what_is_heavy_is_noticed() -> None:
    """Where it is needed."""
    assert "argparse" in imported("bugs", "--help")
