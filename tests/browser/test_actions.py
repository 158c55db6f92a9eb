"""Files saved and links shared in the browser, and the sample of a bundle."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def folder(page: Any, tmp_path: Path) -> Path:
    """The folder of downloads."""
    page.driver.execute_cdp_cmd(
        "Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    return tmp_path


def shown(page: Any) -> None:
    """A step with its picture."""
    page.open(program="munmap-middle", on="model:6.1", step=3)
    page.until(lambda: page.all("#picture svg"))


def saved(page: Any, path: Path) -> str:
    """The text of a download."""
    page.until(path.is_file)
    time.sleep(0.1)
    return path.read_text(encoding="utf-8")


def test_a_picture_is_saved(page: Any, folder: Path) -> None:
    """As a file of its own, with its colours."""
    shown(page)

    page.one("#save-picture").click()

    text = saved(page, folder / "munmap-middle-step-3.svg")
    assert text.startswith("<svg") and "<style>" in text and "LEAKED" in text


def test_a_program_is_saved(page: Any, folder: Path) -> None:
    """As the editor has it."""
    shown(page)

    page.one("#save-program").click()

    assert saved(page, folder / "munmap-middle.pfn").startswith("pfnlab program 1\n")
    assert "Saved as munmap-middle.pfn." == page.text("#done")


def test_a_link_names_the_place_and_no_token(page: Any) -> None:
    """Program, machine and step."""
    shown(page)
    page.script("navigator.clipboard.writeText = async (text) => { window.copied = text; }")

    page.one("#copy-link").click()

    page.until(lambda: page.script("return window.copied"))
    link = page.script("return window.copied")
    assert "program=munmap-middle" in link and "step=3" in link
    assert "token" not in link


def test_a_sample_bundle_is_opened(page: Any) -> None:
    """It comes with the page, and is read as any other."""
    page.open(view="bundle")

    page.one("#bundle-sample").click()

    page.until(lambda: "Leaked reservation" in page.text("#findings"))
    assert page.text("#bundle-said").startswith("sample.bundle: ")
    assert [] == page.violations()
