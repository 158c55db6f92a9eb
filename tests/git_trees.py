"""Small git trees for tests."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


def commits_in_a_row(folder: Path, titles: Sequence[str]) -> Path:
    """A tree with a commit of each title, the oldest first, which the tag ``vTITLE`` names too."""
    folder.mkdir()
    _git(folder, "init", "-q")
    for title in titles:
        (folder / "Makefile").write_text(f"{title}\n", encoding="utf-8")
        _git(folder, "add", "-A")
        _git(folder, "commit", "-qm", title)
        _git(folder, "tag", f"v{title}")
    return folder


def _git(folder: Path, *arguments: str) -> None:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
