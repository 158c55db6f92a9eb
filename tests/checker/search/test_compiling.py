"""Going without a compiler; test_compiled.py compiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfnlab.checker.search.compiling import compiled
from pfnlab.errors import MissingTool


def test_no_cython_is_a_missing_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the remedy."""
    monkeypatch.setattr("pfnlab.extras.find_spec", lambda name: None)

    source = tmp_path / "any.py"
    source.touch()
    source.with_suffix(".pxd").touch()

    with pytest.raises(MissingTool, match=r"pip install 'pfnlab\[fast\]'"):
        compiled(source, tmp_path / "cache")
