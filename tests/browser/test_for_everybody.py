"""Every view for everybody: dark or light, on a screen or a phone, by keyboard alone, and read aloud."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hostile_bundle import LEAK
from selenium.webdriver.common.keys import Keys

TWO = ["model:6.1", "model:7.3"]


def steps(page: Any) -> None:
    """Two machines, the step where they differ, and the table."""
    page.open(program="munmap-middle", on=TWO, step=3)
    page.until(lambda: page.all("#picture svg"))
    page.script("document.querySelector('#table').open = true")


def rule(page: Any) -> None:
    """The rule behind a part."""
    page.open(program="munmap-middle", on="model:6.1", step=2)
    page.until(lambda: page.all("#picture svg"))
    page.press(Keys.ARROW_DOWN)
    page.press(Keys.ENTER)
    page.until(lambda: page.one("#rule").is_displayed())


def wrong(page: Any) -> None:
    """A program with a mistake."""
    page.open(program="munmap-middle")
    page.write("pfnlab program 1\ntitle x\ndevice bar: pci, 4 pages\n\na = mmapp bar[0:4] wc shared rw\n")
    page.until(lambda: page.all(".cm-mistake"))


def graph(page: Any) -> None:
    """A state of the graph where something is violated."""
    page.open(view="graph", on="model:6.1", scope="small")
    page.until(lambda: page.all("#next button"))
    page.script("document.querySelector('#next button').click()")
    page.until(lambda: page.all("#next .violates"))
    page.script("document.querySelector('#next .violates').click()")
    page.until(lambda: "Violated here" in page.text("#says"))


def race(page: Any) -> None:
    """Lanes of processors."""
    page.open(program="race-fork-revoked", on="model:6.1", step=3)
    page.until(lambda: page.all("#lanes svg") and page.one("#race").is_displayed())


def quiz(page: Any) -> None:
    """A question."""
    page.open(program="munmap-middle", on="model:6.1", step=2)
    page.until(lambda: page.all("#picture svg"))
    page.press("q")
    page.until(lambda: "munmap a" == page.text("#quiz-op"))


def keys(page: Any) -> None:
    """The dialog of the keys."""
    page.open(program="munmap-middle", on="model:6.1")
    page.until(lambda: page.all("#picture svg"))
    page.press("?")
    page.until(lambda: page.one("#keys").is_displayed())


def bundle(page: Any) -> None:
    """A bundle, one of its devices, and a line that is explained."""
    page.open(view="bundle")
    page.one("#bundle-file").send_keys(str(LEAK))
    page.until(lambda: page.all("#devices button"))
    page.script("document.querySelector('#devices button').click()")
    page.until(lambda: "write-combining" in page.text("#device"))
    page.one("#lines").send_keys("x86/PAT: Xorg:1234 freeing invalid memtype [mem 0xf8004000-0xf8007fff]")
    page.script("document.querySelector('#lines-form button').click()")
    page.until(lambda: page.one("#explanation").is_displayed())


VIEWS: tuple[Callable[[Any], None], ...] = (steps, rule, wrong, graph, race, quiz, keys, bundle)


@pytest.mark.parametrize("width", [360, 900, 1600])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_every_view_is_for_everybody(page: Any, view: Callable[[Any], None], dark: bool, width: int) -> None:
    """Nothing that axe knows of is wrong, and nothing has to be moved sideways."""
    page.dark(dark)
    page.size(width, 800)

    view(page)

    assert [] == page.violations()
    assert not page.wide()


def test_axe_would_find_something(page: Any) -> None:
    """A picture without a name is one of what it finds."""
    steps(page)

    page.script("document.body.append(document.createElement('img'))")

    assert any("image-alt" in violation for violation in page.violations())


def test_the_tab_key_reaches_everything(page: Any) -> None:
    """In the order of the page: program, machine, steps, picture, table; and the editor can be left."""
    page.open(program="munmap-middle", on="model:6.1", step=2)
    page.until(lambda: page.all("#picture svg"))
    wanted = ["library", "cm-content", "which-0", "compare", "timeline", "picture", "table"]
    where = (
        "const at = document.activeElement; const names = arguments[0];"
        "return names.find((name) => at.classList.contains(name) || at.closest('#' + name)) || ''"
    )

    reached = []
    for _ in range(60):
        page.press(Keys.TAB)
        found = page.script(where, wanted)
        if found and found not in reached:
            reached.append(found)
        if found == "cm-content":
            page.press(Keys.ESCAPE)

    assert wanted == reached


def test_a_screen_reader_hears_every_part(page: Any) -> None:
    """Each part of the picture has a name of its own, which says what it is."""
    page.open(program="munmap-middle", on="model:6.1", step=3)
    page.until(lambda: page.all("#picture svg"))

    names = page.script(
        "return [...document.querySelectorAll('#picture [data-part]')]"
        ".map((part) => part.getAttribute('aria-label'))"
    )

    assert all(names)
    assert any("LEAKED" in name for name in names)


def test_what_happened_is_said_by_itself(page: Any) -> None:
    """The line above the steps, the mistake and the rule are told without being looked for."""
    page.open(program="munmap-middle", on="model:6.1")

    for part in ("says", "mistake", "search-said", "kernel-said", "quiz-said", "bundle-said"):
        assert "status" == page.script("return document.getElementById(arguments[0]).role", part)
    for part in ("rule", "explanation", "device"):
        live = page.script("return document.getElementById(arguments[0]).getAttribute('aria-live')", part)
        assert "polite" == live


def test_the_tab_key_reaches_all_of_a_bundle(page: Any) -> None:
    """In the order of the page: file, line, kernel, findings, devices, the answer."""
    bundle(page)
    wanted = ["bundle-file", "lines", "lines-kernel", "explanation", "findings", "devices", "device"]
    page.script("document.querySelector('#bundle-file').focus()")

    reached = [wanted[0]]
    for _ in range(40):
        page.press(Keys.TAB)
        found = page.script(
            "const at = document.activeElement;"
            "return arguments[0].find((name) => at.closest('#' + name)) || ''",
            wanted,
        )
        if found and found not in reached:
            reached.append(found)

    assert wanted == reached
