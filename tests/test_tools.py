"""The scripts of ``tools/`` and ``evidence/tools/``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]
TOOLS = sorted([*_ROOT.glob("tools/*.py"), *_ROOT.glob("evidence/tools/*.py")])

#: What `python tools/NAME.py` does first: the script's folder is on the path, and the root is not. Each has a
#: process, which is a copy of one that has what most of them import of the package.
START = """
import os, runpy, sys
import pfnlab.checker.check, pfnlab.hunt.meeting.kernel_meeting, pfnlab.lab.running.qemu_machine

failed = False
for tool in sys.argv[1:]:
    sys.path[0] = os.path.dirname(tool)
    child = os.fork()
    if not child:
        runpy.run_path(tool, run_name="tool")
        sys.exit()
    if os.waitpid(child, 0)[1]:
        failed = True
        print(tool, file=sys.stderr, flush=True)
sys.exit(failed)
"""


def started(folder: Path, *tools: Path) -> tuple[int, str]:
    """The exit code and the errors of these tools, started in *folder*."""
    command = [sys.executable, "-c", START, *map(str, tools)]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    return answer.returncode, answer.stderr


def test_a_tool_finds_what_it_imports(tmp_path: Path) -> None:
    """From any folder."""
    assert (0, "") == started(tmp_path, *TOOLS)


def test_a_tool_that_finds_it_only_beside_another_is_told(tmp_path: Path) -> None:
    """Modules that one imports are not there for the next."""
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    (tmp_path / "here" / "sibling_of_one.py").touch()
    tools = [tmp_path / folder / "tool.py" for folder in ("here", "there")]
    for tool in tools:
        tool.write_text("import sibling_of_one\n")

    code, errors = started(tmp_path, *tools)

    assert 1 == code
    assert ["No module named 'sibling_of_one'", str(tools[1])] == [
        line.removeprefix("ModuleNotFoundError: ") for line in errors.splitlines()[-2:]
    ]
