"""``git bisect run pfnlab try``: a small history of a tree, and the commit that is to blame."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: Runs ``pfnlab try`` with kernels that are models: the file ``rules`` of a tree says which.
SCRIPT = """
import sys

sys.path[:0] = {folders!r}
from test_trying import Guest, build

from pfnlab.cli import main
from pfnlab.lab.running import qemu_machine
from pfnlab.hunt.meeting import holding, trial

trial.kernel_of_tree = build
qemu_machine.QemuMachine = Guest
holding.walker_programs = dict
main(["try", ".", "--like", "7.2", "--programs", "1", "--litmus", {litmus!r}])
"""

#: What each commit makes of the tree: two in the middle do not build, a later one leaves out a flush.
HISTORY = {
    "first": "7.2",
    "second": "7.2",
    "unbuilt": None,
    "unbuilt too": None,
    "mended": "7.2",
    "culprit": "7.2,flush=none",
    "last": "7.2,flush=none",
}

MIDDLE = "pfnlab program 1\ndevice bar: pci, 1 page\n\na = mmap bar[0:1] wc shared rw populate\nmunmap a\n"


def git(tree: Path, *words: str) -> str:
    """What git says."""
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *words], cwd=tree, capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


@pytest.mark.target("long")
def test_the_culprit_of_a_history(tmp_path: Path) -> None:
    """A commit that does not build is skipped, and the one that brought the difference is found."""
    tree, litmus = tmp_path / "linux", tmp_path / "litmus"
    tree.mkdir()
    litmus.mkdir()
    (litmus / "middle.pfn").write_text(MIDDLE)
    script = tmp_path / "try.py"
    tests = Path(__file__).parents[1]
    folders = [str(tests / "cli"), str(tests), str(tests / "lab")]
    script.write_text(SCRIPT.format(folders=folders, litmus=str(litmus)))
    git(tree, "init", "-q")
    for name, rules in HISTORY.items():
        (tree / "note").write_text(name)
        (tree / "rules").unlink(missing_ok=True)
        if rules is not None:
            (tree / "rules").write_text(rules)
        git(tree, "add", "-A")
        git(tree, "commit", "-q", "-m", name)
    git(tree, "bisect", "start", "HEAD", f"HEAD~{len(HISTORY) - 1}")

    git(tree, "bisect", "run", sys.executable, str(script))

    log = git(tree, "bisect", "log").splitlines()
    assert log[-1].startswith("# first bad commit: ") and log[-1].endswith("] culprit")
    assert any(line.startswith("# skip: ") and "] unbuilt" in line for line in log)
