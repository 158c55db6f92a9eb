"""Make the pictures of the explorer in ``docs/pictures``: ``python tools/make_screenshots.py``.

The page's tests take them, so a picture always shows a working page. Review each one before keeping it: a
test does not notice that a page looks bad.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"


def main() -> int:
    """Run the browser tests, which store the pictures; return their exit code."""
    names = ("test_explorer.py", "test_steps.py", "test_bundle_view.py")
    tests = (str(ROOT / "tests" / "browser" / name) for name in names)
    words = ["-n0", *tests, *sys.argv[1:]]
    settings = {"PFNLAB_TARGET": "browser", "PFNLAB_PICTURES": str(PICTURES)}
    code = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, env={**os.environ, **settings}, check=False
    ).returncode
    for picture in sorted(PICTURES.glob("explorer-*.png")):
        print(f"{picture.stat().st_size >> 10:5} KiB  {picture.relative_to(ROOT)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
