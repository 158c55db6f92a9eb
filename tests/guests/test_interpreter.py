"""The archive of this Python is enough to run pfnlab where there is nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.guests.interpreter import interpreter, module_paths, write_interpreter


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can change the root folder")
def test_the_archive_alone_runs_pfnlab(tmp_path: Path) -> None:
    """In a root folder with nothing else in it."""
    archive, root = tmp_path / "python.tar", tmp_path / "root"
    write_interpreter(archive)
    root.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", root], check=True, timeout=60)

    done = subprocess.run(
        [interpreter(), "-c", "import msgspec, pfnlab.cli.reader; print('here')"],
        env={"PYTHONPATH": ":".join(map(str, module_paths()))},
        preexec_fn=lambda: os.chroot(root),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ("here\n", "") == (done.stdout, done.stderr)
