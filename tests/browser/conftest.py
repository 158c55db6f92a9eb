"""A running explorer and a browser without a window.

They are asked for by `make test-browser`: a browser is not on every machine, and it takes its time.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if os.environ.get("PFNLAB_BROWSER") != "required":
    collect_ignore_glob = ["test_*.py"]
else:
    from looking import Looker
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of an explorer, with its token."""
    command = [sys.executable, "-m", "pfnlab", "explore", "--no-browser"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    yield process.stderr.readline().split()[-1]
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The distribution's browser, driven."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        raise RuntimeError("chromium or chromedriver is missing: run tools/install-missing browser")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    words = ("--headless=new", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1")
    for word in (*words, "--no-sandbox", "--disable-dev-shm-usage", "--force-prefers-reduced-motion"):
        options.add_argument(word)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('browser')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options, Service(driver))
    chrome.set_script_timeout(60)
    yield chrome
    chrome.quit()


@pytest.fixture
def page(chromium: Any, address: str, tmp_path: Path) -> Iterator[Any]:
    """The page, new; at the end nothing was said in the browser's console."""
    folder = Path(os.environ["PFNLAB_PICTURES"]) if "PFNLAB_PICTURES" in os.environ else tmp_path
    base, _, fragment = address.partition("#")
    token = re.search(r"token=([^&]+)", fragment)
    assert token is not None
    looker = Looker(chromium, base, token[1], folder)
    looker.size(1400, 1000)
    looker.dark(False)
    yield looker
    said = [entry for entry in chromium.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert [] == said
