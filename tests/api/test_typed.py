"""The reports of type checkers on code that uses `import pfnlab`."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api as mypy

#: A line of a program, and what is wrong with it; "" where nothing is.
LINES = [
    ("a = m.mmap('bar[0:16]', 'wc')", ""),
    ("m.munmap(a[4:8])", ""),
    ("modes: list[str] = [entry.mode for entry in m.book]", ""),
    ("holds: bool = pl.check(depth=2)['no_leak'].vacuous", ""),
    ("m.mmap('bar[0:16]', 'cw')", "incompatible type \"Literal['cw']\""),
    ("m.munmap(3)", 'incompatible type "int"; expected "Pages | str"'),
    ("m.munmop(a)", 'has no attribute "munmop"'),
    ("pl.machin()", "Module has no attribute"),
]


@pytest.mark.target("long")
@pytest.mark.timeout(290)
def test_right_lines_pass_and_wrong_ones_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In strict mode."""
    source = Path(__file__).parents[2] / "src"
    monkeypatch.setenv("MYPYPATH", str(source))
    page = tmp_path / "uses.py"
    page.write_text("\n".join(["import pfnlab as pl", "m = pl.machine()", *(line for line, _ in LINES), ""]))
    # Types of the package itself are checked elsewhere, with a cache that this may use.
    cache = source.parent / ".mypy_cache"

    said, trouble, _ = mypy.run(["--strict", "--cache-dir", str(cache), "--config-file", "", str(page)])

    assert "" == trouble
    errors = {int(line.split(":")[1]): line for line in said.splitlines() if ": error: " in line}
    for number, (line, wrong) in enumerate(LINES, 3):
        assert (wrong in errors[number]) if wrong else number not in errors, (line, said)
