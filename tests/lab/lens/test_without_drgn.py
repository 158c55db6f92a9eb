"""Without drgn everything but the drgn program itself still works, and what is missing is said."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pfnlab.base import extras
from pfnlab.base.errors import MissingTool
from pfnlab.lab.running.inside import need_lens

PARTS = ("btf", "elf", "kallsyms", "kdump", "memory", "plain", "vmlinux")


def test_types_and_memory_need_no_drgn() -> None:
    """
    These modules, and the model, import in an interpreter that has no drgn.
    """
    block = "import sys; sys.modules['drgn'] = sys.modules['zstandard'] = sys.modules['lz4'] = None; "
    names = ", ".join(f"pfnlab.lab.lens.{part}" for part in PARTS)

    subprocess.run(
        [sys.executable, "-c", f"{block}import {names}, pfnlab.programs.model.model_machine"], check=True
    )


def test_missing_drgn_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The error names what to install.
    """
    monkeypatch.setattr(extras, "find_spec", lambda name: None)

    with pytest.raises(MissingTool, match=r"pip install 'pfnlab\[lens\]'"):
        need_lens()
