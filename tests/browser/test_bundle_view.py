"""A bundle in the browser: dropped or picked, its findings, a device, a line that is explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import starting
from hostile_bundle import LEAK, SCRIPT, hostile
from selenium.webdriver.common.keys import Keys

from pfnlab.diagnosis.inspector.sources.bundle import packed

LINE = "x86/PAT: Xorg:1234 freeing invalid memtype [mem 0xf8004000-0xf8007fff]"


def pick(page: Any, path: Path) -> None:
    """Pick a file, and wait for what is said of it."""
    page.one("#bundle-file").send_keys(str(path))
    page.until(lambda: path.name in page.text("#bundle-said"))
    page.until(lambda: not page.text("#bundle-said").startswith("Reading "))


def drop(page: Any, name: str, text: str) -> None:
    """Drop a file on the page."""
    page.script(
        "const files = new DataTransfer(); files.items.add(new File([arguments[1]], arguments[0]));"
        "for (const kind of ['dragover', 'drop']) document.body.dispatchEvent("
        "  new DragEvent(kind, {dataTransfer: files, bubbles: true, cancelable: true}));",
        name,
        text,
    )


def choose(page: Any, address: str) -> None:
    """Choose a device."""
    page.script(
        "const buttons = [...document.querySelectorAll('#devices button')];"
        "buttons.find((one) => one.textContent === arguments[0]).click()",
        address,
    )
    page.until(lambda: address in page.text("#device"))


def explain(page: Any, line: str) -> None:
    """Paste a line."""
    page.one("#lines").clear()
    page.one("#lines").send_keys(line)
    page.one("#lines-form button").click()
    page.until(lambda: page.one("#explanation").is_displayed())


def test_a_picked_bundle_shows_its_findings(page: Any) -> None:
    """What is wrong, with its bug, its evidence and the map of memory, and what was not looked at."""
    page.open(view="bundle")
    pick(page, LEAK)

    said = page.text("#findings")
    assert "Leaked reservation: 32 KiB of BAR 2 of 0000:00:10.0" in said
    assert "has A06; fixed in 6.16" in said
    assert "x86/PAT: main:78 freeing invalid memtype" in said
    assert "not inspected:" in said
    assert "reserved wc, 32 KiB" in page.text("#findings pre")
    assert page.text("#bundle-said").endswith("1 check skipped.")
    assert [] == page.violations()


def test_a_dropped_bundle_is_opened(page: Any) -> None:
    """Anywhere on its view."""
    page.open(view="bundle")

    drop(page, "host.bundle", LEAK.read_text(encoding="utf-8"))

    page.until(lambda: "Leaked reservation" in page.text("#findings"))
    assert page.text("#bundle-said").startswith("host.bundle: ")


def test_a_packed_bundle_is_opened(page: Any, tmp_path: Path) -> None:
    """As the collector packs it."""
    (tmp_path / "host.bundle.gz").write_bytes(packed(LEAK.read_bytes()))
    page.open(view="bundle")

    pick(page, tmp_path / "host.bundle.gz")

    assert "Leaked reservation" in page.text("#findings")


def test_a_finding_leads_to_the_program_that_makes_it(page: Any) -> None:
    """On the model of the bundle's kernel; back comes back to the findings."""
    page.open(view="bundle")
    pick(page, LEAK)

    page.one("#findings a").click()

    page.until(lambda: "Step 1 of 4" in page.text("#says"))
    assert "program=munmap-middle" in page.driver.current_url.replace("unmapping%2F", "")
    assert "on=model%3A6.1&" in f"{page.driver.current_url}&"
    page.driver.back()
    page.until(lambda: page.one("#findings").is_displayed())
    assert not page.one("#picture").is_displayed()


def test_a_device_is_asked_about(page: Any) -> None:
    """Whether all of it is write-combining; the one that was chosen is marked."""
    page.open(view="bundle")
    pick(page, LEAK)

    choose(page, "0000:00:10.0")

    assert "BAR 2 of 0000:00:10.0: write-combining, all of it: no." in page.text("#device")
    assert "hole" in page.text("#device")
    assert "0000:00:10.0" == page.text("#devices [aria-current]")
    assert [] == page.violations()


def test_a_bundle_that_another_page_closed_is_sent_again(page: Any) -> None:
    """Who opened it does not notice."""
    page.open(view="bundle")
    pick(page, LEAK)
    page.driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "fetch('/api/bundle?name=other', {method: 'POST', body: arguments[0], headers: {"
        "  'content-type': 'application/octet-stream',"
        "  authorization: 'Bearer ' + localStorage.getItem('pfnlab token')}}).then(() => done());",
        LEAK.read_text(encoding="utf-8"),
    )

    choose(page, "0000:00:10.0")

    assert "write-combining, all of it: no." in page.text("#device")


def test_a_line_is_explained(page: Any) -> None:
    """Without a bundle too; the program that makes it is a link."""
    page.open(view="bundle")

    explain(page, LINE)

    assert "DEPENDS: A process released a range without a reservation" in page.text("#explanation")
    assert "pfnlab run munmap-middle" == page.text("#explanation a")
    assert [] == page.violations()


def test_the_kernel_of_the_bundle_is_that_of_the_line(page: Any) -> None:
    """As long as nobody writes another one."""
    page.open(view="bundle")
    pick(page, LEAK)

    explain(page, LINE)

    assert "6.1.0-56-cloud-amd64 has A06" in page.text("#explanation")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x7fELF" + bytes(600), b"pfnlab-bundle 1\nfile /a\n"])
def test_what_is_no_bundle_is_said_in_a_line(page: Any, tmp_path: Path, content: bytes) -> None:
    """And nothing of the bundle before stays on the page."""
    page.open(view="bundle")
    pick(page, LEAK)
    (tmp_path / "other").write_bytes(content)

    pick(page, tmp_path / "other")

    assert "bad" in page.one("#bundle-said").get_attribute("class")
    assert not page.one("#findings").is_displayed()
    assert not page.all("#devices button")


def test_a_bundle_that_is_too_large_is_not_sent(page: Any, tmp_path: Path) -> None:
    """The page says what to do; the file need not be read for that."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate((128 << 20) + 1)
    page.open(view="bundle")

    pick(page, tmp_path / "large")

    assert "may have 128 MiB here: compress it with gzip" in page.text("#bundle-said")


def test_long_work_on_a_bundle_is_stopped(page: Any, tmp_path: Path) -> None:
    """A line that is asked about meanwhile does not stop it, the button does; the next bundle is opened."""
    lines = b"pfnlab-bundle 1\n" + b"".join(b"file /f/%d\n" % number for number in range(1_900_000))
    (tmp_path / "long").write_bytes(packed(lines + b"end %d\n" % lines.count(b"\n")))
    page.open(view="bundle")
    page.one("#bundle-file").send_keys(str(tmp_path / "long"))
    page.until(lambda: page.one("#bundle-stop").is_displayed())
    assert [] == page.violations()
    page.one("#lines").send_keys(LINE)
    page.one("#lines-form button").click()
    assert "Reading long." == page.text("#bundle-said")

    page.one("#bundle-stop").click()

    page.until(lambda: "Stopped: no bundle is open." == page.text("#bundle-said"))
    page.until(lambda: not page.one("#bundle-stop").is_displayed())
    pick(page, LEAK)
    assert "Leaked reservation" in page.text("#findings")


def test_the_bundle_of_the_command_line_is_open(chromium: Any, tmp_path: Path) -> None:
    """When the page is opened, and when it is loaded anew."""
    with starting.explorer("--bundle", str(LEAK)) as address:
        page = starting.looker(chromium, address, tmp_path)
        for _ in range(2):
            page.driver.get("about:blank")
            page.driver.get(address)
            page.until(lambda: "Leaked reservation" in page.text("#findings"))


def test_a_hostile_bundle_does_nothing(page: Any, tmp_path: Path) -> None:
    """Names of hosts, kernels, tasks, drivers and files are text, wherever they are shown."""
    path = tmp_path / "<img src=x onerror=document.title='got'>"
    path.write_bytes(hostile())
    page.open(view="bundle")
    pick(page, path)
    for address in page.script(
        "return [...document.querySelectorAll('#devices button')].map((one) => one.textContent)"
    ):
        choose(page, address)
        page.until(lambda: "write-combining" in page.text("#device"))
    explain(page, f"x86/PAT: {SCRIPT}:7 freeing invalid memtype [mem 0xf8004000-0xf8007fff]")

    assert "pfnlab explorer" == page.driver.title
    assert "document.title" in page.text("#findings") + page.text("#devices")
    assert not page.all("#bundle-showing :is(img, script, iframe, style, [style])")
    assert page.one("#bundle-showing").is_displayed()
    assert [] == page.violations()


def test_keys_reach_the_view_and_leave_it(page: Any) -> None:
    """b is the bundle, and back; keys of steps do nothing there, and in its field all are letters."""
    page.open(program="munmap-middle", on="model:6.1")
    page.until(lambda: "Step 1 of 4" in page.text("#says"))

    page.press("b")
    page.until(lambda: page.one("#bundle-asking").is_displayed())
    page.press(Keys.ARROW_RIGHT)
    page.one("#lines").send_keys("bg")
    assert page.one("#bundle-asking").is_displayed()
    page.leave_fields()
    page.press("b")
    page.until(lambda: page.one("#editor").is_displayed())
    assert "Step 1 of 4" in page.text("#says")


@pytest.mark.parametrize(("name", "width", "dark"), [("bundle", 1400, False), ("bundle-phone", 400, True)])
def test_the_view_can_be_read(page: Any, name: str, width: int, dark: bool) -> None:
    """On a screen and on a phone, light and dark."""
    page.size(width, 1200)
    page.dark(dark)
    page.open(view="bundle")
    pick(page, LEAK)

    assert not page.wide()
    if width < 500:
        page.script("document.querySelector('#findings').scrollIntoView()")
    page.keep(f"explorer-{name}")
