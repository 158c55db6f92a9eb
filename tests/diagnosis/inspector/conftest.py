"""The made-up machine of the inspector's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_root import fake_root


@pytest.fixture
def machine_root(tmp_path: Path) -> Path:
    """A folder that mirrors the root of a machine (:mod:`fake_root`)."""
    return fake_root(tmp_path / "root")
