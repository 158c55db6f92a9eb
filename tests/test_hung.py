"""The end of a test that its own limit does not end."""

import subprocess
import sys
from pathlib import Path

HUNG = """
import time

import hung

hung.GRACE = 0.2


def test_that_hangs():
    until = time.monotonic() + {seconds}
    while time.monotonic() < until:
        try:
            time.sleep(0.01)
        except BaseException:
            pass


def test_that_follows():
    pass
"""


def run(folder: Path, limit: float, seconds: float) -> tuple[str, str]:
    """What pytest prints of a test of so many seconds that swallows what its limit raises, and the errors."""
    (folder / "test_hung.py").write_text(HUNG.format(seconds=seconds))
    (folder / "pytest.ini").write_text(f"[pytest]\ntimeout = {limit}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "hung", "-q", "-n", "1", "--rootdir", folder, folder],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=100,
    )
    return done.stdout, done.stderr


def test_a_test_that_goes_on_beyond_its_limit_is_named(tmp_path: Path) -> None:
    """With the place where it hangs; the tests behind it run in another process."""
    said, errors = run(tmp_path, limit=0.3, seconds=30)

    assert "crashed while running 'test_hung.py::test_that_hangs'" in said
    assert "1 failed, 1 passed" in said
    assert "in test_that_hangs" in errors


def test_a_test_within_its_limit_passes(tmp_path: Path) -> None:
    """However often it swallows errors of its own."""
    said, errors = run(tmp_path, limit=50, seconds=0.1)

    assert "2 passed" in said
    assert "test_that_hangs" not in errors
