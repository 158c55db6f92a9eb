"""An explorer and a browser without a window, for the tests, the pictures of the docs and the benchmark."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from looking import Looker
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

_WORDS = (
    *("--headless=new", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1"),
    *("--no-sandbox", "--disable-dev-shm-usage", "--force-prefers-reduced-motion"),
    # The browser asks nobody for updates, models or safe pages.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"),
)


@contextmanager
def explorer(*words: str) -> Iterator[str]:
    """The address of an explorer that runs, with its token."""
    command = [sys.executable, "-m", "pfnlab", "explore", "--no-browser", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        yield process.stderr.readline().split()[-1]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@contextmanager
def browser(folder: Path) -> Iterator[Any]:
    """The distribution's browser, driven; it keeps what it keeps in *folder*."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        raise RuntimeError("chromium or chromedriver is missing: run tools/install-missing browser")
    # Selenium would look for a driver elsewhere.
    os.environ["SE_OFFLINE"] = "true"
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for word in (*_WORDS, f"--user-data-dir={folder}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options, Service(driver))
    chrome.set_script_timeout(60)
    # Without a window a browser need not have the focus, and then no part of a page hears that it got it.
    chrome.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
    try:
        yield chrome
    finally:
        chrome.quit()


def looker(chrome: Any, address: str, folder: Path) -> Looker:
    """The page at *address*, not opened yet; pictures of it go into *folder*."""
    base, _, fragment = address.partition("#")
    token = re.search(r"token=([^&]+)", fragment)
    assert token is not None
    return Looker(chrome, base, token[1], folder)
