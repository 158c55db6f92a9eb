"""Measure how much code there is to understand: ``measure_house.py [CHECKOUT...]``, one column per checkout.

Counts the lines of Python below src, and how many are code, i.e. not docstrings, comments or blank lines.
Imported modules, and rooms whose functions run, come from running the checkout's own command in a separate
process.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parents[2]

#: Runs a command and prints the pfnlab modules it imports, and those whose functions ran.
_WATCH = """
import contextlib, io, json, sys
ran = set()

def note(frame, event, _):
    # A function, not the body of a module or a class, which runs where it is imported.
    if event == "call" and frame.f_code.co_flags & 1:
        ran.add(frame.f_code.co_filename)

sys.setprofile(note)
from pfnlab.cli import main
sys.argv[0] = "pfnlab"
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
sys.setprofile(None)
ours = [module for name, module in sys.modules.items() if name.split(".")[0] == "pfnlab"]
files = [module.__file__ for module in ours if getattr(module, "__file__", None)]
print(json.dumps([files, sorted(ran & set(files))]))
"""

LINE = "x86/PAT: Xorg:1234 freeing invalid memtype [mem 0xf8004000-0xf8007fff]"


def code_lines(path: Path) -> int:
    """Return how many lines in a file are not docstrings, comments or blank."""
    text = path.read_text(encoding="utf-8")
    said: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if first is not None and ast.get_docstring(node, clean=False) is not None:
                said.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return sum(
        number not in said and bool(line.strip()) and not line.lstrip().startswith("#")
        for number, line in enumerate(text.splitlines(), 1)
    )


def lines_in(files: list[str]) -> int:
    return sum(len(Path(file).read_text(encoding="utf-8").splitlines()) for file in files)


def ran(checkout: Path, *words: str) -> tuple[list[str], list[str]]:
    """Return the files that a command imports, and the files whose functions run."""
    done = subprocess.run(
        [sys.executable, "-c", _WATCH, *words],
        env={**os.environ, "PYTHONPATH": str(checkout / "src")},
        cwd=checkout,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    imported, used = json.loads(done.stdout.splitlines()[-1])
    return imported, used


def measured(checkout: Path) -> dict[str, int]:
    """Return the figures for one checkout, by name."""
    source = checkout / "src" / "pfnlab"
    files = sorted(source.rglob("*.py"))
    shown = [entry for entry in source.iterdir() if entry.name[0] != "_" and entry.suffix in ("", ".py")]
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=checkout, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    tests = [checkout / name for name in tracked if name.startswith("tests/") and name.endswith(".py")]
    _, middle = ran(checkout, "run", "munmap-middle")
    return {
        "lines of Python in src": lines_in([str(file) for file in files]),
        "of these code": sum(map(code_lines, files)),
        "modules": len(files),
        "folders and modules in src/pfnlab": len(shown),
        "root folders": len({name.split("/")[0] for name in tracked if "/" in name and name[0] != "."}),
        "lines of tests": lines_in([str(file) for file in tests]),
        "modules that work in run munmap-middle": len(middle),
        "rooms that work in it": len({str(Path(file).parent) for file in middle}),
        "lines imported by explain": lines_in(ran(checkout, "explain", LINE)[0]),
        "lines imported by inspect": lines_in(ran(checkout, "inspect")[0]),
    }


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkouts", nargs="*", type=Path, default=[_HERE])
    tables = [measured(checkout.resolve()) for checkout in parser.parse_args().checkouts]
    for name in tables[0]:
        print(f"{name:<40}" + "".join(f"{table[name]:>12,}" for table in tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
