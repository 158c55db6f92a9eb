"""The actions of the browser's tests on the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

#: Seconds that anything on the page may take on a machine that is busy.
LIMIT = 60

AXE = Path(__file__).parent / "axe" / "axe.min.js"


class Looker:
    """One page in the browser.

    :param base: the address without what stands behind ``#``
    :param folder: where pictures of the page go
    """

    def __init__(self, driver: Any, base: str, token: str, folder: Path) -> None:
        self.driver, self.base, self.token, self.folder = driver, base, token, folder

    def open(self, **words: Any) -> None:
        """Open the page at a place, and wait until it shows something."""
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get(f"{self.base}#{urlencode([*self._words(words), ('token', self.token)])}")
        self.until(lambda: self.script("return document.documentElement.dataset.ready === 'yes'"))

    @staticmethod
    def _words(words: dict[str, Any]) -> list[tuple[str, str]]:
        pairs = []
        for word, value in words.items():
            pairs += [(word, str(one)) for one in (value if isinstance(value, list) else [value])]
        return pairs

    def size(self, width: int, height: int) -> None:
        """Make the page so many pixels wide and high, as a phone's where it is narrow."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )

    def dark(self, on: bool) -> None:
        """Prefer a dark page, or a light one."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if on else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def script(self, text: str, *words: Any) -> Any:
        """What a script says."""
        return self.driver.execute_script(text, *words)

    def until(self, true: Callable[[], Any]) -> Any:
        """Wait until *true* says something."""
        return WebDriverWait(self.driver, LIMIT, 0.05).until(lambda _: true())

    def one(self, css: str) -> Any:
        """The element that *css* selects."""
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[Any]:
        """Every element that *css* selects."""
        found: list[Any] = self.driver.find_elements(By.CSS_SELECTOR, css)
        return found

    def text(self, css: str) -> str:
        """The text of an element."""
        text: str = self.script("return document.querySelector(arguments[0]).textContent", css)
        return text

    def press(self, *keys: str) -> None:
        """Press keys where the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def leave_fields(self) -> None:
        """Take the focus out of every field."""
        self.script("document.activeElement.blur()")

    def write(self, text: str) -> None:
        """Put *text* in place of all that is in the editor, as somebody who types it would."""
        self.script(
            "const content = document.querySelector('.cm-content');"
            "const view = content.cmTile ? content.cmTile.view : content.cmView.rootView.view;"
            "view.dispatch({changes: {from: 0, to: view.state.doc.length, insert: arguments[0]}});",
            text,
        )

    def token_of_address(self) -> bool:
        """Whether the address still holds the token."""
        return "token" in self.driver.current_url

    def violations(self) -> list[str]:
        """What axe finds wrong for who cannot see, hear or point, in one line each."""
        self.script(AXE.read_text(encoding="utf-8"))
        found: Any = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(done);"
        )
        return [
            f"{item['id']}: {item['help']}: {[node['target'] for node in item['nodes']][:3]}"
            for item in found["violations"]
        ]

    def wide(self) -> bool:
        """Whether the page has to be moved sideways to be read."""
        return bool(self.script("return document.documentElement.scrollWidth > innerWidth + 1"))

    def keep(self, name: str) -> None:
        """Keep a picture of the page, without the empty part below it."""
        width, height, used = self.script(
            "const below = Math.max(...[...document.querySelectorAll('main > *')]"
            ".flatMap((part) => [...part.children]).map((one) => one.getBoundingClientRect().bottom));"
            "return [innerWidth, innerHeight, Math.ceil(below + 16)]"
        )
        self.size(width, min(height, used))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(self.folder / f"{name}.png"))
