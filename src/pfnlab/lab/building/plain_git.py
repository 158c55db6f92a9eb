"""git as if nobody had configured it, for what others wrote: no home, no repository, and limits."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pfnlab.base.errors import MissingTool
from pfnlab.lab.images.tools import run

#: The most memory of each git process, in KiB, and the largest file that it writes, in blocks of 512 bytes.
_MOST_MEMORY, _MOST_FILE = 1 << 20, 1 << 18
_LIMIT = 60.0

_SETTINGS: Mapping[str, str] = {
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_DIR": "/dev/null",
    "LC_ALL": "C",
}


def plain_git(script: str, *words: str, folder: Path, remedy: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the shell with git commands in *folder*; the caller checks the exit status.

    :param words: its arguments
    :param remedy: what to do if it takes longer than a minute
    :raises MissingTool: if git is not installed
    :raises TimedOut: if it takes longer
    """
    if shutil.which("git") is None:
        raise MissingTool("`git` is not on this machine: it reads mails and applies patches: install git")
    variables = {"PATH": os.environ.get("PATH", os.defpath), **_SETTINGS}
    settings = [f"{name}={value}" for name, value in variables.items()]
    limited = f"ulimit -v {_MOST_MEMORY} 2>/dev/null; ulimit -f {_MOST_FILE} 2>/dev/null; {script}"
    command = ["env", "-i", *settings, "sh", "-c", limited, "sh", *words]
    return run(command, limit=_LIMIT, remedy=remedy, cwd=folder)
