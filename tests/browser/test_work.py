"""Work that takes long: it is said, can be stopped, and is given up for what is asked next."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import starting
from heavy_work import HEAVY

PER_VMA = Path(__file__).parents[2] / "docs" / "own-policy" / "per_vma.py"
SMALL = "pfnlab program 1\ntitle Small\ndevice bar: pci, 4 pages\n\na = mmap bar[0:4] wc shared rw\n"


def test_long_work_is_said_and_stopped(page: Any) -> None:
    """A button stops it, and another one begins it anew."""
    page.open(program="munmap-middle")
    page.write(HEAVY)
    page.until(lambda: page.one("#stop").is_displayed())
    assert [] == page.violations()

    page.one("#stop").click()

    page.until(lambda: "Stopped after" in page.text("#says"))
    assert not page.one("#working").is_displayed()
    assert [] == page.violations()
    page.one("#anew").click()
    page.until(lambda: page.one("#stop").is_displayed())
    page.one("#stop").click()


def test_what_was_worked_out_before_can_still_be_walked(page: Any) -> None:
    """Where the work on a new text was stopped: the steps of the earlier one, and its pictures, pale."""
    page.open(program="munmap-middle", on="model:6.1")
    page.until(lambda: "step 1 of 4" in page.text("#picture"))
    page.write(HEAVY)
    page.until(lambda: page.one("#stop").is_displayed())
    page.one("#stop").click()
    page.until(lambda: "Stopped after" in page.text("#says"))

    page.one("#after").click()

    page.until(lambda: "Step 2 of 4" in page.text("#says"))
    page.until(lambda: "step 2 of 4" in page.text("#picture"))
    assert "old" in page.one("#picture").get_attribute("class").split()


def test_what_is_written_meanwhile_is_answered(page: Any) -> None:
    """Nobody waits for a text that was changed."""
    page.open(program="munmap-middle")
    page.write(HEAVY)
    page.until(lambda: page.one("#stop").is_displayed())

    page.write(SMALL)

    page.until(lambda: "Step 1 of 2" in page.text("#says"))
    page.until(lambda: not page.one("#working").is_displayed())


def test_a_policy_that_was_edited_is_shown_when_one_comes_back(chromium: Any, tmp_path: Path) -> None:
    """The window has the focus again, and shows the file as it is now."""
    file = tmp_path / "mine.py"
    shutil.copy(PER_VMA, file)
    with starting.explorer("munmap-middle", "--on", f"model:7.2,tracker={file}") as address:
        page = starting.looker(chromium, address, tmp_path)
        page.open(program="munmap-middle", on=f"model:7.2,tracker={file}", step=4)
        page.until(lambda: "Step 4 of 4" in page.text("#says"))
        assert "no_leak" not in page.one("#timeline").text

        file.write_text(file.read_text(encoding="utf-8").replace("self.shrink(vma.pfnmap, None)", "pass"))
        page.script("window.dispatchEvent(new Event('focus'))")

        page.until(lambda: "no_leak" in page.one("#timeline").text)


def test_a_policy_that_is_broken_meanwhile_is_said_and_mended(chromium: Any, tmp_path: Path) -> None:
    """What the file said before is pale then; once it is a policy again, it is shown."""
    file = tmp_path / "mine.py"
    shutil.copy(PER_VMA, file)
    text = file.read_text(encoding="utf-8")
    with starting.explorer("munmap-middle", "--on", f"model:7.2,tracker={file}") as address:
        page = starting.looker(chromium, address, tmp_path)
        page.open(program="munmap-middle", on=f"model:7.2,tracker={file}", step=4)
        page.until(lambda: "Step 4 of 4" in page.text("#says"))

        file.write_text("def (", encoding="utf-8")
        page.script("window.dispatchEvent(new Event('focus'))")

        page.until(lambda: "old" in page.one("#picture").get_attribute("class"))
        assert "mine.py" in page.text("#says")
        file.write_text(text, encoding="utf-8")
        page.script("window.dispatchEvent(new Event('focus'))")
        page.until(lambda: "Step 4 of 4" in page.text("#says"))
