"""A running explorer and a browser without a window.

``make test-browser`` asks for them: a browser is not on every machine, and it takes its time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import starting


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of an explorer, with its token."""
    with starting.explorer() as address:
        yield address


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The distribution's browser, driven."""
    with starting.browser(tmp_path_factory.mktemp("browser")) as chrome:
        yield chrome


@pytest.fixture
def page(chromium: Any, address: str, tmp_path: Path) -> Iterator[Any]:
    """The page, new; at the end nothing was said in the browser's console."""
    folder = Path(os.environ["PFNLAB_PICTURES"]) if "PFNLAB_PICTURES" in os.environ else tmp_path
    looker = starting.looker(chromium, address, folder)
    looker.size(1400, 1000)
    looker.dark(False)
    yield looker
    said = [entry for entry in chromium.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert [] == said
