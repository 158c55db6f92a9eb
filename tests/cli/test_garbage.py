"""No input ends in a traceback."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from asking import PROGRAM
from hypothesis import given, settings
from hypothesis import strategies as st

from pfnlab.cli import main

WORDS = st.sampled_from(
    [
        "run",
        "fmt",
        "kernels",
        "policies",
        "list",
        "show",
        "--on",
        "--json",
        "--steps",
        "--check",
        "--profile",
        "--promote",
        "--version",
        "--help",
        "-",
        "--",
        "model:",
        "model:7.2",
        "qemu:",
        ".",
        "model:7.2,tracker=",
        "model:7.2,",
        "vm_pat",
        "6.1",
        "/dev/null",
        "middle.pfn",
        "qemu:.",
        "--on=",
        "�",
    ]
)


@pytest.mark.target("long")
@settings(max_examples=300)
@given(argv=st.lists(st.one_of(WORDS, st.text(max_size=8)), max_size=6))
def test_garbage_never_is_a_defect(argv: list[str], tmp_path: Path) -> None:
    """Whatever is typed, the answer is a verdict or misuse, never a traceback."""
    (tmp_path / "middle.pfn").write_text(PROGRAM)
    before, stdin = Path.cwd(), sys.stdin

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "stdin", io.StringIO("\udcff" if "--" in argv else "odd"))
        os.chdir(tmp_path)
        try:
            main(argv)
        finally:
            os.chdir(before)

    assert sys.stdin is stdin
    assert ended.value.code in (0, 1, 2)
