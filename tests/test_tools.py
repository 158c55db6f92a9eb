"""The scripts of ``tools/`` and ``evidence/tools/``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from for_each import for_each

_ROOT = Path(__file__).parents[1]
TOOLS = sorted([*_ROOT.glob("tools/*.py"), *_ROOT.glob("evidence/tools/*.py")])

#: What `python tools/NAME.py` does first: the script's folder is on the path, and the root is not.
START = "import runpy, sys; sys.path[0] = sys.argv[1]; runpy.run_path(sys.argv[2], run_name='tool')"


@for_each("tool", TOOLS, ids=lambda path: path.stem)
def test_a_tool_finds_what_it_imports(tool: Path, tmp_path: Path) -> None:
    """From any folder."""
    answer = subprocess.run(
        [sys.executable, "-c", START, str(tool.parent), str(tool)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (0, "") == (answer.returncode, answer.stderr)
