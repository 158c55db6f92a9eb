"""Report goldens: ``tools/golden_reports.py`` lists those that changed, ``--write`` stores them.

Review the changes before keeping them: ``git diff tests/present/document/golden``.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"


def main(words: list[str]) -> int:
    """Return 0 if nothing changed or everything was written, else 1."""
    sys.path[:0] = [str(TESTS), str(TESTS / "present" / "document")]
    samples = importlib.import_module("sample_reports")
    texts, kept = samples.goldens(), samples.GOLDEN
    old = {path.name: path.read_text(encoding="utf-8") for path in kept.glob("*.*")}
    changed = sorted(name for name in {*texts, *old} if texts.get(name) != old.get(name))
    for name in changed:
        print(name)
        if "--write" in words:
            if name in texts:
                (kept / name).write_text(texts[name], encoding="utf-8")
            else:
                (kept / name).unlink()
    return 0 if "--write" in words else int(bool(changed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
